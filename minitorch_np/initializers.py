"""Initial weights.

Weights must start random, or all units of a layer would learn the same thing; and they must have
the right size, or activations grow or vanish from layer to layer. Weights of variance v / fan_in
turn inputs of variance 1 into outputs of variance v. Half of ReLU's outputs are zero, so He uses
v = 2; LeCun uses v = 1; Glorot considers both directions, forward and backward, and uses the mean
of fan_in and fan_out. Each rule is available with a normal and a uniform distribution of the same
variance (a uniform one over (-a, a) has variance a^2 / 3).

An initializer is any function `(rng, shape, fan_in, fan_out) -> array`, where fan_in and fan_out
are the numbers of inputs and outputs of a weight's unit. It draws in float64 for any dtype of the
model, so that a float32 and a float64 model of one seed start from the same numbers.

Sources: He et al. 2015 (arXiv:1502.01852), Glorot and Bengio 2010, LeCun et al. 1998 ("Efficient
BackProp"); plain uniform(-0.5, 0.5) is what accompanies the notes' network in many lectures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.errors import ConfigurationError
from minitorch_np.signature import nearest
from minitorch_np.validation import shown

Initializer: TypeAlias = Callable[[Generator, Shape, int, int], Array]


def he_normal(rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """Normal with variance 2 / fan_in: for ReLU and its variants."""
    return rng.normal(0.0, np.sqrt(2.0 / fan_in), shape)


def he_uniform(rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """Uniform with variance 2 / fan_in: for ReLU and its variants."""
    return _uniform(rng, shape, 2.0 / fan_in)


def glorot_normal(rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """Normal with variance 2 / (fan_in + fan_out): for Sigmoid and tanh."""
    return rng.normal(0.0, np.sqrt(2.0 / (fan_in + fan_out)), shape)


def glorot_uniform(rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """Uniform with variance 2 / (fan_in + fan_out): for Sigmoid and tanh."""
    return _uniform(rng, shape, 2.0 / (fan_in + fan_out))


def lecun_normal(rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """Normal with variance 1 / fan_in: for SELU and linear layers."""
    return rng.normal(0.0, np.sqrt(1.0 / fan_in), shape)


def lecun_uniform(rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """Uniform with variance 1 / fan_in: for SELU and linear layers."""
    return _uniform(rng, shape, 1.0 / fan_in)


def uniform(rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """Uniform over (-0.5, 0.5), independent of the layer's size."""
    return rng.uniform(-0.5, 0.5, shape)


def zeros(rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """All zero: right for biases, wrong for the weights of a hidden layer."""
    return np.zeros(shape)


def _uniform(rng: Generator, shape: Shape, variance: float) -> Array:
    limit = np.sqrt(3.0 * variance)
    return rng.uniform(-limit, limit, shape)


INITIALIZERS: dict[str, Initializer] = {
    function.__name__: function
    for function in (
        he_normal,
        he_uniform,
        glorot_normal,
        glorot_uniform,
        lecun_normal,
        lecun_uniform,
        uniform,
        zeros,
    )
}


def get_initializer(initializer: str | Initializer) -> Initializer:
    """The initializer of that name; a function is returned as it is.

    Raises ConfigurationError for an unknown name.
    """
    if callable(initializer):
        return initializer
    if not isinstance(initializer, str) or initializer not in INITIALIZERS:
        meant = nearest(str(initializer), INITIALIZERS)
        advice = f": did you mean {meant!r}?" if meant else ""
        raise ConfigurationError(
            f"initializer: expected one of {', '.join(INITIALIZERS)}, or a function "
            f"(rng, shape, fan_in, fan_out) -> array; got {shown(initializer)}{advice}"
        )
    return INITIALIZERS[initializer]


def named_initializer(initializer: str | Initializer) -> str | Initializer:
    """The name of an initializer of this module, given as name or function; another function as it
    is.

    Raises ConfigurationError for an unknown name.
    """
    function = get_initializer(initializer)
    return next((name for name, known in INITIALIZERS.items() if known is function), function)
