"""Losses of numbers against numbers: each output is compared with its own target.

Such a loss is written as a function l(score, target) and its derivative with respect to the score.
The loss is the mean of l over all outputs of all samples, as in PyTorch and Keras.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from minitorch_np.arrays import AnyArray, Array, Shape, all_finite, require_finite
from minitorch_np.core.layer import Layer
from minitorch_np.core.sequential import last_layer
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.losses.base import Loss, check_weights, refuse
from minitorch_np.numerics import sigmoid
from minitorch_np.validation import number

PointwiseCache = tuple[Array, Array, Array]
"""Scores, targets, and what each sample's derivatives are multiplied by."""


class Pointwise(Loss):
    """A loss of each entry: L = mean of l(s, t) over all entries of a batch.

    A subclass defines `value` and `derivative`. Scores and targets have the same shape, (m,
    *output_shape); targets (m,) are accepted for scores (m, 1). Raises ShapeError for other shapes,
    DataError for targets that are not finite.
    """

    @abstractmethod
    def value(self, scores: Array, targets: Array) -> Array:
        """l(s, t), entry by entry."""

    @abstractmethod
    def derivative(self, scores: Array, targets: Array) -> Array:
        """dl/ds, entry by entry."""

    def check_targets(self, targets: AnyArray) -> None:
        """Raise DataError for targets for which the loss is not defined."""

    def prepare(self, targets: AnyArray, output_shape: Shape) -> AnyArray:
        targets = super().prepare(targets, output_shape)
        self.check_targets(targets)
        return targets

    def forward(
        self, scores: Array, targets: AnyArray, sample_weight: Array | None = None
    ) -> tuple[float, PointwiseCache]:
        if targets.shape != scores.shape:
            targets = self.prepare(targets, scores.shape[1:])
        else:
            self.check_targets(targets)
        m = len(scores)
        if len(targets) != m or not m:
            raise ShapeError(
                f"{type(self).__name__}: expected a target for each of at least one sample, "
                f"got scores of shape {scores.shape}, targets of shape {targets.shape}"
            )
        wanted = targets.astype(scores.dtype, copy=False)
        if wanted.strides != scores.strides:
            # The outputs of a convolution lie in another order in memory. Arithmetic between the
            # two orders is slow: one copy of the targets, and the rest is in the scores' order.
            given, wanted = wanted, np.empty_like(scores)
            wanted[...] = given
        if not all_finite(wanted):
            require_finite(wanted, f"{type(self).__name__}: targets")
        entries = self.value(scores, wanted)
        count = entries.size // m
        if sample_weight is None:
            return float(entries.mean()), (scores, wanted, np.array(1 / (m * count), scores.dtype))
        weights = check_weights(sample_weight, m)
        used = weights > 0
        shares = (weights / (weights.sum() or 1.0)).astype(scores.dtype)
        value = float(np.vdot(shares[used], entries[used].reshape(-1, count).mean(axis=1)))
        return value, (scores, wanted, (shares / count).reshape(m, *(1,) * (scores.ndim - 1)))

    def backward(self, cache: PointwiseCache) -> Array:
        scores, targets, factors = cache
        return self.derivative(scores, targets) * factors


class MeanSquaredError(Pointwise):
    """The squared error, for regression: l = (s - t)^2, dl/ds = 2 (s - t).

    Scores and targets are (m, *output_shape). Raises as Pointwise.
    """

    def value(self, scores: Array, targets: Array) -> Array:
        errors: Array = scores - targets
        errors *= errors
        return errors

    def derivative(self, scores: Array, targets: Array) -> Array:
        errors: Array = scores - targets
        errors *= 2
        return errors


class MeanAbsoluteError(Pointwise):
    """The absolute error: l = |s - t|, dl/ds = the sign of s - t, and 0 where they are equal.

    An outlier pulls no harder than any other sample. Scores and targets are (m, *output_shape).
    Raises as Pointwise.
    """

    def value(self, scores: Array, targets: Array) -> Array:
        return np.abs(scores - targets)

    def derivative(self, scores: Array, targets: Array) -> Array:
        return np.sign(scores - targets)


