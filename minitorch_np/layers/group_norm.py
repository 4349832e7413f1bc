"""Normalization of single samples: by groups of channels, or by the length of each vector.

BatchNorm needs a batch, and differs between training and prediction. These two do not: `GroupNorm`
computes mean and variance over some channels of one image, `RMSNorm` divides each vector by the
root of its mean square without subtracting the mean.
"""

from __future__ import annotations

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward
from minitorch_np.core.shapes import require_gradient, require_input, require_trailing
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.layers.normalization import (
    Normalization,
    NormCache,
    Standardization,
    mean_over,
)
from minitorch_np.validation import is_whole, number, whole


class GroupNorm(Standardization):
    """Group normalization: y = weight (x - mean) / sqrt(variance + epsilon) + bias, per group.

    x and y are (m, channels, ...). The channels are divided into `groups` of neighbours; mean and
    variance are over all entries of a group in one sample. `weight` and `bias` are (channels,) and
    start at 1 and 0. One group is LayerNorm over all axes, except for the parameters; as many
    groups as channels is instance normalization.

    With x^ the normalized x and g = dy weight, dx = (g - mean(g) - x^ mean(g x^)) / sqrt(variance +
    epsilon). Raises ConfigurationError unless groups >= 1 and epsilon > 0, ShapeError for channels
    that the groups do not divide. Source: Wu and He 2018 (arXiv:1803.08494).
    """

    def __init__(self, groups: int, epsilon: float = 1e-5) -> None:
        self.groups = whole(self, "groups", groups)
        self.epsilon = _epsilon(self, epsilon)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if not input_shape or input_shape[0] % self.groups:
            raise ShapeError(
                f"{self!r}: expected samples of shape (channels, ...), with channels that "
                f"{self.groups} groups divide, got {input_shape}"
            )
        self.weight, self.bias = np.ones(input_shape[0], dtype), np.zeros(input_shape[0], dtype)
        return input_shape

    # Inside, a batch is (m, groups, channels / groups, ...).
    def mean(self, x: Array) -> Array:
        return mean_over(x, tuple(range(2, x.ndim)))

    def total(self, x: Array) -> Array:
        total: Array = x.sum(axis=(0, *range(3, x.ndim)))
        return total

    def along(self, parameter: Array, x: Array) -> Array:
        return parameter.reshape(self.groups, -1, *(1,) * (x.ndim - 3))

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        grouped = x.reshape(len(x), self.groups, -1, *x.shape[2:])
        unit, inverse, _, _ = self.normalized(grouped)
        y = unit * self.along(self.weight, unit)
        y += self.along(self.bias, unit)
        return y.reshape(x.shape), (unit, inverse, True)

    def backward(self, dy: Array, cache: NormCache, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, (len(cache[0]), *self.input_shape))
        dx, grouped = super().backward(dy.reshape(cache[0].shape), cache, need_dx=need_dx)
        gradients = {name: gradient.reshape(-1) for name, gradient in grouped.items()}
        return (None if dx is None else dx.reshape(dy.shape)), gradients


class RMSNorm(Normalization):
    """Root mean square normalization: y = weight x / r, where r = sqrt(mean(x^2) + epsilon).

    x and y are (m, ..., features), and the mean is over the last axis; `weight` is (features,) and
    starts at 1. With u = x / r and g = dy weight, dx = (g - u mean(g u)) / r. PyTorch's default for
    epsilon is the rounding error of the dtype; here it is 1e-6 in both dtypes. Raises
    ConfigurationError unless epsilon > 0, ShapeError for samples without an axis. Source: Zhang and
    Sennrich 2019 (arXiv:1910.07467).
    """

    parameter_names = ("weight",)
    per_step = True

    def __init__(self, epsilon: float = 1e-6) -> None:
        self.epsilon = _epsilon(self, epsilon)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if not input_shape:
            raise ShapeError(f"{self!r}: expected samples of features, got one number each")
        self.weight = np.ones(input_shape[-1], dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_trailing(self, x)
        squares = np.vecdot(x, x)
        inverse = (squares[..., np.newaxis] / x.shape[-1] + self.epsilon) ** -0.5
        unit = x * inverse
        return unit * self.weight, (unit, inverse)

    def backward(self, dy: Array, cache: tuple[Array, Array], *, need_dx: bool = True) -> Backward:
        unit, inverse = cache
        require_gradient(self, dy, unit.shape)
        products = dy * unit
        gradients = {"weight": products.reshape(-1, dy.shape[-1]).sum(axis=0)}
        if not need_dx:
            return None, gradients
        slope = (products @ self.weight)[..., np.newaxis] / dy.shape[-1]
        dx = dy * self.weight
        dx -= unit * slope
        dx *= inverse
        return dx, gradients


def _epsilon(layer: Normalization, epsilon: float) -> float:
    """A number above 0, and no count of features, as PyTorch takes one at this place."""
    if is_whole(epsilon) and epsilon > 0:
        raise ConfigurationError(
            f"{type(layer).__name__}: expected epsilon to be a small number, got {epsilon}: the "
            "features are counted by the model"
        )
    return number(layer, "epsilon", epsilon, above=0)
