"""Predictions in slices, so that memory stays bounded however many samples there are."""

from typing import Any

import numpy as np

from minitorch_np.arrays import (
    Array,
    all_finite,
    as_batch,
    describe_batch,
    require_finite,
)
from minitorch_np.core.layer import Layer
from minitorch_np.errors import ShapeError
from minitorch_np.validation import whole


def predicted(model: Layer, x: object, batch_size: int) -> Array:
    """The outputs (m, *output_shape) for x (m, *input_shape), `batch_size` samples at a time.

    Raises DataError, with row and column, for a NaN or infinity in x.
    """
    whole("predict", "batch_size", batch_size)
    model.require_built()
    # Slices of an array are converted one at a time: a copy of all of it may not fit into memory.
    sliced = isinstance(x, np.ndarray) and x.ndim and x.size
    rows: Any = x if sliced else as_batch(x, model.dtype, "predict")
    outputs = []
    for start in range(0, len(rows), batch_size):
        batch = as_batch(rows[start : start + batch_size], model.dtype, "predict")
        if not all_finite(batch):
            require_finite(as_batch(rows, model.dtype, "predict"), "predict: x")
        outputs.append(model.forward(batch)[0])
    return np.concatenate(outputs) if len(outputs) > 1 else outputs[0]


def require_classes(model: Layer, method: str) -> None:
    """Raise ShapeError for a model that does not give two or more scores a sample."""
    model.require_built()
    if len(model.output_shape) != 1 or model.output_shape[0] < 2:
        raise ShapeError(
            f"{type(model).__name__}.{method}: expected a model with a score for each of two or "
            f"more classes, got outputs of shape {describe_batch(model.output_shape)}: use predict"
        )
