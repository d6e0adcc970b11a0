"""LightGBM's model text: its numbers as the library reads them, and what is missing or unknown in it."""

import lightgbm as lgb
import numpy as np
import pytest
from lightgbm_models import YES, X, linked, raw_of, same, trained

from sktensor import UnsupportedModelError, extract_forest
from sktensor.extractors.lightgbm import extract

pytestmark = [
    pytest.mark.filterwarnings("ignore:The argument 'eval_set'"),
    pytest.mark.filterwarnings("ignore:Cannot compute class probabilities"),
]


def test_numbers_are_read_as_the_library_reads_them():
    """The sigmoid factor of a loaded model, of which predictions show every bit."""
    text = trained(YES, rounds=1, objective="binary").model_to_string()
    rng = np.random.default_rng(0)
    numbers = [f"{v:g}" for v in np.concatenate([np.exp(3 * rng.normal(size=40)), 10 ** rng.uniform(-9, 9, 40)])]
    misread = 0
    for number in [*numbers, "1e-05", "17"]:
        booster = lgb.Booster(model_str=text.replace("sigmoid:1\n", f"sigmoid:{number}\n"))
        for leaf in range(9):
            booster.set_leaf_output(0, leaf, rng.normal() / float(number))
        forest = extract(booster)
        same(linked(forest, booster.predict(X, raw_score=True)), booster.predict(X))
        misread += float(number) != forest.outputs.link_param
    assert misread  # else the reader would be no different from float()


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version=v4", "version=v5", "version='v5'"),
        ("tree\n", "forest\n", "starts with 'forest'"),
        ("label_index=0", "label_index=0\nsplit_rule=oblique", "header .*split_rule"),
        ("num_cat=0", "num_cat=0\nis_oblique=1", "tree 0 .*is_oblique"),
        ("num_cat=0", "num_cat=0\nnum_cat=0", "twice"),
        ("objective=binary sigmoid:1", "objective=binary_focal", "objective='binary_focal'"),
        ("objective=binary sigmoid:1", "objective=binary sigmoid:1 gamma:2", "gamma:2"),
        ("objective=binary sigmoid:1", "objective=gamma sqrt", "gamma sqrt"),
        ("\nnum_class=1", "\nnum_class=2", "num_class=2"),
        ("decision_type=2 ", "decision_type=14 ", "decision_type=14"),
        ("decision_type=2 ", "decision_type=-2 ", "decision_type=-2"),
        ("decision_type=2 ", "", "7 of 8 entries: 'decision_type'|unknown"),
        ("threshold=", "threshold=0.5 ", "9 of 8 entries: 'threshold'"),
        ("leaf_value=", "leaf_value=x", "'leaf_value'"),
        ("split_feature=", "split_gain2=", "split_gain2"),
        ("\nTree=1\n", "\n", "announces 12 trees and holds 11"),
    ],
)
def test_unknown_model_text_is_refused_by_name(monkeypatch, old, new, said):
    booster = trained(YES, objective="binary")
    text = booster.model_to_string(num_iteration=-1)
    assert old in text
    monkeypatch.setattr(booster, "model_to_string", lambda num_iteration: text.replace(old, new, 1))
    with pytest.raises(UnsupportedModelError, match=said):
        extract(booster)


def test_last_number_of_model_text_is_read_completely(monkeypatch):
    booster = trained(YES, objective="binary")
    before, key, after = booster.model_to_string(num_iteration=-1).rpartition("\nleaf_value=")
    numbers, end, rest = after.partition("\n")
    monkeypatch.setattr(booster, "model_to_string", lambda num_iteration: before + key + numbers + "x" + end + rest)
    with pytest.raises(UnsupportedModelError, match="'leaf_value' that are no numbers"):
        extract(booster)


def test_missing_line_of_model_text_is_named(monkeypatch):
    booster = trained(YES, objective="binary")
    lines = booster.model_to_string(num_iteration=-1).split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("right_child="))
    monkeypatch.setattr(booster, "model_to_string", lambda num_iteration: "\n".join(lines[:at] + lines[at + 1 :]))
    with pytest.raises(UnsupportedModelError, match=r"Tree 0 .*'right_child'"):
        extract(booster)


def test_model_text_without_counts_is_read(monkeypatch):
    booster = trained(YES, objective="binary")
    text = booster.model_to_string(num_iteration=-1).replace("internal_count", "internal_value2", 1)
    monkeypatch.setattr(booster, "model_to_string", lambda num_iteration: "\n".join(
        line for line in text.split("\n") if not line.startswith(("internal_value2", "leaf_count", "is_linear"))
    ))  # fmt: skip
    forest = extract_forest(booster)
    assert forest.trees.cover is None
    same(raw_of(forest, X), booster.predict(X, raw_score=True))
