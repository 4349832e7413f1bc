"""The measure by which runs are compared: accuracy, or R2 for regression.

Both are at most 1, and larger is better, so that one table and one test serve both. Losses over
classes use the accuracy. Regression losses, such as MeanSquaredError, use R2, which is 0 for a
constant prediction of the mean of the targets; a run that is no better counts as 0 and as
collapsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from minitorch_np.errors import ConfigurationError
from minitorch_np.losses import Loss
from minitorch_np.training import R2, Accuracy, Metric


class Measure(NamedTuple):
    """A measure: `key` is its name in results and curves, `name` and `several` are those in
    sentences, and `metric` is the class that computes it.
    """

    key: str
    name: str
    several: str
    metric: type[Metric]


ACCURACY = Measure("accuracy", "accuracy", "accuracies", Accuracy)
EXPLAINED = Measure("r2", "R2", "values of R2", R2)


def measure_for(loss: Loss) -> Measure:
    """The measure for a loss. Raises ConfigurationError for a loss over several labels at once,
    which has neither.
    """
    if loss.exclusive_classes is False:
        raise ConfigurationError(
            "compare: expected a loss over classes, such as SoftmaxCrossEntropy, or of numbers, "
            f"such as MeanSquaredError, got {loss!r}"
        )
    return ACCURACY if loss.exclusive_classes else EXPLAINED


def worth(run: Mapping[str, Any], failed: float = 0.0) -> float:
    """The value that a run counts as: its measure, not less than 0, or `failed` if it has none."""
    found = [float(run[each.key]) for each in (ACCURACY, EXPLAINED) if each.key in run]
    return max(0.0, *found) if found else failed
