"""Tools that read signatures (pdoc, Sphinx, notebooks) can resolve every public annotation."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from types import ModuleType

import pytest

import minitorch_np as mt


def public_callables(module: ModuleType) -> Iterator[tuple[str, typing.Any]]:
    """The public functions, classes and methods that a module defines, by name."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing):
            yield name, thing
        if inspect.isclass(thing):
            yield name, thing
            for method, found in vars(thing).items():
                plain = getattr(found, "__func__", getattr(found, "fget", found))
                if inspect.isfunction(plain) and plain.__module__ == module.__name__:
                    yield f"{name}.{method}", plain


def resolved(module: str) -> int:
    """How many have annotations that can be resolved: all, or this raises."""
    found = list(public_callables(importlib.import_module(module)))
    for name, thing in found:
        try:
            typing.get_type_hints(thing)
        except Exception as error:
            raise AssertionError(f"{module}.{name}") from error
    return len(found)


def test_annotations_resolve() -> None:
    modules = {info.name for info in pkgutil.walk_packages(mt.__path__, "minitorch_np.")}
    assert sum(map(resolved, modules - {"minitorch_np.__main__", "minitorch_np.sklearn"})) > 1500


def test_annotations_for_scikit_learn_resolve() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert resolved("minitorch_np.sklearn") > 10


def test_signatures_are_those_of_constructors() -> None:
    assert next(iter(inspect.signature(mt.Dense).parameters)) == "units"
    assert not inspect.signature(mt.ReLU).parameters
    assert list(inspect.signature(mt.Dense(3).forward).parameters) == ["x", "train", "rng"]
