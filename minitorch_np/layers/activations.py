"""Activation functions: what makes a network more than one matrix.

Without something bent in between, layers of weighted sums collapse into one weighted sum. An
activation bends each number on its own. It is written as the notes write it: a function g(z), and
its derivative g'(z). Backward then is dz = da * g'(z), in one place for all of them.

A function with a corner (ReLU at 0) has no derivative there. We take g'(0) = the left one for all
of these: 0 for ReLU. The notes disagree with each other on which side the equals sign is; the
value is the same either way, and the derivative at that one point is a choice.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np

from minitorch_np.arrays import Array, Generator
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.layers.base import Gradients, Layer


class Activation(Layer):
    """An elementwise function: a = g(z). A new one defines `value` and `derivative`, no more."""

    @abstractmethod
    def value(self, z: Array) -> Array:
        """g(z), element by element: an array of z's shape and dtype."""

    @abstractmethod
    def derivative(self, z: Array, a: Array) -> Array:
        """g'(z), given a = g(z) too: for many functions the output is the shortest way to it.

        May be an array of booleans, where g' is 0 or 1.
        """

    def forward(
        self, x: Array, *, train: bool = False, rng: Generator | None = None
    ) -> tuple[Array, tuple[Array, Array]]:
        a = self.value(x)
        return a, (x, a)

    def backward(
        self, dy: Array, cache: tuple[Array, Array], *, need_dx: bool = True
    ) -> tuple[Array | None, Gradients]:
        z, a = cache
        if dy.shape != a.shape:
            raise ShapeError(
                f"{self!r}.backward: expected dy of shape {a.shape}, as the outputs, got {dy.shape}"
            )
        return (dy * self.derivative(z, a) if need_dx else None), {}


class ReLU(Activation):
    """g(z) = max(z, 0); g'(z) = 1 for z > 0, else 0. Source: the notes; Nair and Hinton 2010."""

    def value(self, z: Array) -> Array:
        return np.maximum(z, 0)

    def derivative(self, z: Array, a: Array) -> Array:
        return z > 0  # type: ignore[return-value]  # booleans: 0 and 1 in a product


class LeakyReLU(Activation):
    """g(z) = z for z > 0, else s z; g'(z) = 1 for z > 0, else s, with s the `negative_slope`.

    Raises ConfigurationError unless 0 <= negative_slope <= 1. Source: Maas et al. 2013.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = _number(self, "negative_slope", negative_slope, 0.0, 1.0)

    def value(self, z: Array) -> Array:
        a: Array = np.maximum(z, self.negative_slope * z)  # right for slopes up to 1
        return a

    def derivative(self, z: Array, a: Array) -> Array:
        slopes = np.array([self.negative_slope, 1.0], z.dtype)
        return slopes[(z > 0).view(np.uint8)]


class ELU(Activation):
    """g(z) = z for z > 0, else alpha (exp(z) - 1); g'(z) = 1 for z > 0, else g(z) + alpha.

    Raises ConfigurationError unless 0 < alpha < infinity. Source: Clevert et al. 2015
    (arXiv:1511.07289).
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = _number(self, "alpha", alpha, math.ulp(0.0), math.nextafter(math.inf, 0))

    def value(self, z: Array) -> Array:
        # expm1 sees no positive number, which keeps it from overflowing where it is not used.
        return np.where(z > 0, z, self.alpha * np.expm1(np.minimum(z, 0)))

    def derivative(self, z: Array, a: Array) -> Array:
        return np.where(z > 0, np.ones((), z.dtype), a + self.alpha)


class Sigmoid(Activation):
    """g(z) = 1 / (1 + exp(-z)); g'(z) = a (1 - a) with a = g(z). Source: the notes."""

    def value(self, z: Array) -> Array:
        # exp of a negative number only: no overflow on either side, and full relative precision.
        e = np.exp(-np.abs(z))
        a: Array = np.where(z >= 0, np.ones((), z.dtype), e) / (1 + e)
        return a

    def derivative(self, z: Array, a: Array) -> Array:
        return a * (1 - a)


def _number(layer: Layer, name: str, value: float, least: float, most: float) -> float:
    """`value`, if it is a number from `least` to `most`; ConfigurationError if it is not."""
    if not isinstance(value, (int, float, np.number)) or not least <= value <= most:
        raise ConfigurationError(
            f"{type(layer).__name__}: expected {name} to be a finite number "
            f"{'greater than 0' if 0 < least < 1e-300 else f'from {least:g} to {most:g}'}, "
            f"got {value!r}"
        )
    return float(value)
