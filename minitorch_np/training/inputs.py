"""Prepares the data for `fit`: checks it, holds out a part for validation, and warns about inputs
of the wrong scale.

Initial weights are made for inputs of about size 1. Pixels from 0 to 255 lead to scores in the
hundreds; the first steps then switch off every ReLU, and the loss stays at the level of guessing.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    DType,
    Shape,
    as_rows,
    as_targets,
    count,
    each,
    in_dtype,
    parts,
)
from minitorch_np.core.prediction import Model, check_numbers
from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.layers import Graph, Layer, Normalization, Sequential
from minitorch_np.losses import Loss, SeveralLosses
from minitorch_np.losses.base import check_weights
from minitorch_np.training.batches import Samples
from minitorch_np.training.checkpoint import Checkpoint
from minitorch_np.validation import instance, is_number, require, shown, whole

ROWS = 100
"""The approximate number of samples that the check of the scale inspects."""

LARGE = 20.0
"""Inputs with a larger root mean square are too large. Standardized data has 1, 4-bit pixels 8."""

SMALL = 0.01
"""Inputs that are all smaller are too small, such as pixels divided by 255 twice."""


def check_arguments(
    epochs: object, batch_size: object, micro_size: object, transform: object, checkpoint: object
) -> None:
    """Raise ConfigurationError for invalid arguments of `fit`."""
    whole("fit", "epochs", epochs)
    for name, size in {"batch_size": batch_size, "micro_batch_size": micro_size}.items():
        if size is not None:
            whole("fit", name, size)
    if checkpoint is not None:
        named = ", as in Checkpoint('run.npz')" if isinstance(checkpoint, str) else ""
        instance("fit", f"checkpoint{named}", checkpoint, Checkpoint)
    if transform is not None:
        expected = "a function of a batch and a generator"
        require(callable(transform), "transform", expected, transform)


def as_samples(
    model: Model, loss: Loss, x: Any, y: Any, sample_weight: object, place: str
) -> Samples:
    """The samples as arrays, in the form that the model and the loss need; x or y is a tuple if the
    model has several inputs or outputs.

    Raises ShapeError and DataError for data that can't be trained on; `place` begins the message.
    """
    rows = as_inputs(model, x, place)
    prepared, weights = as_answers(model, loss, y, sample_weight, count(rows), place)
    if place == "fit" and weights is not None and not weights.any():
        raise DataError(f"{place}: sample_weight: expected some greater than 0, got 0 for all")
    return Samples(rows, prepared, weights)


def as_inputs(model: Model, x: Any, place: str) -> Any:
    """The inputs of `as_samples`."""

    def inputs(part: object) -> AnyArray:
        rows = as_rows(part, f"{place}: x")
        late = place != "step" and rows.dtype.kind != "f"  # whole numbers: a batch at a time
        ready = late or (rows.dtype == model.dtype and rows.flags.c_contiguous)
        return rows if ready else in_dtype(rows, model.dtype)

    rows = each(inputs, x)
    model.check_input(rows)
    check_numbers(model, rows, f"{place}: x")
    return rows


def as_answers(
    model: Model, loss: Loss, y: Any, sample_weight: object, n: int, place: str
) -> tuple[Any, Array | None]:
    """The targets and the weights of `as_samples`, for n samples."""

    def targets(part: object, loss: Loss, shape: Shape) -> AnyArray:
        found = as_targets(part, f"{place}: y")
        if found.ndim == 0 or n != len(found):
            raise ShapeError(
                f"{place}: expected one target for each of the {n} samples, "
                f"got targets of shape {found.shape}"
            )
        column = loss.exclusive_classes and found.shape[1:] == (1,) and len(shape) == 1
        return found[:, 0] if column else found  # class numbers in a column

    losses = loss.losses if isinstance(loss, SeveralLosses) else loss
    if isinstance(y, tuple) and losses is loss:  # the targets of one output, one by one
        y = list(y)
    prepared = loss.prepare(each(targets, y, losses, model.output_shape), model.output_shape)
    return prepared, None if sample_weight is None else check_weights(sample_weight, n)


def split(samples: Samples, share: float) -> tuple[Samples, Samples]:
    """The samples to train on, and the last part of them to validate with."""
    kept = split_at(count(samples.x), share)
    return samples.rows(slice(kept)), samples.rows(slice(kept, None))


def split_at(n: int, share: float) -> int:
    """The number of samples left for training if a share of n samples is held out.

    Raises ConfigurationError unless at least one sample is on each side.
    """
    kept = n - round(n * share) if is_number(share) and 0 < share < 1 else 0
    if not 0 < kept < n:
        raise ConfigurationError(
            "validation_split: expected a fraction between 0 and 1 that leaves samples on both "
            f"sides, got {shown(share)} of {n}"
        )
    return kept


def check_samples(model: Model, loss: Loss, samples: Samples, micro_size: int | None) -> None:
    """Warn about the scale; raise ConfigurationError for losses that micro-batches would change."""
    if micro_size is not None and isinstance(loss, SeveralLosses):
        loss.check_pieces(samples.y)
    warn_of_size(model, samples.x)


def warn_of_size(model: Model, x: Any) -> None:
    """Warn if the samples x are far from size 1, and suggest a scaling.

    Indices for an Embedding, and inputs that the model normalizes first, may have any size.
    """
    if isinstance(model, Graph):
        for number, (name, part) in enumerate(zip(model.input_names, parts(x), strict=True)):
            _warn_of_size(model.takers(number), model.dtype, part, f"x: {name}")
    else:
        _warn_of_size(model, model.dtype, parts(x)[0], "x")  # x may come with lengths


def _warn_of_size(layers: Iterable[Layer], dtype: DType, x: Array, name: str) -> None:
    """The same for one input and the layers that it passes through."""
    sample = x[:: max(1, len(x) // ROWS)].astype(dtype, copy=False)
    if _of_size_1(sample):
        return
    with np.errstate(all="ignore"):
        arriving = _arriving(layers, sample)
    if arriving is None or _of_size_1(arriving):
        return
    low, high = float(sample.min()), float(sample.max())
    pixels = low >= 0 and 100 < high <= 255
    advice = "x / 255" if pixels else "(x - x.mean(axis=0)) / x.std(axis=0)"
    warnings.warn(
        f"fit: {name}: expected inputs of about size 1, got numbers from {low:.3g} to {high:.3g}: "
        f"training may fail; write {advice}, with the same numbers for all data of this model",
        stacklevel=6,
    )


def _of_size_1(x: Array) -> bool:
    """Whether x is of about size 1. Zeros pass, and NaN too, which other checks report."""
    flat = x.reshape(-1).astype(np.float64)
    square = float(flat.dot(flat)) / max(1, flat.size)
    if not square or not math.isfinite(square):
        return True
    return square <= LARGE**2 and (square > SMALL**2 or float(np.abs(flat).max()) >= SMALL)


def _arriving(layers: Iterable[Layer], x: Array) -> Array | None:
    """The input of the first layer with weights; None if that may have any size."""
    for layer in layers:
        if layer.index_limit is not None or isinstance(layer, Normalization):
            return None
        if isinstance(layer, Sequential):
            return _arriving(layer, x)
        if layer.named_parameters() or layer.several_inputs:
            return x
        x = layer.forward(x)[0]
    return None
