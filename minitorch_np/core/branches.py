"""Layers that join several arrays into one: `Add` adds them, `Concatenate` concatenates them.

The arrays are the outputs of parallel layers, which all get the same input, as in Add(f, g); or,
without layers, the outputs of several nodes of a graph, as in Add()(a, b).
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import accumulate, pairwise
from typing import Any, cast

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape, parts
from minitorch_np.core.composite import Composite
from minitorch_np.core.layer import Backward, Cache, Forward, Gradients, Layer
from minitorch_np.core.sequences import Caches, Mask, forward_masked
from minitorch_np.errors import ShapeError
from minitorch_np.validation import is_whole, require


class Branches(Composite):
    """Base of layers that join: y = combine(f(x), g(x), ...), or without layers y = combine(x),
    where x is a tuple of arrays. A subclass defines `combine`, its derivative `split`, and
    `combined_shape`.
    """

    takes_mask = True

    def __init__(self, *layers: Layer | str) -> None:
        if layers:
            super().__init__(*layers)
        else:
            self.layers, self.several_inputs = (), True

    @abstractmethod
    def combined_shape(self, shapes: list[Shape]) -> Shape:
        """The shape of one output, from those of the branches. Raises ShapeError."""

    @abstractmethod
    def combine(self, outputs: list[Array]) -> Array:
        """The output, from those of the branches."""

    @abstractmethod
    def split(self, dy: Array) -> list[Array]:
        """For each branch, the gradient of its output."""

    def build_layers(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        shapes = [
            self.build_layer(place, input_shape, rng=rng, dtype=dtype)
            for place in range(len(self.layers))
        ]
        if self.several_inputs:
            shapes = list(parts(input_shape))
            if len(shapes) < 2:
                raise ShapeError(
                    f"{type(self).__name__}: expected several inputs, as in "
                    f"{type(self).__name__}()(a, b), or layers side by side, got one input"
                )
        self._joined = len(shapes)
        return self.combined_shape(shapes)

    def forward(
        self,
        x: Any,
        *,
        train: bool = False,
        rng: Generator | None = None,
        mask: Mask = None,
        state: Any = None,
    ) -> Forward:
        outputs, caches = list(x) if self.several_inputs else [], list[Cache]()
        masks: list[Mask] = list(mask) if self.several_inputs and mask is not None else []
        try:
            for place, layer in enumerate(self.layers):
                own = state and state[place]
                y, cache, after = forward_masked(layer, x, mask, own, train=train, rng=rng)
                if y.shape[1:] != layer.output_shape:
                    raise ShapeError(
                        f"{layer.label}: expected outputs of shape {layer.output_shape}, as its "
                        f"build promised, got {y.shape[1:]}"
                    )
                outputs.append(y)
                caches.append(cache)
                masks.append(after)
        except ShapeError as error:
            raise self.located(error, len(caches)) from None
        except Exception as error:
            error.add_note(f"in the forward of {self.name_of(len(caches))}")
            raise
        if mask is not None or any(one is not None for one in masks):
            caches = Caches(caches, self.mask_after(tuple(masks)))
        return self.combine(outputs), caches

    def step(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        if self.several_inputs:
            return self.combine(list(x)), None
        states = state or [None] * len(self.layers)
        done = [layer.step(x, own) for layer, own in zip(self.layers, states, strict=True)]
        return self.combine([y for y, _ in done]), [own for _, own in done]

    def backward(self, dy: Array, cache: list[Cache], *, need_dx: bool = True) -> Backward:
        gradients: Gradients = {}
        if self.several_inputs:
            return cast(Any, tuple(self.split(dy))), gradients
        dxs = [
            self.backward_of(place, part, cache[place], gradients, need_dx)
            for place, part in enumerate(self.split(dy))
        ]
        return (_sum(dxs) if need_dx else None), gradients


class Add(Branches):
    """y = f(x) + g(x) + ..., for layers with equal output shapes; Add()(a, b) = a + b.

    Each branch gets dy; dx is the sum of the branches' dx. Raises ShapeError for branches whose
    output shapes differ.
    """

    def combined_shape(self, shapes: list[Shape]) -> Shape:
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"{type(self).__name__}: expected branches with equal output shapes, got "
                f"{', '.join(map(str, shapes))}"
            )
        return shapes[0]

    def combine(self, outputs: list[Array]) -> Array:
        return _sum(outputs)

    def split(self, dy: Array) -> list[Array]:
        return [dy] * self._joined


class Concatenate(Branches):
    """The outputs of all layers joined along `axis` of the batch; Concatenate()(a, b) joins nodes.

    `axis=1`, the default, is a sample's first: the features of a row, the channels of an image; -1
    is the last. dy is cut into pieces of the same sizes. Raises ConfigurationError for axis 0,
    the samples' axis, ShapeError for outputs that differ in another axis.
    """

    def __init__(self, *layers: Layer | str, axis: int = 1) -> None:
        expected = "an axis of a batch other than 0, the samples'"
        require(is_whole(axis) and axis != 0, self, expected, axis)
        super().__init__(*layers)
        self.axis = int(axis)

    def combined_shape(self, shapes: list[Shape]) -> Shape:
        axes = len(shapes[0])
        axis = self.axis - 1 if self.axis > 0 else self.axis + axes
        fits = 0 <= axis < axes
        others = {(*shape[:axis], "n", *shape[axis + 1 :]) for shape in shapes}
        if not fits or len(others) > 1 or len(set(map(len, shapes))) > 1:
            raise ShapeError(
                f"Concatenate: expected branches whose outputs differ along axis {self.axis} only, "
                f"got samples of shape {', '.join(map(str, shapes))}"
            )
        sizes = [shape[axis] for shape in shapes]
        self._pieces = [slice(*ends) for ends in pairwise(accumulate(sizes, initial=0))]
        return (*shapes[0][:axis], sum(sizes), *shapes[0][axis + 1 :])

    def combine(self, outputs: list[Array]) -> Array:
        return np.concatenate(outputs, self.axis)

    def step(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        if self.axis in (1, -len(self.output_shape)):
            return Layer.step(self, x)  # refused: it joins along the steps
        return super().step(x, state)

    def split(self, dy: Array) -> list[Array]:
        along = np.moveaxis(dy, self.axis, 0)
        return [np.moveaxis(along[piece], 0, self.axis) for piece in self._pieces]


def _sum(arrays: list[Any]) -> Array:
    """The sum of one or more arrays, always a new array."""
    total: Array = arrays[0] + arrays[1] if len(arrays) > 1 else +arrays[0]
    for array in arrays[2:]:
        total += array
    return total
