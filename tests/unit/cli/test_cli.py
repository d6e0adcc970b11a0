"""The command line: what each command prints, its exit status, and what it says of everything that is wrong."""

from __future__ import annotations

import re
import subprocess
import sys

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sktensor
from sktensor import TensorizedEstimator
from sktensor.cli import main

RNG = np.random.default_rng(0)
N = 120
FRAME = pd.DataFrame(RNG.normal(size=(N, 3)), columns=["a", "b", "c"]).assign(t=RNG.choice(["x", "y", "z"], N))
NUMBERS = FRAME[["a", "b", "c"]]
X = NUMBERS.to_numpy()
Y = ((X[:, 0] + X[:, 1] > 0) ^ (FRAME["t"] == "x")).astype(int).to_numpy()
REAL = X[:, 0] - X[:, 1] ** 2
TEXT_PIPELINE = make_pipeline(
    ColumnTransformer([("number", StandardScaler(), ["a", "b", "c"]), ("text", OneHotEncoder(), ["t"])]),
    xgboost.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1),
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder to work in, with tables."""
    monkeypatch.chdir(tmp_path)
    FRAME.assign(target=Y).to_parquet("rows.parquet")
    FRAME.assign(target=Y).to_csv("rows.csv", index=False)
    NUMBERS.to_csv("numbers.csv", index=False)
    np.save("numbers.npy", X)
    return tmp_path


def run(capsys, *arguments):
    """The exit status, the standard output and the standard error of a command."""
    try:
        status = main(arguments)
    except SystemExit as end:  # argparse's
        status = end.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def small(model):
    return model.set_params(n_estimators=4) if "n_estimators" in model.get_params() else model


# ---------------------------------------------------------------------------- info


def test_info_says_versions_kernels_and_devices(capsys):
    status, out, err = run(capsys, "info")
    assert (status, err) == (0, "")
    assert sktensor.__version__ in out
    for title in ("System", "Kernels", "Packages", "Devices"):
        assert f"\n{title}\n" in f"\n{out}"


# ---------------------------------------------------------------------------- inspect


def test_inspect_counts_trees_leaves_and_depth(capsys, files):
    model = RandomForestClassifier(n_estimators=7, max_depth=3, random_state=0).fit(NUMBERS, Y)
    joblib.dump(model, "model.joblib")
    status, out, err = run(capsys, "inspect", "model.joblib")
    assert (status, err) == (0, "")
    leaves = sum(tree.get_n_leaves() for tree in model.estimators_)
    lines = dict(line.split(None, 1) for line in out.splitlines() if line and line[0] != " ")
    assert lines["trees"] == "7"
    assert lines["leaves"] == f"{leaves}"
    assert lines["depth"].startswith(f"{max(tree.get_depth() for tree in model.estimators_)} at most")
    assert lines["columns"] == "a, b, c"
    assert lines["classes"] == "0, 1"
    assert "RandomForestClassifier (scikit-learn " in lines["model"]
    assert "strategy" in out
    assert "tables" in out


def test_inspect_plans_for_the_rows_asked(capsys, files):
    joblib.dump(RandomForestRegressor(n_estimators=3).fit(X, REAL), "model.pkl")
    _, out, _ = run(capsys, "inspect", "model.pkl", "--rows", "123456")
    assert "plan for 123,456 rows" in out


def test_inspect_shows_the_steps_of_pipelines_and_the_models_in_others(capsys, files):
    joblib.dump(TEXT_PIPELINE.fit(FRAME, Y), "pipeline.joblib")
    voting = VotingClassifier([("a", RandomForestClassifier(3)), ("b", xgboost.XGBClassifier(n_estimators=2))])
    joblib.dump(voting.set_params(voting="soft").fit(X, Y), "voting.joblib")
    status, out, _ = run(capsys, "inspect", "pipeline.joblib")
    assert status == 0
    assert "columntransformer__text (OneHotEncoder): folded" in out
    assert re.search(r"^trees +4$", out, re.M)  # of the last step
    status, out, _ = run(capsys, "inspect", "voting.joblib")
    assert status == 0
    assert "estimators_[1], XGBClassifier" in out


def library_files():
    """A file of every kind that a library writes, with how it is made."""
    boosted = xgboost.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1).fit(X, Y)
    light = lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1).fit(X, Y)
    cat = catboost.CatBoostClassifier(iterations=4, depth=3, thread_count=1, verbose=0, allow_writing_files=False)
    cat.fit(X, Y)
    return {
        "xgboost.json": boosted.save_model,
        "xgboost.ubj": boosted.save_model,
        "lightgbm.txt": light.booster_.save_model,
        "catboost.cbm": cat.save_model,
        "catboost.json": lambda path: cat.save_model(path, format="json"),
        "own.safetensors": lambda path: sktensor.save(TensorizedEstimator(boosted), path),
    }


@pytest.mark.parametrize("name", library_files())
def test_inspect_reads_the_files_of_the_libraries_and_our_own(capsys, files, name):
    library_files()[name](name)
    status, out, err = run(capsys, "inspect", name)
    assert (status, err) == (0, "")
    assert re.search(r"^trees +4$", out, re.M)
    if name == "own.safetensors":
        assert "xgboost.sklearn.XGBClassifier (as sktensor.save has kept it)" in out


# ---------------------------------------------------------------------------- check

MODELS = {
    "forest": small(RandomForestClassifier(random_state=0)),
    "forest of threads": small(RandomForestClassifier(random_state=0, n_jobs=2)),
    "numbers": small(RandomForestRegressor(random_state=0)),
    "outliers": small(IsolationForest(random_state=0)),
    "xgboost": xgboost.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1),
    "lightgbm": lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1),
    "catboost": catboost.CatBoostClassifier(iterations=4, verbose=0, thread_count=1, allow_writing_files=False),
}


@pytest.mark.parametrize("data", ["numbers.csv", "numbers.npy"])
@pytest.mark.parametrize("name", MODELS)
def test_check_finds_every_method_equal(capsys, files, name, data):
    model = MODELS[name].fit(X, REAL if name == "numbers" else Y)
    joblib.dump(model, "model.joblib")
    status, out, err = run(capsys, "check", "model.joblib", data)
    assert (status, err) == (0, "")
    methods = [one for one in ("predict", "predict_proba", "decision_function", "score_samples") if hasattr(model, one)]
    leaves = [] if name == "outliers" else ["leaves"]  # which scikit-learn does not tell of isolation forests
    for method in [*methods, "raw scores", *leaves]:
        assert re.search(rf"^{method} +equal, 120 rows$", out, re.M), out
    assert "DIFFERENT" not in out


@pytest.mark.parametrize("data", ["rows.parquet", "rows.csv"])
def test_check_takes_the_columns_that_the_model_knows(capsys, files, data):
    joblib.dump(TEXT_PIPELINE.fit(FRAME, Y), "model.joblib")
    status, out, _ = run(capsys, "check", "model.joblib", data, "--rows", "50")
    assert status == 0
    assert re.search(r"^predict_proba +equal, 50 rows$", out, re.M)


def test_check_of_a_wrapper_asks_the_model_inside(capsys, files):
    joblib.dump(TensorizedEstimator(RandomForestClassifier(4)).fit(X, Y), "model.joblib")
    status, out, _ = run(capsys, "check", "model.joblib", "numbers.csv")
    assert status == 0
    assert re.search(r"^predict +equal", out, re.M)


@pytest.mark.parametrize("name", ["xgboost.json", "lightgbm.txt", "catboost.cbm"])
def test_check_of_a_librarys_file(capsys, files, name):
    library_files()[name](name)
    status, out, err = run(capsys, "check", name, "numbers.npy")
    assert (status, err) == (0, "")
    assert re.search(r"^leaves +equal, 120 rows$", out, re.M)


def test_check_shows_the_first_row_that_differs_and_fails(capsys, files, monkeypatch):
    model = RandomForestRegressor(n_estimators=3, random_state=0).fit(X, REAL)
    joblib.dump(model, "model.joblib")
    right = TensorizedEstimator.predict

    def off_by_one_bit(self, rows):
        found = right(self, rows)
        found[7:9] = np.nextafter(found[7:9], np.inf)
        return found

    monkeypatch.setattr(TensorizedEstimator, "predict", off_by_one_bit)
    status, out, _ = run(capsys, "check", "model.joblib", "numbers.npy")
    assert status == 1
    assert re.search(r"^predict +DIFFERENT: 2 of 120 rows, the first is row 7$", out, re.M)
    assert f"row 7: {X[7].tolist()}" in out
    value = model.predict(X[7:8])[0]
    assert f"library   {float(value)!r}" in out
    assert f"sktensor  {float(np.nextafter(value, np.inf))!r}" in out


def test_check_counts_an_answer_where_the_library_refuses_as_a_difference(capsys, files, monkeypatch):
    joblib.dump(RandomForestRegressor(n_estimators=3, random_state=0).fit(X, REAL), "model.joblib")
    np.save("infinite.npy", np.full((2, 3), np.inf))
    monkeypatch.setattr(TensorizedEstimator, "predict", lambda self, rows: np.zeros(len(rows)))
    status, out, _ = run(capsys, "check", "model.joblib", "infinite.npy", "--rows", "1")
    assert "predict             DIFFERENT: the library says ValueError: Input X contains infinity" in out
    assert status == 1


def test_check_says_what_both_refuse(capsys, files):
    model = lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1).fit(X, Y)
    joblib.dump(model, "model.joblib")
    np.save("text.npy", np.array([["a", "b", "c"]]))
    status, out, err = run(capsys, "check", "model.joblib", "text.npy")
    assert status == 2
    assert "refused by both" in out
    assert "none of the model's methods gives an answer" in err


# ---------------------------------------------------------------------------- bench


def test_bench_prints_library_and_strategies_side_by_side(capsys, files):
    joblib.dump(MODELS["xgboost"].fit(X, Y), "model.joblib")
    arguments = ("--seconds", "0", "--batches", "300,1", "--strategies", "auto,tree_traversal")
    status, out, err = run(capsys, "bench", "model.joblib", "numbers.npy", *arguments, "--figure", "times.png")
    assert (status, err) == (0, "")
    assert "XGBClassifier.predict_proba, 1 thread, microseconds a row (times faster)" in out
    header, one, many = out.splitlines()[1:4]
    assert header.split() == ["rows", "a", "call", "library", "auto", "tree_traversal"]
    assert re.fullmatch(r" *1  +[\d.e-]+ +[\d.e-]+ \([\d.]+x\) +[\d.e-]+ \([\d.]+x\)", one)
    assert many.split()[0] == "300"
    assert (files / "times.png").read_bytes()[:4] == b"\x89PNG"


def test_bench_leaves_the_model_with_its_threads(files, capsys, monkeypatch):
    model = RandomForestRegressor(n_estimators=2, n_jobs=2).fit(X, REAL)
    joblib.dump(model, "model.joblib")
    monkeypatch.setattr(joblib, "load", lambda path: model)
    assert run(capsys, "bench", "model.joblib", "numbers.npy", "--seconds", "0", "--batches", "5")[0] == 0
    assert model.n_jobs == 2


def test_bench_tells_catboost_of_threads_call_by_call(capsys, files, monkeypatch):
    model = MODELS["catboost"].fit(X, Y)
    joblib.dump(model, "model.joblib")
    told = []
    right = catboost.CatBoostClassifier.predict_proba

    def predict_proba(self, X, ntree_start=0, ntree_end=0, thread_count=-1):
        told.append(thread_count)
        return right(self, X, thread_count=thread_count)

    monkeypatch.setattr(catboost.CatBoostClassifier, "predict_proba", predict_proba)
    arguments = ("--seconds", "0", "--batches", "5", "--threads", "2")
    assert run(capsys, "bench", "model.joblib", "numbers.npy", *arguments)[0] == 0
    assert set(told) == {2}


def test_bench_of_a_booster(capsys, files):
    library_files()["xgboost.ubj"]("model.ubj")
    status, out, _ = run(capsys, "bench", "model.ubj", "numbers.npy", "--seconds", "0", "--batches", "5")
    assert status == 0
    assert "Booster.predict" in out


def test_bench_says_which_strategy_is_refused_and_why(capsys, files):
    joblib.dump(MODELS["forest"].fit(X, Y), "model.joblib")
    arguments = ("--seconds", "0", "--batches", "5", "--strategies", "auto,fastest")
    status, out, _ = run(capsys, "bench", "model.joblib", "numbers.npy", *arguments)
    assert status == 0
    assert "fastest: refused, Unknown strategy 'fastest'" in out


# ---------------------------------------------------------------------------- what is wrong


def wrong(files):
    """Files that are no models or no tables, and models that lack something."""
    joblib.dump({"a": 1}, "dict.joblib")
    joblib.dump(RandomForestClassifier(), "unfitted.joblib")
    joblib.dump(LogisticRegression().fit(X, Y), "linear.joblib")
    joblib.dump(MODELS["forest"].fit(X, Y), "model.joblib")
    joblib.dump(small(RandomForestClassifier()).fit(NUMBERS.rename(columns={"c": "d"}), Y), "named.joblib")
    for name in ("broken.joblib", "broken.json", "broken.ubj", "broken.txt", "broken.cbm", "broken.safetensors"):
        (files / name).write_bytes(b"this is no model at all")
    (files / "model.onnx").write_bytes(b"")
    (files / "broken.parquet").write_bytes(b"this is no table")
    (files / "rows.xlsx").write_bytes(b"")
    (files / "empty.csv").write_text("a,b,c\n")
    np.save("flat.npy", np.zeros(3))
    (files / "broken.npy").write_bytes(b"this is no array")
    library_files()["own.safetensors"]("own.safetensors")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "nothing.joblib"), "there is no file nothing.joblib"),
        (("inspect", "."), "is a folder"),
        (("inspect", "model.onnx"), r"no kind of model file is known by the suffix '.onnx'. Known: .joblib, .pkl"),
        (("inspect", "dict.joblib"), "dict.joblib holds a builtins object of class dict, which is no model"),
        (("inspect", "unfitted.joblib"), "class RandomForestClassifier that is not fitted. Save it after fit."),
        (("inspect", "linear.joblib"), "LogisticRegression"),
        (("inspect", "broken.joblib"), "broken.joblib cannot be read by joblib"),
        (("inspect", "broken.json"), "broken.json holds no model that can be read (xgboost: "),
        (("inspect", "broken.ubj"), "broken.ubj holds no model that can be read (xgboost: "),
        (("inspect", "broken.txt"), "broken.txt holds no model that can be read (lightgbm: "),
        (("inspect", "broken.cbm"), "broken.cbm holds no model that can be read (catboost: "),
        (("inspect", "broken.safetensors"), "broken.safetensors cannot be read"),
        (("check", "model.joblib", "nothing.csv"), "there is no file nothing.csv"),
        (("check", "model.joblib", "broken.parquet"), "broken.parquet cannot be read"),
        (("check", "model.joblib", "broken.npy"), "broken.npy cannot be read"),
        (("check", "model.joblib", "rows.xlsx"), "no kind of table is known by the suffix '.xlsx'. Known: .parquet"),
        (("check", "model.joblib", "empty.csv"), "empty.csv has no rows"),
        (("check", "model.joblib", "flat.npy"), "array of shape (3,)"),
        (
            ("check", "model.joblib", "rows.csv"),
            "has 5 columns, and the model was fitted on 3; it has a, b, c, t, target",
        ),
        (("check", "model.joblib", "rows.csv", "--drop", "u"), "--drop: rows.csv has no columns 'u'; it has a, b, c"),
        (("check", "model.joblib", "numbers.npy", "--drop", "a"), "--drop: numbers.npy is an array"),
        (("check", "named.joblib", "numbers.csv"), "numbers.csv lacks the columns 'd' of the model; it has a, b, c"),
        (("check", "own.safetensors", "numbers.csv"), "holds no model of the library that could be asked"),
        (("check", "model.joblib"), "the following arguments are required: DATA"),
        (("check", "model.joblib", "numbers.csv", "--rows", "0"), "expected a whole number from 1 on, got '0'"),
        (("bench", "model.joblib", "numbers.csv", "--method", "fly"), "--method: RandomForestClassifier has no fly"),
        (("bench", "model.joblib", "numbers.csv", "--batches", "a"), "expected a whole number from 1 on, got 'a'"),
        (("bench", "model.joblib", "numbers.csv", "--seconds", "-1"), "expected a number of seconds, got '-1'"),
        (("bench", "model.joblib", "numbers.csv", "--figure", "no/where.png"), "--figure: there is no folder"),
        (("bench", "model.joblib", "numbers.csv", "--figure", "times.doc"), "is of no kind that matplotlib writes"),
        (("bench", "model.joblib", "numbers.csv", "--strategies", "fastest"), "Unknown strategy 'fastest'"),
        (("fly",), "invalid choice: 'fly'"),
        ((), "the following arguments are required: COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_said_with_status_2(capsys, files, arguments, message):
    wrong(files)
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert message in err
    assert "Traceback" not in err


def test_a_table_may_be_cut_down_to_the_features(capsys, files):
    joblib.dump(MODELS["forest"].fit(X, Y), "model.joblib")
    assert run(capsys, "check", "model.joblib", "rows.csv", "--drop", "t,target")[0] == 0


def test_a_package_that_a_pickle_needs_is_named(capsys, files):
    (files / "model.pkl").write_bytes(b"cnot_installed_package\nThing\n.")
    status, _, err = run(capsys, "inspect", "model.pkl")
    assert status == 2
    assert "model.pkl needs the package 'not_installed_package', which is not installed here" in err


def test_the_help_warns_of_pickles(capsys):
    for arguments in (("--help",), ("check", "--help"), ("inspect", "--help"), ("bench", "--help")):
        status, out, _ = run(capsys, *arguments)
        assert status == 0
        assert "executes code when it is read" in " ".join(out.split())


def test_the_module_runs_as_a_process(files):
    joblib.dump(MODELS["forest"].fit(X, Y), "model.joblib")

    def process(*arguments):
        command = [sys.executable, "-m", "sktensor", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    done = process("check", "model.joblib", "numbers.npy")
    assert (done.returncode, done.stderr) == (0, "")
    assert "predict_proba" in done.stdout
    failed = process("check", "nothing.joblib", "numbers.npy")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr == "sktensor check: error: there is no file nothing.joblib\n"
