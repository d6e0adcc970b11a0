"""CityHash64 of text, in the version 1.0.2 that CatBoost knows categories by.

Written from the description of the algorithm (G. Pike and J. Alakuijala, 2011); later versions give other numbers.
The helpers have its names, ``HashLen16`` being ``_hash_len_16`` and so on.
"""

from __future__ import annotations

__all__ = ["cityhash64"]

MASK = (1 << 64) - 1

K0, K1, K2, K3 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557
K_MUL = 0x9DDFEA08EB382D69


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
        return _hash_len_0_to_16(text, n)
    if n <= 32:
        return _hash_len_17_to_32(text, n)
    return _hash_len_33_to_64(text, n) if n <= 64 else _hash_len_65_and_more(text, n)


def _fetch64(text: bytes, at: int) -> int:
    return int.from_bytes(text[at : at + 8], "little")


def _rotate(value: int, bits: int) -> int:
    """A number of 64 bits turned to the right."""
    value &= MASK
    return (value >> bits | value << (64 - bits)) & MASK


def _shift_mix(value: int) -> int:
    value &= MASK
    return value ^ value >> 47


def _hash_len_16(low: int, high: int) -> int:
    """One hash of two."""
    first = _shift_mix((low ^ high) * K_MUL)
    return _shift_mix((high ^ first) * K_MUL) * K_MUL & MASK


def _hash_len_0_to_16(text: bytes, n: int) -> int:
    if n > 8:
        last = _fetch64(text, n - 8)
        return _hash_len_16(_fetch64(text, 0), _rotate(last + n, n)) ^ last
    if n >= 4:
        first, last = (int.from_bytes(text[at : at + 4], "little") for at in (0, n - 4))
        return _hash_len_16(n + (first << 3), last)
    if not n:
        return K2
    y, z = text[0] + (text[n >> 1] << 8), n + (text[-1] << 2)
    return _shift_mix(y * K2 ^ z * K3) * K2 & MASK


def _hash_len_17_to_32(text: bytes, n: int) -> int:
    a, b = _fetch64(text, 0) * K1, _fetch64(text, 8)
    c, d = _fetch64(text, n - 8) * K2, _fetch64(text, n - 16) * K0
    low = _rotate(a - b, 43) + _rotate(c, 30) + d
    return _hash_len_16(low & MASK, (a + _rotate(b ^ K3, 20) - c + n) & MASK)


def _hash_len_33_to_64(text: bytes, n: int) -> int:
    v = _hash_len_33_to_64_half(
        _fetch64(text, 0) + (n + _fetch64(text, n - 16)) * K0, _fetch64(text, 8), _fetch64(text, 16), _fetch64(text, 24)
    )
    w = _hash_len_33_to_64_half(
        _fetch64(text, 16) + _fetch64(text, n - 32),
        _fetch64(text, n - 24),
        _fetch64(text, n - 16),
        _fetch64(text, n - 8),
    )
    r = _shift_mix((v[0] + w[1]) * K2 + (w[0] + v[1]) * K0)
    return _shift_mix(r * K0 + v[1]) * K2 & MASK


def _hash_len_33_to_64_half(a: int, second: int, third: int, last: int) -> tuple[int, int]:
    b, c = _rotate(a + last, 52), _rotate(a, 37)
    a += second
    c += _rotate(a, 7)
    a += third
    return (a + last) & MASK, (b + _rotate(a, 31) + c) & MASK


def _hash_len_65_and_more(text: bytes, n: int) -> int:
    x, y, z = _fetch64(text, 0), _fetch64(text, n - 16) ^ K1, _fetch64(text, n - 56) ^ K0
    v, w = _weak_hash_len_32_with_seeds(text, n - 64, n, y), _weak_hash_len_32_with_seeds(text, n - 32, n * K1, K0)
    z += _shift_mix(v[1]) * K1
    x, y = _rotate(z + x, 39) * K1, _rotate(y, 33) * K1
    for at in range(0, n - 1 & ~63, 64):
        x = _rotate(x + y + v[0] + _fetch64(text, at + 16), 37) * K1 & MASK
        y = _rotate(y + v[1] + _fetch64(text, at + 48), 42) * K1 & MASK
        x, y = x ^ w[1], y ^ v[0]
        z = _rotate(z ^ w[0], 33)
        v, w = (
            _weak_hash_len_32_with_seeds(text, at, v[1] * K1, x + w[0]),
            _weak_hash_len_32_with_seeds(text, at + 32, z + w[1], y),
        )
        x, z = z, x
    return _hash_len_16(_hash_len_16(v[0], w[0]) + _shift_mix(y) * K1 + z & MASK, _hash_len_16(v[1], w[1]) + x & MASK)


def _weak_hash_len_32_with_seeds(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """Mix 32 bytes into two numbers."""
    first, second, third, last = (_fetch64(text, at + 8 * i) for i in range(4))
    a += first
    b = _rotate(b + a + last, 21)
    c = a
    a += second + third
    return (a + last) & MASK, (b + _rotate(a, 44) + c) & MASK
