"""Files that are damaged, forged, or of another kind: refused by name, or read as what they are."""

from __future__ import annotations

import base64
import itertools
import pickle
import sys
import zlib

import numpy as np
import pytest
import safetensors.numpy
from agreement import same_bits
from mutations import DAMAGE, FORGERIES, header_of, signed, taken_apart, with_header
from saving import MODELS, Brought, X, changed, same_fields, without

import sktensor
from sktensor import TensorizedEstimator
from sktensor.persistence import archive

# A file of format 1, to be read for ever. A field of the forest that came later gets its old meaning in
# sktensor/persistence/formats.py.
GOLDEN = """
eNqtVsuO6zQYPqx5CZR1GKVpmklGSCPNAoGENCtWpyPLTezUjGMX2+mcnqESrwFvwiMggYTEC7BixSMAh9+/c5sbh0pYamP/d/+XL/nsw1e47iNCWuZo
TR0lJLq4j+ytY8pqE11E9+uI1nrnWL2OLpzpWLyOuHDhDMxKUmuZJeFUu8OOwXYdffJlvo5Adk9lxyyQXq+jK2q01EgOf+suX7GVf5ynFTzKxSpdRzdH
4CnCGXWdAdNCeeupp3INBBd80aoikz8uNXV5hnaBw3bOK/Ip6IHYUtMIBXROpX3IsLfzWw50RdWM2DSGNdQFp7Zr0eGGWkYgEW5mtqKOtLoOgrLZoCAQ
WaONCBlRnZTxg6x9c/0kacbHBLTGQIKShOf4qDkoxOc3x5t4rIGX//9qgIbbXQifheitgSw5I94QreRhdtmaVcIKrVAaEtzSN6gx0InbQuG2Wvr8JmeJ
Z4k97Be4Z+2G1bVQDeorrYK/vgNeqDKXnd0SJ9Q8EKGgYtQSFFymM46kGyZHU5j6gWi3FImv/Z0lo3zmEQz2/pAxiqa97B4aNHRK3yijP6Fug4WaKSfc
IRgBKtlRQ9vx8lI3ZGf0hoZU6wYFW2EtJIRg7YDzcVmWKD4Nhh8KJOjO7Trnz0s4hxOxUlSh6Esf6uRh6AYgGnpHhAXvkGMsxxC8Z4xXRX1bUd8FfcwW
rgAtTzcW7oZW3zITumpgPTc9nbpV+k6RfgwOodxeYujSR15DrB4BqDH0YIcQeyyAZvQh+XQxt9V13+Nwn1pUDq32+yHD3qifSomuAfco2CZnV0Z3zTZo
hPx5jPFesFbMMWMD6mxodctUHRq9c7qff1dtiRVvfeQr7Ps9ZB+Fql2HMop8pTd2aj3rjM9CyIEzjBEg7MEPlSEdzAh+6HPnI4HMpKs8jAHbFHld8WSV
n5dlAftVsUxSDt2cZBlNyxVPCr4skzKrFzwvNquiLLNlVp2neb1YnYdC9SCPFpMzKOwZhJ0gz9HGzvBdcMEMmYhtJ50gyJqKG4g4UbNO2mltiK0At+e1
AxAXUDxgjYM2OcIIhPJNPLmkUuq7RyM2oGlF5x5D6ccjgAmpQ/vMw6LC3AnLHkRqhRN79hjbQkPPCYCACFUDwYPbc07cnZ5Rhzoq7YdawNs2AOYgDbBH
at9prVAC8lPN55HBa8daPRahbyIHWMvck8qMLfwwCVgb+x+ubNjXnTDzl6HHIskmwz053PCh3ePxGB1jfCf6bwmEUviQ+DTPojjC8Q7THeH3hubcMmeB
lMRpduMVBbUnKaZZnBVeExEaIeNl/Sx+xkJWxIsMnY/vqZctpE/1QTle5Ik30IPzXP3zZfoe9TwB9ekKon5ZPXtOHcIvsqDO3WmuC4i8TL2uEYCApymX
aZwmeG2j9Wm6oAe6eGcEPwGNf6KBIk4X+WggjMJpJhZ5nIamA2Ahj5N3dX39xXsMQOulKcRw/AjWq39dv1z2m28/6Dfff+fXD5cc1++X4fzjKLfE9evI
D+TfLge94fnY3s8/+fXHaGfud5CdP9/B+gt+f8PvT/g9x3+H9H8APR8Miw==
"""


