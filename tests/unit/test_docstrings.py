"""Every public name is documented, with an example that runs (the doctests run them)."""

from __future__ import annotations

import inspect

import pytest

import sktensor

# scikit-learn's own methods, which the wrapper inherits
INHERITED = {"get_params"}


def public():
    for name in sktensor.__all__:
        thing = getattr(sktensor, name)
        yield name, thing
        if inspect.isclass(thing) and not issubclass(thing, BaseException):
            for method, function in inspect.getmembers(thing, callable):
                if not method.startswith("_") and method not in INHERITED:
                    yield f"{name}.{method}", function


@pytest.mark.parametrize(("name", "thing"), list(public()), ids=[name for name, _ in public()])
def test_a_public_name_has_a_docstring_with_an_example(name, thing):
    doc = inspect.getdoc(thing)
    assert doc and "Examples\n--------\n>>> " in doc
    if inspect.isfunction(thing) and len(inspect.signature(thing).parameters) > ("." in name):
        assert "Parameters\n----------\n" in doc
    if inspect.isfunction(thing) and inspect.signature(thing).return_annotation not in ("None", None):
        assert "Returns\n-------\n" in doc


def test_every_name_in_all_is_there_and_listed():
    assert set(sktensor.__all__) <= set(dir(sktensor))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sktensor.nothing  # noqa: B018
