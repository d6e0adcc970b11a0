"""Write the support matrix, docs/support_matrix.rst, from what the test suite found.

In one environment, since the versions in the page are those that are installed when it is written::

    python -m pytest -n 2 --junit-xml=results.xml tests/parity
    python docs/support_matrix.py results.xml

``python docs/support_matrix.py --check`` says whether the page names the cases that the tests have now, and runs none.

Tests say themselves what they are evidence of, by a marker. ``@pytest.mark.evidence("answers")`` is one that holds the
answer of a case against its library's: cases are the keys of ``MODELS`` or ``CASES`` of its file, of which one is its
parameter ``case``, ``name`` or ``library``. ``@pytest.mark.evidence("refused")`` is one that expects an error instead.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import platform
import re
import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "support_matrix.rst"
TESTS = ("tests/parity",)

# Sections of the page: the package of a library, and how the names begin of the files whose cases are models of it.
OLD_VERSIONS = "test_old_versions.py"
SECTIONS = {
    "XGBoost": ("xgboost", "test_xgboost"),
    "LightGBM": ("lightgbm", "test_lightgbm"),
    "scikit-learn": ("scikit-learn", "test_sklearn"),
    "CatBoost": ("catboost", "test_catboost"),
    "Meta-estimators": (None, "test_composite"),
    "Batches of no rows": (None, "test_no_rows"),
    "Malformed sparse rows": (None, "test_malformed_sparse_rows"),
    "Names and order of columns": (None, "test_names_and_order_of_columns"),
}
# What the cases of a file have in common where their names do not say it.
PREFIXES = {"test_sklearn_categories.py": "categories: ", "test_catboost_categories.py": "categories: "}
FILLED_IN = ("model", "result", "tests")
PACKAGES = ("xgboost", "lightgbm", "catboost", "sklearn")

RESULTS = ("answers", "refused")

SUMMARY = "@SUMMARY@"  # where the introduction has the summary
SECTION = "matrix-"  # how labels of sections begin

INTRODUCTION = """\
.. Written by docs/support_matrix.py from the results of the test suite; changes belong there.

Support matrix
==============

@SUMMARY@

What the test suite found, case by case: models of every library, their parameters, data and ways of being made, each
fitted anew or read from a file, and held against the library itself on inputs that hurt (:doc:`parity`). A script
writes this page from the results of a run, with the names that the cases have in the tests; a test fails when they are
no longer these.

* **same bits**: raw scores, leaf numbers and labels are the library's bit for bit, values and probabilities as
  :doc:`parity` says, in all tests that compare this case with the library; rows for which the library raises an error
  raise one here, and so do columns that XGBoost and LightGBM read by position where their names say otherwise. *Tests*
  is the number of these tests: strategies, kernels, kinds of rows and methods.
* **refused**: the model, or the input, is refused with the error that the tests expect.
* Whatever failed, was skipped or did not run is said to have.

:doc:`supported_models` says the same in words.

.. rst-class:: matrix-filter

   A case is a model of a library, with its parameters and data; *tests* are those that hold it against the library.
