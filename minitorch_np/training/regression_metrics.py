"""Metrics of regression: how far predicted numbers are from the true ones."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.errors import ShapeError
from minitorch_np.training.metric import NumberMetric


class _OfErrors(NumberMetric):
    """The base of metrics that are computed from the mean absolute or squared error."""

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        errors = self.size(np.subtract(*_pair(self, scores, targets)))
        return np.array([errors.sum(), errors.size])

    @abstractmethod
    def size(self, errors: Array) -> Array:
        """The quantity that is averaged over all entries."""

    def value(self, counts: AnyArray) -> float:
        total, n = counts if counts.ndim else (0.0, 0)
        return float(total / n) if n else 0.0


class MAE(_OfErrors):
    """The mean absolute error: the mean of |s - t| over all outputs of all samples.

    Scores and targets have the same shape, (m, *output_shape); targets (m,) are accepted for
    outputs (m, 1). Raises ShapeError for others.
    """

    name = "mae"

    def size(self, errors: Array) -> Array:
        return np.abs(errors)


class RMSE(_OfErrors):
    """The root mean squared error: sqrt(mean of (s - t)^2) over all outputs of all samples.

    It has the unit of the targets. Shapes and errors as in MAE.
    """

    name = "rmse"

    def size(self, errors: Array) -> Array:
        return np.square(errors)

    def value(self, counts: AnyArray) -> float:
        return float(np.sqrt(super().value(counts)))


class R2(NumberMetric):
    """The fraction of the targets' variance that is predicted, R^2.

    R^2 = 1 - sum (s - t)^2 / sum (t - mean t)^2; for several outputs, the mean of each one's R^2. 1
    is perfect, 0 is no better than predicting the mean, and it can be negative. If all targets are
    equal it is 1 if they are predicted exactly, else 0, as in scikit-learn. Shapes and errors as in
    MAE.
    """

    name = "r2"

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        s, t = _pair(self, scores, targets)
        mean = t.mean(axis=0) if len(t) else np.zeros(t.shape[1])
        spread = np.square(t - mean).sum(axis=0)
        return np.array([np.square(s - t).sum(axis=0), spread, mean, np.full(t.shape[1], len(t))])

    def merge(self, counts: AnyArray | int, more: AnyArray) -> AnyArray:
        """The sums of squares of two parts around their common mean (Chan et al. 1979).

        Sums of squares around 0 would lose precision by cancellation where the mean is large.
        """
        if isinstance(counts, int) or not counts.ndim or not counts[3, 0]:
            return more
        errors, spread, _, n = counts + more
        if not more[3, 0]:
            return counts
        gap = more[2] - counts[2]
        spread = spread + np.square(gap) * counts[3] * more[3] / n
        return np.array([errors, spread, counts[2] + gap * more[3] / n, n])

    def value(self, counts: AnyArray) -> float:
        if not counts.ndim or not counts[3, 0]:
            return 0.0
        errors, spread = counts[:2]
        known = spread > 0
        lost = np.divide(errors, spread, out=(errors > 0).astype(float), where=known)
        return float(np.mean(1 - lost))


def _pair(metric: NumberMetric, scores: Array, targets: AnyArray) -> tuple[Array, Array]:
    """Scores and targets as rows in float64. Raises ShapeError if their shapes differ."""
    column = targets.ndim == 1 and scores.shape == (len(targets), 1)
    if targets.shape != scores.shape and not column:
        raise ShapeError(
            f"{type(metric).__name__}: expected targets of shape {scores.shape}, as the outputs, "
            f"got {targets.shape}"
        )
    shape = len(scores), math.prod(scores.shape[1:])
    return scores.reshape(shape).astype(np.float64), targets.reshape(shape).astype(np.float64)
