"""Damaged models: the serialised form of a valid one, or its arrays, changed as disks and careless hands change them.

Each kind of damage takes a random generator and what it is to damage, and returns a damaged copy.
"""

from __future__ import annotations

import copy

import numpy as np
from mutations import BYTES, VALUES, places, some

# What the entries of arrays are replaced with: bad children, columns, sizes and thresholds.
ENTRIES = (-(2**31), -7, -2, -1, 0, 1, 2, 5, 31, 1000, 2**31 - 1, 2**40, 2**63, 0.5, 1e308, np.nan, np.inf, -np.inf)


# --- bytes ----------------------------------------------------------------------------------------------------------


def flip_bits(rng, data):
    out = bytearray(data)
    for at in rng.integers(len(data), size=rng.integers(1, 5)):
        out[at] ^= 1 << rng.integers(8)
    return bytes(out)


def overwrite(rng, data):
    out = bytearray(data)
    for at in rng.integers(len(data), size=rng.integers(1, 4)):
        out[at] = some(rng, BYTES)
    return bytes(out)


def truncate(rng, data):
    return data[: rng.integers(len(data))]


def remove_a_piece(rng, data):
    start = rng.integers(len(data))
    return data[:start] + data[start + rng.integers(1, 64) :]


def repeat_a_piece(rng, data):
    start = rng.integers(len(data))
    stop = start + rng.integers(1, 64)
    return data[:stop] + data[start:]


OF_BYTES = (flip_bits, overwrite, truncate, remove_a_piece, repeat_a_piece)


# --- text of lines "key=entry entry ..." ----------------------------------------------------------------------------


def _lines(data):
    return data.decode().split("\n")


def replace_an_entry(rng, data):
    lines = _lines(data)
    at = some(rng, [n for n, line in enumerate(lines) if "=" in line])
    key, _, value = lines[at].partition("=")
    entries = value.split(" ")
    entries[rng.integers(len(entries))] = str(some(rng, (*ENTRIES, "", "x", "1 1", "0x1p3", "1_0", "--1")))
    lines[at] = f"{key}={' '.join(entries)}"
    return "\n".join(lines).encode()


def move_an_entry(rng, data):
    """An entry of a line instead of another, so that it is a plausible one."""
    lines = _lines(data)
    at = some(rng, [n for n, line in enumerate(lines) if "=" in line])
    key, _, value = lines[at].partition("=")
    entries = value.split(" ")
    entries[rng.integers(len(entries))] = some(rng, entries)
    lines[at] = f"{key}={' '.join(entries)}"
    return "\n".join(lines).encode()


def drop_an_entry(rng, data):
    lines = _lines(data)
    at = some(rng, [n for n, line in enumerate(lines) if " " in line])
    entries = lines[at].split(" ")
    del entries[rng.integers(len(entries))]
    lines[at] = " ".join(entries)
    return "\n".join(lines).encode()


def drop_or_repeat_a_line(rng, data):
    lines = _lines(data)
    at = rng.integers(len(lines))
    lines[at : at + 1] = [lines[at]] * int(2 * rng.integers(2))
    return "\n".join(lines).encode()


def swap_lines(rng, data):
    lines = _lines(data)
    a, b = rng.integers(len(lines), size=2)
    lines[a], lines[b] = lines[b], lines[a]
    return "\n".join(lines).encode()


OF_LINES = (replace_an_entry, replace_an_entry, move_an_entry, drop_an_entry, drop_or_repeat_a_line, swap_lines)


# --- nested dicts and lists -----------------------------------------------------------------------------------------


def change_a_place(rng, content):
    """Something else, or nothing, in one or two places of nested dicts and lists."""
    content = copy.deepcopy(content)
    for _ in range(rng.integers(1, 3)):
        *way, last = some(rng, list(places(content)))
        inside = content
        for key in way:
            inside = inside[key]
        what = rng.random()
        if what < 0.15:
            del inside[last]
        elif what < 0.3:
            inside[last] = copy.deepcopy(some(rng, list(inside.values() if isinstance(inside, dict) else inside)))
        elif what < 0.4 and isinstance(inside, dict):
            inside[some(rng, (*inside, "more"))] = copy.deepcopy(inside[last])
        elif what < 0.5 and isinstance(inside, list):
            inside.insert(last, copy.deepcopy(inside[last]))
        elif what < 0.65 and isinstance(inside[last], str):
            inside[last] = str(some(rng, (*ENTRIES, "", "x", "[1,2]", "[]", "[nan]")))
        else:
            inside[last] = some(rng, VALUES)
    return content


def change_an_array(rng, content):
    """Entries of one of the lists of numbers, or its length."""
    content = copy.deepcopy(content)

    def inside(way):
        found = content
        for key in way:
            found = found[key]
        return found

    lists = [way for way in places(content) if isinstance(inside(way), list) and _is_numbers(inside(way))]
    values = inside(some(rng, lists))
    what = rng.random()
    if what < 0.5:
        values[rng.integers(len(values))] = some(rng, ENTRIES)
    elif what < 0.7:
        values[rng.integers(len(values))] = some(rng, values)
    elif what < 0.85:
        del values[rng.integers(len(values)) :]
    else:
        values.append(some(rng, values))
    return content


def _is_numbers(values):
    return bool(values) and all(isinstance(value, (int, float)) for value in values)


OF_NESTED = (change_a_place, change_an_array, change_an_array)


# --- records of numpy -----------------------------------------------------------------------------------------------


def change_a_record(rng, nodes):
    """Entries of the fields of a structured array, or its length."""
    nodes = nodes.copy()
    for _ in range(rng.integers(1, 3)):
        field = some(rng, nodes.dtype.names)
        with np.errstate(all="ignore"):
            values = np.array([some(rng, (*ENTRIES, *nodes[field].tolist()))], dtype=np.float64)
            nodes[field][rng.integers(len(nodes))] = values.astype(nodes.dtype[field])[0]
    return nodes[: rng.integers(len(nodes) + 1)] if rng.random() < 0.1 else nodes
