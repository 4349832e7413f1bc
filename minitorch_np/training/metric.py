"""The contract of metrics, and which metrics fit which losses."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.layers import Layer
from minitorch_np.losses import Huber, Loss, MeanAbsoluteError, MeanSquaredError
from minitorch_np.losses.base import no_classes, refuse
from minitorch_np.signature import Described

REGRESSION = (MeanSquaredError, MeanAbsoluteError, Huber)
"""Regression losses: their targets are numbers, not classes."""


class Metric(Described):
    """The contract of all metrics. `name` is the key in the history.

    A subclass defines `count` and `value`.
    """

    name: str

    def begin(self, model: Layer) -> None:
        """Called by the trainer with the model to be measured, before the first `count`."""

    def check_loss(self, loss: Loss, model: Layer) -> None:
        """Raise ConfigurationError if the metric has no meaning for this loss's targets.

        Called by the trainer after `begin`. User-defined losses are accepted.
        """

    @abstractmethod
    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        """The counts of one batch, as an array that `merge` can combine with others."""

    def merge(self, counts: AnyArray | int, more: AnyArray) -> AnyArray:
        """The combined counts of two parts of the data; `counts` is 0 before the first batch."""
        merged: AnyArray = counts + more
        return merged

    @abstractmethod
    def value(self, counts: AnyArray) -> float:
        """The metric, computed from the merged counts; without any batch, these are a 0-d 0."""


class ClassMetric(Metric):
    """The base of metrics of classification.

    - `separate_probabilities`, `probabilities`, `log_probabilities`: the kind of the model's
      outputs if they are not logits; the first are a Sigmoid's, one for each yes-or-no question;
    - `multi_label`: targets are yes or no for each of several labels that do not exclude each other
      (a BinaryCrossEntropy with more than one output).
    """

    separate_probabilities: bool = False
    probabilities: bool = False
    log_probabilities: bool = False
    multi_label: bool = False

    def begin(self, model: Layer) -> None:
        self.separate_probabilities = model.outputs_separate_probabilities
        self.probabilities = model.outputs_probabilities
        self.log_probabilities = model.outputs_log_probabilities

    def check_loss(self, loss: Loss, model: Layer) -> None:
        several = model.output_shape[-1:] != (1,)
        self.multi_label = several and loss.exclusive_classes is False
        if isinstance(loss, REGRESSION) and not (several or self.separate_probabilities):
            raise ConfigurationError(
                f"{type(self).__name__}: expected a loss over classes, such as SoftmaxCrossEntropy "
                f"or BinaryCrossEntropy, got {loss!r}, whose targets are numbers: measure MAE(), "
                "RMSE() or R2() instead"
            )

    def classes(self, scores: Array, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
        """The predicted and the true class of each sample, or of each step of sequences: (n,) each.

        Raises ShapeError for shapes that do not match, DataError for targets that are not classes.
        """
        place = type(self).__name__
        rows = targets.ndim > 1 and targets.shape == scores.shape
        if scores.ndim < 2 or not (rows or targets.shape == scores.shape[:-1]):
            raise ShapeError(
                f"{place}: expected scores (m, ..., classes) and targets (m, ...) or one-hot, got "
                f"shapes {scores.shape} and {targets.shape}"
            )
        if scores.shape[-1] == 1:
            return tuple(part[:, 0].astype(np.intp) for part in self.labels(scores, targets))  # type: ignore[return-value]
        scores = scores.reshape(-1, scores.shape[-1])
        targets = targets.reshape(scores.shape if rows else -1)
        predicted = scores.argmax(axis=1)
        if rows:
            sums = targets.sum(axis=1)
            wrong = np.abs(sums - 1) > 1e-5
            refuse(wrong, sums, f"{place}: expected one-hot rows that add up to 1")
            return predicted, targets.argmax(axis=1)
        wrong = no_classes(targets, scores.shape[1])
        refuse(wrong, targets, f"{place}: expected classes from 0 to {scores.shape[1] - 1}")
        return predicted, targets if targets.dtype.kind in "iu" else targets.astype(np.intp)

    def labels(self, scores: Array, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Whether each label is predicted, and whether it is true: (n, labels) booleans each.

        Targets may be probabilities. Raises ShapeError for shapes that do not match.
        """
        if targets.size != scores.size:
            raise ShapeError(
                f"{type(self).__name__}: expected targets of shape {scores.shape}, as the outputs, "
                f"got {targets.shape}"
            )
        scores = scores.reshape(-1, scores.shape[-1])
        return scores > (0.5 if self.separate_probabilities else 0.0), targets.reshape(
            scores.shape
        ) > 0.5


class NumberMetric(Metric):
    """The base of metrics of regression: each output is compared with its own target."""

    def check_loss(self, loss: Loss, model: Layer) -> None:
        if loss.exclusive_classes is not None:
            raise ConfigurationError(
                f"{type(self).__name__}: expected a loss of numbers, such as MeanSquaredError, got "
                f"{loss!r}, whose targets are classes: measure Accuracy() or F1() instead"
            )
