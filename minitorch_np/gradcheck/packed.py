"""Packs several inputs or outputs of a layer side by side into one array, for the check.

The check moves one array x and compares one array y. So a row of x holds all inputs of a sample,
one after the other, and a row of y all outputs; the layer inside gets its own inputs. Inputs of
whole numbers are rounded, so their gradient is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Array, DType, Generator, Shape, parts
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.tree import Owner
from minitorch_np.errors import DataError
from minitorch_np.losses import Loss


def pack(arrays: Any) -> Any:
    """Several arrays (m, *shape) side by side: (m, n); a single array as it is."""
    if not isinstance(arrays, tuple):
        return arrays
    if not arrays:
        raise DataError("x: expected an array, or one for each input, got none")
    return np.concatenate([np.reshape(array, (len(array), -1)) for array in arrays], 1)


def unpack(packed: AnyArray, shapes: Sequence[Shape]) -> Any:
    """The reverse of `pack`, given the shape of a sample in each array."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    pieces = np.split(packed, ends[:-1], axis=1)
    return tuple(
        np.ascontiguousarray(piece).reshape(len(piece), *shape)
        for piece, shape in zip(pieces, shapes, strict=True)
    )


def as_one(layer: Layer) -> Layer:
    """A built layer, packed if it has several inputs or outputs."""
    several = len(parts(layer.input_shape)) > 1 or len(parts(layer.output_shape)) > 1
    return Packed(layer) if several else layer


class Packed(Layer):
    """Wraps a layer with several inputs or outputs as one with a single input and output."""

    def __init__(self, layer: Layer) -> None:
        self.layer, self.shapes, self.given = layer, layer.input_shape, layer.output_shape
        limits = getattr(layer, "index_limits", None) or [None] * len(parts(self.shapes))
        self.limits: list[int | None] = limits
        self.input_shape, self.output_shape = map(_packed_shape, (self.shapes, self.given))
        self.dtype = layer.dtype

    def initialize(self, input_shape: object, *, rng: Generator, dtype: DType) -> Shape:
        self.layer.initialize(self.shapes, rng=rng, dtype=dtype)
        self.dtype = self.layer.dtype
        return self.output_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        given: Any = x
        if len(parts(self.shapes)) > 1:
            given = tuple(
                part if limit is None else np.clip(np.round(part), 0, limit - 1)
                for part, limit in zip(unpack(x, parts(self.shapes)), self.limits, strict=True)
            )
        y, cache = self.layer.forward(given, train=train, rng=rng)
        return pack(y), cache

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Backward:
        given: Any = dy
        if len(parts(self.given)) > 1:
            given = unpack(dy, parts(self.given))
        dx, gradients = self.layer.backward(given, cache, need_dx=need_dx)
        return pack(dx), gradients

    @property
    def index_limit(self) -> int | None:  # type: ignore[override]
        return self.layer.index_limit

    @property
    def couples_samples(self) -> bool:  # type: ignore[override]
        return self.layer.couples_samples

    @property
    def label(self) -> str:
        return self.layer.label

    def sublayers(self) -> Mapping[str, Layer]:
        return self.layer.sublayers()

    def owners(self, *kinds: str) -> list[Owner[Layer]]:
        return self.layer.owners(*kinds)


class PackedLoss(Loss):
    """Wraps the loss of several outputs, for scores and targets side by side."""

    def __init__(
        self, loss: Loss, shapes: Sequence[Shape], target_shapes: Sequence[Shape] | None = None
    ) -> None:
        self.loss, self.shapes = loss, tuple(shapes)
        self.target_shapes = tuple(target_shapes or shapes)

    def forward(
        self, scores: Array, targets: AnyArray, sample_weight: Array | None = None
    ) -> tuple[float, Any]:
        given = () if sample_weight is None else (sample_weight,)
        wanted = self.loss.prepare(unpack(targets, self.target_shapes), self.shapes)  # type: ignore[arg-type]
        return self.loss.forward(unpack(scores, self.shapes), wanted, *given)

    def backward(self, cache: Any) -> Array:
        found: Array = pack(self.loss.backward(cache))
        return found


def _packed_shape(shape: Shape) -> Shape:
    return (sum(map(math.prod, parts(shape))),) if len(parts(shape)) > 1 else shape


def packed_loss(loss: Loss, layer: Layer, targets: Any) -> tuple[Loss, AnyArray]:
    """The loss of a layer with several outputs, and its targets, packed side by side."""
    shapes = parts(layer.output_shape)
    prepared = tuple(np.asarray(part) for part in loss.prepare(targets, layer.output_shape))
    return PackedLoss(loss, shapes, [part.shape[1:] for part in prepared]), pack(prepared)
