"""CityHash64 of text, in the version 1.0.2 that CatBoost knows categories by.

Written from the description of the algorithm (G. Pike and J. Alakuijala, 2011); later versions give other numbers.
"""

from __future__ import annotations

__all__ = ["cityhash64"]

MASK = (1 << 64) - 1

K0, K1, K2, K3 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557
FACTOR = 0x9DDFEA08EB382D69


def cityhash64(text: bytes) -> int:
    """Hash some bytes.

    Parameters
    ----------
    text : bytes
        Of any length.

    Returns
    -------
    int
        From 0 to ``2**64 - 1``.

    Examples
    --------
    >>> hex(cityhash64(b""))
    '0x9ae16a3b2f90404f'
    """
    n = len(text)
    if n <= 16:
        return _up_to_16(text, n)
    if n <= 32:
        return _up_to_32(text, n)
    return _up_to_64(text, n) if n <= 64 else _longer(text, n)


def _word(text: bytes, at: int) -> int:
    return int.from_bytes(text[at : at + 8], "little")


def _turned(value: int, bits: int) -> int:
    """A number of 64 bits turned to the right."""
    value &= MASK
    return (value >> bits | value << (64 - bits)) & MASK


def _folded(value: int) -> int:
    value &= MASK
    return value ^ value >> 47


def _joined(low: int, high: int) -> int:
    """One hash of two."""
    first = _folded((low ^ high) * FACTOR)
    return _folded((high ^ first) * FACTOR) * FACTOR & MASK


def _up_to_16(text: bytes, n: int) -> int:
    if n > 8:
        last = _word(text, n - 8)
        return _joined(_word(text, 0), _turned(last + n, n)) ^ last
    if n >= 4:
        first, last = (int.from_bytes(text[at : at + 4], "little") for at in (0, n - 4))
        return _joined(n + (first << 3), last)
    if not n:
        return K2
    y, z = text[0] + (text[n >> 1] << 8), n + (text[-1] << 2)
    return _folded(y * K2 ^ z * K3) * K2 & MASK


def _up_to_32(text: bytes, n: int) -> int:
    a, b = _word(text, 0) * K1, _word(text, 8)
    c, d = _word(text, n - 8) * K2, _word(text, n - 16) * K0
    low = _turned(a - b, 43) + _turned(c, 30) + d
    return _joined(low & MASK, (a + _turned(b ^ K3, 20) - c + n) & MASK)


def _up_to_64(text: bytes, n: int) -> int:
    v = _chained(_word(text, 0) + (n + _word(text, n - 16)) * K0, _word(text, 8), _word(text, 16), _word(text, 24))
    w = _chained(_word(text, 16) + _word(text, n - 32), _word(text, n - 24), _word(text, n - 16), _word(text, n - 8))
    r = _folded((v[0] + w[1]) * K2 + (w[0] + v[1]) * K0)
    return _folded(r * K0 + v[1]) * K2 & MASK


def _chained(a: int, second: int, third: int, last: int) -> tuple[int, int]:
    b, c = _turned(a + last, 52), _turned(a, 37)
    a += second
    c += _turned(a, 7)
    a += third
    return (a + last) & MASK, (b + _turned(a, 31) + c) & MASK


def _longer(text: bytes, n: int) -> int:
    x, y, z = _word(text, 0), _word(text, n - 16) ^ K1, _word(text, n - 56) ^ K0
    v, w = _weak(text, n - 64, n, y), _weak(text, n - 32, n * K1, K0)
    z += _folded(v[1]) * K1
    x, y = _turned(z + x, 39) * K1, _turned(y, 33) * K1
    for at in range(0, n - 1 & ~63, 64):
        x = _turned(x + y + v[0] + _word(text, at + 16), 37) * K1 & MASK
        y = _turned(y + v[1] + _word(text, at + 48), 42) * K1 & MASK
        x, y = x ^ w[1], y ^ v[0]
        z = _turned(z ^ w[0], 33)
        v, w = _weak(text, at, v[1] * K1, x + w[0]), _weak(text, at + 32, z + w[1], y)
        x, z = z, x
    return _joined(_joined(v[0], w[0]) + _folded(y) * K1 + z & MASK, _joined(v[1], w[1]) + x & MASK)


def _weak(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """Mix 32 bytes into two numbers."""
    first, second, third, last = (_word(text, at + 8 * i) for i in range(4))
    a += first
    b = _turned(b + a + last, 21)
    c = a
    a += second + third
    return (a + last) & MASK, (b + _turned(a, 44) + c) & MASK
