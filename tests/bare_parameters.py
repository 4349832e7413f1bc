"""A layer that is nothing but a vector of parameters, to see what an optimizer does with them."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, DType, Generator, Shape


class Numbers(mt.Layer):
    """Holds `values` (n,) as its parameter `weight`."""

    parameter_names = ("weight",)
    weight: Array

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)
        self.initialize(1, rng=np.random.default_rng(0), dtype=self.values.dtype)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        self.weight = self.values
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        raise NotImplementedError

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        raise NotImplementedError

    def moved(self, optimizer: mt.Optimizer, gradient: Array) -> Array:
        """The parameters after a step."""
        optimizer.step(self, {"weight": gradient})
        return self.weight


class Gathers(mt.Optimizer):
    """Moves nothing, and keeps the gradients that it was given."""

    def __init__(self) -> None:
        self.seen: Array = np.zeros(0)

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        self.seen = gradients.copy()


def gathered(model: mt.Layer, gradients: dict[str, Array]) -> Array:
    """The gradients of all parameters as an optimizer's rule sees them."""
    optimizer = Gathers()
    optimizer.step(model, gradients)
    return optimizer.seen
