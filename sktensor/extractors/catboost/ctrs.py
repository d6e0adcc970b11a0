"""CatBoost's categorical features: one-hot values and statistics of the target (CTRs), as columns derived from hashes.

A statistic is a table of numbers by category, or by a combination of categories and answers of other splits
[CatBoost libs/model/ctr_value_table.h, static_ctr_provider.cpp]; a split on it is one on a number.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.forest import EXCEEDS, HASH, IS_HASH, KEY_FACTOR

__all__ = ["DerivedColumns", "check_targets"]

Array = npt.NDArray[Any]

# An empty place of the library's hash tables [CatBoost libs/helpers/dense_hash.h].
NO_KEY = 2**64 - 1

CTR_KEYS = {
    "borders", "ctr_type", "elements", "identifier", "prior_denomerator", "prior_numerator", "scale", "shift",
    "target_border_idx",
}  # fmt: skip
TABLE_KEYS = {"hash_map", "hash_stride", "counter_denominator"}


SEVERAL_TARGETS = (
    "MultiRMSE", "MultiRMSEWithMissingValues", "MultiLogloss", "MultiCrossEntropy", "PythonUserDefinedMultiTarget",
)  # fmt: skip
OF_SEVERAL_TARGETS = (
    "for several targets, or for one target with several TargetBorderCount, are not covered: CatBoost's JSON does not "
    "tell their tables apart. Encode categories as numbers, or raise one_hot_max_size to the number of categories."
)


class DerivedColumns:
    """The columns that splits on categories look at, in the order in which they come up.

    Parameters
    ----------
    info : dict
        The section ``features_info`` of a saved model.
    tables : dict
        Its section ``ctr_data``.
    columns, nan_right : ndarray
        For each numeric feature its column, and whether its NaN is greater than all borders.
    """

    def __init__(self, info: Mapping[str, Any], tables: Mapping[str, Any], columns: Array, nan_right: Array) -> None:
        self._tables = tables
        self._columns, self._nan_right = columns, nan_right
        self._features = {feature["feature_index"]: feature for feature in info["categorical_features"]}
        self._ctrs: list[Mapping[str, Any]] = info.get("ctrs", [])
        _check_told_apart(self._ctrs)
        # Splits are numbered: borders of numeric features, values of one-hot ones, borders of statistics.
        n_borders = sum(len(feature["borders"] or ()) for feature in info.get("float_features", ()))
        n_values = sum(len(feature.get("values") or ()) for feature in self._features.values())
        ends = np.cumsum([n_borders + n_values, *(len(ctr["borders"]) for ctr in self._ctrs)])
        self._first_split = ends.tolist()
        self._keys: dict[str, int] = {}
        self._parts: list[list[tuple[int, int, float, bool]]] = []  # of each key: column, test, value, missing
        self._known: list[Array] = []
        self._numbers: dict[Any, int] = {}  # of the columns
        self._columns_made: list[tuple[int, Array]] = []  # of each: its key, and its values

    def one_hot(self, split: Mapping[str, Any]) -> int:
        """Number of the column that is 1 for one value of a category and 0 for all others."""
        feature = self._features[split["cat_feature_index"]]
        values = np.array(feature["values"], dtype=np.int64)
        factor = np.uint64(KEY_FACTOR)
        keys = factor * (factor * values.view(np.uint64))  # of one part
        order = np.argsort(keys)
        key = self._key(f"{feature['feature_index']}", [(feature["flat_feature_index"], HASH, 0.0, False)], keys[order])
        is_value = np.append(values[order] == split["value"], False)
        return self._number((feature["feature_index"], split["value"]), key, is_value.astype(np.float32))

    def ctr(self, split: Mapping[str, Any]) -> int:
        """Number of the column of a statistic."""
        number = int(np.searchsorted(self._first_split, split["split_index"], side="right")) - 1
        if not 0 <= number < len(self._ctrs):
            raise UnsupportedModelError(f"split_index={split['split_index']} of CatBoost is none of its statistics.")
        ctr = self._ctrs[number]
        border = ctr["borders"][split["split_index"] - self._first_split[number]]
        if (border, ctr["target_border_idx"]) != (split["border"], split["ctr_target_border_idx"]):
            raise UnsupportedModelError("The splits of the saved CatBoost model are not numbered as expected.")
        return self._numbers[number] if number in self._numbers else self._number(number, *self._statistic(ctr))

    def fields(self, n_features: int) -> dict[str, Any]:
        """The fields of a :class:`~sktensor.Forest`."""
        hashed = np.zeros(n_features, dtype=bool)
        hashed[[feature["flat_feature_index"] for feature in self._features.values()]] = True
        if not self._columns_made:
            return {"hashed": hashed}
        parts = list(itertools.chain.from_iterable(self._parts))
        column, test, value, missing = zip(*parts, strict=True)
        keys, values = zip(*self._columns_made, strict=True)
        return {
            "hashed": hashed,
            "key_off": np.cumsum([0, *map(len, self._parts)]),
            "key_column": column,
            "key_test": test,
            "key_value": value,
            "key_nan": missing,
            "table_off": np.cumsum([0, *map(len, self._known)]),
            "table_key": np.concatenate(self._known),
            "derived_key": keys,
            "derived_value": np.concatenate(values),
        }

    def _key(self, name: str, parts: list[tuple[int, int, float, bool]], known: Array) -> int:
        if name not in self._keys:
            self._keys[name] = len(self._keys)
            self._parts.append(parts)
            self._known.append(known)
        return self._keys[name]

    def _number(self, name: Any, key: int, values: Array) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._numbers)
            self._columns_made.append((key, values))
        return self._numbers[name]

    def _statistic(self, ctr: Mapping[str, Any]) -> tuple[int, Array]:
        """Key and values of a statistic, the last value for categories that nobody has seen."""
        table = self._tables[ctr["identifier"]]
        if unknown := (ctr.keys() - CTR_KEYS) | (table.keys() - TABLE_KEYS):
            raise UnsupportedModelError(f"{', '.join(sorted(unknown))} in a CTR of the CatBoost model: not known.")
        stride = table["hash_stride"]
        known = np.array([int(key) for key in table["hash_map"][::stride]], dtype=np.uint64)
        order = np.argsort(known)
        order = order[known[order] != NO_KEY]
        counts = np.array([table["hash_map"][i::stride] for i in range(1, stride)], dtype=np.float64)
        # Behind the known ones, a category of which nothing was counted.
        counts = np.concatenate([counts[:, order], np.zeros((stride - 1, 1))], axis=1)
        good, total = _counts(ctr, table, counts)
        # All in float32, as in the library [CatBoost libs/model/online_ctr.h, TModelCtr::Calc].
        prior, shift, scale = (np.float32(ctr[name]) for name in ("prior_numerator", "shift", "scale"))
        value = (good + prior) / (total + np.float32(ctr["prior_denomerator"]))
        parts = [self._part(element) for element in ctr["elements"]]
        return self._key(ctr["identifier"], parts, known[order]), (value + shift) * scale

    def _part(self, element: Mapping[str, Any]) -> tuple[int, int, float, bool]:
        match element["combination_element"]:
            case "cat_feature_value":
                return self._features[element["cat_feature_index"]]["flat_feature_index"], HASH, 0.0, False
            case "cat_feature_exact_value":
                value = int(np.int64(element["value"]).astype(np.int32))
                return self._features[element["cat_feature_index"]]["flat_feature_index"], IS_HASH, float(value), False
            case "float_feature":
                number, border = element["float_feature_index"], float(np.float32(element["border"]))
                return int(self._columns[number]), EXCEEDS, border, bool(self._nan_right[number])
        raise UnsupportedModelError(
            f"combination_element={element['combination_element']!r} in a CTR of the CatBoost model is not known."
        )


def _check_told_apart(ctrs: list[Mapping[str, Any]]) -> None:
    """Refuse statistics of the same name: each has a table of its own, of which the file holds one."""
    numbers = ("target_border_idx", "prior_numerator", "prior_denomerator", "shift", "scale")
    told = {(ctr["identifier"], *(ctr[number] for number in numbers)) for ctr in ctrs}
    if len(told) < len(ctrs):
        raise UnsupportedModelError(f"Statistics of categories {OF_SEVERAL_TARGETS}")


def check_targets(loss: str | None, info: Mapping[str, Any]) -> None:
    """Refuse statistics of several targets, or of one target cut in several ways.

    Each way has tables of its own, but the file's names of tables do not say of which
    [CatBoost libs/model/ctr_data.h, TModelCtrBase's TargetBorderClassifierIdx, of which JSON has nothing].

    Parameters
    ----------
    loss : str, optional
        Name of the loss.
    info : dict
        The section ``model_info`` of a saved model that has statistics.

    Raises
    ------
    UnsupportedModelError
        If the tables cannot be told apart.
    """
    if loss in SEVERAL_TARGETS:
        raise UnsupportedModelError(f"loss_function={loss!r} with statistics of categories {OF_SEVERAL_TARGETS}")
    params = info.get("params") or {}
    given = (json.loads(params) if isinstance(params, str) else params).get("cat_feature_params", {})
    for ctrs in (given.get("simple_ctrs"), given.get("combinations_ctrs"), *given.get("per_feature_ctrs", {}).values()):
        ways: dict[str, Any] = {}
        for ctr in ctrs or ():
            way = ctr.get("target_binarization")
            if ways.setdefault(ctr["ctr_type"], way) != way:
                raise UnsupportedModelError(f"Statistics ({ctr['ctr_type']}) of categories {OF_SEVERAL_TARGETS}")


def _counts(ctr: Mapping[str, Any], table: Mapping[str, Any], counts: Array) -> tuple[Array, Array]:
    """What a statistic divides, before its prior: float32 sums over the target's classes."""
    border: int = ctr["target_border_idx"]
    match ctr["ctr_type"]:
        case "Borders":
            good, total = counts[border + 1 :].sum(0), counts.sum(0)
        case "Buckets":
            good, total = counts[border], counts.sum(0)
        case "BinarizedTargetMeanValue":
            good, total = counts
        case "Counter":
            good, total = counts[0], np.full(counts.shape[1], table["counter_denominator"])
        case unknown:
            raise UnsupportedModelError(
                f"ctr_type={unknown!r} of CatBoost, which models trained on a GPU have, is not covered. Supported: "
                "Borders, Buckets, BinarizedTargetMeanValue, Counter."
            )
    return good.astype(np.float32), total.astype(np.float32)
