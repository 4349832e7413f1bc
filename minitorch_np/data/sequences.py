"""Sequences of different lengths in one array: the shorter ones are padded at their end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, as_targets
from minitorch_np.errors import DataError
from minitorch_np.signature import explained
from minitorch_np.validation import number, whole


@explained
def pad_sequences(
    sequences: Sequence[Any], value: float = 0, steps: int | None = None
) -> tuple[AnyArray, AnyArray]:
    """Sequences (steps_i, ...) as one array (n, steps, ...), and their lengths (n,).

    Sequences are padded at the end with `value`, to `steps` steps or the longest length. Pass both
    to `fit((x, lengths), y)` and `predict((x, lengths))`; for an Embedding with padding_id=value
    the array is enough.

    Raises DataError for no sequences, one longer than `steps`, or steps of different shapes.
    """
    place = "pad_sequences"
    number(place, "value", value)
    listed = isinstance(sequences, Iterable) and getattr(sequences, "ndim", 1) != 0
    rows: Any = sequences if listed else ()
    arrays = [as_targets(one, f"{place}: sequence {n}") for n, one in enumerate(rows)]
    if not arrays or any(array.ndim == 0 for array in arrays):
        got = "none" if not arrays and rows is sequences else type(sequences).__name__
        raise DataError(f"{place}: expected a list of sequences, got {got}")
    lengths = np.array([len(array) for array in arrays])
    longest = int(lengths.max()) if steps is None else whole(place, "steps", steps)
    shape = next((array.shape[1:] for array in arrays if len(array)), ())
    for n, array in enumerate(arrays):
        if len(array) > longest:
            raise DataError(
                f"{place}: expected sequences of up to {longest} steps, got {len(array)} in "
                f"sequence {n}: cut it, or allow more steps"
            )
        if len(array) and array.shape[1:] != shape:
            raise DataError(
                f"{place}: expected steps of shape {shape}, as in the first, got "
                f"{array.shape[1:]} in sequence {n}"
            )
    kinds = [array.dtype for array in arrays if len(array)]
    dtype = np.result_type(*kinds, np.min_scalar_type(value))
    x: AnyArray = np.full((len(arrays), longest, *shape), value, dtype)
    for row, array in zip(x, arrays, strict=True):
        row[: len(array)] = array.reshape(len(array), *shape)
    return x, lengths
