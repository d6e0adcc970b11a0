"""Links of files that are no pages of the site, for the builder linkcheck, which looks at pages only."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = ("*.md", "CITATION.cff", "pyproject.toml", "benchmarks/**/*.md", "examples/**/*.py", "sktensor/**/*.py")
URL = re.compile(r"https?://[^\s<>()\[\]{}\"'`|\\]*[^\s<>()\[\]{}\"'`|\\.,:;!?]")


def urls(path):
    """All links of a file."""
    return URL.findall(path.read_text(encoding="utf-8"))


def add_to_page(app, page, source):
    """Append the links of all files to a page while links are checked, and at no other time."""
    if app.builder.name == "linkcheck" and page == "contributing":
        found = {url for pattern in FILES for path in ROOT.glob(pattern) for url in urls(path)}
        source[0] += "\n" + "".join(f"\n* {url}" for url in sorted(found)) + "\n"