"""


@dataclass
class Row:
    """A line of a table: what names it, the tests behind it, and the model where there is one."""

    names: tuple[str, ...]
    tests: list[str] = field(default_factory=list)
    model: str = ""


class _Collection:
    """A plug-in that keeps what pytest collects."""

    items = ()

    def pytest_collection_finish(self, session):
        self.items = session.items


def collected():
    """All tests of the cases, as pytest collects them; none of them runs."""
    found, said = _Collection(), io.StringIO()
    arguments = ["--collect-only", "-q", "-p", "no:cacheprovider", *(str(ROOT / path) for path in TESTS)]
    with contextlib.redirect_stdout(said):
        status = pytest.main(arguments, plugins=[found])
    if status != pytest.ExitCode.OK:
        raise SystemExit(f"The tests cannot be collected:\n{said.getvalue()}")
    return found.items


def tables(items):
    """Title, header and rows of every table of the page."""
    for title, (package, beginning) in SECTIONS.items():
        of_section = [item for item in items if item.path.name.startswith(beginning)]
        yield title, package, ("case", "model", "result", "tests"), cases(of_section)
        yield title, package, ("refused", "result", "tests"), refusals(of_section)
    old = [item for item in items if item.path.name == OLD_VERSIONS]
    yield "Models that older versions saved", None, ("version", "model of it", "result", "tests"), old_models(old)


def evidence(item):
    """What the marker of a test says that it is evidence of, None without one."""
    marker = item.get_closest_marker("evidence")
    if marker is None:
        return None
    (result,) = marker.args
    if result not in RESULTS:
        raise SystemExit(f"{item.nodeid} is marked as evidence of {result!r}. Known: {', '.join(RESULTS)}.")
    return result


def cases(items):
    """A row for each model that the tests name."""
    rows = {}
    for item in items:
        name, result = case(item), evidence(item)
        if name is None or result == "refused":
            continue
        name = PREFIXES.get(item.path.name, "") + name
        row = rows.setdefault(name, Row((f"``{name}``",), model=item))
        if result == "answers":
            row.tests.append(item.nodeid)
    return list(rows.values())


def case(item):
    """The name of the case that a test is about, None if it is about none."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    names = (params.get(key) for key in ("case", "name", "library"))
    return next((name for name in names if isinstance(name, str) and name in table_of(item)), None)


def table_of(item):
    """The models of the file of a test by name."""
    return getattr(item.module, "MODELS", None) or getattr(item.module, "CASES", {})


def refusals(items):
    """A row for each test of a refusal; where it has one parameter that is text, for each of those."""
    rows = {}
    for item in items:
        if evidence(item) != "refused":
            continue
        says = item.originalname.removeprefix("test_").replace("_", " ")
        params = list(item.callspec.params.values()) if hasattr(item, "callspec") else []
        if len(params) == 1 and isinstance(params[0], str):
            says = f"{says}: ``{params[0]}``"
        rows.setdefault((item.path, says), Row((says,))).tests.append(item.nodeid)
    return list(rows.values())


def old_models(items):
    """A row for each model of an old version."""
    rows = {}
    for item in items:
        if evidence(item) == "answers":
            names = item.callspec.params["version"], f"``{item.callspec.params['name']}``"
            rows.setdefault(names, Row(names)).tests.append(item.nodeid)
    return list(rows.values())


def class_of(item):
    """The class of the model that a test is about, as its library names it."""
    model = table_of(item)[case(item)]
    model = model() if callable(model) and not hasattr(model, "get_params") else model
    model = model[0] if isinstance(model, tuple) else model
    return next(cls.__name__ for cls in type(model).__mro__ if cls.__module__.partition(".")[0] in PACKAGES)


def outcomes(paths):
    """How each test of JUnit files that is evidence ended, by its name there; the last file has the last word."""
    found = {}
    for path in paths:
        for test in ElementTree.parse(path).iter("testcase"):
            if test.find("properties/property[@name='evidence']") is None:
                continue
            bad = {child.tag for child in test} & {"failure", "error", "skipped"}
            key = test.get("classname"), test.get("name")
            found[key] = "skipped" if bad == {"skipped"} else "failed" if bad else "passed"
    return found


def junit_name(nodeid):
    """The name of a test in a JUnit file."""
    path, _, test = nodeid.partition("::")
    return path.removesuffix(".py").replace("/", "."), test


def verdict(row, header, found):
    """What the tests of a row say together."""
    ends = Counter(found.get(junit_name(test), "not run") for test in row.tests)
    if not row.tests:
        return "**not compared**"
    if ends.keys() == {"passed"}:
        return "refused" if "refused" in header else "same bits"
    return ", ".join(f"**{n} {end}**" if end != "passed" else f"{n} passed" for end, n in sorted(ends.items()))


