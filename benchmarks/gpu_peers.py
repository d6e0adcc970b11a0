"""What CUDA's kernels are timed beside: XGBoost's own predictor and nvForest, on arrays of CuPy."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import gpu_models

SIZES = (1, 1000, 100_000, 1_000_000)


def timed(folder: Path, repeats: int) -> Any:
    """Median time of each peer, until its answer is there, for the models that it reads."""
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed"
    found: dict[str, Any] = {}
    for name, forest, own in gpu_models.standard(folder):
        for n in SIZES:
            X = cupy.random.standard_normal((n, forest.n_features), dtype=cupy.float32)
            for peer, make in PEERS.items():
                try:
                    predict = make(own, n)
                except (ImportError, ValueError) as error:
                    found[f"{name}, {peer}"] = f"{type(error).__name__}: {error}"[:120]
                    continue
                predict(X)
                cupy.cuda.Device().synchronize()
                times = []
                for _ in range(repeats):
                    begin = time.perf_counter()
                    predict(X)
                    cupy.cuda.Device().synchronize()
                    times.append(time.perf_counter() - begin)
                seconds = statistics.median(times)
                found[f"{name}, {peer}, {n} rows"] = {"us": round(1e6 * seconds, 1), "rows_per_s": round(n / seconds)}
    return found


def _xgboost(own: Path | None, n: int) -> Callable[[Any], Any]:
    import xgboost

    if own is None or own.suffix != ".ubj":
        raise ValueError("not a model of XGBoost")
    booster = xgboost.Booster(model_file=str(own))
    booster.set_param({"device": "cuda"})
    return lambda X: booster.inplace_predict(X, predict_type="margin")


def _nvforest(own: Path | None, n: int) -> Callable[[Any], Any]:
    import nvforest

    if own is None:
        raise ValueError("not in a format that nvForest reads")
    model = nvforest.load_model(
        str(own), device="gpu", model_type="xgboost_ubj" if own.suffix == ".ubj" else "lightgbm"
    )
    return model.optimize(batch_size=n).predict


PEERS = {"xgboost": _xgboost, "nvforest": _nvforest}
