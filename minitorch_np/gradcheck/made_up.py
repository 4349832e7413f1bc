"""Made-up data for checks without data: of both signs, several sizes, with a zero and with ties."""

from __future__ import annotations

import copy
import math

import numpy as np

from minitorch_np.arrays import AnyArray, Array, Shape
from minitorch_np.layers import Layer
from minitorch_np.losses import Loss

SHAPES: list[Shape] = [
    (5,),
    (7, 4),
    (4, 5, 6),
    (8,),
    (6, 8),
    (4, 8, 8),
    (1,),
    (2,),
    (1, 28, 28),
    (784,),
]
"""The shapes of a sample that are tried, in this order, for a layer that is not built."""

SAMPLES = 4
"""The number of samples in a made-up batch."""

SIZES = (1.0, 2.0, 0.5)
"""The sizes of the first samples, repeated for further ones."""

TIE = 2.5
"""The value of neighbouring entries in the first sample, so that maxima have ties."""


def made_up_inputs(layer: Layer, rng: np.random.Generator, samples: int = SAMPLES) -> Array:
    """A batch for a built layer: whole numbers if it requires them."""
    if layer.index_limit is None:
        batch = made_up(layer.input_shape, rng, samples)
        if batch.ndim > 2:
            empty = batch.copy()
            empty[-1, -1] = 0  # a step or a channel of zeros
            return empty if _is_defined(layer, empty) else batch
        return batch
    return rng.integers(layer.index_limit, size=(samples, *layer.input_shape)).astype(np.float64)


def _is_defined(layer: Layer, x: Array) -> bool:
    """Whether a layer has finite outputs and gradients for a batch."""
    try:
        once, rng = copy.deepcopy(layer), np.random.default_rng(0)
        y, cache = once.forward(x.copy(), train=True, rng=rng)
        dx, _ = once.backward(np.ones_like(y), cache)
        return bool(np.isfinite(y).all() and np.isfinite(np.asarray(dx, float)).all())
    except Exception:
        return False


def made_up(shape: Shape, rng: np.random.Generator, samples: int = SAMPLES) -> Array:
    """A batch of several sizes, with one entry at 0, where many functions have their corner."""
    batch: Array = rng.normal(size=(samples, *shape))
    batch *= np.resize(SIZES, samples).reshape(-1, *(1 for _ in shape))
    for axis, n in enumerate(shape):  # a tie along each axis, unless it would cover all entries
        if n > 2:
            line: Array = np.moveaxis(batch[0], axis, 0).reshape(n, -1)[:, 0]
            line[: min(n - 1, 3)] = TIE
    batch.reshape(-1)[-1] = 0.0
    return batch


def made_up_for(
    loss: Loss, rng: np.random.Generator, shape: Shape | None = None, samples: int | None = None
) -> tuple[Array, AnyArray]:
    """Scores and targets that a loss accepts: logits or probabilities with class numbers, or
    numbers with numbers. If it accepts none, raises its error for the last ones tried.

    Every class is among the labels if there are enough samples, as by default. The default shape is
    (5,), or (6,) for a loss that needs an even number.
    """
    if shape is None:
        try:
            return made_up_for(loss, rng, (5,), samples)
        except Exception:
            return made_up_for(loss, rng, (6,), samples)
    samples = shape[-1] + 1 if samples is None else samples
    logits = made_up(shape, rng, samples)
    steps = (samples, *shape[:-1])
    probabilities = rng.dirichlet(np.ones(shape[-1]), steps) * 0.9 + 0.02
    labels = rng.permutation(np.arange(math.prod(steps)) % shape[-1]).reshape(steps)
    shares = rng.uniform(0.1, 0.9, logits.shape)
    numbers = rng.normal(size=logits.shape)
    one_hot = np.eye(shape[-1])[labels]
    pairs: list[tuple[Array, AnyArray]] = [
        (logits, labels), (probabilities, labels), (logits, one_hot), (probabilities, one_hot),
        (logits, numbers), (logits, shares), (shares, shares[::-1]), (np.abs(numbers), shares),
    ]  # fmt: skip
    problem: Exception | None = None
    for scores, targets in pairs if len(shape) == 1 else pairs[4:] + pairs[:4]:
        try:
            value, _ = loss.forward(scores.copy(), targets.copy())
            if np.isfinite(value):
                return scores, targets
        except Exception as error:  # a user-defined loss may raise anything
            problem = error
    raise problem or ValueError("expected a finite loss")
