"""Class weights: how much each class counts, for data in which some classes are rare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import Array, as_targets
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.losses.base import LARGEST_WEIGHT
from minitorch_np.validation import is_number, is_whole

ClassWeights: TypeAlias = Sequence[float] | Mapping[int, float] | Array
"""A number for each class, or Keras' dictionary of class numbers; those it lacks count 1."""


def as_class_weights(given: Any) -> Array:
    """Class weights as an array (K,).

    Raises ConfigurationError unless they are numbers of at least 0, not all 0.
    """
    if isinstance(given, str) and given == "balanced":
        raise ConfigurationError(
            "SoftmaxCrossEntropy: expected class_weights as numbers, got 'balanced', but a loss "
            "does not see all labels: pass losses.balanced_weights(labels)"
        )
    values = given
    if isinstance(given, Mapping) and given and all(is_whole(k) and 0 <= k < 10**6 for k in given):
        values = [given.get(label, 1.0) for label in range(max(given) + 1)]
    listed = isinstance(values, (list, tuple, np.ndarray)) and getattr(values, "ndim", 1) == 1
    if listed and all(map(is_number, values)):
        weights = np.asarray(values, np.float64)
        if ((weights >= 0) & (weights <= LARGEST_WEIGHT)).all() and weights.any():
            return weights
    raise ConfigurationError(
        "SoftmaxCrossEntropy: expected class_weights of one number of at least 0 for each "
        f"class, not all 0, got {given!r}"
    )


def balanced_weights(labels: object) -> Array:
    """Class weights (K,) that make all classes count the same in total: n / (K n_k).

    n_k is the number of the n labels that are k; as scikit-learn's "balanced". Raises DataError
    unless the labels are class numbers (n,) in which each class occurs.
    """
    given = as_targets(labels, "balanced_weights")
    if given.ndim != 1 or given.dtype.kind not in "iu" or not given.size or given.min() < 0:
        raise DataError(
            "balanced_weights: expected class numbers (n,), whole numbers of at least 0, got "
            f"{given.dtype} of shape {given.shape}"
        )
    counts = np.bincount(given) if given.max() < given.size else np.zeros(1)
    if not counts.all():
        raise DataError(
            f"balanced_weights: expected labels of each class from 0 to {given.max()}, got none of "
            f"class {np.setdiff1d(np.arange(given.size), given)[0]}"
        )
    return np.asarray(given.size / (len(counts) * counts), np.float64)
