"""Every block of code on every page runs here or in a workflow, or it is said below why not and checked otherwise.

Examples with >>> are run by pytest --doctest-glob='*.rst' docs.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import matplotlib
import pytest
from code_blocks import PAGES, ROOT, blocks, commands, statements

BLOCKS = [block for page in PAGES for block in blocks(page)]
SHELL = [block for block in BLOCKS if block.language in ("sh", "console")]
CHECKED = ("doctest", "literalinclude", "python", "sh", "console", "toml")
NO_CODE = ("text",)  # formulas and drawings

README_RUN_BY_CI = [block for block in SHELL if block.page == "README.md"][:2]  # .ci/run reads these two
WORKFLOWS = "\n".join(
    [path.read_text(encoding="utf-8") for path in (ROOT / ".ci/run", *(ROOT / ".github/workflows").glob("*.yml"))]
    + [command for block in README_RUN_BY_CI for command in commands(block)]
)
NOT_RUN = {  # what CI does not run as it stands, and why; what such commands name has to be there all the same
    r"(python -m )?pip install ": "downloads packages; workflows install the extras",
    r"apt-get install ": "packages of the system",
    r"git clone |cd |between=": "leads to the next command",
    r"pre-commit install$": "changes the checkout's hooks",
    r"ruff format \.$": "changes files; the workflow has --check",
    r"\.ci/run$": "runs these tests itself",
    r"(\w+=\S+ )?python -m pytest ": "tests: the workflows run all but tests/outside, which takes twenty minutes",
    r"(\w+=\S+ )?python (-m )?(benchmarks|docs|tests)[./]": "minutes of work, or a GPU; arguments are parsed",
    r"kernels/": "minutes; the workflow runs the same scripts for longer",
    r"mlflow models serve ": "another package; tests/engines/test_mlflow.py starts this server",
}


def prepared(page):
    """What a page's code takes for given, by name: fitted models and rows. The only place that makes any."""
    from engine_cases import COLUMNS, fitted_pipeline, rows
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split
    from xgboost import XGBClassifier

    if page == "docs/scaling_out.rst":
        frame = rows(500)
        pipeline = fitted_pipeline()
        return {"pipeline": pipeline, "X": frame[COLUMNS], "y": pipeline.predict(frame[COLUMNS])}
    if page == "README.md":
        X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
        model = XGBClassifier(n_estimators=20, max_depth=4, n_jobs=1).fit(X_train, y_train)
        given = {"model": model, "fitted_model": model, "booster": model.get_booster(), "X": X_test}
        return given | {"X_train": X_train, "X_test": X_test, "y_train": y_train, "y_test": y_test}
    return {}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_in_a_language_that_is_checked(block):
    assert block.language in (*CHECKED, *NO_CODE)
    if block.language == "toml":
        tomllib.loads(block.text)


@pytest.mark.filterwarnings("ignore")  # those of other packages' plots
@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS if block.language == "python"}))
def test_python_runs_after_what_the_page_has_run_before(page, tmp_path, monkeypatch):
    if page == "docs/explanations.rst":
        pytest.importorskip("shap")  # of the extra "test", and not of "test-oldest"
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"} | prepared(page)
    to_run = [block for block in blocks(page) if block.language in ("python", "doctest")]
    while to_run[-1].language == "doctest":  # after the last one
        to_run.pop()
    for block in to_run:
        for source, raises in statements(block):
            code = compile("\n" * (block.line - 1) + source, page, "exec")  # near its line of the page
            if raises:
                with pytest.raises(Exception):  # noqa: B017
                    exec(code, names)
            else:
                exec(code, names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that the page about the command line names."""
    import joblib
    from sklearn.datasets import load_diabetes
    from sklearn.ensemble import RandomForestRegressor

    folder = tmp_path_factory.mktemp("commands")
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    joblib.dump(RandomForestRegressor(n_estimators=5, max_depth=4, random_state=0).fit(X, y), folder / "model.joblib")
    X.to_parquet(folder / "rows.parquet")
    X.to_csv(folder / "rows.csv", index=False)
    return folder


OURS = sorted({command for block in SHELL for command in commands(block) if command.startswith("python -m sktensor ")})


@pytest.mark.parametrize("command", OURS)
def test_a_command_of_sktensor_succeeds(command, folder):
    run = subprocess.run([sys.executable, *shlex.split(command)[1:]], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def runs_in_ci(command):
    lines = (line.strip() for line in WORKFLOWS.splitlines())
    return any(f" {line}".endswith(f" {command}") for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_a_command_runs_here_or_in_a_workflow_or_it_is_said_why_not(block):
    for command in commands(block):
        assert command in OURS or runs_in_ci(command) or any(re.match(known, command) for known in NOT_RUN), command


@pytest.mark.parametrize("reason", NOT_RUN)
def test_no_reason_is_left_over(reason):
    assert any(re.match(reason, command) for block in SHELL for command in commands(block))


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_are_well_formed(block):
    run = subprocess.run(["bash", "-n"], input="\n".join(commands(block)), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_files_that_commands_name_are_there(block):
    for command in commands(block):
        for word in shlex.split(command):
            if re.fullmatch(r"[\w.-]+(/[\w.-]+)+|constraints\S*|[\w/]+\.py", word) and "docs/_build" not in word:
                assert (ROOT / word).exists(), (command, word)
            if re.fullmatch(r"(benchmarks|docs|tests)(\.\w+)+", word):
                path = ROOT / word.replace(".", "/")
                assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), (command, word)


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_extras_that_commands_install_exist(block):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for command in commands(block):
        for asked in re.findall(r"\.\[([\w,-]+)\]", command):
            assert set(asked.split(",")) <= set(extras), command


def test_programs_of_the_repository_take_the_arguments_that_pages_give_them():
    program = re.compile(r"python (-m (benchmarks|docs|tests)\.|(benchmarks|docs|tests)/)")
    asked = sorted({command for block in SHELL for command in commands(block) if program.match(command)})
    helper = ROOT / "tests/helpers/parse_commands.py"
    words = json.dumps([shlex.split(command) for command in asked])
    run = subprocess.run([sys.executable, helper], input=words, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    errors = json.loads(run.stdout.splitlines()[-1])
    assert {command: error for command, error in zip(asked, errors, strict=True) if error} == {}


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "literalinclude"], ids=str)
def test_a_file_that_is_shown_is_run_by_tests_of_engines_or_imported_by_one_that_is(block):
    path = (ROOT / block.page).parent / block.text.strip()
    compile(path.read_text(encoding="utf-8"), str(path), "exec")
    others = {*(ROOT / "tests/engines").rglob("*.py"), *(ROOT / "examples/serving").glob("*.py")} - {path.resolve()}
    assert any(re.search(rf"\b{path.stem}\b", other.read_text(encoding="utf-8")) for other in others), path.name


def test_no_example_is_skipped():
    pages = [ROOT / page for page in PAGES] + sorted((ROOT / "sktensor").rglob("*.py"))
    assert [str(path) for path in pages if "+SKIP" in path.read_text(encoding="utf-8")] == []
