"""A pipeline, rows for it, and a model that notes what an engine does with it: what the tests of the engines share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

import sktensor
from sktensor import TensorizedEstimator
from sktensor.runtime import program

COLUMNS = ["age", "income", "city"]
LIBRARIES = ("lightgbm", "xgboost", "torch")
TEXTS = ("object", "str", "string")  # pandas' dtypes of text: engines differ in which one they hand over

count = program._threads


def rows(n: int, seed: int = 1) -> pd.DataFrame:
    """A frame with the columns `row`, which numbers its rows, and COLUMNS; with missing values and unseen cities."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "row": np.arange(n),
            "age": rng.normal(40, 12, n),
            "income": rng.lognormal(10, 1, n),
            "city": rng.choice(["Lyon", "Oslo", "Porto", "Turin", "Nowhere"], n),
        }
    )
    frame.loc[rng.random(n) < 0.1, "income"] = np.nan
    return frame


def fitted_pipeline(n_estimators: int = 30):
    """Imputing, scaling and one-hot encoding in front of LightGBM, with text for labels; the oracle of the tests."""
    # Imported here: workers, which import this module for ObservedModel, shall need none of it.
    from lightgbm import LGBMClassifier
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = rows(2_000, seed=0)
    frame.loc[frame["city"] == "Nowhere", "city"] = "Oslo"
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("n", numbers, ["age", "income"]), ("t", texts, ["city"])], sparse_threshold=0)
    model = LGBMClassifier(n_estimators=n_estimators, n_jobs=1, verbose=-1)
    late = (frame["age"] > 45) ^ (frame["city"] == "Oslo")
    return Pipeline([("columns", columns), ("model", model)]).fit(frame[COLUMNS], np.where(late, "late", "on time"))


def fitted_numbers():
    """A larger model of the numbers alone, whose answers are worth a second thread."""
    from xgboost import XGBClassifier

    frame = rows(2_000, seed=0)
    model = XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1)
    return model.fit(frame[["age", "income"]], np.random.default_rng(0).random(len(frame)) < 0.5)


def saved(pipeline, path: Path) -> Path:
    """The file of the wrapped pipeline, with its steps folded for every kind of frame that engines give."""
    fast, frame = TensorizedEstimator(pipeline), rows(1)[COLUMNS]
    for text in TEXTS:
        fast.predict(frame.astype({"city": text}))
    try:
        import polars
    except ImportError:
        pass
    else:
        fast.predict(polars.from_pandas(frame))
    sktensor.save(fast, path)
    return path


class ObservedModel:
    """A model that leaves a note in a folder for whatever happens to it, and may kill the process that it is in.

    Parameters
    ----------
    model : estimator
        What answers.
    folder : Path
        For the notes: one empty file each, whose name has the event, the process and details.
    kill : bool
        Whether to kill the process of the second prediction, of all processes together, the first time.
    """

    def __init__(self, model, folder: Path, kill: bool = False):
        self.model, self.folder, self.kill = model, folder, kill
        self.feature_names_in_ = model.feature_names_in_

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._note("loaded")

    def _note(self, event, *details):
        (self.folder / "-".join(map(str, (event, os.getpid(), *details, uuid.uuid4().hex)))).touch()

    def _die_once(self):
        if len(list(self.folder.glob("asked-*"))) < 2:
            return
        try:
            (self.folder / "killed").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def warmup(self):
        self.model.warmup()
        return self

    def predict_proba(self, X):
        self._note("asked")
        if self.kill:
            self._die_once()
        threads = [1]
        with patch.object(program, "_threads", lambda *given: threads.append(count(*given)) or threads[-1]):
            answer = self.model.predict_proba(X)
        self._note("answered", len(X), max(threads), sum(name in sys.modules for name in LIBRARIES))
        return answer


class Notes:
    """What ObservedModels have noted in a folder."""

    def __init__(self, folder: Path):
        self.names = [path.name.split("-") for path in folder.iterdir()]
        self.killed = any(name[0] == "killed" for name in self.names)

    def processes(self, event: str) -> list[int]:
        """The process of each note of an event, this one's left out."""
        return [int(name[1]) for name in self.names if name[0] == event and int(name[1]) != os.getpid()]

    def rows_answered(self) -> list[int]:
        """The number of rows of each prediction."""
        return [int(name[2]) for name in self.names if name[0] == "answered"]

    def threads(self) -> int:
        """The largest number of threads that a prediction asked kernels for."""
        return max(int(name[3]) for name in self.names if name[0] == "answered")

    def libraries_loaded(self) -> bool:
        """Whether any of LIBRARIES, which have threads of their own, was there in a process that answered."""
        return any(name[4] != "0" for name in self.names if name[0] == "answered")


def same_scores(scored: pd.DataFrame, pipeline, frame: pd.DataFrame) -> None:
    """Assert that each row of `frame` is there once, in any order, with the pipeline's own probability, bit for bit."""
    assert sorted(scored["row"]) == list(frame["row"])
    found = scored.sort_values("row")["score"].to_numpy(np.float64)
    assert found.tobytes() == pipeline.predict_proba(frame[COLUMNS])[:, -1].astype(np.float64).tobytes()


def run_recipe(name: str, *arguments: object) -> None:
    """Run a file of examples/ as a user does, with an end."""
    script = Path(__file__).parents[2] / "examples" / name
    subprocess.run([sys.executable, script, *map(str, arguments)], check=True, timeout=400)
