"""Metrics: how good a model is, in numbers for people; it is not trained on them.

A metric counts something over each batch. The counts of all batches are added up and turned into
one number at the end, so it does not matter how the data is divided into batches.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.core.layer import Layer
from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.losses.base import no_classes, refuse
from minitorch_np.signature import Described
from minitorch_np.validation import whole


class Metric(Described):
    """The contract of all metrics. `name` is the key in the history."""

    name: str

    threshold: float = 0.0
    """Where there is one score a sample: above it, yes."""

    def begin(self, model: Layer) -> None:
        """Called by the trainer that measures `model`, before anything is counted."""
        self.threshold = 0.5 if model.outputs_separate_probabilities else 0.0

    @abstractmethod
    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        """The counts of a batch, to be added up: of any shape, the same for each batch."""

    @abstractmethod
    def value(self, counts: AnyArray) -> float:
        """The metric, from the sum of all counts."""


class Accuracy(Metric):
    """The share of samples whose largest score is at the target's class.

    Targets are class numbers (m,) or one-hot rows (m, K). Where there is one score a sample, class
    1 is predicted where it is above 0, or, for a model that ends in Sigmoid, above 0.5. Raises
    ShapeError and DataError for others.
    """

    name = "accuracy"

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        predicted, labels = _classes(self, scores, targets)
        return np.array([np.count_nonzero(predicted == labels), len(labels)])

    def value(self, counts: AnyArray) -> float:
        return _ratio(*counts)


class TopKAccuracy(Metric):
    """The share of samples whose target is among the k classes with the largest scores.

    Of equal scores the lower class counts as larger. Raises ConfigurationError unless k >= 1.
    """

    def __init__(self, k: int = 5) -> None:
        self.k = whole(self, "k", k)
        self.name = f"top_{self.k}_accuracy"

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        _, labels = _classes(self, scores, targets)
        if scores.shape[1] < 2:
            raise ShapeError("TopKAccuracy: expected two or more scores a sample, got one")
        own = scores[np.arange(len(labels)), labels][:, np.newaxis]
        before = np.arange(scores.shape[1]) < labels[:, np.newaxis]
        rank = np.count_nonzero((scores > own) | ((scores == own) & before), axis=1)
        return np.array([np.count_nonzero(rank < self.k), len(labels)])

    def value(self, counts: AnyArray) -> float:
        return _ratio(*counts)


class _Confusion(Metric):
    """A metric that is computed from the confusion matrix.

    It is that of the class `label`, or, for None, the mean over all classes ("macro"); of two
    classes, that of class 1, as in scikit-learn. A ratio of nothing to nothing is 0, as there.
    """

    def __init__(self, label: int | None = None) -> None:
        self.label = None if label is None else whole(self, "label", label, 0)
        self.name = type(self).name + ("" if label is None else f"_{label}")

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        predicted, labels = _classes(self, scores, targets)
        return confusion_matrix(labels, predicted, classes=max(2, scores.shape[1]))

    def value(self, counts: AnyArray) -> float:
        each = self.per_class(counts)
        label = 1 if self.label is None and len(each) == 2 else self.label
        if label is None:
            return float(each.mean())
        if not 0 <= label < len(each):
            raise ConfigurationError(
                f"{type(self).__name__}: expected a label from 0 to {len(each) - 1}, got {label}"
            )
        return float(each[label])

    @abstractmethod
    def per_class(self, matrix: AnyArray) -> Array:
        """The metric of each class."""


class Precision(_Confusion):
    """Of the samples predicted to be of a class, the share that are: tp / (tp + fp)."""

    name = "precision"

    def per_class(self, matrix: AnyArray) -> Array:
        return _ratios(np.diag(matrix), matrix.sum(axis=0))


class Recall(_Confusion):
    """Of the samples of a class, the share that are predicted to be: tp / (tp + fn)."""

    name = "recall"

    def per_class(self, matrix: AnyArray) -> Array:
        return _ratios(np.diag(matrix), matrix.sum(axis=1))


class F1(_Confusion):
    """The harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn)."""

    name = "f1"

    def per_class(self, matrix: AnyArray) -> Array:
        return _ratios(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def confusion_matrix(labels: object, predicted: object, classes: int | None = None) -> AnyArray:
    """How often class i was taken for class j: integers (K, K), true classes in rows.

    `labels` and `predicted` are class numbers (m,), as `predict_classes` gives them; K is
    `classes`, or one more than the largest of them. Raises ShapeError or DataError for anything
    else.
    """
    pair = [np.asarray(array) for array in (labels, predicted)]
    if pair[0].ndim != 1 or pair[0].shape != pair[1].shape:
        raise ShapeError(
            "confusion_matrix: expected two rows of class numbers of one length, got shapes "
            f"{pair[0].shape} and {pair[1].shape}"
        )
    if not all(array.dtype.kind in "iub" for array in pair):
        raise DataError(
            f"confusion_matrix: expected whole numbers, got {pair[0].dtype} and {pair[1].dtype}"
        )
    true, found = (array.astype(np.intp) for array in pair)
    both = np.concatenate([true, found])
    low, high = both.min(initial=0), both.max(initial=0)
    k = int(high) + 1 if classes is None else whole("confusion_matrix", "classes", classes)
    if low < 0 or high >= k:
        raise DataError(
            f"confusion_matrix: expected class numbers from 0 to {k - 1}, got {low} to {high}"
        )
    return np.bincount(true * k + found, minlength=k * k).reshape(k, k)


def _classes(metric: Metric, scores: Array, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    """The predicted and the true classes of a batch. Raises ShapeError or DataError."""
    place = type(metric).__name__
    rows = targets.ndim == 2 and targets.shape == scores.shape
    if scores.ndim != 2 or not (rows or targets.shape == scores.shape[:1]):
        raise ShapeError(
            f"{place}: expected scores (m, classes) and targets (m,) or one-hot, got shapes "
            f"{scores.shape} and {targets.shape}"
        )
    if scores.shape[1] == 1:  # yes or no: targets may be probabilities
        labels = targets.reshape(-1) > 0.5 if targets.dtype.kind == "f" else targets.reshape(-1)
        return (scores[:, 0] > metric.threshold).astype(np.intp), labels.astype(np.intp)
    predicted = scores.argmax(axis=1)
    if rows:
        wrong = np.abs(targets.sum(axis=1) - 1) > 1e-5
        refuse(wrong, targets.sum(axis=1), f"{place}: expected one-hot rows that add up to 1")
        return predicted, targets.argmax(axis=1)
    wrong = no_classes(targets, scores.shape[1])
    refuse(wrong, targets, f"{place}: expected classes from 0 to {scores.shape[1] - 1}")
    return predicted, targets if targets.dtype.kind in "iu" else targets.astype(np.intp)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _ratios(parts: AnyArray, wholes: AnyArray) -> Array:
    ratios: Array = np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes > 0)
    return ratios
