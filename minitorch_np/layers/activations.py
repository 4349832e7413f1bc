"""Activation functions: the nonlinear part of a network.

Without a nonlinear function between them, layers of weighted sums collapse into one weighted sum.
An activation is applied to each number on its own. It is written as in the notes: a function g(z)
and its derivative g'(z). The backward pass is dz = da * g'(z), in one place for all of them.

A function with a corner, such as ReLU at 0, has no derivative there. These layers use the left-hand
derivative: 0 for ReLU. The notes put the equals sign on different sides; the value is the same
either way, and the derivative at that point is a convention.

None of them overflows: exponentials are only taken of numbers that are not positive.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.shapes import require_gradient, require_input
from minitorch_np.numerics import (
    in_pieces,
    normal_density,
    normal_distribution,
    sigmoid,
    softplus,
)
from minitorch_np.validation import choice, flag, number

ZERO = np.zeros((), np.float32)
"""A typed zero, which saves NumPy a type conversion: a third of a small comparison's time."""

TINY = 1e-30
"""Smaller numbers are as good as 0, and float32 would soon lose digits of them."""


class Activation(Layer):
    """An elementwise function: a = g(z). A subclass defines `value` and `derivative`, nothing else.

    Inputs and outputs have the same shape, (m, ...).
    """

    per_step = True

    @abstractmethod
    def value(self, z: Array) -> Array:
        """g(z), element by element: a new array of z's shape and dtype."""

    @abstractmethod
    def derivative(self, z: Array, a: Array) -> Array:
        """g'(z), element by element. `a` is g(z): many derivatives are computed from it.

        May return an array of booleans where g' is 0 or 1.
        """

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        a = self.value(x)
        return a, (x, a)

    def backward(self, dy: Array, cache: tuple[Array, Array], *, need_dx: bool = True) -> Backward:
        z, a = cache
        if dy.shape != a.shape:
            require_gradient(self, dy, a.shape)
        return (dy * self.derivative(z, a) if need_dx else None), {}


class ReLU(Activation):
    """The rectifier: g(z) = max(z, 0); g'(z) = 1 for z > 0, else 0.

    Source: the notes; Nair and Hinton 2010.
    """

    def value(self, z: Array) -> Array:
        return np.maximum(z, ZERO)

    def derivative(self, z: Array, a: Array) -> Array:
        return a > ZERO  # type: ignore[return-value]


class LeakyReLU(Activation):
    """A rectifier with a slope below 0: g(z) = z for z > 0, else s z; g'(z) = 1 for z > 0, else s.

    s is `negative_slope`. Raises ConfigurationError unless 0 <= negative_slope <= 1. Source: the
    notes; Maas et al. 2013.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = number(self, "negative_slope", negative_slope, 0, 1)

    def value(self, z: Array) -> Array:
        a: Array = np.maximum(z, self.negative_slope * z)  # right for slopes up to 1
        return a

    def derivative(self, z: Array, a: Array) -> Array:
        slopes = np.array([self.negative_slope, 1.0], z.dtype)
        return slopes[(z > 0).view(np.uint8)]


class ELU(Activation):
    """The exponential linear unit: g(z) = z for z > 0, else alpha (exp(z) - 1).

    g'(z) = 1 for z > 0, else g(z) + alpha. Raises ConfigurationError unless 0 < alpha < infinity.
    Source: the notes; Clevert et al. 2015 (arXiv:1511.07289).
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number(self, "alpha", alpha, above=0)

    def value(self, z: Array) -> Array:
        # expm1 sees no positive number, which keeps it from overflowing where it is not used.
        return np.where(z > 0, z, self.alpha * np.expm1(np.minimum(z, 0)))

    def derivative(self, z: Array, a: Array) -> Array:
        return np.where(z > 0, np.ones((), z.dtype), a + self.alpha)


class ReLU6(Activation):
    """A rectifier that saturates at 6: g(z) = min(max(z, 0), 6); g'(z) = 1 for 0 < z <= 6, else 0.

    Source: Krizhevsky 2010.
    """

    def value(self, z: Array) -> Array:
        return np.clip(z, 0, 6)

    def derivative(self, z: Array, a: Array) -> Array:
        return (z > 0) & (z <= 6)  # type: ignore[return-value]


