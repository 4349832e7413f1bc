"""What a person wants to know about a model, as opposed to what it is trained on.

A metric counts something over each batch, such that the counts of two batches add up to the counts
of both; at the end it makes one number of the sum. So it does not matter how the data is cut.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.errors import ShapeError


class Metric(ABC):
    """The contract of all metrics. `name` is the key in the history."""

    name: ClassVar[str]

    @abstractmethod
    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        """What is to be added up over batches: of any shape, the same for each batch."""

    @abstractmethod
    def value(self, counts: AnyArray) -> float:
        """The metric, from the sum of all counts."""


class Accuracy(Metric):
    """The share of samples whose largest score is at the target's class.

    Targets are class numbers (m,) or one-hot rows (m, K).
    """

    name = "accuracy"

    def count(self, scores: Array, targets: AnyArray) -> AnyArray:
        one_hot = targets.ndim == 2 and targets.shape == scores.shape
        labels = targets.argmax(axis=1) if one_hot else targets
        if scores.ndim != 2 or labels.shape != scores.shape[:1]:
            raise ShapeError(
                f"Accuracy: expected scores (m, classes) and targets (m,) or one-hot, got shapes "
                f"{scores.shape} and {targets.shape}"
            )
        return np.array([np.count_nonzero(scores.argmax(axis=1) == labels), len(labels)])

    def value(self, counts: AnyArray) -> float:
        right, all_of_them = counts
        return float(right / all_of_them)
