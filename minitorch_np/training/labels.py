"""Class names: converts targets that are strings to class numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from minitorch_np.arrays import AnyArray, Shape
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.losses import Loss
from minitorch_np.validation import shown

SHOWN = 5
"""How many names an error message lists."""


def checked_names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Class names as a tuple, or None.

    Raises ConfigurationError unless they are two or more different strings.
    """
    if names is None:
        return None
    listed = isinstance(names, Iterable) and not isinstance(names, str)
    found = tuple(names) if listed and getattr(names, "ndim", 1) == 1 else ()
    texts = all(isinstance(name, str) for name in found)
    if len(found) < 2 or not texts or len({*found}) < len(found):
        raise ConfigurationError(
            f"Trainer: expected classes to be two or more different strings, got {shown(names)}"
        )
    return tuple(map(str, found))


def as_names(y: object) -> AnyArray | None:
    """The targets as an array of strings, (m,), or None if they are not strings."""
    if isinstance(y, np.ndarray) and y.dtype.kind in "fiub":
        return None  # the usual case
    try:
        array = np.asarray(y)
    except (ValueError, RuntimeError, TypeError):  # no array, which is reported elsewhere
        return None
    kinds = {type(n) for n in array.flat} if array.dtype.kind == "O" else {array.dtype.type}
    if kinds in ({bytes}, {np.bytes_}):  # as HDF5 keeps texts
        array = np.char.decode(array.astype(np.bytes_), "utf-8", "replace")
    texts = array.dtype.kind == "U" or (
        array.dtype.kind == "O" and array.size and all(isinstance(n, str) for n in array.flat)
    )
    if not texts:
        return None
    return array[:, 0].astype(str) if array.shape[1:] == (1,) else array.astype(str)


def names_in(y: AnyArray, loss: Loss, output_shape: Shape, place: str) -> tuple[str, ...]:
    """The different class names in the targets, sorted.

    Raises DataError for a loss without classes, or if the model has another number of outputs.
    """
    if loss.exclusive_classes is None or len(output_shape) != 1 or y.ndim != 1:
        raise DataError(
            f"{place}: y: expected numbers, got strings of shape {y.shape}, such as "
            f"{str(y.flat[0])!r}: class names need shape (n,) and a loss over classes, such as "
            "SoftmaxCrossEntropy()"
        )
    names = tuple(np.unique(y).tolist())
    classes = 2 if output_shape == (1,) else output_shape[0]
    if len(names) != classes:
        raise DataError(
            f"{place}: y: expected {classes} different class names, one for each output of the "
            f"model, got {len(names)}: {_shown(names)}; name all of them in Trainer(..., "
            f"classes=[...]), or give the model {len(names)} outputs"
        )
    return names


def numbered(y: AnyArray, names: tuple[str, ...], place: str) -> AnyArray:
    """The position of each target in `names`. Raises DataError for a target that is not in it."""
    order = np.argsort(names)
    ordered = np.array(names)[order]
    found = np.searchsorted(ordered, y).clip(max=len(names) - 1)
    wrong = ordered[found] != y
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise DataError(
            f"{place}: y: expected one of the classes {_shown(names)}, got "
            f"{str(y[wrong].flat[0])!r} at row {row}"
        )
    numbers: AnyArray = order[found]
    return numbers


def _shown(names: tuple[str, ...]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
