"""treelite's own interpreter (GTIL), and tl2cgen, which turns the model into C and calls gcc."""

from __future__ import annotations

import numpy as np

from benchmarks.cpu.candidates import Runner

# Trees of so many leaves together make one C file: gcc's time grows faster than its input.
LEAVES_PER_FILE = 1000


def imported(kept, fitted):
    """The model as treelite reads it."""
    import treelite

    readers = {
        "xgboost": lambda: treelite.frontend.load_xgboost_model(str(kept.native)),
        "lightgbm": lambda: treelite.frontend.load_lightgbm_model(str(kept.native)),
        "scikit-learn": lambda: treelite.sklearn.import_model(fitted),
    }
    return readers[kept.model.package]()


def gtil(kept, fitted, threads, scratch):
    """The interpreter."""
    import treelite

    model = imported(kept, fitted)
    dtype = model.input_type
    return Runner(lambda X: treelite.gtil.predict(model, X.astype(dtype, copy=False), nthread=threads))


def tl2cgen(kept, fitted, threads, scratch):
    """A shared library; without ``quantize``, which was slower for most models."""
    import tl2cgen

    path = scratch / "model.so"
    if not path.exists():
        facts = kept.facts()
        files = min(facts["trees"], -(-facts["leaves"] // LEAVES_PER_FILE))
        model = imported(kept, fitted)
        tl2cgen.export_lib(model, toolchain="gcc", libpath=str(path), params={"parallel_comp": files})
    predictor = tl2cgen.Predictor(str(path), nthread=threads)
    dtype = predictor.threshold_type

    def predict(X):
        # tl2cgen 1.0 does not convert dtypes itself under numpy 2.
        return predictor.predict(tl2cgen.DMatrix(np.asarray(X, dtype=dtype), dtype=dtype))

    return Runner(predict)
