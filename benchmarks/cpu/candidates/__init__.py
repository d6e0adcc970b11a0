"""Who is measured: sktensor, the libraries themselves in every form they offer, and their peers.

A candidate's module is imported only where the candidate runs, so that this table can be read in any environment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cpu.models import Kept, Model

OWN = "sktensor"  # the environment that this process runs in; the others are in peers.py

BOOSTERS = ("xgboost", "lightgbm", "catboost")


class Runner(NamedTuple):
    """A candidate ready to run: what is timed, and what is done to the rows before the clock starts."""

    predict: Callable[[Any], Any]
    convert: Callable[[Any], Any] | None = None
    plan: Callable[[int], str] | None = None  # what it says it would run for so many rows


@dataclass(frozen=True)
class Candidate:
    """How a candidate is called, where it lives and which models it reads.

    `builder` is ``"module:function"``; the function takes the model's files, the fitted estimator, the number of
    threads and a folder that keeps what it compiled, and gives a :class:`Runner`.
    """

    name: str
    title: str
    environment: str
    builder: str
    reads: tuple[str, ...]
    imports: tuple[str, ...] = ()  # loaded before the clock starts
    prepared: bool = False  # whether its rows are converted before the clock starts; it is nobody's best form then

    def takes(self, model: Model) -> bool:
        """Whether the candidate can read the model at all."""
        return model.package in self.reads

    def build(self, kept: Kept, fitted: Any, threads: int, scratch: Path) -> Runner:
        """The model, compiled."""
        module, _, function = self.builder.partition(":")
        return getattr(import_module(f"{__name__}.{module}"), function)(kept, fitted, threads, scratch)


_ALL = (*BOOSTERS, "scikit-learn")
_TREELITE = ("xgboost", "lightgbm", "scikit-learn")

CANDIDATES = {
    candidate.name: candidate
    for candidate in (
        Candidate("sktensor", "sktensor", OWN, "own:estimator", _ALL, ("sktensor", "torch")),
        Candidate("sktensor-torch", "sktensor, backend='torch'", OWN, "own:torch_backend", _ALL, ("sktensor", "torch")),
        Candidate("library", "the library, as an estimator", OWN, "libraries:estimator", _ALL),
        Candidate("xgboost-inplace", "Booster.inplace_predict", OWN, "libraries:xgboost_inplace", ("xgboost",)),
        Candidate("xgboost-dmatrix", "Booster.predict, DMatrix made before", OWN, "libraries:xgboost_dmatrix",
                  ("xgboost",), prepared=True),
        Candidate("xgboost-newest", "XGBoost 3.4.1, as an estimator", "xgboost-newest", "libraries:xgboost_from_file",
                  ("xgboost",)),
        Candidate("xgboost-newest-inplace", "XGBoost 3.4.1, inplace_predict", "xgboost-newest",
                  "libraries:xgboost_inplace_from_file", ("xgboost",)),
        Candidate("lightgbm-booster", "Booster.predict", OWN, "libraries:lightgbm_booster", ("lightgbm",)),
        Candidate("catboost-pool", "predict_proba, Pool made before", OWN, "libraries:catboost_pool", ("catboost",),
                  prepared=True),
        Candidate("onnxruntime", "ONNX Runtime", "onnxruntime", "onnx:runtime", _ALL,
                  ("onnxruntime", "onnxmltools", "skl2onnx")),
        Candidate("gtil", "treelite GTIL", "treelite", "treelite_models:gtil", _TREELITE, ("treelite",)),
        Candidate("tl2cgen", "tl2cgen, gcc", "treelite", "treelite_models:tl2cgen", _TREELITE, ("treelite", "tl2cgen")),
        Candidate("lleaves", "lleaves", "lleaves", "lleaves_models:compiled", ("lightgbm",), ("lleaves",)),
        Candidate("sklearnex", "scikit-learn-intelex", "sklearnex", "intelex:converted", _ALL, ("daal4py.mb",)),
        Candidate("ydf", "YDF", "ydf", "ydf_models:carried_over", _ALL, ("ydf",)),
        Candidate("hummingbird-torch", "Hummingbird, torch", "hummingbird", "hummingbird_models:torch_eager", _TREELITE,
                  ("hummingbird.ml",)),
        Candidate("hummingbird-jit", "Hummingbird, torch.jit", "hummingbird", "hummingbird_models:torch_jit", _TREELITE,
                  ("hummingbird.ml",)),
    )
}  # fmt: skip
