"""Settings of the Sphinx site. Build: python -m sphinx -W --keep-going -b html docs docs/_build/html."""

from __future__ import annotations

from importlib.util import find_spec

import sktensor

project = "sktensor"
author = "sktensor developers"
copyright = "2026, sktensor developers"
version = release = sktensor.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "auto_examples/*.ipynb"]
templates_path = ["_templates"]

# --- API reference ---
autosummary_generate = True
autodoc_member_order = "bysource"
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

# --- gallery ---
WITH_PICTURES = all(find_spec(package) for package in ("matplotlib", "shap"))  # of the extra "docs"
NOT_RUN = ["quickstart", "ngboost_models", "feature_engine_steps", "__init__"]
if not WITH_PICTURES:
    NOT_RUN.append("plot_explanations")
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "ignore_pattern": rf"({'|'.join(NOT_RUN)})\.py",
    "image_scrapers": ("matplotlib",) if WITH_PICTURES else (),
    "reset_modules": (),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "remove_config_comments": True,
}

# --- HTML ---
html_theme = "pydata_sphinx_theme"
html_title = f"sktensor {release}"
html_show_sourcelink = False
html_theme_options = {
    "github_url": "https://github.com/sktensor/sktensor",
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
