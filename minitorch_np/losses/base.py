"""The contract of a loss.

A loss compares a batch of outputs (scores) with targets and returns the mean over the batch. The
backward pass starts with its gradient. The notes' factor 1/m is the derivative of that mean; it
appears only here.

If samples have weights, the mean is the weighted one, sum of w_i l_i over sum of w_i, and 1/m
becomes w_i over that sum. A sample of weight 0 has no effect.
"""

from abc import abstractmethod
from typing import Any, Self, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, Array, Shape, as_targets, require_finite
from minitorch_np.core.layer import Layer
from minitorch_np.errors import DataError, ShapeError
from minitorch_np.signature import Described

LossCache: TypeAlias = Any
"""The values that a loss's `forward` passes to its `backward`."""


LARGEST_WEIGHT = 1e100
"""Sums of weights times losses must not overflow. Only the ratio of weights matters, so larger ones
are scaled down."""


class Loss(Described):
    """The contract of all losses: `forward`, `backward`, and checks of targets and models.

    A subclass defines `forward` and `backward`.
    """

    exclusive_classes: bool | None = None
    """Whether a sample has exactly one class, for predictions; None for losses of numbers."""

    couples_samples: bool = False
    """Whether one sample's loss depends on the others of its batch, as in contrastive losses."""

    @abstractmethod
    def forward(
        self, scores: Array, targets: AnyArray, sample_weight: Array | None = None
    ) -> tuple[float, LossCache]:
        """The mean loss over the batch, and the cache for `backward`.

        `scores` are (m, *output_shape), `targets` (m, ...), `sample_weight` (m,), numbers of at
        least 0; if all are 0, so is the loss. A loss that is never given weights need not accept
        them.
        """

    @abstractmethod
    def backward(self, cache: LossCache) -> Array:
        """The gradient of that mean with respect to the scores, in the scores' shape."""

    def prepare(self, targets: AnyArray, output_shape: Shape) -> AnyArray:
        """Check all targets, and return them in the form that `forward` handles fastest.

        A trainer calls this once, before training, so that a wrong target is found at the start;
        `forward` accepts both forms. Targets (m,) are accepted for outputs (m, 1); nothing else is
        broadcast. Raises ShapeError or DataError.
        """
        targets = as_targets(targets, f"{type(self).__name__}: targets")
        if targets.ndim == 1 and output_shape == (1,):
            targets = targets[:, np.newaxis]
        if not targets.ndim or targets.shape[1:] != output_shape:
            raise ShapeError(
                f"{type(self).__name__}: expected targets of shape "
                f"{(*targets.shape[:1], *output_shape)}, as the outputs, got {targets.shape}"
            )
        if targets.dtype.kind == "f" and len(targets):
            require_finite(targets, f"{type(self).__name__}: targets")
        return targets

    def fitted(self, targets: AnyArray, output_shape: Shape) -> Self:
        """This loss adapted to all training targets, as balanced class weights are; the targets are
        in the form that `prepare` returns. By default the loss itself.
        """
        return self

    def weights(self, targets: AnyArray, sample_weight: Array | None) -> Array | None:
        """How much each sample counts in the mean, (m,); None where all count the same.

        A batch counts by their sum.
        """
        return sample_weight

    def counted(self, targets: AnyArray, sample_weight: Array | None) -> AnyArray:
        """Whether each sample counts, (m,): all except those of weight 0 and those to ignore."""
        return np.ones(len(targets), bool) if sample_weight is None else sample_weight > 0

    def check_model(self, model: Layer) -> None:
        """Raise ConfigurationError for a model whose outputs are not suitable for this loss."""


def check_weights(sample_weight: object, samples: int) -> Array:
    """Sample weights as an array (m,) of numbers of at least 0.

    Raises ShapeError or DataError.
    """
    weights = as_targets(sample_weight, "sample_weight")
    if weights.shape != (samples,):
        raise ShapeError(
            f"sample_weight: expected one number for each of {samples} samples, got shape "
            f"{weights.shape}"
        )
    refuse(~(weights >= 0) | (weights == np.inf), weights, "sample_weight: expected numbers >= 0")
    weights = weights.astype(np.float64)  # sums of small types overflow
    largest = weights.max(initial=0)
    return weights / largest if largest > LARGEST_WEIGHT else weights


def no_classes(labels: AnyArray, classes: int) -> AnyArray:
    """A mask of the labels that are not whole numbers from 0 to `classes` - 1."""
    if labels.dtype.kind in "iu":
        return np.asarray((labels < 0) | (labels >= classes))
    return ~np.isin(labels, np.arange(classes))


def refuse(wrong: AnyArray, array: AnyArray, expected: str) -> None:
    """Raise DataError that shows the first entry of `array` where `wrong` is true, if any is."""
    if not wrong.any():
        return
    found = np.argwhere(wrong)[0]
    where = f"row {found[0]}" + "".join(f", column {i}" for i in found[1:])
    raise DataError(f"{expected}; got {array[tuple(found)]} at {where}")
