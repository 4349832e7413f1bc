"""Losses for classification into K classes.

Targets are class numbers, or a row of K probabilities for each sample; a one-hot row is the
simplest case. The model's outputs are scores, probabilities or their logarithms, and each has its
own loss; the one on scores is the most exact.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from minitorch_np.arrays import AnyArray, Array, Shape, describe_batch, ones
from minitorch_np.core.layer import Layer
from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.losses.base import Loss, LossCache, check_weights, no_classes, refuse
from minitorch_np.losses.class_weights import ClassWeights, as_class_weights, balanced_weights
from minitorch_np.signature import explained
from minitorch_np.validation import instance, is_whole, require, share


class Labels(np.ndarray[Any, Any]):
    """Class numbers for each step, (m, steps), marked to tell them from one-hot rows."""


class Categorical(Loss):
    """The base of losses over classes: targets are class numbers (m,), or rows of weights (m, K).

    For sequences, scores are (m, steps, K) and targets (m, steps) or (m, steps, K); the mean is
    over all steps of all samples. The same holds for any axes before the last.
    """

    exclusive_classes = True

    ignores: bool = False
    """Whether there is a class number for samples to ignore."""

    def ignored(self, targets: AnyArray) -> AnyArray:
        """A mask of the class numbers that mark samples to ignore."""
        return np.zeros(targets.shape, bool)

    def check_classes(self, classes: int) -> None:
        """Raise ShapeError for a number of classes that is not suitable for the loss."""

    def prepare(self, targets: AnyArray, output_shape: Shape) -> AnyArray:
        place = f"{type(self).__name__}: labels"
        if not output_shape or output_shape[-1] < 2:
            raise ShapeError(
                f"{type(self).__name__}: expected a score for each of two or more classes, "
                f"got outputs of shape {('m', *output_shape)}"
            )
        *steps, classes = output_shape
        self.check_classes(classes)
        if targets.dtype.kind not in "fiub":
            raise DataError(f"{place}: expected class numbers, got {targets.dtype}")
        if targets.ndim and targets.shape[1:] == (*steps,):
            wrong = no_classes(targets, classes)
            if self.ignores:
                wrong &= ~self.ignored(targets)
            refuse(wrong, targets, f"{place}: expected whole numbers from 0 to {classes - 1}")
            if not self.ignores:  # the smallest type without a sign: see SoftmaxCrossEntropy
                targets = targets.astype(np.min_scalar_type(classes - 1))
            return targets.view(Labels) if steps else targets
        if targets.shape[1:] != output_shape:
            numbers = "(m,)" if not steps else describe_batch((*steps,))
            raise ShapeError(
                f"{place}: expected class numbers of shape {numbers} or one-hot rows of shape "
                f"{describe_batch(output_shape)}, got shape {targets.shape}"
                + (_ONE_A_SAMPLE if steps and targets.ndim == 1 else "")
            )
        sums = np.add.reduce(targets, axis=-1, dtype=np.float64)
        wrong = ~((np.abs(sums - 1) < 1e-5) & (np.minimum.reduce(targets, axis=-1) >= 0))
        refuse(wrong, targets, f"{place}: expected one-hot rows, or probabilities that add up to 1")
        return targets

    def one_hot(self, targets: AnyArray, scores: Array) -> Array:
        """Targets as rows (m, K) in the scores' dtype. Raises as `prepare`."""
        targets = self.prepare(np.asarray(targets), scores.shape[1:])
        if len(targets) != len(scores) or not len(targets):
            raise ShapeError(
                f"{type(self).__name__}: expected a target for each of at least one sample, "
                f"got scores of shape {scores.shape}, targets of shape {targets.shape}"
            )
        if targets.ndim == 2:
            return targets.astype(scores.dtype)
        rows: Array = targets[:, np.newaxis] == np.arange(scores.shape[1])
        return rows.astype(scores.dtype)

    def over_steps(
        self, scores: Array, targets: AnyArray, sample_weight: Array | None
    ) -> tuple[float, _Steps]:
        """`forward` for scores (m, ..., K): each step is a row with its sample's weight."""
        targets = np.asanyarray(targets)
        if len(targets) != len(scores) or targets.shape[1:] not in (
            scores.shape[1:],
            scores.shape[1:-1],
        ):
            self.one_hot(targets, scores)  # says what is wrong
        rows = scores.reshape(-1, scores.shape[-1])
        flat = targets.reshape(-1, *targets.shape[scores.ndim - 1 :])
        if sample_weight is not None:
            given = check_weights(sample_weight, len(scores))
            sample_weight = given.repeat(len(rows) // len(scores))
        value, cache = self.forward(rows, flat, sample_weight)
        return value, _Steps(scores.shape, cache)


class _Steps(NamedTuple):
    """The cache of a loss over steps: the shape of the scores, and the cache for the rows."""

    shape: Shape
    rows: LossCache


class SoftmaxCrossEntropy(Categorical):
    """Cross-entropy on scores: L = mean over the batch of -log softmax(z)[label].

    The scores (logits) z are (m, K). Targets are class numbers (m,), or rows y (m, K) that add up
    to 1, such as one-hot rows: then L = mean of -sum_k y_k log softmax(z)_k. For sequences, the
    scores are (m, steps, K) and the targets (m, steps): the mean is over all steps that count.

    - `label_smoothing` e mixes each row with the uniform one: y becomes (1 - e) y + e / K (Szegedy
      et al. 2015, arXiv:1512.00567);
    - `class_weights` c, (K,) or {class: weight}, multiplies each term by c_k; "balanced" takes
      those that `balanced_weights` makes of the labels that the loss is first trained on. The mean
      is over the sum of the samples' weights sum_k c_k y_k, which for class numbers is what PyTorch
      divides by;
    - `ignore_index` is a class number, such as -1, for samples to ignore.

    The gradient is dz = (A - Y) / m with A = softmax(z): the notes' dZ2, and their 1/m. The row's
    maximum is subtracted before exponentials are taken, so that no score is too large. Raises
    ShapeError and DataError for targets that do not fit, ConfigurationError for arguments out of
    range. Source: the notes; Bridle 1990.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        class_weights: ClassWeights | None = None,
        ignore_index: int | None = None,
    ) -> None:
        smoothing = share(self, "label_smoothing", label_smoothing)
        right = ignore_index is None or is_whole(ignore_index)
        require(right, self, "ignore_index to be a whole number or None", ignore_index)
        self.label_smoothing, self.ignore_index = smoothing, ignore_index
        self.ignores = ignore_index is not None
        self.class_weights = None if class_weights is None else as_class_weights(class_weights)
        self._open = isinstance(class_weights, Mapping)  # classes that are not in it count 1
        self._plain = not (label_smoothing or self.ignores) and class_weights is None

    def ignored(self, targets: AnyArray) -> AnyArray:
        return np.asarray(targets == self.ignore_index)

    def fitted(self, targets: AnyArray, output_shape: Shape) -> Self:
        if not isinstance(self.class_weights, str):
            return self
        classes = output_shape[-1]
        labels = targets if _are_numbers(targets) else targets.argmax(axis=-1)
        counted = np.asarray(labels)[self._kept(targets)].astype(np.intp)
        found = copy.copy(self)
        found.class_weights = balanced_weights(counted, classes)
        return found

    def _factors(self, classes: int) -> Array:
        """The class weights as numbers, for at least this number of classes. Raises
        ConfigurationError if they are not known yet.
        """
        known = np.ones(classes) if self.class_weights is None else self.class_weights
        if isinstance(known, str):
            raise ConfigurationError(
                "SoftmaxCrossEntropy: expected to be trained first: class_weights='balanced' "
                "are found from the labels that fit is given; or pass balanced_weights(labels)"
            )
        if self._open and len(known) < classes:
            return np.append(known, np.ones(classes - len(known)))
        return known

    def weights(self, targets: AnyArray, sample_weight: Array | None) -> Array | None:
        if sample_weight is None and not self.ignores and self.class_weights is None:
            return None
        kept = self._kept(targets)
        given = np.ones(len(targets)) if sample_weight is None else sample_weight
        weights: Array = given.reshape(-1, *(1,) * (kept.ndim - 1)) * kept
        if self.class_weights is None:
            return weights
        if not _are_numbers(targets):
            return weights * (targets @ self._factors(targets.shape[-1]))
        numbers = np.where(self.ignored(targets), 0, targets).astype(np.intp)
        return weights * self._factors(int(numbers.max(initial=0)) + 1)[numbers]

    def forward(
        self, scores: Array, targets: AnyArray, sample_weight: Array | None = None
    ) -> tuple[float, tuple[Array, Array, float] | _Steps]:
        if scores.ndim > 2:
            return self.over_steps(scores, targets, sample_weight)
        # Samples stand in columns here, as in the notes: NumPy's inner loops are then as long as
        # the batch, not as the few classes, which takes half the time.
        z, count, targets = scores.T.copy(), float(len(scores)), np.asarray(targets)
        picks = targets.dtype.kind == "u" and len(z) <= LARGEST_TABLE and not self.ignores
        if picks and targets.shape == (count,):
            try:
                y = _unit_rows(len(z), z.dtype).take(targets, 1)
            except IndexError:  # without a sign, a class number can only be too large
                self.one_hot(targets, scores)
                raise
        else:
            y = self.one_hot(targets, scores).T
        shifted = z - np.maximum.reduce(z, axis=0)
        a: Array = np.exp(shifted)
        total = ones(len(a), a.dtype).dot(a)
        a /= total
        logs = np.log(total)
        if sample_weight is not None or not self._plain:
            y, count = self._weighted(y.T, targets, sample_weight).T, 1.0
            sums = ones(len(y), y.dtype).dot(y)
            a *= sums
            logs *= sums
        picked = float(np.vdot(y, shifted))
        if picked != picked:  # 0 times -infinity, for a class that is ruled out
            picked = float(np.vdot(y, np.where(y > 0, shifted, 0)))
        sum_of_logs = float(ones(len(logs), logs.dtype).dot(logs))
        return (sum_of_logs - picked) / count, (a, y, count)

    def backward(self, cache: tuple[Array, Array, float] | _Steps) -> Array:
        if isinstance(cache, _Steps):
            return self.backward(cache.rows).reshape(cache.shape)
        a, y, count = cache
        dz: Array = a - y
        dz /= count
        return dz.T

    def _weighted(self, y: Array, targets: AnyArray, sample_weight: Array | None) -> Array:
        """The rows y times their part in the mean."""
        m, classes = y.shape
        given = np.ones(m) if sample_weight is None else check_weights(sample_weight, m)
        self.check_classes(classes)
        factors = self._factors(classes)
        counts = self.weights(targets, given)
        assert counts is not None
        shares = given * self._kept(targets) / (counts.sum() or 1.0)
        even = self.label_smoothing / classes
        rows = ((1 - self.label_smoothing) * y + even) * factors * shares[:, np.newaxis]
        weighted: Array = rows.astype(y.dtype)
        return weighted

    def check_classes(self, classes: int) -> None:
        if not isinstance(self.class_weights, np.ndarray):
            return
        count = len(self.class_weights)
        if count > classes or (count < classes and not self._open):
            raise ShapeError(
                f"SoftmaxCrossEntropy: expected a class weight for each of {classes} classes, "
                f"got {count}"
            )

    def counted(self, targets: AnyArray, sample_weight: Array | None) -> AnyArray:
        counted, kept = super().counted(targets, sample_weight), self._kept(targets)
        return counted.reshape(-1, *(1,) * (kept.ndim - 1)) & kept

    def _kept(self, targets: AnyArray) -> AnyArray:
        """1 for samples that count, 0 for those to ignore by their class number."""
        return (
            ~self.ignored(targets) if _are_numbers(targets) else np.ones(targets.shape[:-1], bool)
        )

    def check_model(self, model: Layer) -> None:
        if model.outputs_probabilities:
            raise ConfigurationError(
                "SoftmaxCrossEntropy: expected a model that ends in scores (logits), got one that "
                "ends in probabilities: softmax would be applied twice; leave the last layer out, "
                "or use CrossEntropy"
            )


class CrossEntropy(Categorical):
    """Cross-entropy on probabilities: L = mean over the batch of -log p[label].

    The loss for a model that ends in Softmax, as the notes draw theirs. p is (m, K); targets are as
    in SoftmaxCrossEntropy, which is the better choice where precision counts: here a probability
    that rounds to 0 makes the loss infinite. Nothing is clipped, so the gradient, -y / (m p), is
    that of the value. Raises ShapeError and DataError for targets that do not fit or a negative
    probability. Source: the notes.
    """

    def forward(
        self, scores: Array, targets: AnyArray, sample_weight: Array | None = None
    ) -> tuple[float, tuple[Array, Array] | _Steps]:
        if scores.ndim > 2:
            return self.over_steps(scores, targets, sample_weight)
        y = self.one_hot(targets, scores)
        if (scores < 0).any():
            refuse(scores < 0, scores, "CrossEntropy: expected probabilities, from 0 to 1")
        y *= _shares(sample_weight, scores)
        log_p = np.log(scores, out=np.zeros_like(scores), where=y > 0)
        return float(-np.vdot(y, log_p)), (scores, y)

    def backward(self, cache: tuple[Array, Array] | _Steps) -> Array:
        if isinstance(cache, _Steps):
            return self.backward(cache.rows).reshape(cache.shape)
        p, y = cache
        return -np.divide(y, p, out=np.zeros_like(p), where=y > 0)

    def check_model(self, model: Layer) -> None:
        if not model.outputs_probabilities:
            raise ConfigurationError(
                "CrossEntropy: expected a model that ends in probabilities, got one that does not: "
                "put Softmax() at its end, or use SoftmaxCrossEntropy on the scores"
            )


class KLDivergence(Categorical):
    """The Kullback-Leibler divergence: L = mean over the batch of sum_k y_k (log y_k - l_k).

    It measures how far the predicted distribution is from the wanted one, in nats: 0 if they are
    equal. The model ends in LogSoftmax and outputs log-probabilities l (m, K); targets are rows of
    probabilities y (m, K), or class numbers (m,). The gradient is dl = -y / m. As PyTorch's
    KLDivLoss with reduction="batchmean". Raises ShapeError and DataError for targets that do not
    fit. Source: Kullback and Leibler 1951.
    """

    def forward(
        self, scores: Array, targets: AnyArray, sample_weight: Array | None = None
    ) -> tuple[float, Array | _Steps]:
        if scores.ndim > 2:
            return self.over_steps(scores, targets, sample_weight)
        y = self.one_hot(targets, scores)
        log_y = np.log(y, out=np.zeros_like(y), where=y > 0)
        y *= _shares(sample_weight, scores)
        # 0 times -infinity is 0 here: a class that is neither wanted nor predicted
        return float(np.vdot(y, log_y - np.where(y > 0, scores, 0))), y

    def backward(self, cache: Array | _Steps) -> Array:
        if isinstance(cache, _Steps):
            return self.backward(cache.rows).reshape(cache.shape)
        return -cache

    def check_model(self, model: Layer) -> None:
        if not model.outputs_log_probabilities:
            raise ConfigurationError(
                "KLDivergence: expected a model that ends in log-probabilities, got one that does "
                "not: put LogSoftmax() at its end"
            )


def _are_numbers(targets: AnyArray) -> bool:
    """Whether targets that `prepare` has checked are class numbers, not rows."""
    return targets.ndim == 1 or isinstance(targets, Labels)


_ONE_A_SAMPLE = (
    ": for one class a sample, the model needs Flatten() or a pooling over the steps before its "
    "last layer"
)


def _shares(sample_weight: Array | None, scores: Array) -> Array:
    """Each sample's share in the mean, (m, 1)."""
    m = len(scores)
    if sample_weight is None:
        return np.full((m, 1), 1 / m, scores.dtype)
    weights = check_weights(sample_weight, m)
    shares: Array = (weights / (weights.sum() or 1.0)).astype(scores.dtype)
    return shares[:, np.newaxis]


@explained
def loss_for(model: Layer) -> Loss:
    """The classification loss that fits the model's outputs."""
    instance("loss_for", "model", model, Layer)
    return CrossEntropy() if model.outputs_probabilities else SoftmaxCrossEntropy()


@functools.lru_cache(maxsize=4)
def _unit_rows(classes: int, dtype: np.dtype[Any]) -> Array:
    """The one-hot rows of all classes.

    Picking from them takes a quarter of the time of setting ones in zeros.
    """
    return np.eye(classes, dtype=dtype)


LARGEST_TABLE = 1024
"""The most classes for which one-hot rows are picked from a table of classes x classes."""
