"""The loss of a model with several outputs: one loss for each, and their weighted sum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, parts
from minitorch_np.errors import ConfigurationError
from minitorch_np.losses.base import Loss
from minitorch_np.validation import instances, number, require


class SeveralLosses(Loss):
    """L = w_1 L_1 + w_2 L_2 + ..., of output 1, output 2 and so on; `weights` are all 1 by default.

    Scores and targets are tuples, and so is the gradient. Each L_i is the mean over what counts in
    it, of the batch that it is given; over several batches, the mean of those is by the number of
    samples.

    Raises ConfigurationError for a weight that is negative or not finite, or for another number of
    weights than of losses.
    """

    def __init__(self, losses: Iterable[Loss], weights: Iterable[float] | None = None) -> None:
        self.losses = instances(self, "losses", losses, Loss)
        given: Any = [1.0] * len(self.losses) if weights is None else weights
        row = isinstance(given, (list, tuple)) or getattr(given, "ndim", 0) == 1
        require(row, self, "weights to be a list", weights)
        if len(given) != len(self.losses):
            raise ConfigurationError(
                f"SeveralLosses: expected a weight for each of {len(self.losses)} losses, got "
                f"{len(given)}"
            )
        self.loss_weights = tuple(number(self, "a weight", weight, 0) for weight in given)

    def forward(
        self, scores: Any, targets: Any, sample_weight: Array | None = None
    ) -> tuple[float, list[Any]]:
        given = () if sample_weight is None else (sample_weight,)
        done = [
            loss.forward(part, wanted, *given)
            for loss, part, wanted in zip(self.losses, scores, targets, strict=True)
        ]
        total = sum(w * value for w, (value, _) in zip(self.loss_weights, done, strict=True))
        return total, [cache for _, cache in done]

    def backward(self, cache: list[Any]) -> Any:
        return tuple(
            weight * loss.backward(own)
            for weight, loss, own in zip(self.loss_weights, self.losses, cache, strict=True)
        )

    def prepare(self, targets: Any, output_shape: Any) -> Any:
        rows = zip(self.losses, targets, parts(output_shape), strict=True)
        return tuple(loss.prepare(part, shape) for loss, part, shape in rows)

    def counted(self, targets: Any, sample_weight: Array | None) -> Any:
        rows = zip(self.losses, targets, strict=True)
        return tuple(loss.counted(part, sample_weight) for loss, part in rows)

    def weights(self, targets: Any, sample_weight: Array | None) -> Array | None:
        uneven = any(
            loss.weights(part, None) is not None
            for loss, part in zip(self.losses, targets, strict=True)
        )
        return np.ones(len(targets[0])) if uneven and sample_weight is None else sample_weight

    def check_model(self, model: Any) -> None:
        outputs = len(parts(model.output_shape))
        if len(self.losses) != outputs or outputs == 1:
            raise ConfigurationError(
                f"SeveralLosses: expected a loss for each of {outputs} outputs, got "
                f"{len(self.losses)}"
                if outputs > 1
                else "SeveralLosses: expected a Graph of several outputs, got a model of one: "
                f"write {self.losses[:1] or 'its loss'} alone"
            )
        for loss, layer in zip(self.losses, model.last_layers, strict=True):
            loss.check_model(layer)

    def check_pieces(self, targets: Any) -> None:
        """Raise ConfigurationError if the mean over a batch is not that over its pieces."""
        for loss, part in zip(self.losses, targets, strict=True):
            if loss.weights(part[:1], None) is not None:
                raise ConfigurationError(
                    "micro_batch_size, communicator: expected losses that count all samples alike, "
                    f"since each of several losses has a mean of its own, got {loss!r}"
                )

    def config(self) -> dict[str, Any]:
        return {"losses": self.losses, "weights": self.loss_weights}

    def __repr__(self) -> str:
        terms = zip(self.loss_weights, self.losses, strict=True)
        return " + ".join(f"{weight:g} {loss!r}" for weight, loss in terms)
