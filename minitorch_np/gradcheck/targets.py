"""Targets: the common interface of layers, losses, models and functions for the gradient check.

A target has a few named arrays (inputs and parameters), a function of them, and the claimed
gradients. It works on float64 copies, so that the user's object is never changed.
"""

from __future__ import annotations

import contextlib
import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.errors import ShapeError
from minitorch_np.gradcheck.numeric import generic_step
from minitorch_np.layers import Layer
from minitorch_np.losses import Loss


class Target(ABC):
    """A function of named float64 arrays, and its claimed vector-Jacobian product.

    `arrays` are live: the check moves them in place and puts them back, and `value` must follow.
    """

    label: str
    arrays: dict[str, Array]

    composed: bool = False
    """Whether it is a composition of several functions, whose corners may add up."""

    @abstractmethod
    def value(self) -> Array:
        """The function at the current arrays; always a new array."""

    @abstractmethod
    def gradients(self, dy: Array) -> dict[str, Array]:
        """dL/d(array) for each array, given dL/d(value) = dy, by the object's own backward."""

    def constants(self) -> dict[str, float]:
        """Numbers that the function depends on, such as alpha, for the diagnosis."""
        return {}

    @contextlib.contextmanager
    def moved(self, steps: dict[str, Array]) -> Iterator[None]:
        """A context in which a step is added to each array."""
        kept = {name: array.copy() for name, array in self.arrays.items()}
        try:
            for name, step in steps.items():
                self.arrays[name][...] += step
            yield
        finally:
            for name, array in kept.items():
                self.arrays[name][...] = array


class LayerTarget(Target):
    """A layer or a whole model: y = f(x; parameters), with the same random draws at each call."""

    def __init__(self, layer: Layer, x: Array, *, seed: int = 0, train: bool = True) -> None:
        self.layer, self.x, self.seed, self.train = layer, x, seed, train
        self.label, self.composed = layer.label, bool(layer.sublayers())
        inputs = {} if takes_numbers(layer) else {"x": x}  # whole numbers can't be moved a little
        self.arrays = {**inputs, **layer.named_parameters()}
        self._rng, self._draws = np.random.default_rng(seed), True
        self._buffers = [(array, array.copy()) for array in layer.named_buffers().values()]

    def value(self) -> Array:
        return np.array(self.forward()[0], dtype=np.float64)

    def gradients(self, dy: Array) -> dict[str, Array]:
        _, cache = self.forward()
        dx, gradients = backward(self.layer, dy.copy(), cache)
        inputs = {"x": dx} if "x" in self.arrays else {}
        return {n: np.asarray(g) for n, g in {**inputs, **gradients}.items() if g is not None}

    def forward(self) -> tuple[Array, Any]:
        """The layer's own forward, always with the same random numbers."""
        if self._draws:
            self._rng = np.random.default_rng(self.seed)
            before = self._rng.bit_generator.state
        for array, at_first in self._buffers:  # running statistics move with each forward
            array[...] = at_first
        # A copy, since a layer that changes its input would change the data of the check.
        result = self.layer.forward(self.x.copy(), train=self.train, rng=self._rng)
        if self._draws:  # an unused generator need not be reset
            self._draws = bool(self._rng.bit_generator.state != before)
        return result

    def constants(self) -> dict[str, float]:
        return {
            name: float(value)
            for layer in self.layer.walk()
            for name, value in getattr(layer, "__dict__", {}).items()
            if isinstance(value, (int, float)) and not name.startswith("_")
        }


class LossTarget(Target):
    """A loss as a function of the scores; its value is an array of one number."""

    def __init__(
        self, loss: Loss, scores: Array, targets: AnyArray, sample_weight: Array | None = None
    ) -> None:
        self.loss, self.targets, self.sample_weight = loss, targets, sample_weight
        self.label = f"{type(loss).__name__}()"
        self.arrays = {"scores": scores}

    def value(self) -> Array:
        return np.array([self._copied()[0]])

    def gradients(self, dy: Array) -> dict[str, Array]:
        _, cache = self._copied()
        return {"scores": float(dy[0]) * np.asarray(self.loss.backward(cache), dtype=np.float64)}

    def _copied(self) -> tuple[float, Any]:
        """The loss of copies, since a loss that changes its arguments would change the check's."""
        given = [self.arrays["scores"].copy(), self.targets.copy()]
        if self.sample_weight is not None:  # a user-defined loss may not take any
            given.append(self.sample_weight.copy())
        return self.loss.forward(*given)

    def forward(self, scores: Array, rows: slice = slice(None)) -> tuple[float, Any]:
        """The loss of some rows of the targets for the same number of scores."""
        targets, weights = self.targets[rows], self.sample_weight
        if weights is None:  # a user-defined loss may not take any
            return self.loss.forward(scores, targets)
        return self.loss.forward(scores, targets, weights[rows])

    def constants(self) -> dict[str, float]:
        return {n: float(v) for n, v in vars(self.loss).items() if isinstance(v, (int, float))}


class TrainingTarget(Target):
    """A model and its loss as one function, which training minimizes."""

    composed = True

    def __init__(
        self,
        model: Layer,
        loss: Loss,
        x: Array,
        targets: AnyArray,
        sample_weight: Array | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.inner = LayerTarget(model, x, seed=seed)
        self.end = LossTarget(loss, self.inner.value(), targets, sample_weight)
        self.label = f"{model.label} under {type(loss).__name__}"
        self.arrays = self.inner.arrays

    def value(self) -> Array:
        return np.array([self.end.forward(self.inner.value())[0]])

    def gradients(self, dy: Array) -> dict[str, Array]:
        _, cache = self.end.forward(self.inner.value())
        return self.inner.gradients(float(dy[0]) * self.end.loss.backward(cache))


def takes_numbers(layer: Layer) -> bool:
    """Whether a layer's inputs are whole numbers, as Embedding's are."""
    return layer.index_limit is not None


def backward(layer: Layer, dy: Array, cache: Any) -> tuple[Array | None, dict[str, Array]]:
    """The layer's own backward; if inputs are whole numbers, a layer inside may return no dx."""
    if not takes_numbers(layer):
        return layer.backward(dy, cache)
    try:
        return layer.backward(dy, cache)
    except ShapeError:
        return layer.backward(dy, cache, need_dx=False)


def in_float64(layer: Layer) -> Layer:
    """A copy of a layer in float64, with the same parameters."""
    double = copy.deepcopy(layer)
    for part in list(double.walk()):  # from the outside in: containers build their layers
        if part.built and part.dtype != np.float64:
            state = part.state_dict()
            part.initialize(part.input_shape, rng=np.random.default_rng(0), dtype=np.float64)
            part.load_state_dict(state)
    return double


def at_generic_point(layer: Layer, rng: np.random.Generator) -> Layer:
    """A copy whose parameters and statistics have been moved away from special values.

    With gamma = 1 or bias = 0 a missing gamma or bias would not be noticed, so every entry is moved
    by 15 to 45 % of itself. (A variance stays positive.)
    """
    moved = copy.deepcopy(layer)
    for array in moved.named_parameters().values():
        array[...] += generic_step(rng, array)
    for array in moved.named_buffers().values():
        step = generic_step(rng, array)
        array[...] += np.where(array == 0, np.abs(step), step)
    return moved
