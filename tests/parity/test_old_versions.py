"""Models that old versions of the libraries saved, held against what those versions said of them.

``tests/data/old_versions/make.py`` made the files. They are loaded by the library that is installed, or read as they
are where it cannot load them.
"""

import functools
import io
import json
import tarfile
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import pytest
import torch
import xgboost
from agreement import same_bits, within_ulps

from sktensor import TensorizedEstimator, tensorize
from sktensor.extractors.xgboost.model import read
from sktensor.extractors.xgboost.ubjson import parse

FILES = {path.name.removesuffix(".tar.xz"): path for path in sorted(Path(__file__).parents[1].glob("data/*/*.tar.xz"))}
VERSIONS = {
    *("xgboost-1.7.6", "xgboost-2.1.4", "xgboost-3.0.5", "xgboost-3.1.3", "xgboost-3.2.0"),
    *("lightgbm-3.3.5", "lightgbm-4.1.0", "lightgbm-4.6.0", "catboost-1.2", "catboost-1.2.10"),
}


@functools.cache
def models(version):
    """The models of one version: their files and arrays by name."""
    found = {}
    with tarfile.open(FILES[version]) as file:
        for member in file:
            name, _, part = member.name.rpartition("/")
            content = file.extractfile(member).read()
            found.setdefault(name, {})[part] = (
                np.load(io.BytesIO(content)) if part.endswith(".npy") else bytearray(content)
            )
    return found


def number(version):
    return tuple(map(int, version.split(".")))


def of(library):
    """The models of versions that are not newer than the installed one, which could not load them."""
    name, here = library.__name__, number(library.__version__)
    told = [version for version in FILES if version.startswith(name) and number(version.partition("-")[2]) <= here]
    return [(version, model) for version in told for model in models(version)]


def answers(model, rows, output):
    return tensorize(model, output=output)(torch.tensor(rows)).numpy()


class Saved:
    """A model of which there is only the file: 3.2 crashes when it loads the vector leaves of 2.0 to 3.1."""

    def __init__(self, forest):
        self.forest = forest

    def __sktensor_forest__(self):
        return self.forest


def xgboost_model(files):
    """A booster, or what stands for it, and the same model as an estimator where there can be one."""
    (name,) = [name for name in files if name.startswith("model.")]
    saved = parse(bytes(files[name])) if name.endswith("ubj") else json.loads(files[name])
    model = saved["learner"]["gradient_booster"]
    widths = {int(tree["tree_param"]["size_leaf_vector"]) for tree in model.get("gbtree", model)["model"]["trees"]}
    if max(widths) > 1 and saved["version"] < [3, 2] and number(xgboost.__version__) >= (3, 2):
        return Saved(read(saved)), None
    estimator = xgboost.XGBModel()
    estimator.load_model(files[name])
    return xgboost.Booster(model_file=files[name]), estimator


def test_there_are_models_of_every_version():
    assert FILES.keys() == VERSIONS
    assert min(len(models(version)) for version in VERSIONS) >= 13


@pytest.mark.evidence("answers")
@pytest.mark.parametrize(("version", "name"), of(xgboost))
def test_models_of_old_xgboost_answer_as_they_did(version, name):
    files = models(version)[name]
    booster, estimator = xgboost_model(files)
    rows = files["rows.npy"]
    finite = rows[: len(files["raw.npy"])]
    same_bits(answers(booster, finite, "raw"), files["raw.npy"])
    same_bits(answers(booster, finite, "leaf"), files["leaves.npy"])
    within_ulps(answers(booster, finite, "value"), files["values.npy"])
    in_place = files["raw_in_place.npy"]
    if estimator is None:
        same_bits(answers(booster, rows, "raw"), in_place)
    else:
        same_bits(TensorizedEstimator(estimator).predict_raw(rows), in_place)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize(("version", "name"), of(lightgbm))
def test_models_of_old_lightgbm_answer_as_they_did(version, name):
    files = models(version)[name]
    booster = lightgbm.Booster(model_str=files["model.txt"].decode())
    rows = files["rows.npy"]
    same_bits(answers(booster, rows, "raw"), files["raw.npy"])
    same_bits(answers(booster, rows, "leaf"), files["leaves.npy"].reshape(len(rows), -1))
    within_ulps(answers(booster, rows, "value"), files["values.npy"])


@pytest.mark.evidence("answers")
@pytest.mark.parametrize(("version", "name"), of(catboost))
def test_models_of_old_catboost_answer_as_they_did(version, name):
    files = models(version)[name]
    model = catboost.CatBoost()
    model.load_model(blob=bytes(files["model.cbm"]))
    fast = TensorizedEstimator(model)
    same_bits(fast.predict_raw(files["rows.npy"]), files["raw.npy"])
    same_bits(fast.apply(files["rows.npy"]), files["leaves.npy"])
