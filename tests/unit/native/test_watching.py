"""Containers are the same as long as they hold the same objects, with the extension and without it."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest

from sktensor.native import plain_calls, watching
from sktensor.native.watching import watch


class Thing:
    """An object that must not be compared."""

    def __eq__(self, other):
        raise AssertionError("compared")

    __hash__ = object.__hash__


@pytest.fixture(params=[True, False], autouse=True)
def extension(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(watching, "extension", lambda: None)
    elif not plain_calls.is_there():
        pytest.skip("built without the extension module")


THING, OTHER = Thing(), Thing()

CHANGES = {
    "a value of a dict": ({"a": THING, "b": 1}, None, lambda c: c.update(a=OTHER)),
    "a further key": ({"a": THING}, None, lambda c: c.update(b=OTHER)),
    "a key less": ({"a": THING, "b": OTHER}, None, lambda c: c.pop("b")),
    "the value of a key": ({"a": THING, "b": OTHER}, "b", lambda c: c.update(b=THING)),
    "a key that goes": ({"a": THING, "b": OTHER}, "b", lambda c: c.pop("b")),
    "a key that comes": ({"a": THING}, "b", lambda c: c.update(b=OTHER)),
    "an item of a list": ([THING, 1], None, lambda c: c.__setitem__(0, OTHER)),
    "a further item": ([THING], None, lambda c: c.append(THING)),
    "an item less": ([THING, OTHER], None, lambda c: c.pop()),
    "equal but not the same": ([1000, THING], None, lambda c: c.__setitem__(0, int("1000"))),
    "all items": ([THING], None, lambda c: c.clear()),
    "the first item": ([], None, lambda c: c.append(THING)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change):
    container, key, make = CHANGES[change]
    container = container.copy()
    is_same = watch([((THING, 1), None), (container, key), ({}, None)])
    assert is_same() is True
    make(container)
    assert is_same() is False


def test_what_is_no_matter_is_not_seen():
    container = {"a": THING, "b": OTHER}
    is_same = watch([(container, "a"), (container, "missing")])
    container.update(b=THING, c=1)
    container["a"] = THING
    assert is_same()


def test_attributes_of_an_instance_are_seen():
    class Step:
        pass

    step = Step()
    step.mean, step.scale = THING, OTHER
    is_same = watch([(step.__dict__, None)])
    assert is_same()
    step.scale = THING
    assert not is_same()
    step.scale = OTHER
    assert is_same()
    step.more = 1
    assert not is_same()


def test_objects_of_functions_are_seen():
    given = [THING, OTHER]
    is_same = watch([([1], None)], [lambda: given, lambda: (value for value in given)])
    assert is_same()
    given[1] = THING
    assert not is_same()
    given[:] = [THING]
    assert not is_same()


def test_what_was_held_is_kept_so_that_nothing_takes_its_place():
    container = {"a": Thing()}
    held = weakref.ref(container["a"])
    is_same = watch([(container, None)])
    container["a"] = None
    gc.collect()
    assert held() is not None and not is_same()


def test_nothing_is_left_behind():
    container, listed = {"a": THING}, [OTHER]
    before = [sys.getrefcount(thing) for thing in (THING, OTHER, container, listed)]
    for _ in range(100):
        is_same = watch([(container, None), (container, "a"), (listed, None)])
        for _ in range(10):
            assert is_same()
        container["watch"] = is_same  # a ring
        del is_same, container["watch"]
    gc.collect()
    assert [sys.getrefcount(thing) for thing in (THING, OTHER, container, listed)] == before


@pytest.mark.skipif(not plain_calls.is_there(), reason="built without the extension module")
def test_the_extension_refuses_others():
    make = plain_calls.extension().Watch
    for wrong in ([], ((1, None),), (([], "key"),), ((), 1), (([],),), ("ab",)):
        with pytest.raises(TypeError):
            make(wrong)
    with pytest.raises(TypeError, match="no arguments"):
        make(())(1)
