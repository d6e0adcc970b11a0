"""Links of README, the pages and the examples: what they point to in the repository is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.rst", "benchmarks/*.md", "examples/*.rst", "examples/**/*.py")
    for path in ROOT.glob(pattern)
)
IN_REPOSITORY = re.compile(
    r"https://(?:github\.com/sktensor/sktensor/(?:blob|tree)|raw\.githubusercontent\.com/sktensor/sktensor)/main/([\w./-]*\w)"
)
RELATIVE = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_of_the_repository(page):
    text = page.read_text(encoding="utf-8")
    found = [ROOT / path for path in IN_REPOSITORY.findall(text)]
    found += [page.parent / path for path in RELATIVE.findall(text) if page.suffix == ".md"]
    assert [str(path) for path in found if not path.exists()] == []


def test_links_of_readme_work_outside_the_repository():
    assert RELATIVE.findall((ROOT / "README.md").read_text(encoding="utf-8")) == []
