"""Normalization: inputs shifted and scaled to mean 0 and variance 1.

Layers learn fastest from inputs of about unit size. `BatchNorm` normalizes each feature over the
batch, `LayerNorm` each sample over its features. Both then apply a learned scale and shift, the
parameters `weight` and `bias`.

With x^ = (x - mean) / sqrt(variance + epsilon) and g = dy weight, the gradient is dx = (g - mean(g)
- x^ mean(g x^)) / sqrt(variance + epsilon). The two terms that are subtracted are there because the
  mean and the variance depend on x too.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape, all_finite, ones
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.shapes import require_gradient, require_input, require_trailing
from minitorch_np.errors import ShapeError
from minitorch_np.validation import number, whole

NormCache = tuple[Array, Array, bool]
"""x^, 1 / sqrt(variance + epsilon), and whether the two come from x itself."""


class Parts(Protocol):
    """Gives a layer statistics of its batch over all processes that have a part of it."""

    def mean(self, mean: Array) -> Array:
        """The mean over all samples, given the mean over those of this process."""

    def count(self, numbers: int) -> int:
        """The count of numbers in that mean, given the count in this process."""


class Normalization(Layer):
    """A layer that scales its inputs to unit size.

    The scale of the layers before it is therefore arbitrary, and its parameters, which only shift
    and scale, are excluded from weight decay.
    """

    weight: Array
    epsilon: float


class Standardization(Normalization):
    """Normalization by mean and variance: y = weight x^ + bias.

    A subclass defines what they are computed over, and what the parameters are shared by.
    """

    parameter_names = ("weight", "bias")
    bias: Array

    @abstractmethod
    def mean(self, x: Array) -> Array:
        """The means over the axes that are normalized, which stay with length 1."""

    @abstractmethod
    def total(self, x: Array) -> Array:
        """The sums over the axes along which an entry of the parameters is shared."""

    @abstractmethod
    def along(self, parameter: Array, x: Array) -> Array:
        """A parameter, or a statistic, reshaped to broadcast against x."""

    def normalized(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """x^, 1 / sqrt(variance + epsilon), the mean and the variance."""
        mean = self.mean(x)
        centred = x - mean
        variance = self.mean(np.square(centred))
        inverse = 1 / np.sqrt(variance + self.epsilon)
        if not all_finite(variance):  # squares overflowed: 1 / infinity would pass for a fine 0
            inverse = np.where(np.isfinite(variance), inverse, np.array(np.nan, x.dtype))
        centred *= inverse
        return centred, inverse, mean, variance

    def backward(self, dy: Array, cache: NormCache, *, need_dx: bool = True) -> Backward:
        unit, inverse, measured = cache
        require_gradient(self, dy, unit.shape)
        products = dy * unit
        gradients = {"weight": self.total(products), "bias": self.total(dy)}
        if not need_dx:
            return None, gradients
        weight = self.along(self.weight, dy)
        dx = dy * weight
        if measured:
            products *= weight
            slope = self.mean(products)
            dx -= self.mean(dx)
            dx -= np.multiply(unit, slope, out=products)
        dx *= inverse
        return dx, gradients


class BatchNorm(Standardization):
    """Batch normalization: y = weight (x - mean) / sqrt(variance + epsilon) + bias, per feature.

    x and y are (m, features), with mean and variance over the batch, or images (m, channels,
    height, width), with both over the batch and all pixels. `weight` and `bias` are (features,) or
    (channels,) and start at 1 and 0.

    In training it uses the batch's own statistics and moves the buffers `running_mean` and
    `running_var` towards them: new = (1 - momentum) old + momentum batch, with the variance over n
    - 1. This is PyTorch's meaning of momentum; Keras' is 1 minus it. In prediction, and when the
    layer is frozen, it uses the running statistics. A batch of one sample without pixels has no
    variance: its output is the bias, and the running statistics stay.

    Raises ConfigurationError unless 0 <= momentum <= 1 and epsilon > 0, ShapeError for samples of
    another number of axes. Source: Ioffe and Szegedy 2015 (arXiv:1502.03167).
    """

    buffer_names = ("running_mean", "running_var")
    running_mean: Array
    running_var: Array
    couples_samples = True
    all_parts: Parts | None = None
    """Set while several processes have parts of a batch: its statistics are those of all parts."""

    def __init__(self, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        self.momentum = number(self, "momentum", momentum, 0, 1)
        self.epsilon = number(self, "epsilon", epsilon, above=0)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if len(input_shape) not in (1, 3):
            raise ShapeError(
                f"{self!r}: expected samples of shape (features,) or (channels, height, width), "
                f"got {input_shape}"
            )
        features = input_shape[0]
        self.weight, self.bias = np.ones(features, dtype), np.zeros(features, dtype)
        self.running_mean, self.running_var = np.zeros(features, dtype), np.ones(features, dtype)
        return input_shape

    def axes(self, x: Array) -> tuple[int, ...]:
        """The axes of a batch that all parameters are shared by."""
        return (0,) if x.ndim == 2 else (0, 2, 3)

    def total(self, x: Array) -> Array:
        total: Array = x.sum(axis=self.axes(x))
        return total

    def mean(self, x: Array) -> Array:
        mean = mean_over(x, self.axes(x))
        return mean if self.all_parts is None else self.all_parts.mean(mean)

    def along(self, parameter: Array, x: Array) -> Array:
        return parameter.reshape(1, -1, *(1,) * (x.ndim - 2))

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        measured = train and self.trainable
        if measured:
            unit, inverse, mean, variance = self.normalized(x)
            n = x.size // mean.size
            n = n if self.all_parts is None else self.all_parts.count(n)
            if n > 1:  # one number has no spread to follow
                self._follow(self.running_mean, mean)
                self._follow(self.running_var, variance * (n / (n - 1)))
        else:
            inverse = self.along(1 / np.sqrt(self.running_var + self.epsilon), x)
            unit = (x - self.along(self.running_mean, x)) * inverse
        y = unit * self.along(self.weight, x)
        y += self.along(self.bias, x)
        return y, (unit, inverse, measured)

    def _follow(self, running: Array, batch: Array) -> None:
        running *= 1 - self.momentum
        running += self.momentum * batch.reshape(-1)


class LayerNorm(Standardization):
    """Layer normalization: y = weight (x - mean) / sqrt(variance + epsilon) + bias, per sample.

    x and y are (m, ...). Mean and variance are over the last `trailing_axes` axes of a sample;
    `weight` and `bias` have the shape of these axes and start at 1 and 0. Training and prediction
    are the same.

    Raises ConfigurationError unless trailing_axes >= 1 and epsilon > 0, ShapeError for samples with
    fewer axes. Source: Ba et al. 2016 (arXiv:1607.06450).
    """

    def __init__(self, trailing_axes: int = 1, epsilon: float = 1e-5) -> None:
        self.trailing_axes = whole(self, "trailing_axes", trailing_axes)
        self.epsilon = number(self, "epsilon", epsilon, above=0)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if len(input_shape) < self.trailing_axes:
            raise ShapeError(
                f"{self!r}: expected samples of at least {self.trailing_axes} axes, "
                f"got {input_shape}"
            )
        shape = input_shape[-self.trailing_axes :]
        self.weight, self.bias = np.ones(shape, dtype), np.zeros(shape, dtype)
        return input_shape

    @property
    def per_step(self) -> bool:  # type: ignore[override]
        return self.built and len(self.input_shape) > self.trailing_axes

    def along(self, parameter: Array, x: Array) -> Array:
        return parameter

    # A product adds up many short rows in a fraction of the time of NumPy's sum.
    def total(self, x: Array) -> Array:
        rows = x.reshape(-1, self.weight.size)
        return (ones(len(rows), x.dtype) @ rows).reshape(self.weight.shape)

    def mean(self, x: Array) -> Array:
        n = self.weight.size
        means: Array = x.reshape(-1, n).dot(ones(n, x.dtype))
        means /= n
        return means.reshape(*x.shape[: -self.trailing_axes], *(1,) * self.trailing_axes)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_trailing(self, x, self.trailing_axes)
        unit, inverse, _, _ = self.normalized(x)
        y = unit * self.weight
        y += self.bias
        return y, (unit, inverse, True)


def mean_over(x: Array, axes: tuple[int, ...]) -> Array:
    """x.mean(axes, keepdims=True), in a third of the time where x is small."""
    mean: Array = np.add.reduce(x, axis=axes, keepdims=True)
    mean /= x.size // (mean.size or 1)
    return mean
