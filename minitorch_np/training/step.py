"""One training step.

The notes' three parts: forward propagation, back propagation, update of all parameters. The first
two are `propagate`; the update is `optimizer.step(model, gradients)`.
"""

from __future__ import annotations

from typing import Any

from minitorch_np.arrays import Array, Generator
from minitorch_np.core.layer import Gradients
from minitorch_np.layers import Layer
from minitorch_np.losses import Loss


def propagate(
    model: Layer, loss: Loss, x: Any, y: Any, weights: Array | None, rng: Generator
) -> tuple[float, Any, Gradients]:
    """Forward and back: the mean loss, the model's outputs, and each parameter's gradient.

    x is (m, *input_shape), y (m, ...) in the form the loss expects, `weights` (m,) or None; `rng`
    is for layers that draw random numbers. For a graph with several inputs or outputs, x or y and
    the outputs are tuples.
    """
    scores, cache = model.forward(x, train=True, rng=rng)
    if weights is None:  # a user-defined loss need not take weights
        value, loss_cache = loss.forward(scores, y)
    else:
        value, loss_cache = loss.forward(scores, y, weights)
    _, gradients = model.backward(loss.backward(loss_cache), cache, need_dx=False)
    return value, scores, gradients


class Accumulator:
    """The loss and the gradients of a batch in pieces: the weighted means over the pieces."""

    def __init__(self) -> None:
        self.loss, self.weight, self.sums = 0.0, 0.0, dict[str, Array]()

    def add(self, loss: float, gradients: Gradients, weight: float) -> None:
        """Add a piece's mean loss and gradients."""
        self.loss += loss * weight
        self.weight += weight
        for name, gradient in gradients.items():
            if name in self.sums:
                self.sums[name] += weight * gradient
            else:
                self.sums[name] = weight * gradient

    def take(self) -> tuple[float, Gradients]:
        """Return the batch's mean loss and gradients, and reset the sums."""
        loss, weight, sums = self.loss, self.weight or 1.0, self.sums
        self.loss, self.weight, self.sums = 0.0, 0.0, {}
        return loss / weight, {name: gradient / weight for name, gradient in sums.items()}
