"""Steps of feature-engine, described by the example through the public door alone."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from sktensor import TensorizedEstimator
from sktensor.pipelines import registry
from sktensor.testing import check_transformer

pytest.importorskip("feature_engine")
from feature_engine.imputation import MeanMedianImputer
from feature_engine.outliers import Winsorizer

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "feature_engine_steps.py"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    spec = importlib.util.spec_from_file_location("feature_engine_steps", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.register()
    return module


def rows():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(200, 3)) * [1, 10, 100], columns=["a", "b", "c"])


@pytest.mark.parametrize("transformer", [Winsorizer(), MeanMedianImputer()])
def test_descriptions_of_feature_engines_steps_hold(example, transformer):
    X = rows()
    check_transformer(transformer.fit(X), X)


def test_a_pipeline_of_feature_engines_steps_is_folded(example):
    X = rows()
    X.loc[::7, "b"] = np.nan
    y = (X["a"] > 0).astype(int)
    pipeline = make_pipeline(MeanMedianImputer(), Winsorizer(), RandomForestClassifier(5, random_state=0)).fit(X, y)
    fast = TensorizedEstimator(pipeline)
    assert fast.predict_proba(X).tobytes() == pipeline.predict_proba(X).tobytes()
    assert [note.why_run for note in fast.explain_plan(1).steps] == ["", ""]
    assert all(ready is not None for ready in fast._compiled()._ready.values())
