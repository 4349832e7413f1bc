"""Metrics of probabilities: how well they rank the samples (AUC), and their calibration."""

from __future__ import annotations

import math

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.errors import ShapeError
from minitorch_np.numerics import sigmoid, softmax
from minitorch_np.training.metric import ClassMetric
from minitorch_np.validation import whole


class ProbabilityMetric(ClassMetric):
    """The base of metrics of the predicted probabilities."""

    def chances(self, scores: Array, targets: AnyArray) -> tuple[Array, AnyArray]:
        """The probability of each class or label, and whether it is true: (n, K), in float64.

        For one output, K = 1 and the probability is that of class 1.
        """
        p: Array = scores.reshape(-1, scores.shape[-1]).astype(np.float64)
        if self.multi_label or p.shape[1] == 1:
            return p if self.separate_probabilities else sigmoid(p), self.labels(scores, targets)[1]
        true = self.classes(scores, targets)[1][:, np.newaxis] == np.arange(p.shape[1])
        if not self.probabilities:
            p = np.exp(p) if self.log_probabilities else softmax(p)
        return p, true


class AUC(ProbabilityMetric):
    """The area under the ROC curve.

    It is the probability that a sample of a class gets a higher probability for it than a sample of
    another class; ties count half. For two classes it is that of class 1; for more, the mean over
    all classes, each against the rest ("macro, one-vs-rest" in scikit-learn); for several labels,
    the mean over all labels. A class with no samples, or with all of them, is left out of the mean;
    if no class is left, the AUC is NaN. It is exact, and therefore keeps the probabilities of a
    whole pass over the data. Source: Fawcett 2006, "An introduction to ROC analysis".
    """

    name = "auc"

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        p, true = self.chances(scores, targets)
        if p.shape[1] == 2 and not self.multi_label:
            p, true = p[:, 1:], true[:, 1:]
        return np.concatenate([p, true], axis=1)

    def merge(self, counts: AnyArray | int, more: AnyArray) -> AnyArray:
        return more if isinstance(counts, int) else np.concatenate([counts, more])

    def value(self, counts: AnyArray) -> float:
        if not counts.ndim:
            return math.nan
        p, true = np.split(counts, 2, axis=1)
        areas = [_area(*column) for column in zip(p.T, true.T > 0, strict=True)]
        known = [area for area in areas if not math.isnan(area)]
        return float(np.mean(known)) if known else math.nan


def _area(p: Array, true: AnyArray) -> float:
    """The area for one class, from the sum of the ranks of its samples (Mann and Whitney 1947)."""
    yes = int(true.sum())
    no = len(true) - yes
    if not (yes and no):
        return math.nan
    _, place, counts = np.unique(p, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # ties share the mean of their ranks
    return float((ranks[place][true].sum() - yes * (yes + 1) / 2) / (yes * no))


class CalibrationError(ProbabilityMetric):
    """The expected calibration error: how far probabilities are from the observed frequencies.

    Samples are put into `bins` of equal width by the probability of the predicted class; the error
    is sum over bins of (n_b / n) |fraction that is right - mean probability|. For one output, or
    several labels, the probability is that of yes, and the fraction is that of true labels.
    Raises ConfigurationError unless 1 <= bins <= 10,000. Source: Guo et al. 2017
    (arXiv:1706.04599).
    """

    name = "calibration_error"

    def __init__(self, bins: int = 10) -> None:
        self.bins = whole(self, "bins", bins, most=10_000)

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        p, true = self.chances(scores, targets)
        if p.shape[1] > 1 and not self.multi_label:
            best = p.argmax(axis=1)[:, np.newaxis]
            p, true = (np.take_along_axis(part, best, axis=1) for part in (p, true))
        return reliability(true.reshape(-1), p.reshape(-1), self.bins)

    def value(self, counts: AnyArray) -> float:
        if not counts.ndim or not counts[0].sum():
            return 0.0
        n, right, promised = counts
        return float(np.abs(right - promised).sum() / n.sum())


def reliability(right: AnyArray, p: Array, bins: int) -> Array:
    """Counts for each bin of probabilities: (3, bins).

    They are the number of samples in the bin, the number of these that are right, and the sum of
    their probabilities. Raises ShapeError unless `right` and `p` are (n,).
    """
    if p.shape != right.shape or p.ndim != 1:
        raise ShapeError(
            f"reliability: expected one probability for each answer, got shapes {p.shape} and "
            f"{right.shape}"
        )
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    place = np.searchsorted(edges, p)  # as in scikit-learn: an edge belongs to the bin below it
    return np.array([np.bincount(place, w, bins) for w in (np.ones(len(p)), right, p)])
