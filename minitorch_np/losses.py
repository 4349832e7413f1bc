"""How wrong a network is, as one number, and in which direction it gets less wrong.

A loss compares a batch of outputs (scores) with what was wanted (targets) and gives the mean over
the batch. Its backward is where the gradient starts. The notes' factor 1/m is the derivative of
that mean; it lives here and nowhere else.
"""

import functools
from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, Array, Shape, row_maxima, row_sums
from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.layers.base import Layer

LossCache: TypeAlias = Any
"""What a loss's `forward` hands to its `backward`."""


class Loss(ABC):
    """The contract of all losses: `forward` and `backward`, and what they will not accept."""

    @abstractmethod
    def forward(self, scores: Array, targets: AnyArray) -> tuple[float, LossCache]:
        """The mean loss over the batch, and the cache for `backward`."""

    @abstractmethod
    def backward(self, cache: LossCache) -> Array:
        """The gradient of that mean with respect to the scores, in the scores' shape."""

    def prepare(self, targets: AnyArray, output_shape: Shape) -> AnyArray:
        """Check all targets against the shape of one output, and return them as they are handled
        fastest: `forward` means the same by either.

        A trainer calls it once, so that nothing is trained on if one target is wrong. Raises
        ShapeError or DataError.
        """
        if targets.shape[1:] != output_shape:
            raise ShapeError(
                f"{type(self).__name__}: expected targets of shape "
                f"{(len(targets), *output_shape)}, as the outputs, got {targets.shape}"
            )
        return targets

    def check_model(self, model: Layer) -> None:
        """Raise ConfigurationError for a model whose outputs are not what this loss is made for."""


class _CategoricalLoss(Loss):
    """What losses over classes share: targets are class numbers (m,), or rows of weights (m, K)."""

    def prepare(self, targets: AnyArray, output_shape: Shape) -> AnyArray:
        place = f"{type(self).__name__}: labels"
        if len(output_shape) != 1 or output_shape[0] < 2:
            raise ShapeError(
                f"{type(self).__name__}: expected a score for each of two or more classes, "
                f"got outputs of shape {('m', *output_shape)}"
            )
        (classes,) = output_shape
        if targets.dtype.kind not in "fiub":
            raise DataError(f"{place}: expected class numbers, got {targets.dtype}")
        if targets.ndim == 1:
            wrong = ~np.isin(targets, np.arange(classes))
            _refuse(wrong, targets, f"{place}: expected whole numbers from 0 to {classes - 1}")
            return targets.astype(np.min_scalar_type(classes - 1))
        if targets.shape[1:] != (classes,):
            raise ShapeError(
                f"{place}: expected class numbers of shape (m,) or one-hot rows of shape "
                f"(m, {classes}), got shape {targets.shape}"
            )
        sums = np.add.reduce(targets, axis=1, dtype=np.float64)
        wrong = ~((np.abs(sums - 1) < 1e-5) & (np.minimum.reduce(targets, axis=1) >= 0))
        _refuse(
            wrong, targets, f"{place}: expected one-hot rows, or probabilities that add up to 1"
        )
        return targets

    def one_hot(self, targets: AnyArray, scores: Array) -> Array:
        """Targets as rows (m, K) in the scores' dtype; raises as `prepare`.

        This stands in the training loop: class numbers that are unsigned, as `prepare` returns
        them, need no check but the one against K, which indexing does.
        """
        if targets.ndim == 1 and targets.dtype.kind == "u" and scores.ndim == 2:
            m, classes = scores.shape
            if 0 < m == len(targets) and classes <= LARGEST_TABLE:
                try:
                    return _unit_rows(classes, scores.dtype).take(targets, 0)
                except IndexError:
                    pass  # explained below
        return self._checked_one_hot(np.asarray(targets), scores)

    def _checked_one_hot(self, targets: AnyArray, scores: Array) -> Array:
        targets = self.prepare(targets, scores.shape[1:])
        if len(targets) != len(scores) or not len(targets):
            raise ShapeError(
                f"{type(self).__name__}: expected a target for each of at least one sample, "
                f"got scores of shape {scores.shape}, targets of shape {targets.shape}"
            )
        if targets.ndim == 2:
            return targets.astype(scores.dtype)
        rows: Array = targets[:, np.newaxis] == np.arange(scores.shape[1])
        return rows.astype(scores.dtype)


