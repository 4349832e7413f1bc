"""What a gradient check sees of a layer, a loss or a model: arrays, a value, and gradients.

The check itself does not care what it checks. It needs a few named arrays (the inputs, the
parameters), a function of them, and the gradients that somebody claims for it. A subject is just
that. It works on float64 copies, so that the object that was given is never touched.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.layers import Layer, Sequential
from minitorch_np.losses import Loss


class Subject(ABC):
    """A function of named float64 arrays, and its claimed vector-Jacobian product.

    `arrays` are live: the check moves them in place and puts them back, and `value` must follow.
    """

    label: str
    arrays: dict[str, Array]

    composed: bool = False
    """Whether several functions stand behind one another: their kinks may then add up."""

    @abstractmethod
    def value(self) -> Array:
        """The function at the present arrays; always a fresh array."""

    @abstractmethod
    def gradients(self, dy: Array) -> dict[str, Array]:
        """dL/d(array) for each array, for dL/d(value) = dy, as the object's own backward says."""


class LayerSubject(Subject):
    """A layer or a whole model: y = f(x; parameters), with the same random draws at each call."""

    def __init__(self, layer: Layer, x: Array, *, seed: int = 0, train: bool = True) -> None:
        self.layer, self.seed, self.train = layer, seed, train
        self.label, self.composed = layer.label, bool(layer.sublayers())
        self.x = x
        inputs = {} if layer.index_limit else {"x": x}  # whole numbers can't be moved a little
        self.arrays = {**inputs, **layer.named_parameters()}
        self._rng, self._draws = np.random.default_rng(seed), True

    def value(self) -> Array:
        return np.array(self._forward()[0], dtype=np.float64)

    def gradients(self, dy: Array) -> dict[str, Array]:
        _, cache = self._forward()
        dx, gradients = self.layer.backward(dy.copy(), cache)
        return gradients if dx is None else {"x": dx, **gradients}

    def _forward(self) -> tuple[Array, object]:
        if self._draws:
            self._rng = np.random.default_rng(self.seed)
            before = self._rng.bit_generator.state
        # A copy, for a layer that changes its input would change what it is compared with.
        result = self.layer.forward(self.x.copy(), train=self.train, rng=self._rng)
        if self._draws:  # a generator that nobody has used need not be put back
            self._draws = bool(self._rng.bit_generator.state != before)
        return result


class LossSubject(Subject):
    """A loss as a function of the scores; its value is an array of one number."""

    def __init__(
        self, loss: Loss, scores: Array, targets: AnyArray, sample_weight: Array | None = None
    ) -> None:
        self.loss, self.targets, self.sample_weight = loss, targets, sample_weight
        self.label = f"{type(loss).__name__}()"
        self.arrays = {"scores": scores}

    def value(self) -> Array:
        return np.array([self.forward(self.arrays["scores"])[0]])

    def gradients(self, dy: Array) -> dict[str, Array]:
        _, cache = self.forward(self.arrays["scores"])
        return {"scores": float(dy[0]) * self.loss.backward(cache)}

    def forward(self, scores: Array, rows: slice = slice(None)) -> tuple[float, Any]:
        """The loss of some rows of the targets, against as many rows of scores."""
        targets, weights = self.targets[rows], self.sample_weight
        if weights is None:  # a loss of the reader's own may not take any
            return self.loss.forward(scores, targets)
        return self.loss.forward(scores, targets, weights[rows])


class TrainingSubject(Subject):
    """A model and its loss in one: what training descends on, from the loss's own report."""

    def __init__(
        self,
        model: Sequential,
        loss: Loss,
        x: Array,
        targets: AnyArray,
        sample_weight: Array | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.inner = LayerSubject(model, x, seed=seed)
        self.end = LossSubject(loss, self.inner.value(), targets, sample_weight)
        self.label = f"{model.label} under {type(loss).__name__}"
        self.arrays, self.composed = self.inner.arrays, True

    def value(self) -> Array:
        return np.array([self.end.forward(self.inner.value())[0]])

    def gradients(self, dy: Array) -> dict[str, Array]:
        _, cache = self.end.forward(self.inner.value())
        return self.inner.gradients(float(dy[0]) * self.end.loss.backward(cache))


def in_float64(layer: Layer) -> Layer:
    """A copy of a layer, with whatever is built of it in float64 and with the same parameters."""
    double = copy.deepcopy(layer)
    for part in list(double.walk()):  # from the outside in: a built container builds what it has
        if part.built and part.dtype != np.float64:
            state = part.state_dict()
            part.initialize(part.input_shape, rng=np.random.default_rng(0), dtype=np.float64)
            part.load_state_dict(state)
    return double
