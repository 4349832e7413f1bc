"""Losses and metrics of models with several outputs: each output has its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.core.node import arranged
from minitorch_np.core.prediction import Model
from minitorch_np.errors import ConfigurationError
from minitorch_np.layers import Graph
from minitorch_np.losses import Loss, SeveralLosses
from minitorch_np.names import by_name
from minitorch_np.training.metric import Metric
from minitorch_np.validation import require


def as_loss(model: Model, loss: Any, loss_weights: Any) -> Loss:
    """The loss of a model, from a Loss or its name, or one for each output in a list or by name.

    Raises ConfigurationError unless there is one loss for each output.
    """
    names = output_names(model)
    if len(names) == 1:
        loss = arranged(loss, names, "Trainer: loss")
        if isinstance(loss, (list, tuple)) and len(loss) == 1:
            loss = loss[0]
        expected = "no loss_weights with a single loss"
        require(loss_weights is None, "Trainer", expected, loss_weights)
        one: Loss = by_name(Loss, loss, "Trainer: loss")
        return one
    if isinstance(loss, (Loss, str)):
        raise ConfigurationError(
            f"Trainer: expected a loss for each of {len(names)} outputs ({', '.join(names)}), got "
            f"{loss!r}: write loss=[..., ...]"
        )
    given = arranged(loss, names, "Trainer: loss")
    losses = [by_name(Loss, one, "Trainer: loss") for one in given]
    if loss_weights is not None:
        loss_weights = arranged(loss_weights, names, "Trainer: loss_weights")
    return SeveralLosses(losses, loss_weights)


def as_metrics(model: Model, loss: Loss, metrics: Any) -> tuple[Metric, ...]:
    """The metrics to measure, from a list, or for several outputs a list for each, in a list or by
    name. With several outputs the loss of each is measured too.

    Raises ConfigurationError for anything else.
    """
    names = output_names(model)
    if not isinstance(loss, SeveralLosses):
        listed = isinstance(metrics, Iterable) and not isinstance(
            metrics, (str, Metric, np.ndarray)
        )
        require(listed, "Trainer", "metrics to be a list (write [...] around it)", metrics)
        return tuple(by_name(Metric, each, "Trainer: metrics") for each in metrics)
    if isinstance(metrics, Mapping) and set(metrics) <= set(names):
        metrics = dict.fromkeys(names, ()) | dict(metrics)
    if not isinstance(metrics, Mapping) and not len(metrics):
        metrics = ((),) * len(names)
    found: list[Metric] = []
    for place, listed in enumerate(arranged(metrics, names, "Trainer: metrics")):
        right = isinstance(listed, (list, tuple))
        expected = "metrics to be a list for each output, as in [[...], [...]] or {name: [...]}"
        require(right, "Trainer", expected, metrics)
        found.append(OutputLoss(loss.losses[place], place, names[place]))
        for one in listed:
            metric = by_name(Metric, one, "Trainer: metrics")
            found.append(OutputMetric(metric, place, names[place]))
    return tuple(found)


def output_names(model: Model) -> tuple[str, ...]:
    """The names of a model's outputs."""
    return model.output_names if isinstance(model, Graph) else ("output",)


class OutputMetric(Metric):
    """A metric of output number `place`; its name begins with the output's."""

    def __init__(self, metric: Metric, place: int, output: str) -> None:
        self.metric, self.place, self.output = metric, place, output
        self.name = f"{output}_{metric.name}"

    def begin(self, model: Any) -> None:
        self.metric.begin(model.last_layers[self.place])

    def check_loss(self, loss: Any, model: Any) -> None:
        self.metric.check_loss(loss.losses[self.place], model.last_layers[self.place])

    def count(self, scores: Any, targets: Any) -> AnyArray:
        return self.metric.count(scores[self.place], targets[self.place])

    def merge(self, counts: AnyArray | int, more: AnyArray) -> AnyArray:
        return self.metric.merge(counts, more)

    def value(self, counts: AnyArray) -> float:
        return self.metric.value(counts)


class OutputLoss(Metric):
    """The loss of output number `place`, before it is weighted; samples count equally."""

    def __init__(self, loss: Loss, place: int, output: str) -> None:
        self.loss, self.place, self.output = loss, place, output
        self.name = f"{output}_loss"

    def count(self, scores: Any, targets: Any) -> AnyArray:
        scores, targets = scores[self.place], targets[self.place]
        if not len(scores):
            return np.zeros(2)
        counts = self.loss.weights(targets, None)
        weight = float(len(targets) if counts is None else counts.sum())
        return np.array([self.loss.forward(scores, targets)[0] * weight, weight])

    def value(self, counts: AnyArray) -> float:
        return float(counts[0] / counts[1]) if counts.ndim and counts[1] else 0.0