def golden():
    """What the golden file was made of."""
    rules = {
        "missing_value": -999.0,
        "categories": (None, np.array(["red", "größe", 7], dtype=object)),
        "bias": [0.25, -0.0, 5e-324],
    }
    return TensorizedEstimator(
        Brought(np.array(["Barolo", "", "日本酒"]), rules), strategy="tree_traversal", batch_size=5
    )


def test_a_file_written_in_format_1_is_read(path):
    path.write_bytes(zlib.decompress(base64.b64decode(GOLDEN.replace("\n", ""))))
    loaded = sktensor.load(path)
    same_fields(loaded.forest_, golden().forest_)
    assert (loaded.strategy, loaded.batch_size, loaded.verbose) == ("tree_traversal", 5, 0)
    assert loaded.predict([[0, -1], [0, 1], [0, -999], [-1, np.nan]]).tolist() == [
        "Barolo",
        "日本酒",
        "日本酒",
        "日本酒",
    ]


def with_array(data, name, array):
    content, arrays = taken_apart(data)
    return signed(content, {**arrays, name: array})


def without_array(data, name):
    content, arrays = taken_apart(data)
    del arrays[name]
    return signed(content, arrays)


def header_text(data, change):
    """The same file with the text of its header changed."""
    header, end = header_of(data)
    header["__metadata__"][archive.ENTRY] = change(header["__metadata__"][archive.ENTRY])
    return with_header(header, data[end:])


def declared(data, name, **entry):
    """The same file, a tensor of which is declared to be something else."""
    header, end = header_of(data)
    header[name] |= entry
    return with_header(header, data[end:])


