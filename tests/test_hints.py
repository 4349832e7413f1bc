"""Tools that read signatures (pdoc, Sphinx, notebooks) can resolve every public annotation."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from types import ModuleType

import minitorch_np as mt


def modules() -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(mt.__path__, "minitorch_np."):
        if info.name.endswith("__main__"):
            continue
        try:
            yield importlib.import_module(info.name)
        except mt.MissingExtraError:  # minitorch_np.sklearn, where scikit-learn is not installed
            continue


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


def test_annotations_resolve() -> None:
    seen = 0
    for module in modules():
        for name, thing in public_callables(module):
            try:
                typing.get_type_hints(thing)
            except Exception as error:
                raise AssertionError(f"{module.__name__}.{name}") from error
            seen += 1
    assert seen > 1500


def test_signatures_are_those_of_constructors() -> None:
    assert next(iter(inspect.signature(mt.Dense).parameters)) == "units"
    assert not inspect.signature(mt.ReLU).parameters
    assert list(inspect.signature(mt.Dense(3).forward).parameters) == ["x", "train", "rng"]
