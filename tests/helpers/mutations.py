"""Damaged and forged files: bytes of a good one, changed in ways that disks, transfers and attackers have."""

from __future__ import annotations

import json

import numpy as np
import safetensors.numpy

from sktensor.persistence import archive

# What arithmetic on sizes goes wrong with.
NUMBERS = (-1, 0, 1, 2, 7, 127, 255, 2**16, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**30)
VALUES = (
    *NUMBERS,
    -0.5,
    1e308,
    float("nan"),
    float("inf"),
    None,
    True,
    False,
    "",
    "x",
    "float32",
    "O",
    "<U99999999",
    [],
    {},
    [1],
    [[]],
)
BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFF, *b'"{}[],:\\0919eE-. ')


def header_of(data):
    """The JSON header of a safetensors file, and where the tensors begin."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), end


def with_header(header, tensors):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + tensors


def taken_apart(data):
    """What :func:`sktensor.persistence.archive.write` was given."""
    header, _ = header_of(data)
    content = json.loads(header["__metadata__"][archive.ENTRY])
    del content["sha256"]
    return content, dict(safetensors.numpy.load(data))


def signed(content, arrays):
    """A file with this content whose checksum is right, as whoever knows the format can write one."""
    content = {**content, "sha256": archive._checksum(content, arrays)}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return safetensors.numpy.save(arrays, metadata={archive.ENTRY: json.dumps(content)})


def some(rng, choices):
    return choices[rng.integers(len(choices))]


# --- damage, of which the checksum knows nothing --------------------------------------------------------------------


def flip_bits(rng, data):
    out = bytearray(data)
    for at in rng.integers(len(data), size=rng.integers(1, 9)):
        out[at] ^= 1 << rng.integers(8)
    return bytes(out)


def flip_bits_of_header(rng, data):
    _, end = header_of(data)
    return flip_bits(rng, data[:end]) + data[end:]


def write_bytes_into_header(rng, data):
    out = bytearray(data)
    for at in rng.integers(header_of(data)[1], size=rng.integers(1, 4)):
        out[at] = some(rng, BYTES)
    return bytes(out)


def truncate(rng, data):
    return data[: rng.integers(len(data))]


def append(rng, data):
    return data + rng.bytes(rng.integers(1, 100))


def remove_a_piece(rng, data):
    start = rng.integers(len(data))
    return data[:start] + data[start + rng.integers(1, 64) :]


def repeat_a_piece(rng, data):
    start = rng.integers(len(data))
    stop = start + rng.integers(1, 64)
    return data[:stop] + data[start:]


def zero_a_piece(rng, data):
    start, size = rng.integers(len(data)), rng.integers(1, 512)
    return data[:start] + bytes(len(data[start : start + size])) + data[start + size :]


def lie_about_the_headers_length(rng, data):
    return int(some(rng, [n for n in NUMBERS if 0 <= n < 2**64])).to_bytes(8, "little") + data[8:]


def swap_tensors(rng, data):
    header, end = header_of(data)
    names = [name for name in header if name != "__metadata__"]
    a, b = some(rng, names), some(rng, names)
    header[a], header[b] = header[b], header[a]
    return with_header(header, data[end:])


def edit_a_tensors_entry(rng, data):
    header, end = header_of(data)
    entry = header[some(rng, [name for name in header if name != "__metadata__"])]
    what = rng.integers(4)
    if what == 0:
        entry["dtype"] = some(
            rng, ("BOOL", "I8", "U8", "I32", "U32", "F32", "F64", "I64", "F16", "BF16", "F8_E4M3", "F4", "", 7, None)
        )
    elif what == 1:
        entry["shape"] = [int(some(rng, NUMBERS)) for _ in range(rng.integers(4))]
    elif what == 2:
        entry["data_offsets"][rng.integers(2)] = int(some(rng, NUMBERS))
    else:
        entry[some(rng, ("dtype", "shape", "data_offsets", "more"))] = some(rng, VALUES)
    return with_header(header, data[end:])


def rename_or_drop_an_entry(rng, data):
    header, end = header_of(data)
    name = some(rng, list(header))
    entry = header.pop(name)
    if rng.random() < 0.7:
        header[some(rng, (*header, "__metadata__", name + " ", "../x", "\x00", ""))] = entry
    return with_header(header, data[end:])


def repeat_an_entry(rng, data):
    header, end = header_of(data)
    name = some(rng, list(header))
    other = header[some(rng, list(header))]
    text = json.dumps(header)[:-1] + "," + json.dumps(name) + ":" + json.dumps(other) + "}"
    return with_header(text.encode(), data[end:])


def edit_the_content_of_the_header(rng, data):
    header, end = header_of(data)
    text = header["__metadata__"][archive.ENTRY]
    at = rng.integers(len(text))
    header["__metadata__"][archive.ENTRY] = text[:at] + chr(some(rng, BYTES)) + text[at + rng.integers(2) :]
    return with_header(header, data[end:])


DAMAGE = (
    flip_bits, flip_bits_of_header, write_bytes_into_header, truncate, append, remove_a_piece, repeat_a_piece,
    zero_a_piece, lie_about_the_headers_length, swap_tensors, edit_a_tensors_entry, rename_or_drop_an_entry,
    repeat_an_entry, edit_the_content_of_the_header,
)  # fmt: skip


# --- forgeries, whose checksum is right -----------------------------------------------------------------------------


def places(content, path=()):
    """Every entry of nested dicts and lists, as the way to it."""
    for key in content if isinstance(content, dict) else range(len(content)):
        yield (*path, key)
        if isinstance(content[key], (dict, list)):
            yield from places(content[key], (*path, key))


def forge_an_entry(rng, data):
    content, arrays = taken_apart(data)
    for _ in range(rng.integers(1, 3)):
        *way, last = some(rng, list(places(content)))
        inside = content
        for key in way:
            inside = inside[key]
        what = rng.random()
        if what < 0.15:
            del inside[last]
        elif what < 0.25 and isinstance(inside, dict):
            inside[some(rng, ("more", "__class__", "estimator", ""))] = some(rng, VALUES)
        elif what < 0.5 and isinstance(inside[last], str):
            inside[last] = some(rng, SAME_KIND)
        else:
            inside[last] = some(rng, VALUES)
    return signed(content, arrays)


# Words that stand somewhere in a header, so that a forgery is not always one of type.
SAME_KIND = (
    "lt", "le", "float32", "float64", "int32", "bool", "xgb", "lgb", "zero", "missing", "nan", "error", "sum",
    "per_tree", "weighted_median", "identity", "sigmoid", "softmax", "argmax", "mean_variance", "table_softmax",
    "exp", "none", "index", "half", "raw_positive", "raw_argmax", "multilabel_half", "complement", "values",
    "log", "auto", "gemm", "cuda", "native", "<i8", "|O", "<U3", "|b1", "<f8", "predict_proba",
    "decision_function", "os.system",
)  # fmt: skip


def forge_an_array(rng, data):
    content, arrays = taken_apart(data)
    for _ in range(rng.integers(1, 3)):
        name = some(rng, sorted(arrays))
        array = arrays[name].copy()
        what = rng.integers(7)
        if what <= 2 and array.size:
            with np.errstate(all="ignore"):
                low, high = (
                    (0, 2) if array.dtype == bool else (-(2**31), 2**31) if array.dtype.kind == "f" else (-20, 40)
                )
                drawn = rng.integers(low, high, size=1).astype(array.dtype)
            array.flat[rng.integers(array.size)] = drawn[0] if what else some(rng, array.ravel())
        elif what == 3:
            array = array[: rng.integers(len(array) + 1)]
        elif what == 4:
            array = array.astype(some(rng, ("bool", "int8", "int32", "uint32", "float32", "float64")))
        elif what == 5:
            array = array.reshape(some(rng, [(-1,), (1, -1), (-1, 1), (1, 1, -1)]) if array.size else (0, 3))
        else:
            del arrays[name]
            if rng.random() < 0.5:
                arrays[some(rng, ("cover", "cat_bits", "lin_const", "more"))] = array
            continue
        arrays[name] = array
    return signed(content, arrays)


FORGERIES = (forge_an_entry, forge_an_array)

# What a file may declare and not hold.
SIZES = (10**7, 10**8, 2**31 - 1, 2**32, 2**40, 2**48, 2**62, 2**63 - 1)


def forge_sizes(rng, data):
    """Declare sizes that are not there: numbers of columns, of outputs, widths of texts, lengths of empty arrays."""
    content, arrays = taken_apart(data)
    forest, fitted = content["forest"], content["fitted"]
    for way in (way for way in list(places(content)) if rng.random() < 0.05):
        *way, last = way
        inside = content
        for key in way:
            inside = inside[key]
        if type(inside[last]) is int:
            inside[last] = int(some(rng, SIZES))
        elif last == "dtype" and inside[last][1] == "U":
            inside[last] = f"<U{some(rng, (10**3, 10**5, 10**6, 10**7, 99_999_999))}"
    if rng.random() < 0.7:  # so that the columns agree, whatever else does
        forest["n_features"] = fitted["n_features_in_"] = int(some(rng, SIZES))
        forest["categories"] = None
        for name in ("feature_names_in_", "feature_importances_"):
            fitted.pop(name, None)
        for name in ("hashed", "unused"):
            arrays.pop(name, None)
    if rng.random() < 0.3:
        name = some(rng, sorted(arrays))
        shape = (0, int(some(rng, SIZES[:5]))) if arrays[name].ndim == 2 else (0,)
        arrays[name] = np.zeros(shape, arrays[name].dtype)
    return signed(content, arrays)