SIZES = {"dtype": "F64", "data_offsets": [0, 8 * 2**60]}
BAD = {
    "empty": (lambda data: b"", "not a safetensors file, or a damaged one"),
    "text": (lambda data: b"# A model\n" * 100, "not a safetensors file"),
    "a pickle": (lambda data: pickle.dumps({"a": list(range(100))}), "not a safetensors file"),
    "somebody's weights": (lambda data: safetensors.numpy.save({"w": X}), "but not one of sktensor.save"),
    "a newer format": (
        lambda data: changed(data, "format", to=9),
        "of format 9, and this version .* reads formats 1 to 5",
    ),
    "no format": (lambda data: without(data, "format"), "no format number"),
    "a format of words": (lambda data: changed(data, "format", to="1"), "no format number"),
    "true as a format": (lambda data: changed(data, "format", to=True), "no format number"),
    "no JSON": (lambda data: header_text(data, lambda text: text[:-1]), "header is not the JSON"),
    "a list": (lambda data: header_text(data, lambda text: f"[{text}]"), "no format number"),
    "a key twice": (lambda data: header_text(data, lambda text: '{"format":1,' + text[1:]), "a key comes twice"),
    "deep": (lambda data: header_text(data, lambda text: "[" * 10**6), "header is not the JSON"),
    "an endless number": (lambda data: header_text(data, lambda text: "9" * 10**5), "header is not the JSON"),
    "a changed value": (lambda data: data[:-1] + b"\x01", "damaged: .*checksum"),
    "a changed header": (
        lambda data: header_text(data, lambda text: text.replace('"le"', '"lt"')),
        "damaged: .*checksum",
    ),
    "no checksum": (lambda data: header_text(data, lambda text: text.replace("sha256", "sha255")), "damaged"),
    "truncated": (lambda data: data[:-1], "not a safetensors file, or a damaged one"),
    "more behind it": (lambda data: data + b"\0", "not a safetensors file, or a damaged one"),
    "a huge tensor": (lambda data: declared(data, "base", shape=[2**60], **SIZES), "or a damaged one"),
    "a huge shape": (lambda data: declared(data, "base", shape=[2**62, 2**62]), "or a damaged one"),
    "a huge header": (lambda data: (2**40).to_bytes(8, "little") + data[8:], "or a damaged one"),
    "a dtype of others": (
        lambda data: declared(data, "leaf_id", dtype="BF16", shape=[8]),
        "dtype BF16, which no",
    ),
    "an extra tensor": (lambda data: with_array(data, "weights", X), "no field of a forest: weights"),
    "a missing tensor": (lambda data: without_array(data, "left"), "tensors are missing: left"),
    "a wrong dtype": (lambda data: with_array(data, "left", np.zeros(2)), "left: expected dtype int32, got float64"),
    "two dtypes": (
        lambda data: with_array(data, "base", np.zeros(3, "f4")),
        "base: expected dtype float64, got float32",
    ),
    "a wrong shape": (lambda data: with_array(data, "root", np.zeros((2, 1), "i4")), "Forest.root: expected 1 dim"),
    "no forest": (lambda data: with_array(data, "root", np.zeros(2, "i4")), "Forest.root: tree 1: node 0 is root of"),
    "a cycle": (
        lambda data: with_array(data, "left", np.array([0, -3], "i4")),
        "Forest.left: tree 0, node 0: node 0 is",
    ),
    "a missing field": (lambda data: without(data, "forest", "cmp"), "forest: fields that are missing, .*: cmp"),
    "an unknown field": (lambda data: changed(data, "forest", "hook", to="os.system"), "unknown to this version: hook"),
    "a missing entry": (lambda data: without(data, "tags"), "header: entries that are missing, .*: tags"),
    "an unknown entry": (lambda data: changed(data, "hook", to="os.system"), "unknown to this version: hook"),
    "a huge number": (
        lambda data: changed(data, "forest", "n_features", to=2**63),
        "n_features: a number beyond 64 bits",
    ),
    "a number as text": (lambda data: changed(data, "forest", "div", to="1.0"), "Forest.div: it cannot be '1.0'"),
    "true for 1": (lambda data: changed(data, "forest", "n_features", to=True), "Forest.n_features: it cannot be True"),
    "an unknown rule about names": (
        lambda data: changed(data, "columns", "rule", to="eval"),
        "columns: rule cannot be 'eval'",
    ),
    "names of more columns": (
        lambda data: changed(data, "columns", "names", to=["a"] * 99),
        "columns: 99 names of",
    ),
    "a column before the first": (
        lambda data: changed(data, "columns", "needed", to=[-1]),
        "columns: needed cannot be",
    ),
    "half of what is known of columns": (
        lambda data: changed(data, "columns", to={"names": None}),
        "columns: entries that are missing",
    ),
    "an unknown rule": (lambda data: changed(data, "forest", "link", to="eval"), "Forest.link: expected one of"),
    "a dtype of dtypes": (
        lambda data: changed(data, "forest", "leaf_dtype", to="i4,i4"),
        "Forest.leaf_dtype: expected the name",
    ),
    "objects for leaves": (
        lambda data: changed(data, "forest", "leaf_dtype", to="object"),
        "Forest.leaf_dtype: expected",
    ),
    "too few labels": (
        lambda data: changed(data, "forest", "classes", 0, "values", to=["a"]),
        "Forest.classes: decision",
    ),
    "a huge label": (
        lambda data: changed(data, "forest", "classes", 0, "dtype", to="<U99999999"),
        "texts are padded with",
    ),
    "narrow labels": (
        lambda data: changed(data, "forest", "classes", 0, "dtype", to="<U2"),
        "do not fit into dtype <U2",
    ),
    "dates": (lambda data: changed(data, "forest", "classes", 0, "dtype", to="<M8[D]"), "'<M8.D.' are not part"),
    "labels of two kinds": (
        lambda data: changed(data, "forest", "classes", 0, "values", 0, to=1),
        "expected one dimension",
    ),
    "half an array": (lambda data: without(data, "forest", "classes", 0, "dtype"), "Forest.classes: expected an array"),
    "no labels": (lambda data: changed(data, "forest", "classes", to=None), "Forest.classes: expected a list"),
    "a method of ours": (lambda data: changed(data, "methods", to=["__reduce__"]), "methods: expected some of predict"),
    "a missing parameter": (lambda data: without(data, "parameters", "device"), "parameters: expected .*device"),
    "a bad parameter": (lambda data: changed(data, "parameters", "batch_size", to=0.5), "batch_size cannot be 0.5"),
    "an unknown attribute": (lambda data: changed(data, "fitted", "fit", to=1), "none of the attributes .*: fit"),
    "another width": (
        lambda data: changed(data, "fitted", "n_features_in_", to=3),
        "n_features_in_ is not what a model of 2",
    ),
    "no width": (lambda data: without(data, "fitted", "n_features_in_"), "n_features_in_ is missing"),
    "a class in words": (lambda data: changed(data, "fitted", "classes_", to="abc"), "classes_: expected an array"),
    "a tag in words": (lambda data: changed(data, "tags", "no_validation", to="yes"), "tags: expected True or False"),
    "tags in words": (lambda data: changed(data, "tags", "input_tags", to="all"), "tags: expected True or False"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_file_is_refused_by_name_and_with_what_is_wrong(how, path):
    make, said = BAD[how]
    sktensor.save(golden(), path)
    path.write_bytes(make(path.read_bytes()))
    with pytest.raises(ValueError, match=f"(?s){said}") as info:
        sktensor.load(path)
    assert str(info.value).startswith(f"{path} cannot be loaded: ")
    assert len(str(info.value)) < 2000


def test_a_file_that_is_not_there_is_an_error_of_the_system(path):
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        sktensor.load(path)
    with pytest.raises(OSError, match=path.parent.name):
        sktensor.load(path.parent)


# What would have to happen for a file's content to be executed; each of them is announced to audit hooks.
EXECUTION = {
    "code.__new__", "compile", "exec", "import", "marshal.loads", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
    "os.system", "pickle.find_class", "socket.connect", "subprocess.Popen", "ctypes.dlopen", "ctypes.dlsym",
}  # fmt: skip
watching = False
executed = []


def watch(event, args):
    if watching and event in EXECUTION:
        executed.append((event, str(args)))


def refused_or_loaded(path):
    """The estimator in a file, or the error if that is the one that bad files are to raise."""
    global watching
    watching = True
    try:
        return sktensor.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path} cannot be loaded: ")
        return error
    finally:
        watching = False


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    for name in ("text labels", "LightGBM, linear trees", "XGBClassifier", "CatBoost", "one leaf"):
        sktensor.save(TensorizedEstimator(MODELS[name]()), folder / name)
    sktensor.save(golden(), folder / "golden")
    sys.addaudithook(watch)  # for as long as the process lives; it does nothing while `watching` is not set
    return [file.read_bytes() for file in sorted(folder.iterdir())]


def predictions(loaded):
    rows = np.linspace(-2, 300, 8 * loaded.n_features_in_).reshape(8, -1)
    return [
        getattr(loaded, name)(rows)
        for name in ("predict_raw", "predict", "predict_proba", "apply")
        if hasattr(loaded, name)
    ]


@pytest.mark.parametrize("how", DAMAGE, ids=lambda how: how.__name__)
def test_damaged_file_is_refused_or_gives_the_same(how, good_files, path):
    rng = np.random.default_rng(0)
    refused = 0
    for good in itertools.islice(itertools.cycle(good_files), 600):
        bad = how(rng, good)
        path.write_bytes(bad)
        found = refused_or_loaded(path)
        if isinstance(found, ValueError):
            refused += 1
            continue
        path.write_bytes(good)
        before = sktensor.load(path)
        same_fields(found.forest_, before.forest_)
        for ours, theirs in zip(predictions(found), predictions(before), strict=True):
            same_bits(ours, theirs)
    assert refused > 420  # the others swapped a tensor with itself, or blanks with blanks
    assert executed == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", FORGERIES, ids=lambda how: how.__name__)
def test_a_forged_file_is_refused_or_describes_a_forest(how, good_files, path):
    rng = np.random.default_rng(0)
    refused = loaded = 0
    for good in itertools.islice(itertools.cycle(good_files), 800):
        path.write_bytes(how(rng, good))
        found = refused_or_loaded(path)
        if isinstance(found, ValueError):
            refused += 1
            continue
        found.forest_.validate()
        loaded += 1
        try:
            predictions(found)
        except (
            ValueError,
            AttributeError,
        ) as error:  # of settings that cannot be had, of probabilities of a regression
            assert str(error)
    assert refused > 160 and loaded > 30
    assert executed == []
