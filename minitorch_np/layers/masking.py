"""Masking: marks the steps of a sequence that are padding."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape, parts
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.sequences import Mask, mask_of_lengths
from minitorch_np.core.shapes import require_gradient, require_input, require_trailing
from minitorch_np.errors import DataError, ShapeError
from minitorch_np.validation import number


class Masking(Layer):
    """Marks padding: y = x, and a step whose numbers are all `value` does not count.

    x and y are (m, steps, features). The container passes the mask to the layers after it that take
    one: recurrent layers, Bidirectional, attention, GlobalAveragePool1D(axis=1). It ends at a layer
    that removes the steps or moves them (Transpose, Reshape). Called on two nodes of a Graph,
    Masking()(x, lengths), with an Input of shape () for the lengths, it marks the steps beyond a
    sequence's length. dx = dy; the lengths have no gradient.

    Raises ShapeError for samples that are not (steps, features), DataError for lengths that are not
    whole numbers from 0 to steps. As in Keras.
    """

    makes_mask = several_inputs = True

    def __init__(self, value: float = 0.0) -> None:
        self.value = number(self, "value", value)

    def build(self, input_shape: Any, *, rng: Generator, dtype: DType) -> Shape:
        shape, *others = parts(input_shape) if input_shape else ((),)
        if len(shape) != 2 or others not in ([], [()]):
            raise ShapeError(
                f"{self!r}: expected samples of shape (steps, features), alone or with a length "
                f"each, got {' and '.join(map(str, (shape, *others)))}"
            )
        self.index_limits = [None, *(shape[0] + 1 for _ in others)]
        return cast(Shape, shape)

    def mask_of(self, x: Any) -> Mask:
        if isinstance(x, tuple):
            return mask_of_lengths(x[1], x[0].shape[1], repr(self))
        return (x != self.value).any(axis=2)

    def mask_after(self, mask: Mask) -> Mask:
        return mask

    def forward(self, x: Any, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        return +parts(x)[0], isinstance(x, tuple)

    def backward(self, dy: Array, cache: bool, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, (len(dy), *self.output_shape))
        dx: Any = (+dy, np.zeros(len(dy), dy.dtype)) if cache else +dy
        return (dx if need_dx else None), {}

    def step(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        first = parts(x)[0]
        if not isinstance(x, tuple):
            require_trailing(self, x)
        if not np.all(self.mask_of(x)):
            raise DataError(f"{self!r}.step: expected steps that count, got padding")
        return +first, None
