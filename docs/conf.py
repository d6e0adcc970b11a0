"""Settings of the Sphinx site. Build: python -m sphinx -W --keep-going -b html docs docs/_build/html.

A build needs no network. With SKTENSOR_INTERSPHINX=1 in the environment, names of other projects become links, for
which their inventories are downloaded.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import sktensor

sys.path.insert(0, str(Path(__file__).parent))  # for gallery_order and the next lines
import external_links
from draw_engines import EXAMPLES as DRAWN_BEFORE

project = "sktensor"
author = "sktensor developers"
copyright = "2026, sktensor developers"
version = release = sktensor.__version__
SOURCES = "https://github.com/sktensor/sktensor"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.linkcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "auto_examples/*.ipynb"]
templates_path = ["_templates"]

# --- API reference ---
autosummary_generate = True
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"  # names fit beside the page
autodoc_typehints = "none"  # numpydoc sections say more: shapes, dtypes, defaults
numpydoc_show_class_members = False
# What a reader misses when it is not there; a finding is a warning, and warnings fail the build.
numpydoc_validation_checks = {
    *("GL03", "GL06", "GL07", "GL08"),  # blank lines, sections, a docstring at all
    *("PR01", "PR02", "PR03", "PR04"),  # parameters: all, no others, in order, with a type
    *("RT01", "RT03"),  # returns: there, described
    *("SS03", "SS04"),  # the summary: a sentence
}
numpydoc_validation_exclude = {r"\.__"}


def linkcode_resolve(domain, info):
    """Where an object of the reference is defined, for its link to the source."""
    if domain != "py":
        return None
    try:
        found = importlib.import_module(info["module"])
        for name in info["fullname"].split("."):
            found = getattr(found, name)
        found = inspect.unwrap(found.fget if isinstance(found, property) else found)
        path = Path(inspect.getsourcefile(found)).relative_to(Path(sktensor.__file__).parent)
        lines, first = inspect.getsourcelines(found)
    except (AttributeError, TypeError, ValueError, OSError):  # no Python function or class, or not one of this package
        return None
    return f"{SOURCES}/blob/main/sktensor/{path.as_posix()}#L{first}-L{first + len(lines) - 1}"


# --- other projects ---
if os.environ.get("SKTENSOR_INTERSPHINX") == "1":
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_timeout = 10
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }

# --- buttons that copy code ---
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

# --- gallery ---
WITH_PICTURES = all(find_spec(package) for package in ("matplotlib", "safetensors", "shap"))  # of the extra "docs"
NOT_RUN = [*DRAWN_BEFORE, *(["plot_dask"] if find_spec("distributed") is None else [])]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": rf"[/\\](?!{'|'.join(NOT_RUN)})plot_" if WITH_PICTURES else r"^$",  # which are run
    "capture_repr": (),
    "within_subsection_order": "gallery_order.Order",
    "image_srcset": ["2x"],
    "ignore_pattern": r"(?:^|[/\\])(?!plot_)[^/\\]*\.py$",  # programs that are no pages of the gallery
    "image_scrapers": ("matplotlib",) if WITH_PICTURES else (),
    "reset_modules": ("matplotlib",) if WITH_PICTURES else (),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "remove_config_comments": True,
}

# --- external links: python -m sphinx -b linkcheck -D plot_gallery=0 docs docs/_build/linkcheck ---
linkcheck_timeout = 30
linkcheck_retries = 3
linkcheck_ignore = [
    rf"{SOURCES}/(blob|tree)/main/",  # of the checkout itself: tests/unit/test_links.py
    r"https://raw\.githubusercontent\.com/sktensor/sktensor/main/",
    r"http://(localhost|127\.0\.0\.1)[:/]",  # servers that examples start
]


def setup(app):
    app.connect("source-read", external_links.add_to_page)


# --- HTML ---
html_theme = "pydata_sphinx_theme"
html_title = f"sktensor {release}"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["filter_tables.js"]
html_show_sourcelink = False
html_sidebars = {"index": [], "getting_started": [], "moving_from": []}  # which have no section to go through
html_theme_options = {
    "github_url": SOURCES,
    "logo": {
        "text": "sktensor",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo_dark.svg",
        "alt_text": "sktensor: to the landing page",
    },
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navigation_with_keys": False,
    "search_as_you_type": True,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}