def page(items, found):
    """The text of the page."""
    parts, last = [INTRODUCTION, environment()], None
    for title, package, header, rows in tables(items):
        if not rows:
            continue
        if title != last:
            version = f" {metadata.version(package)}" if package else ""
            parts.append(f".. _{SECTION}{anchor(title)}:\n\n{underlined(f'{title}{version}')}")
            last = title
        lines = [".. csv-table::", "   :class: matrix", f"   :header: {','.join(header)}", ""]
        for row in rows:
            model = [class_of(row.model)] if "model" in header else []
            lines.append(f"   {line([*row.names, *model, verdict(row, header, found), str(len(row.tests))])}")
        parts.append("\n".join(lines) + "\n")
    text = "\n".join(parts)
    return text.replace(SUMMARY, summary(text))


def tables_in(text):
    """Title, header and rows of every table of the page."""
    for section in re.split(r"\n(?=[^\n]+\n-+\n)", text)[1:]:
        title = section.partition("\n")[0]
        for header, table in re.findall(r"^ +:header: (.*)\n\n((?: .*\n)*)", section, re.MULTILINE):
            yield title, header.split(","), list(csv.reader(table.splitlines(), skipinitialspace=True))


def summary(text):
    """How many cases each section has, and what was found of them."""
    found, tests = {}, Counter()
    for title, header, rows in tables_in(text):
        counts = found.setdefault(title, Counter())
        for row in rows:
            cells = dict(zip(header, row, strict=True))
            known = cells["result"] if cells["result"] in ("same bits", "refused") else "other"
            counts[known] += 1
            tests[title] += int(cells["tests"])
    columns = ("same bits", "refused", "other")
    lines = [".. csv-table::", "   :header: section,same bits,refused,other,tests", ""]
    for title, counts in found.items():
        link = f":ref:`{title} <{SECTION}{anchor(title)}>`"
        lines.append(f"   {line([link, *(str(counts[name]) for name in columns), str(tests[title])])}")
    whole = sum(found.values(), Counter())
    total = [f"**{count}**" for count in (*(whole[name] for name in columns), tests.total())]
    lines.append(f"   {line(['**all**', *total])}")
    return "\n".join(lines)


def anchor(title):
    """The name that a section is referred to by: without a version, which changes."""
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")


def environment():
    """The versions that were tried."""
    names = ("numpy", "scipy", "torch", "xgboost", "lightgbm", "scikit-learn", "catboost")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    return f"Tried with Python {platform.python_version()} on {platform.system()} {platform.machine()}: {versions}.\n"


def underlined(title):
    return f"{title}\n{'-' * len(title)}\n"


def line(cells):
    """A row of a csv-table."""
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(cells)
    return written.getvalue()


def names_in(text):
    """What names the rows of the page's tables: every cell but those that a run fills in."""
    found = Counter()
    for _, header, rows in tables_in(text):
        for row in rows:
            columns = zip(header, row, strict=True)
            found[tuple(cell for column, cell in columns if column not in FILLED_IN)] += 1
    return found


def check(items):
    """Names that the page lacks and that it has without a test, as a report; empty if there are none."""
    now = Counter(row.names for _, _, _, rows in tables(items) for row in rows)
    then = names_in(PAGE.read_text(encoding="utf-8"))
    missing, gone = sorted((now - then).elements()), sorted((then - now).elements())
    return "".join(
        f"{what}: {', '.join(' '.join(names) for names in found)}\n"
        for what, found in (("Not in the page", missing), ("Only in the page", gone))
        if found
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("results", nargs="*", default=[], type=Path, help="what pytest wrote with --junit-xml")
    what.add_argument("--check", action="store_true", help="only compare the names in the page with those of the tests")
    options = parser.parse_args()
    items = collected()
    if options.check:
        if report := check(items):
            raise SystemExit(f"{report}Write {PAGE.relative_to(ROOT)} anew: see {Path(__file__).relative_to(ROOT)}")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models that are fitted for their class
        PAGE.write_text(page(items, outcomes(options.results)), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
