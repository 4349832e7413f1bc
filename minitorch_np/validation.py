"""Validation of arguments.

Each function returns the argument if it is valid, numbers as plain Python numbers, and otherwise
raises ConfigurationError with the owner, the expectation, and the value. `owner` is the object
whose constructor was called, or the name of a function. True and False do not count as numbers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable
from typing import Any, TypeGuard, TypeVar

import numpy as np

from minitorch_np.errors import ConfigurationError
from minitorch_np.text import excerpt

T = TypeVar("T")

LARGEST = math.nextafter(math.inf, 0)
"""The largest finite number."""

LARGEST_WHOLE = 2**63 - 1
"""The largest whole number that NumPy can hold."""


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is an integer of Python or NumPy."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a real number of Python or NumPy."""
    return isinstance(value, (float, np.floating)) or is_whole(value)


def require(right: bool, owner: object, expected: str, got: object) -> None:
    """Raise ConfigurationError, "owner: expected ..., got ...", unless `right`."""
    if not right:
        raise wrong(owner, expected, got)


def wrong(owner: object, expected: str, got: object) -> ConfigurationError:
    """The error "owner: expected ..., got ..."."""
    place = owner if isinstance(owner, str) else type(owner).__name__
    return ConfigurationError(f"{place}: expected {expected}, got {shown(got)}")


LONGEST = 300
"""The most characters of a value that a message shows: an array's repr may have thousands."""


def shown(value: object) -> str:
    """A value's repr for a message: on one line, and cut to LONGEST characters."""
    text = repr(value)
    if "\n" in text:  # an array's
        text = " ".join(text.split())
    return excerpt(text, LONGEST)


def whole(owner: object, name: str, value: object, least: int = 1, most: int | None = None) -> int:
    """A whole number of at least `least`, and at most `most`."""
    if is_whole(value) and least <= value <= (LARGEST_WHOLE if most is None else most):
        return int(value)
    largest = "2^63 - 1" if is_whole(value) and value > LARGEST_WHOLE else most
    bound = "" if largest is None else f" and at most {largest}"
    raise wrong(owner, f"{name} to be a whole number of at least {least}{bound}", value)


def number(
    owner: object,
    name: str,
    value: object,
    least: float = -LARGEST,
    most: float = LARGEST,
    *,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """A finite number from `least` to `most`, greater than `above`, smaller than `below`."""
    try:
        real = float(value) if is_number(value) else math.nan
    except OverflowError:  # an integer beyond all floating-point numbers
        real = math.inf
    right = least <= real <= most
    right = right and (above is None or real > above) and (below is None or real < below)
    bounds = f" of at least {least:g}" if least > -LARGEST else ""
    bounds = f" from {least:g} to {most:g}" if bounds and most < LARGEST else bounds
    if above is not None:
        bounds = f" greater than {above:g}" + (f" and at most {most:g}" if most < LARGEST else "")
    bounds += "" if below is None else f" and smaller than {below:g}"
    require(right, owner, f"{name} to be a finite number{bounds}", value)
    return real


def share(owner: object, name: str, value: object) -> float:
    """A number of at least 0 and smaller than 1."""
    return number(owner, name, value, 0, below=1)


def optional_number(owner: object, name: str, value: object, **bounds: Any) -> float | None:
    """None, or a number as in `number`."""
    return None if value is None else number(owner, name, value, **bounds)


def choice(owner: object, name: str, value: T, options: Collection[T]) -> T:
    """One of `options`."""
    right = isinstance(value, str) and value in options
    require(right, owner, f"{name} to be {' or '.join(map(repr, options))}", value)
    return value


def flag(owner: object, name: str, value: object) -> bool:
    """True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise wrong(owner, f"{name} to be True or False", value)


def path(owner: object, name: str, value: object) -> str:
    """The path of a file, a string or a pathlib.Path, as a string. (A number is an open file.)"""
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    try:
        right = isinstance(text, str) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # a lone surrogate, which no file name can have
        right = False
    require(right, owner, f"{name} to be a string or a pathlib.Path", value)
    return str(text)


def instance(owner: object, name: str, value: T, kind: type[Any]) -> T:
    """An object of the class `kind`."""
    if not isinstance(value, kind):
        hint = ": write parentheses after its name" if isinstance(value, type) else ""
        place = owner if isinstance(owner, str) else type(owner).__name__
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise ConfigurationError(
            f"{place}: expected {name} to be {article} {kind.__name__}, got {shown(value)}{hint}"
        )
    return value


def instances(owner: object, name: str, values: Iterable[T], kind: type[Any]) -> tuple[T, ...]:
    """A list of objects of the class `kind`, as a tuple."""
    listed = isinstance(values, (list, tuple)) or (
        isinstance(values, Iterable) and not isinstance(values, (str, kind, np.ndarray))
    )
    if not listed:
        raise wrong(owner, f"{name} to be a list (write [...] around it)", values)
    return tuple(instance(owner, name, value, kind) for value in values)