class SELU(Activation):
    """A self-normalizing unit: g(z) = l z for z > 0, else l alpha (exp(z) - 1).

    g'(z) = l for z > 0, else g(z) + l alpha. With the two constants `SCALE` l and `ALPHA`, and
    weights of variance 1 / fan_in (`lecun_normal`), a layer's outputs keep mean 0 and variance 1.
    Source: Klambauer et al. 2017 (arXiv:1706.02515).
    """

    ALPHA = 1.6732632423543772848170429916717
    SCALE = 1.0507009873554804934193349852946

    def value(self, z: Array) -> Array:
        negative = self.SCALE * self.ALPHA * np.expm1(np.minimum(z, 0))
        return np.where(z > 0, self.SCALE * z, negative)

    def derivative(self, z: Array, a: Array) -> Array:
        return np.where(z > 0, np.array(self.SCALE, z.dtype), a + self.SCALE * self.ALPHA)


class PReLU(Layer):
    """A LeakyReLU whose slope is learned: g(z) = z for z > 0, else s z.

    The parameter `weight` is s: (1,), or with `per_channel` (C,), one slope for each entry of a
    sample's first axis (a unit of a dense layer, a channel of an image). All start at
    `initial_slope`.

    Gradients: dz = dy for z > 0, else s dy; ds = sum of dy z over all z <= 0 that share the slope.
    Raises ConfigurationError for an initial slope that is not finite. Source: He et al. 2015
    (arXiv:1502.01852).
    """

    parameter_names = ("weight",)
    weight: Array

    def __init__(self, initial_slope: float = 0.25, per_channel: bool = False) -> None:
        self.initial_slope = number(self, "initial_slope", initial_slope)
        self.per_channel = flag(self, "per_channel", per_channel)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        slopes = input_shape[0] if self.per_channel else 1
        self.weight = np.full(slopes, self.initial_slope, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        return np.where(x > 0, x, self._slopes(x) * x), x

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Backward:
        x = cache
        require_gradient(self, dy, x.shape)
        products = dy * np.minimum(x, 0)
        others = tuple(axis for axis in range(x.ndim) if not (self.per_channel and axis == 1))
        gradient = products.sum(axis=others).reshape(self.weight.shape)
        dx = np.where(x > 0, dy, self._slopes(x) * dy) if need_dx else None
        return dx, {"weight": gradient}

    def _slopes(self, x: Array) -> Array:
        """The slopes, reshaped to broadcast along the first axis of each sample."""
        return self.weight.reshape(-1, *(1,) * (x.ndim - 2))


class Sigmoid(Activation):
    """The logistic function: g(z) = 1 / (1 + exp(-z)); g'(z) = a (1 - a), where a = g(z).

    Source: the notes.
    """

    outputs_separate_probabilities = True

    def value(self, z: Array) -> Array:
        return sigmoid(z)

    def derivative(self, z: Array, a: Array) -> Array:
        return a * (1 - a)


class HardSigmoid(Activation):
    """A piecewise linear Sigmoid: g(z) = min(max(z / 6 + 1/2, 0), 1).

    g'(z) = 1/6 for -3 < z <= 3, else 0. The slope is PyTorch's; Keras 2 used 1/5. Source:
    Courbariaux et al. 2015 (arXiv:1511.00363).
    """

    outputs_separate_probabilities = True

    def value(self, z: Array) -> Array:
        return np.clip(z / 6 + 0.5, 0, 1)

    def derivative(self, z: Array, a: Array) -> Array:
        return np.array([0, 1 / 6], z.dtype)[((z > -3) & (z <= 3)).view(np.uint8)]


class Tanh(Activation):
    """The hyperbolic tangent: g(z) = tanh(z); g'(z) = 1 - a^2, where a = g(z).

    Source: LeCun et al. 1998.
    """

    def value(self, z: Array) -> Array:
        a: Array = np.tanh(z)
        return a

    def derivative(self, z: Array, a: Array) -> Array:
        return 1 - a * a


class Softplus(Activation):
    """A smooth ReLU: g(z) = log(1 + exp(beta z)) / beta; g'(z) = sigmoid(beta z).

    Raises ConfigurationError unless 0 < beta < infinity. Source: Dugas et al. 2001.
    """

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = number(self, "beta", beta, above=0)

    def value(self, z: Array) -> Array:
        return softplus(self.beta * z) / self.beta

    def derivative(self, z: Array, a: Array) -> Array:
        return sigmoid(self.beta * z)


class SiLU(Activation):
    """The sigmoid-weighted linear unit, also called swish: g(z) = z s, where s = sigmoid(z).

    g'(z) = s + z s (1 - s). Sources: Elfwing et al. 2017 (arXiv:1702.03118), Ramachandran et al.
    2017 (arXiv:1710.05941).
    """

    def value(self, z: Array) -> Array:
        return z * sigmoid(z)

    def derivative(self, z: Array, a: Array) -> Array:
        s = sigmoid(z)
        return s + a * (1 - s)


class HardSwish(Activation):
    """SiLU with a piecewise linear sigmoid: g(z) = z h, where h = min(max(z / 6 + 1/2, 0), 1).

    g'(z) = 0 for z <= -3, 1 for z > 3, and z / 3 + 1/2 in between. Source: Howard et al. 2019
    (arXiv:1905.02244).
    """

    def value(self, z: Array) -> Array:
        return z * np.clip(z / 6 + 0.5, 0, 1)

    def derivative(self, z: Array, a: Array) -> Array:
        bent = np.where(z > -3, z / 3 + 0.5, np.zeros((), z.dtype))
        return np.where(z > 3, np.ones((), z.dtype), bent)


class Mish(Activation):
    """A smooth function much like SiLU: g(z) = z t, where t = tanh(softplus(z)).

    g'(z) = t + z (1 - t^2) sigmoid(z). Source: Misra 2019 (arXiv:1908.08681).
    """

    def value(self, z: Array) -> Array:
        a: Array = z * np.tanh(softplus(z))
        return a

    def derivative(self, z: Array, a: Array) -> Array:
        t: Array = np.tanh(softplus(z))
        return t + z * (1 - t * t) * sigmoid(z)


class GELU(Activation):
    """The Gaussian error linear unit: g(z) = z P(z), with P the normal distribution function.

    g'(z) = P(z) + z p(z), with p the normal density. With `approximate="tanh"`, g(z) = z (1 +
    tanh(u)) / 2, where u = sqrt(2/pi) (z + 0.044715 z^3), which differs by up to 5e-4. Raises
    ConfigurationError for any other `approximate` than "none" and "tanh". Source: Hendrycks and
    Gimpel 2016 (arXiv:1606.08415).
    """

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = choice(self, "approximate", approximate, ("none", "tanh"))

    def value(self, z: Array) -> Array:
        if self.approximate == "none":
            return in_pieces(_gelu, z)
        return z * (0.5 + 0.5 * np.tanh(_tanh_argument(z)))

    def derivative(self, z: Array, a: Array) -> Array:
        if self.approximate == "none":
            return in_pieces(_gelu_slope, z, a)
        t: Array = np.tanh(_tanh_argument(z))
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * _square(z))
        return 0.5 + 0.5 * t + 0.5 * z * (1 - t * t) * slope


class Identity(Activation):
    """The identity: g(z) = z; g'(z) = 1. For places where a layer is required."""

    def value(self, z: Array) -> Array:
        return +z  # a new array, with the same memory layout

    def derivative(self, z: Array, a: Array) -> Array:
        return np.ones_like(z)


def _gelu(z: Array) -> Array:
    a = normal_distribution(z)
    a *= z
    return a


def _gelu_slope(z: Array, a: Array) -> Array:
    # P(z) is a / z, and 1/2 where z is 0, so that it need not be computed again.
    with np.errstate(invalid="ignore"):
        slope: Array = a / z
    slope[np.abs(z) <= TINY] = 0.5
    density = normal_density(z)
    density *= z
    slope += density
    return slope


def _tanh_argument(z: Array) -> Array:
    """u = sqrt(2/pi) (z + 0.044715 z^3)."""
    u: Array = math.sqrt(2 / math.pi) * z * (1 + 0.044715 * _square(z))
    return u


def _square(z: Array) -> Array:
    """z^2, clipped where tanh(u) is 1 in any precision, so that it cannot overflow."""
    square: Array = np.square(np.clip(z, -1e3, 1e3))
    return square
