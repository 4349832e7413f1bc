"""Tools that read signatures (pdoc, Sphinx, notebooks) can resolve every public annotation."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator

import pytest

import minitorch_np as mt


def public_callables() -> Iterator[tuple[str, object]]:
    """All public functions, classes and methods of the package, by name."""
    for info in pkgutil.walk_packages(mt.__path__, "minitorch_np."):
        if info.name.endswith("__main__"):
            continue
        try:
            module = importlib.import_module(info.name)
        except mt.MissingExtraError:  # minitorch_np.sklearn, where scikit-learn is not installed
            continue
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != info.name:
                continue
            if inspect.isfunction(thing):
                yield f"{info.name}.{name}", thing
            if inspect.isclass(thing):
                yield f"{info.name}.{name}", thing
                for method, found in vars(thing).items():
                    plain = getattr(found, "__func__", getattr(found, "fget", found))
                    if inspect.isfunction(plain) and plain.__module__ == info.name:
                        yield f"{info.name}.{name}.{method}", plain


@pytest.mark.parametrize(("name", "thing"), list(public_callables()))
def test_annotations_resolve(name: str, thing: typing.Any) -> None:
    typing.get_type_hints(thing)


def test_signatures_are_those_of_constructors() -> None:
    assert next(iter(inspect.signature(mt.Dense).parameters)) == "units"
    assert not inspect.signature(mt.ReLU).parameters
    assert list(inspect.signature(mt.Dense(3).forward).parameters) == ["x", "train", "rng"]
