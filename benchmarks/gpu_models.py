"""What benchmarks/gpu.py runs: forty saved models with the hashes of their answers, and the five that are timed.

    python -m benchmarks.gpu_models            # makes gpu_models.npz and gpu_expected.json anew, on a CPU
    python -m benchmarks.gpu_models FOLDER     # trains the models that are timed and keeps them in a folder

The forty are small, of every library and rule; their forests are kept as arrays, so that no library is needed where
they run. Their rows follow from the forests by a generator of which numpy promises that its bits stay the same.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sktensor import Forest
from sktensor.persistence.forest_codec import decode_forest, encode_forest

HERE = Path(__file__).parent
MODELS, EXPECTED = HERE / "gpu_models.npz", HERE / "gpu_expected.json"

# Rows that are hashed in the forest's own dtype, and in the others.
N_ROWS = 20_001
SIZES = (1, 33, 1000, N_ROWS)
OTHERS = 1000
DTYPES = ("float32", "float64", "float16", "bfloat16", "int32")

CHOSEN = {
    "xgboost_models": (
        "regressor", "classifier", "three classes", "rf classifier", "vector leaves", "vector leaves, classes",
        "dart classifier", "NaN", "missing -999", "missing 0.1", "one-decimal grid", "denormals",
        "categories with NaN", "categories, classes", "count:poisson", "single leaves",
    ),
    "lightgbm_models": (
        "regressor", "three classes", "rf", "NaN", "zero_as_missing", "zero_as_missing with NaN", "epoch seconds",
        "tiny values", "thresholds at zero", "categories with NaN",
    ),
    "catboost_models": ("RMSE", "MultiClass, three classes", "Depthwise, NaN, classes", "Lossguide", "many borders"),
    "sklearn_models": (
        "tree, missing values", "forest", "forest, several targets", "extra trees", "boosting, three classes",
        "hist, three classes", "hist regressor, missing values",
    ),
    "sklearn_ensembles": ("isolation", "bagging"),
}  # fmt: skip

SPECIAL = (
    *(0.0, -0.0, 1.0, -1.0, 2.0, 3.0, 7.0, 40.0, -0.5, 0.1, -3.7, 16777217.0, 1e10, -1e10),
    *(5e-324, -5e-324, 1e-45, -1e-45, 1e-40, 1e-36, float(np.float32(1e-35)), -1e-35, 6e-8),
    *(np.nan, np.nan, np.inf, -np.inf, 1e300, -1e300, 65504.0),
)


def forests() -> Iterator[tuple[str, Forest]]:
    """The forty, by name."""
    with np.load(MODELS, allow_pickle=False) as kept:
        for name, encoded in json.loads(bytes(kept["encoded"]).decode()).items():
            arrays = {key.rpartition("/")[2]: kept[key] for key in kept.files if key.startswith(f"{name}/")}
            yield name, decode_forest(encoded, arrays)


def rows(forest: Forest, n: int) -> np.ndarray:
    """Rows that hurt a forest, float64: thresholds, their neighbours, awkward numbers, and what lies between."""
    generator = np.random.PCG64(12345)
    X = np.empty((n, forest.n_features))
    for j in range(forest.n_features):
        t = forest.trees.threshold[forest.trees.feature == j].astype(np.float64)
        t = t[np.isfinite(t)]
        with np.errstate(over="ignore"):
            narrow = t.astype(np.float32)
            near = [t, np.nextafter(t, np.inf), np.nextafter(t, -np.inf), narrow]
            near += [np.nextafter(narrow, np.float32(side)) for side in (np.inf, -np.inf)]
            pool = np.concatenate([np.array(SPECIAL), *[part.astype(np.float64) for part in near]])
        if forest.inputs.missing_value is not None:
            pool = np.append(pool, [forest.inputs.missing_value] * 5)
        bits = generator.random_raw((2, n))
        between = (bits[1] >> np.uint64(11)).astype(np.float64) * 2.0**-51 - 2
        X[:, j] = np.where(bits[0] % np.uint64(3) > 0, pool[(bits[0] >> np.uint64(8)) % np.uint64(len(pool))], between)
    return X


def as_dtype(X: np.ndarray, dtype: str) -> np.ndarray:
    """The rows in a dtype; of bfloat16 as float32 numbers that it has."""
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype == "bfloat16":
            return (X.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        if dtype == "int32":
            return np.clip(np.nan_to_num(X), -(2.0**31), 2.0**31 - 1).astype(np.int32)
        return X.astype(dtype)


def hashed(answer: Any) -> str:
    """Of the bytes of an answer; every NaN is the same."""
    array = np.ascontiguousarray(answer)
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return hashlib.sha256(array.tobytes()).hexdigest()[:24]


def of_dtypes(forest: Forest) -> Iterator[tuple[str, int]]:
    """What is hashed: dtypes and numbers of rows."""
    yield from ((forest.trees.feature_dtype, n) for n in SIZES)
    yield from ((dtype, OTHERS) for dtype in DTYPES if dtype != forest.trees.feature_dtype)


def _make() -> None:
    """Train the forty, keep their forests, and the hashes of what the CPU's kernels answer."""
    sys.path.insert(0, str(HERE.parent / "tests" / "helpers"))
    import importlib

    from sktensor import extract_forest
    from sktensor.inputs.rows import Rows
    from sktensor.runtime.program import Program
    from sktensor.runtime.settings import Settings

    arrays: dict[str, np.ndarray] = {}
    encoded: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    for module, names in CHOSEN.items():
        found = importlib.import_module(module)
        for name in names:
            model = found.MODELS[name]() if hasattr(found, "MODELS") else found.fitted(name)
            forest = extract_forest(model)
            title = f"{module.partition('_')[0]}, {name}"
            encoded[title], of_forest = encode_forest(forest)
            arrays |= {f"{title}/{key}": array for key, array in of_forest.items() if key != "cover"}
            program, X = Program(forest), rows(forest, N_ROWS)
            with np.errstate(all="ignore"):
                answers = {}
                for dtype, n in of_dtypes(forest):
                    given = Rows(as_dtype(X[:n], dtype), forest.inputs.flush_limit, forest.inputs.missing_value)
                    total, leaves = program.total(given, Settings()), program.leaves(given, Settings())
                    answers[f"{dtype} {n}"] = [hashed(total), hashed(leaves)]
            expected[title] = {"rows": hashed(X), "answers": answers}
    np.savez_compressed(MODELS, encoded=np.frombuffer(json.dumps(encoded).encode(), dtype=np.uint8), **arrays)
    EXPECTED.write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    print(f"{len(expected)} models, {MODELS.stat().st_size / 1024:.0f} KiB")


