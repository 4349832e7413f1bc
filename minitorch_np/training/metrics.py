"""Metrics of classification.

A metric is meant for people; the model is not trained on it. It counts something in each batch. The
counts of all batches are added up and turned into one number at the end, so the result does not
depend on how the data is divided into batches. Metrics of probabilities and of regression are in
their own modules.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.layers import Layer
from minitorch_np.losses import Loss
from minitorch_np.numerics import log_sum_exp
from minitorch_np.signature import explained
from minitorch_np.training.metric import ClassMetric
from minitorch_np.validation import require, whole


class Accuracy(ClassMetric):
    """The fraction of samples whose largest score is at the target's class.

    Targets are class numbers (m,) or one-hot rows (m, K); for sequences, with scores (m, steps, K),
    they are (m, steps) or (m, steps, K), and each step counts like a sample. With one score per
    sample, class 1 is predicted if it is above 0, or, for a model that ends in Sigmoid, above 0.5.
    With several labels that do not exclude each other (BinaryCrossEntropy), it is the fraction of
    all entries that are right. Raises ShapeError and DataError for other targets.
    """

    name = "accuracy"

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        found = self.labels if self.multi_label else self.classes
        predicted, labels = found(scores, targets)
        return np.array([np.count_nonzero(predicted == labels), labels.size])

    def value(self, counts: AnyArray) -> float:
        return _ratio(*counts)


class TopKAccuracy(ClassMetric):
    """The fraction of samples whose target is among the k classes with the largest scores.

    Targets as in Accuracy. Of equal scores, the lower class ranks first. Raises ConfigurationError
    unless k >= 1, and before training, or at the first scores, for more than there are classes;
    ShapeError for a single score.
    """

    def __init__(self, k: int = 5) -> None:
        self.k = whole(self, "k", k)
        self.name = f"top_{self.k}_accuracy"

    def check_loss(self, loss: Loss, model: Layer) -> None:
        super().check_loss(loss, model)
        self._require_classes(model.output_shape[-1])

    def _require_classes(self, classes: int) -> None:
        expected = f"k to be at most {classes}, the number of classes"
        require(classes < 2 or self.k <= classes, self, expected, self.k)

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        _, labels = self.classes(scores, targets)
        if scores.shape[-1] < 2:
            raise ShapeError("TopKAccuracy: expected two or more scores per sample, got one")
        self._require_classes(scores.shape[-1])
        scores = scores.reshape(-1, scores.shape[-1])
        own = scores[np.arange(len(labels)), labels][:, np.newaxis]
        before = np.arange(scores.shape[1]) < labels[:, np.newaxis]
        rank = np.count_nonzero((scores > own) | ((scores == own) & before), axis=1)
        return np.array([np.count_nonzero(rank < self.k), len(labels)])

    def value(self, counts: AnyArray) -> float:
        return _ratio(*counts)


class _Confusion(ClassMetric):
    """The base of metrics that are computed from the confusion matrix.

    The value is that of the class `label`, or, for None, the mean over all classes ("macro"); for
    two classes, that of class 1, as in scikit-learn. With several labels that do not exclude each
    other (BinaryCrossEntropy), it is that of one label, or the mean over all. 0 / 0 is 0, as in
    scikit-learn.
    """

    def __init__(self, label: int | None = None) -> None:
        self.label = None if label is None else whole(self, "label", label, 0)
        self.name = type(self).name + ("" if label is None else f"_{label}")

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        if self.multi_label:  # yes and no of each label
            pairs = zip(*(part.T for part in self.labels(scores, targets)), strict=True)
            return np.stack([confusion_matrix(true, found, classes=2) for found, true in pairs])
        predicted, labels = self.classes(scores, targets)
        return confusion_matrix(labels, predicted, classes=max(2, scores.shape[-1]))

    def value(self, counts: AnyArray) -> float:
        label = self.label
        if counts.ndim == 3:
            each = np.array([self.per_class(matrix)[1] for matrix in counts])
        else:
            each = self.per_class(counts)
            label = 1 if label is None and len(each) == 2 else label
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
    """The fraction of the samples predicted to be of a class that are of it: tp / (tp + fp).

    `label` is the class; None means class 1 of two classes, else the mean over all classes. Raises
    ConfigurationError for a label that does not exist.
    """

    name = "precision"

    def per_class(self, matrix: AnyArray) -> Array:
        return _ratios(np.diag(matrix), matrix.sum(axis=0))


class Recall(_Confusion):
    """The fraction of the samples of a class that are predicted to be of it: tp / (tp + fn).

    `label` as in Precision. Raises ConfigurationError for a label that does not exist.
    """

    name = "recall"

    def per_class(self, matrix: AnyArray) -> Array:
        return _ratios(np.diag(matrix), matrix.sum(axis=1))


class F1(_Confusion):
    """The harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn).

    `label` as in Precision. Raises ConfigurationError for a label that does not exist.
    """

    name = "f1"

    def per_class(self, matrix: AnyArray) -> Array:
        return _ratios(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


class Perplexity(ClassMetric):
    """exp of the mean of -log p[label] over all samples, or all unmasked steps of sequences.

    It is the number of equally likely classes among which the choice would be as uncertain: K for a
    model that knows nothing, 1 for one that is certain and right. Targets as in Accuracy, for two
    or more classes; the model's outputs may be logits, probabilities or their logarithms. Raises
    ShapeError for a single score.
    """

    name = "perplexity"

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        _, labels = self.classes(scores, targets)
        if scores.shape[-1] < 2:
            raise ShapeError("Perplexity: expected two or more scores per sample, got one")
        rows = scores.reshape(-1, scores.shape[-1]).astype(np.float64)
        own = rows[np.arange(len(labels)), labels]
        if self.probabilities:
            with np.errstate(divide="ignore"):
                logs = np.log(own)
        else:
            logs = own if self.log_probabilities else own - log_sum_exp(rows)
        return np.array([-logs.sum(), len(labels)])

    def value(self, counts: AnyArray) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(_ratio(*counts)))


MOST_CLASSES = 4096
"""The largest number of classes for which a confusion matrix, with its square of entries, is made.
"""


@explained
def confusion_matrix(labels: object, predicted: object, classes: int | None = None) -> AnyArray:
    """How often class i was predicted as class j: integers (K, K), true classes in rows.

    `labels` and `predicted` are class numbers (m,), as `predict_classes` returns them; K is
    `classes`, or one more than the largest of them. Raises ShapeError or DataError for anything
    else.
    """
    try:
        pair = [np.asarray(array) for array in (labels, predicted)]
    except ValueError as error:
        raise DataError(f"confusion_matrix: expected rows of equal length: {error}") from None
    if pair[0].ndim != 1 or pair[0].shape != pair[1].shape:
        raise ShapeError(
            "confusion_matrix: expected two rows of class numbers of equal length, got shapes "
            f"{pair[0].shape} and {pair[1].shape}"
        )
    if not all(array.dtype.kind in "iub" for array in pair):
        raise DataError(
            f"confusion_matrix: expected whole numbers, got {pair[0].dtype} and {pair[1].dtype}"
        )
    true, found = (array.astype(np.intp) for array in pair)
    both = np.concatenate([true, found])
    low, high = both.min(initial=0), both.max(initial=0)
    if classes is None and high >= MOST_CLASSES:
        raise DataError(f"confusion_matrix: expected at most {MOST_CLASSES} classes, got {high}")
    k = (
        int(high) + 1
        if classes is None
        else whole("confusion_matrix", "classes", classes, most=MOST_CLASSES)
    )
    if low < 0 or high >= k:
        raise DataError(
            f"confusion_matrix: expected class numbers from 0 to {k - 1}, got {low} to {high}"
        )
    return np.bincount(true * k + found, minlength=k * k).reshape(k, k)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _ratios(parts: AnyArray, wholes: AnyArray) -> Array:
    ratios: Array = np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes > 0)
    return ratios
