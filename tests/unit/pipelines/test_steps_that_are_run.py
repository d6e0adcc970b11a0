"""Steps that are run beside others that are folded: what they give counts as what the model is given."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, RobustScaler
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

RNG = np.random.default_rng(0)
N = 400
TEXTS = RNG.choice(["a", "b", "c"], N).astype(object)
TEXTS[RNG.random(N) < 0.1] = None
FRAME = pd.DataFrame({"t": pd.Series(TEXTS, dtype=object), "x": np.round(RNG.normal(size=N) * 2)})
LABELS = (TEXTS == "a") ^ (FRAME["x"].to_numpy() > 0)
MODELS = {
    "xgboost": lambda: XGBClassifier(n_estimators=5, n_jobs=1),
    "lightgbm": lambda: LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1),
    "forest": lambda: RandomForestClassifier(n_estimators=5, random_state=0),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sparse_inside", [True, False])
@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_zeros_of_what_is_run_are_absent_where_the_model_is_given_a_sparse_matrix(model, sparse_inside, threshold):
    run = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=None),  # which is not described
        OneHotEncoder(handle_unknown="ignore", sparse_output=sparse_inside),
    )
    branches = [("run", run, ["t"]), ("folded", OneHotEncoder(sparse_output=True), ["x"])]
    whole = make_pipeline(ColumnTransformer(branches, sparse_threshold=threshold), MODELS[model]()).fit(FRAME, LABELS)
    fast = TensorizedEstimator(whole)
    assert fast.predict_proba(FRAME).tobytes() == whole.predict_proba(FRAME).tobytes()
    assert fast._compiled().folded()


def test_polars_frames_of_which_no_folded_step_is_asked():
    frame = pl.DataFrame({"n1": RNG.random(N) < 0.5, "n0": RNG.integers(0, 600, N)})
    columns = ColumnTransformer(
        [("b0", RobustScaler(), ["n1"]), ("b1", PCA(n_components=2), ["n0", "n1"]), ("b2", FunctionTransformer(), [])]
    )
    y = frame["n0"].to_numpy() > 300
    whole = make_pipeline(columns, RandomForestClassifier(n_estimators=2, max_depth=1, random_state=0)).fit(frame, y)
    fast = TensorizedEstimator(whole)
    assert fast.predict_proba(frame).tobytes() == whole.predict_proba(frame).tobytes()