# ------------------------------------------------------------------------------------------------ models that are timed

STANDARD = {
    "xgb-100-d6": "XGBoost, 100 trees of depth 6",
    "xgb-500-d8": "XGBoost, 500 trees of depth 8",
    "lgbm-500-31": "LightGBM, 500 trees of 31 leaves",
    "lgbm-100-255": "LightGBM, 100 trees of 255 leaves",
    "rf-100": "RandomForest, 100 trees of 4,400 leaves",
}


def standard(folder: Path) -> Iterator[tuple[str, Forest, Path | None]]:
    """Forests that are timed, and where XGBoost's or LightGBM's own file of each is."""
    for name in STANDARD:
        path = folder / f"{name}.npz"
        if not path.exists():
            _train(name, folder)
        with np.load(path, allow_pickle=False) as kept:
            encoded = json.loads(bytes(kept["encoded"]).decode())
            forest = decode_forest(encoded, {key: kept[key] for key in kept.files if key != "encoded"})
        own = next(
            (folder / f"{name}{ending}" for ending in (".ubj", ".txt") if (folder / f"{name}{ending}").exists()), None
        )
        yield name, forest, own


def _train(name: str, folder: Path) -> None:
    from benchmarks.cpu import models
    from sktensor import extract_forest

    fit = {
        "xgb-100-d6": models.xgboost_100_depth_6,
        "xgb-500-d8": models.xgboost_500_depth_8,
        "lgbm-500-31": models.lightgbm_500_leaves_31,
        "lgbm-100-255": models.lightgbm_100_leaves_255,
        "rf-100": models.random_forest_100,
    }[name]
    model = fit()
    encoded, arrays = encode_forest(extract_forest(model))
    folder.mkdir(parents=True, exist_ok=True)
    text = np.frombuffer(json.dumps(encoded).encode(), dtype=np.uint8)
    np.savez_compressed(folder / f"{name}.npz", encoded=text, **arrays)
    if name.startswith("xgb"):
        model.save_model(folder / f"{name}.ubj")
    if name.startswith("lgbm"):
        model.booster_.save_model(folder / f"{name}.txt")
    print(f"{name}: {(folder / f'{name}.npz').stat().st_size / 2**20:.1f} MiB", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        for trained in standard(Path(sys.argv[1])):
            print(trained[0])
    else:
        _make()
