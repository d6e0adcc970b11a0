"""Links of README, the pages and the examples: files of the repository are there, other addresses are well formed.

Whether external links lead anywhere is asked once a week (.github/workflows/links.yml).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.external_links import urls

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.rst", "benchmarks/*.md", "examples/*.rst", "examples/**/*.py")
    for path in ROOT.glob(pattern)
)
IN_REPOSITORY = re.compile(
    r"https://(?:github\.com/sktensor/sktensor/(?:blob|tree)|raw\.githubusercontent\.com/sktensor/sktensor)/main/([\w./-]*\w)"
)
ADDRESS = re.compile(r"https://[\w-]+(\.[\w-]+)+(/[\w./%#?=&+~-]*)?|http://127\.0\.0\.1:.*")
LOOKS_LIKE_ONE = re.compile(r"(?:\bhtt?ps?:|\bhttps?/|\bwww\.)[^\s<>()`'\"\\]*")
RELATIVE = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_of_the_repository(page):
    text = page.read_text(encoding="utf-8")
    found = [ROOT / path for path in IN_REPOSITORY.findall(text)]
    found += [page.parent / path for path in RELATIVE.findall(text) if page.suffix == ".md"]
    assert [str(path) for path in found if not path.exists()] == []


def test_links_of_readme_work_outside_the_repository():
    assert RELATIVE.findall((ROOT / "README.md").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_addresses_are_well_formed_and_the_weekly_check_finds_them(page):
    looked_for = [found.rstrip(".,:;!?") for found in LOOKS_LIKE_ONE.findall(page.read_text(encoding="utf-8"))]
    assert [address for address in looked_for if not ADDRESS.fullmatch(address)] == []
    assert urls(page) == looked_for
