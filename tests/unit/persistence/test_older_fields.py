"""Files of older formats hold fields that forests have no more, and lack some that they have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xgboost

import sktensor
from sktensor import Forest, TensorizedEstimator, extract_forest
from sktensor.forest import TINY
from sktensor.persistence.forest_codec import decode_forest, encode_forest
from sktensor.persistence.formats import LATER_THAN_1, upgrade, upgrade_arrays


def header_of_format_1(**fields):
    """The header of a forest of one leaf as format 1 had it, and its arrays."""
    encoded, arrays = encode_forest(Forest.from_trees([{"value": 1.0}], n_features=1))
    later = {*LATER_THAN_1, "zero_limit", "container_types"}
    older = {"base_last": False, "csr_matrix_only": False}
    forest = {name: value for name, value in encoded.items() if name not in later} | older | fields
    return {"format": 1, "parameters": {}, "forest": forest}, arrays | {"tree_iter": np.zeros(1, dtype=np.int32)}


def test_fields_without_a_meaning_are_dropped():
    header, arrays = header_of_format_1()
    forest = decode_forest(upgrade(header)["forest"], upgrade_arrays(header, arrays))
    assert forest.trees.leaf_value.tolist() == [[1.0]] and forest.trees.zero_limit == 0.0


def test_the_zero_rule_of_lightgbm_follows_its_flushing():
    header, arrays = header_of_format_1(flush_tiny=True)
    assert decode_forest(upgrade(header)["forest"], upgrade_arrays(header, arrays)).trees.zero_limit == TINY


def test_base_last_is_refused():
    header, arrays = header_of_format_1(base_last=True)
    with pytest.raises(ValueError, match="unknown to this version: base_last"):
        decode_forest(upgrade(header)["forest"], upgrade_arrays(header, arrays))


@pytest.mark.parametrize("booster", ["dart", "gbtree"])
def test_containers_of_format_2_are_those_of_the_newest(booster):
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = xgboost.XGBRegressor(n_estimators=4, booster=booster, n_jobs=1).fit(X, X[:, 0])
    encoded, arrays = encode_forest(extract_forest(model))
    types = encoded.pop("container_types")
    older = {"format": 2, "forest": encoded | {"csr_matrix_only": booster == "dart"}}
    assert upgrade(older)["forest"]["container_types"] == types
    assert decode_forest(upgrade(older)["forest"], arrays).inputs.container_types == (types and tuple(types))


@pytest.mark.parametrize("value", [None, 1, "true"])
def test_csr_matrix_only_that_is_no_truth_value_is_refused(value):
    encoded, arrays = encode_forest(Forest.from_trees([{"value": 1.0}], n_features=1))
    del encoded["container_types"]
    with pytest.raises(ValueError, match="unknown to this version: container_types, csr_matrix_only"):
        decode_forest(upgrade({"format": 2, "forest": encoded | {"csr_matrix_only": value}})["forest"], arrays)


@pytest.mark.parametrize("value", [1, "numpy.ndarray", [1], ["ndarray"], ["numpy.two words"], [""], ["+"]])
def test_container_types_that_are_no_names_of_classes_are_refused(value):
    encoded, arrays = encode_forest(Forest.from_trees([{"value": 1.0}], n_features=1))
    with pytest.raises(ValueError, match="container_types"):
        decode_forest(encoded | {"container_types": value}, arrays)


def test_a_loaded_model_refuses_the_containers_that_the_wrapped_one_answers_differently(tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = xgboost.XGBRegressor(n_estimators=4, booster="dart", n_jobs=1).fit(X, X[:, 0])
    sktensor.save(TensorizedEstimator(model), tmp_path / "model.sktensor")
    loaded, rows = sktensor.load(tmp_path / "model.sktensor"), scipy.sparse.csr_matrix(X)
    assert loaded.predict(rows).tobytes() == model.predict(rows).tobytes()
    assert loaded.predict(pd.DataFrame(X)).tobytes() == model.predict(pd.DataFrame(X)).tobytes()
    with pytest.raises(ValueError, match=r"csr_array, for which the library rounds differently"):
        loaded.predict(scipy.sparse.csr_array(X))


def test_models_of_format_4_give_contributions_as_most_libraries_do():
    encoded, arrays = encode_forest(Forest.from_trees([{"value": 1.0}], n_features=1))
    older = {name: value for name, value in encoded.items() if not name.startswith("contribution_")}
    outputs = decode_forest(upgrade({"format": 4, "forest": older})["forest"], arrays).outputs
    assert (outputs.contribution_dtype, outputs.contribution_layout) == ("float64", "by_output")
    kinds = upgrade({"format": 4, "forest": {}, "pipeline": {"kinds": [{"forest": older}, {"forest": older}]}})
    assert all(kind["forest"] == {**older, **kind["forest"]} for kind in kinds["pipeline"]["kinds"])
    assert kinds["forest"] == {} and kinds["pipeline"]["kinds"][1]["forest"]["contribution_layout"] == "by_output"