class Huber(Pointwise):
    """Squares for small errors e = s - t, absolute values for large ones.

    l = e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2); dl/ds = e, clipped to [-delta,
    delta]. Scores and targets are (m, *output_shape). Raises ConfigurationError unless 0 < delta <
    infinity, and as Pointwise. Source: Huber 1964.
    """

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = number(self, "delta", delta, above=0)

    def value(self, scores: Array, targets: Array) -> Array:
        size = np.abs(scores - targets)
        near = np.minimum(size, self.delta)
        return near * (size - near / 2)

    def derivative(self, scores: Array, targets: Array) -> Array:
        return np.clip(scores - targets, -self.delta, self.delta)


class BinaryCrossEntropy(Pointwise):
    """Yes or no for each output: l = -t log p - (1 - t) log(1 - p), where p = sigmoid(s).

    The scores s are logits, (m, *output_shape); targets of the same shape are 0 or 1, or
    probabilities in between. One output is one question, several are questions whose answers do not
    exclude each other. dl/ds = p - t. Computed as softplus(s) - t s, so that no logit is too large.
    Raises DataError for targets outside 0 to 1, ConfigurationError for a model that ends in a
    Sigmoid, which would be applied twice, and as Pointwise.
    """

    exclusive_classes = False

    def value(self, scores: Array, targets: Array) -> Array:
        # softplus(s) - t s, without the difference of two large numbers for t = 1
        outside = (1 - targets) * np.maximum(scores, 0) - targets * np.minimum(scores, 0)
        return outside + np.log1p(np.exp(-np.abs(scores)))

    def derivative(self, scores: Array, targets: Array) -> Array:
        return sigmoid(scores) - targets

    def check_targets(self, targets: AnyArray) -> None:
        wrong = ~((targets >= 0) & (targets <= 1))
        refuse(wrong, targets, "BinaryCrossEntropy: expected targets from 0 to 1")

    def check_model(self, model: Layer) -> None:
        if model.outputs_separate_probabilities or model.outputs_probabilities:
            raise ConfigurationError(
                "BinaryCrossEntropy: expected a model that ends in scores (logits), got one that "
                f"ends in {last_layer(model).label}: a sigmoid would be applied to it; leave that "
                "layer out"
            )


class NormalKL(Pointwise):
    """The Kullback-Leibler divergence between normal distributions, for variational autoencoders.

    Scores and targets are (m, 2k): k means, then k log variances, of q and of p. L is the mean over
    samples of KL(q || p) = sum over k of ((mean_q - mean_p)^2 + v_q) / (2 v_p) - log(v_q / v_p) / 2
    - 1/2, where v are the variances. Targets of zeros stand for the standard normal distribution.

    dL/dmean_q = (mean_q - mean_p) / v_p, dL/dlog v_q = (v_q / v_p - 1) / 2, divided by m. Raises
    ShapeError for an odd number of scores, and as Pointwise. Source: Kingma and Welling 2013
    (arXiv:1312.6114), appendix B.
    """

    def check_targets(self, targets: AnyArray) -> None:
        if targets.ndim != 2 or targets.shape[1] % 2:
            raise ShapeError(
                "NormalKL: expected rows of an even number, means and log variances, got shape "
                f"{targets.shape}"
            )

    def value(self, scores: Array, targets: Array) -> Array:
        difference, wanted = scores - targets, _variances(targets)
        of_means, of_variances = np.split(difference, 2, axis=1)
        entries = [np.square(of_means) / wanted, np.expm1(of_variances) - of_variances]
        terms: Array = np.concatenate(entries, axis=1)
        terms *= scores.shape[1] / 2  # for each sample their sum: Pointwise takes the mean
        return terms

    def derivative(self, scores: Array, targets: Array) -> Array:
        of_means, of_variances = np.split(scores - targets, 2, axis=1)
        entries = [of_means / _variances(targets), np.expm1(of_variances) / 2]
        terms: Array = np.concatenate(entries, axis=1)
        terms *= scores.shape[1]
        return terms


def _variances(rows: Array) -> Array:
    """Of means and log variances, the variances."""
    variances: Array = np.exp(np.split(rows, 2, axis=1)[1])
    return variances
