"""Gated linear units: one half of the numbers scales the other half."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Cache, Forward, Layer
from minitorch_np.core.shapes import require_gradient, require_trailing
from minitorch_np.errors import ShapeError
from minitorch_np.layers.activations import Activation
from minitorch_np.names import by_name


class GLU(Layer):
    """A gated linear unit: y = a g(b), with a and b the halves of x along its last axis.

    x is (m, ..., 2n), y is (m, ..., n). `gate` is g, an activation or its name: "sigmoid" as in
    PyTorch, "silu" for SwiGLU, "gelu" for GEGLU.

    Gradients: da = dy g(b), db = dy a g'(b). Raises ConfigurationError for a gate that is no
    activation, ShapeError for an odd number of features. Sources: Dauphin et al. 2016
    (arXiv:1612.08083), Shazeer 2020 (arXiv:2002.05202).
    """

    per_step = True

    def __init__(self, gate: Activation | str = "sigmoid") -> None:
        self.gate = by_name(Activation, gate, place="GLU: gate")

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if not input_shape or input_shape[-1] % 2:
            raise ShapeError(
                "GLU: expected an even number of features, to be halved, got samples of shape "
                f"{input_shape}"
            )
        half = (*input_shape[:-1], input_shape[-1] // 2)
        self.gate.build(half, rng=rng, dtype=dtype)
        return half

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_trailing(self, x)
        a, b = np.split(x, 2, axis=-1)
        g, inner = self.gate.forward(b, train=train, rng=rng)
        return a * g, (a, g, inner)

    def backward(
        self, dy: Array, cache: tuple[Array, Array, Cache], *, need_dx: bool = True
    ) -> Backward:
        a, g, inner = cache
        require_gradient(self, dy, a.shape)
        if not need_dx:
            return None, {}
        dx = np.empty((*dy.shape[:-1], 2 * dy.shape[-1]), dy.dtype)
        da, db = np.split(dx, 2, axis=-1)
        np.multiply(dy, g, out=da)
        db[...] = self.gate.backward(dy * a, inner)[0]
        return dx, {}

    def config(self) -> dict[str, Any]:
        return {"gate": self.gate}
