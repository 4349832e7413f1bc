"""What the material is written with: functions of NumPy arrays, and a short way to a specimen."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.gradcheck import Case
from tests.planting import Bug, Specimen


def sigmoid(x: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * x))


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def rows(labels: Any, z: Any) -> Any:
    """One-hot rows in the scores' dtype."""
    return (labels[:, None] == np.arange(z.shape[1])).astype(z.dtype)


def one(
    cls: type[Any],
    *bugs: Bug,
    shape: tuple[int, ...] = (5,),
    make: Callable[[type[Any]], Any] | None = None,
    **case: Any,
) -> Specimen:
    """A specimen of `cls()`, or of what `make` makes of the class, on samples of `shape`."""

    def made(twin: type[Any]) -> Case:
        return Case(twin() if make is None else make(twin), shape, **case)

    return Specimen(cls, made, bugs)


def several(cls: type[Any], name: str, *pieces: tuple[str, str]) -> Bug:
    """A bug that takes several replacements, each of a piece that occurs once."""
    source = textwrap.dedent(inspect.getsource(cls))
    changed = source
    for old, new in pieces:
        if changed.count(old) != 1:
            raise ValueError(f"{cls.__name__}, {name!r}: expected {old!r} once")
        changed = changed.replace(old, new)
    return Bug(name, source, changed)