class SoftmaxCrossEntropy(_CategoricalLoss):
    """L = mean over the batch of -log softmax(z)[label], on logits z of shape (m, K).

    Targets are class numbers (m,), or one-hot rows (m, K); rows that add up to 1 are taken as
    probabilities y, and L = mean of -sum_k y_k log softmax(z)_k.

    The gradient is dz = (A - Y) / m with A = softmax(z): the notes' dZ2, and their 1/m. Computed as
    log-sum-exp with the row's maximum taken off, so that no score is too large.

    Source: the notes; Bridle 1990. Raises ShapeError and DataError for targets that do not fit.
    """

    def forward(self, scores: Array, targets: AnyArray) -> tuple[float, tuple[Array, Array]]:
        y = self.one_hot(targets, scores)
        shifted = scores - row_maxima(scores)
        a: Array = np.exp(shifted)
        total = row_sums(a)
        a /= total
        picked = np.vdot(y, shifted)
        if picked != picked:  # 0 times -infinity, for a class that is ruled out
            picked = np.vdot(y, np.where(y > 0, shifted, 0))
        log_total = np.add.reduce(np.log(total), axis=None)
        return float((log_total - picked) / len(y)), (a, y)

    def backward(self, cache: tuple[Array, Array]) -> Array:
        a, y = cache
        dz: Array = a - y
        dz /= len(y)
        return dz

    def check_model(self, model: Layer) -> None:
        if model.outputs_probabilities:
            raise ConfigurationError(
                "SoftmaxCrossEntropy: expected a model that ends in scores (logits), got one that "
                "ends in probabilities: softmax would be applied twice; leave the last layer out, "
                "or use CrossEntropy"
            )


class CrossEntropy(_CategoricalLoss):
    """L = mean over the batch of -log p[label], on probabilities p of shape (m, K).

    The loss for a model that ends in Softmax, as the notes draw theirs. Targets as in
    SoftmaxCrossEntropy, which is the better choice where precision counts: here a probability
    that rounds to 0 makes the loss infinite. Nothing is clipped, so the gradient, -y / (m p), is
    that of the value. Raises ShapeError and DataError, also for a negative probability.
    """

    def forward(self, scores: Array, targets: AnyArray) -> tuple[float, tuple[Array, Array]]:
        y = self.one_hot(targets, scores)
        if (scores < 0).any():
            _refuse(scores < 0, scores, "CrossEntropy: expected probabilities, from 0 to 1")
        log_p = np.log(scores, out=np.zeros_like(scores), where=y > 0)
        return float(-np.vdot(y, log_p) / len(y)), (scores, y)

    def backward(self, cache: tuple[Array, Array]) -> Array:
        p, y = cache
        dp = np.divide(y, p, out=np.zeros_like(p), where=y > 0)
        dp /= -len(y)
        return dp

    def check_model(self, model: Layer) -> None:
        if not model.outputs_probabilities:
            raise ConfigurationError(
                "CrossEntropy: expected a model that ends in probabilities, got one that does not: "
                "put Softmax() at its end, or use SoftmaxCrossEntropy on the scores"
            )


def loss_for(model: Layer) -> Loss:
    """The classification loss that goes with what the model puts out."""
    return CrossEntropy() if model.outputs_probabilities else SoftmaxCrossEntropy()


@functools.lru_cache(maxsize=4)
def _unit_rows(classes: int, dtype: np.dtype[Any]) -> Array:
    """The one-hot rows of all classes: picking from them is a quarter of setting ones in zeros."""
    return np.eye(classes, dtype=dtype)


LARGEST_TABLE = 1024
"""Up to how many classes one-hot rows are picked from a table, which is of their number squared."""


def _refuse(wrong: AnyArray, array: AnyArray, expected: str) -> None:
    """Raise DataError that shows the first entry of `array` at which `wrong` is true, if any is."""
    found = np.argwhere(wrong)
    if len(found):
        where = f"row {found[0][0]}" + "".join(f", column {i}" for i in found[0][1:])
        raise DataError(f"{expected}; got {array[tuple(found[0])]} at {where}")
