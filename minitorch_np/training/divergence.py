"""Finds the layer in which a number stopped being finite.

When a loss turns infinite or NaN, the batch is run again, layer by layer, and the first output or
gradient that is not finite is named.
"""

import copy
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, parts
from minitorch_np.core.prediction import Model
from minitorch_np.errors import DivergenceError
from minitorch_np.layers import Layer
from minitorch_np.losses import Loss
from minitorch_np.training.snapshot import Snapshot


def divergence(
    model: Model, loss: Loss, x: Any, y: Any, when: str, good: Snapshot
) -> DivergenceError:
    """The error to raise; restores the snapshot `good`."""
    with np.errstate(all="ignore"):
        place = first_not_finite(model, loss, x, y)
        bad = not all(np.isfinite(array).all() for array in model.named_parameters().values())
        good.restore()
        if bad:  # from a gradient some steps ago: run again with the restored parameters
            place = first_not_finite(model, loss, x, y) or place
            good.restore()  # the forward pass has changed running statistics
    return DivergenceError(
        f"training: expected finite numbers, got {place or 'others'} at {when}: stopped, and "
        "restored the last snapshot with a finite loss; try a smaller learning rate"
    )


def first_not_finite(model: Model, loss: Loss, x: Any, y: Any) -> str:
    """Describe the first value that is not finite when the model processes the batch; else ""."""
    watched = _watched(model, "")
    try:
        scores, cache = watched.forward(x, train=True, rng=np.random.default_rng(0))
        value, loss_cache = loss.forward(scores, y)
        if not np.isfinite(value):
            return f"a loss of {value} from {type(loss).__name__}, on finite outputs"
        watched.backward(loss.backward(loss_cache), cache, need_dx=False)
    except _NotFiniteError as found:
        return str(found)
    return ""


class _NotFiniteError(Exception):
    """Ends the run through the model at the first value that is not finite."""


class _Watched:
    """Wraps a layer and checks every array that passes through it."""

    def __init__(self, layer: Layer, name: str) -> None:
        self.layer, self.name = layer, f"{name}{layer.label}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.layer, name)

    def forward(self, x: Any, **options: Any) -> Any:
        for key, parameter in self.layer.named_parameters().items():
            self._require(parameter, f"the parameter {key} of")
        y, cache = self.layer.forward(x, **options)
        self._require(y, "the output of")
        return y, cache

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = self.layer.backward(dy, cache, need_dx=need_dx)
        for key, gradient in gradients.items():
            self._require(gradient, f"the gradient of {key}, in")
        for part in parts(dx) if dx is not None else ():
            self._require(part, "the gradient of its input, in")
        return dx, gradients

    def _require(self, array: Array, what: str) -> None:
        if not np.isfinite(array).all():
            bad = str(array[~np.isfinite(array)][0])
            raise _NotFiniteError(f"{bad} in {what} {self.name}")


def _watched(layer: Layer, name: str) -> Any:
    """A copy of a model whose layers are watched, also in nested models."""
    if not isinstance(layer, Model):
        return _Watched(layer, name)
    kind, opened = type(layer).__name__, copy.copy(layer)
    watched = [_watched(one, f"{name}{kind}[{n}] ") for n, one in enumerate(layer.layers)]
    vars(opened)["layers"] = tuple(watched)
    return opened
