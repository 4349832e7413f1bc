"""Sequences read in both directions, so that each step depends on those before and after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.sequences import Mask
from minitorch_np.core.shapes import require_gradient, require_input
from minitorch_np.core.tree import Owner
from minitorch_np.layers.recurrent import Recurrent
from minitorch_np.names import by_name


class Bidirectional(Layer):
    """y = [f(x), g(x)]: the concatenated outputs of `layer` and of one that reads backwards.

    `layer` is recurrent, LSTM(8) or "lstm(8)"; the other is created with the same arguments and has
    its own parameters. y is (m, 2 units), or (m, steps, 2 units) with return_sequences.
    Names are PyTorch's: those of `layer`, and the same with "_reverse". Raises ConfigurationError
    for a layer that is not recurrent. Source: Schuster and Paliwal 1997.
    """

    takes_mask = True
    stateless = "begins at both ends of a sequence"

    def __init__(self, layer: Recurrent | str) -> None:
        self.layer: Recurrent = by_name(Recurrent, layer, place="Bidirectional")
        arguments = self.layer.config()
        arguments["go_backwards"] = not self.layer.go_backwards
        self.reverse = type(self.layer).from_config(arguments)

    def owners(self, *kinds: str) -> list[Owner[Any]]:
        others = self.reverse.owners(*kinds)
        return [
            *self.layer.owners(*kinds),
            *((f"{name}_reverse", at, key) for name, at, key in others),
        ]

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        for layer in (self.layer, self.reverse):
            shape = layer.build_once(input_shape, rng=rng, dtype=dtype)
        return (*shape[:-1], 2 * shape[-1])

    def forward(
        self, x: Array, *, train: bool = False, rng: Generator | None = None, mask: Mask = None
    ) -> Forward:
        require_input(self, x)
        both = (self.layer, self.reverse)
        (one, first), (other, second) = (layer.forward(x, mask=mask) for layer in both)
        return np.concatenate([one, other], axis=-1), (len(x), first, second)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Backward:
        m, first, second = cache
        require_gradient(self, dy, (m, *self.output_shape))
        n = self.layer.units
        dx, gradients = self.layer.backward(dy[..., :n], first, need_dx=need_dx)
        other, reverse = self.reverse.backward(dy[..., n:], second, need_dx=need_dx)
        gradients |= {f"{name}_reverse": array for name, array in reverse.items()}
        return (None if dx is None or other is None else dx + other), gradients
