"""Losses that couple the scores of a sample, and mistakes in their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from tests.material.specimens import one, sigmoid, softmax
from tests.planting import Bug, Specimen


class KLFromLogits(mt.Loss):
    """sum_k y_k (log y_k - log softmax(z)_k), targets rows that add up to 1."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p = softmax(scores)
        kept = np.where(targets > 0, targets, 1)
        return float((targets * (np.log(kept) - np.log(p))).sum(axis=1).mean()), (p, targets)

    def backward(self, cache: Any) -> Any:
        p, y = cache
        return ((p - y) / len(p)).astype(p.dtype)


class ReverseKL(mt.Loss):
    """sum_k p_k (log p_k - log y_k), p = softmax(z)."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p = softmax(scores)
        ratio = np.log(p) - np.log(targets.astype(p.dtype))
        return float((p * ratio).sum(axis=1).mean()), (p, ratio)

    def backward(self, cache: Any) -> Any:
        p, ratio = cache
        return p * (ratio - (p * ratio).sum(axis=1, keepdims=True)) / len(p)


class JensenShannon(mt.Loss):
    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, y = softmax(scores), targets.astype(scores.dtype)
        middle = (p + y) / 2
        left, right = p * np.log(p / middle), y * np.log(y / middle)
        return float(0.5 * (left + right).sum(axis=1).mean()), (p, middle)

    def backward(self, cache: Any) -> Any:
        p, middle = cache
        dp = 0.5 * np.log(p / middle)
        dz = p * (dp - (p * dp).sum(axis=1, keepdims=True))
        return dz / len(p)


class Dice(mt.Loss):
    """1 - (2 sum p t + 1) / (sum p + sum t + 1), p = sigmoid(s), sums over the sample."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, t = sigmoid(scores), targets.astype(scores.dtype)
        above, below = 2 * (p * t).sum(axis=1) + 1, p.sum(axis=1) + t.sum(axis=1) + 1
        return float((1 - above / below).mean()), (p, t, above[:, None], below[:, None])

    def backward(self, cache: Any) -> Any:
        p, t, above, below = cache
        dp = above / below**2 - 2 * t / below
        return dp * p * (1 - p) / len(p)


class Tversky(mt.Loss):
    """1 - TP / (TP + a FP + b FN)."""

    def __init__(self, a: float = 0.3, b: float = 0.7) -> None:
        self.a, self.b = a, b

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, t = sigmoid(scores), targets.astype(scores.dtype)
        tp = (p * t).sum(axis=1, keepdims=True)
        fp = (p * (1 - t)).sum(axis=1, keepdims=True)
        fn = ((1 - p) * t).sum(axis=1, keepdims=True)
        below = tp + self.a * fp + self.b * fn
        return float((1 - tp / below).mean()), (p, t, tp, below)

    def backward(self, cache: Any) -> Any:
        p, t, tp, below = cache
        dbelow = t + self.a * (1 - t) - self.b * t
        dp = -(t * below - tp * dbelow) / below**2
        return dp * p * (1 - p) / len(p)


class CosineDistance(mt.Loss):
    """1 - cos(s, t), row by row."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        n = np.linalg.norm(scores, axis=1, keepdims=True)
        t = targets.astype(scores.dtype)
        t = t / np.linalg.norm(t, axis=1, keepdims=True)
        cos = (scores * t).sum(axis=1, keepdims=True) / n
        return float((1 - cos).mean()), (scores, t, n, cos)

    def backward(self, cache: Any) -> Any:
        s, t, n, cos = cache
        return (cos * s / n**2 - t / n) / len(s)


class WeightedMSE(mt.Loss):
    """Mean over the samples, by their weights, of the sum of squares."""

    def forward(self, scores: Any, targets: Any, sample_weight: Any = None) -> Any:
        w = np.ones(len(scores)) if sample_weight is None else np.asarray(sample_weight)
        shares = (w / (w.sum() or 1)).astype(scores.dtype)[:, None]
        e = scores - targets.astype(scores.dtype)
        return float((shares * e**2).sum()), (e, shares)

    def backward(self, cache: Any) -> Any:
        e, shares = cache
        return 2 * e * shares


class RootMeanSquare(mt.Loss):
    """The mean over samples of the root of the mean square of each."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        e = scores - targets.astype(scores.dtype)
        root = np.sqrt((e**2).mean(axis=1, keepdims=True))
        return float(root.mean()), (e, root)

    def backward(self, cache: Any) -> Any:
        e, root = cache
        m, n = e.shape
        return e / (n * root) / m


class PredictedVariance(mt.Loss):
    """Gaussian NLL of y = t[:, 0], scores (m, 2): the mean and the logarithm of the variance."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        e = scores[:, 0] - targets[:, 0].astype(scores.dtype)
        scaled = e * np.exp(-scores[:, 1])
        return float(0.5 * (e * scaled + scores[:, 1]).mean()), (e, scaled)

    def backward(self, cache: Any) -> Any:
        e, scaled = cache
        dmean, dlogvar = scaled, 0.5 * (1 - e * scaled)
        return np.stack([dmean, dlogvar], axis=1) / len(e)


class SequenceMSE(mt.Loss):
    """The mean over all steps and features; scores (m, steps, features)."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        e = scores - targets.astype(scores.dtype)
        return float((e**2).mean()), e

    def backward(self, cache: Any) -> Any:
        e = cache
        return 2 * e / e.size


ROWS: list[Specimen] = [
    one(
        KLFromLogits,
        Bug("the sign is wrong: y - p", "((p - y) / len(p))", "((y - p) / len(p))"),
        Bug("divided by all entries, not by the batch", "/ len(p)).astype", "/ p.size).astype"),
        Bug("the softmax is lost: -y", "((p - y)", "((-y)"),
        targets="rows",
    ),
    one(
        ReverseKL,
        Bug(
            "the mean is not taken off: softmax's diagonal only",
            "p * (ratio - (p * ratio).sum(axis=1, keepdims=True))",
            "p * (1 - p) * ratio",
        ),
        Bug(
            "the derivative by the probabilities, not by the logits",
            "return p * (ratio - (p * ratio).sum(axis=1, keepdims=True)) / len(p)",
            "return (ratio + 1) / len(p)",
        ),
        Bug(
            "the gradient of the other divergence: p - y",
            "return p * (ratio - (p * ratio).sum(axis=1, keepdims=True)) / len(p)",
            "return (p - p / np.exp(ratio)) / len(p)",
        ),
        targets="rows",
    ),
    one(
        JensenShannon,
        Bug("the factor 1/2 is lost", "dp = 0.5 * np.log(", "dp = np.log("),
        Bug(
            "softmax's diagonal only",
            "p * (dp - (p * dp).sum(axis=1, keepdims=True))",
            "p * (1 - p) * dp",
        ),
        Bug(
            "the softmax is left out",
            "dz = p * (dp - (p * dp).sum(axis=1, keepdims=True))",
            "dz = dp",
        ),
        targets="rows",
    ),
    one(
        Dice,
        Bug(
            "the quotient rule's second term is lost",
            "dp = above / below**2 - 2 * t / below",
            "dp = -2 * t / below",
        ),
        Bug("the sigmoid's derivative is lost", "dp * p * (1 - p)", "dp"),
        Bug("the denominator is not squared", "above / below**2", "above / below"),
        Bug("the factor 2 of the overlap is lost", "- 2 * t / below", "- t / below"),
        targets="shares",
    ),
    one(
        Tversky,
        Bug(
            "a and b are swapped",
            "t + self.a * (1 - t) - self.b * t",
            "t + self.b * (1 - t) - self.a * t",
        ),
        Bug("the false negatives have the wrong sign", "- self.b * t\n", "+ self.b * t\n"),
        Bug(
            "the denominator is taken for a constant",
            "dp = -(t * below - tp * dbelow) / below**2",
            "dp = -t / below",
        ),
        targets="shares",
    ),
    one(
        CosineDistance,
        Bug(
            "the length of the score is taken for a constant",
            "(cos * s / n**2 - t / n)",
            "(-t / n)",
        ),
        Bug("the length is not squared", "cos * s / n**2", "cos * s / n"),
        Bug(
            "the sign is wrong: the gradient of the similarity",
            "(cos * s / n**2 - t / n)",
            "(t / n - cos * s / n**2)",
        ),
        targets="numbers",
    ),
    one(
        WeightedMSE,
        Bug("the weights are lost: a plain mean", "2 * e * shares", "2 * e / len(e)"),
        Bug("the weights are squared", "2 * e * shares", "2 * e * shares**2"),
        Bug(
            "divided by the number of samples once more",
            "2 * e * shares",
            "2 * e * shares / len(e)",
        ),
        Bug(
            "samples of weight 0 are not left out",
            "2 * e * shares",
            "2 * e * np.where(shares > 0, shares, 1 / len(e))",
        ),
        targets="numbers",
        weighted=True,
    ),
    one(
        RootMeanSquare,
        Bug(
            "not divided by the root: the mean square's gradient",
            "return e / (n * root) / m",
            "return 2 * e / n / m",
        ),
        Bug("the number of features is lost", "e / (n * root)", "e / root"),
        Bug("the factor 1/2 of the root is lost", "return e / (n", "return 2 * e / (n"),
        Bug("the root of all samples for each sample's own", "(n * root)", "(n * root.mean())"),
        targets="numbers",
    ),
    one(
        PredictedVariance,
        Bug("the log-variance gets no gradient", "scaled, 0.5 * (1 - e * scaled)", "scaled, 0 * e"),
        Bug(
            "the factor 1/2 is lost for the log-variance",
            "0.5 * (1 - e * scaled)",
            "1 - e * scaled",
        ),
        Bug(
            "the mean's gradient is not divided by the variance",
            "dmean, dlogvar = scaled",
            "dmean, dlogvar = e",
        ),
        Bug(
            "the derivative by the variance, not by its logarithm",
            "0.5 * (1 - e * scaled)",
            "0.5 * (1 - e * scaled) * scaled / e",
        ),
        Bug("mean and log-variance are swapped", "[dmean, dlogvar]", "[dlogvar, dmean]"),
        shape=(2,),
        targets="numbers",
    ),
    one(
        SequenceMSE,
        Bug("divided by the batch, not by all entries", "/ e.size", "/ len(e)"),
        Bug(
            "divided by batch and steps, the features are forgotten",
            "/ e.size",
            "/ (e.shape[0] * e.shape[1])",
        ),
        Bug("the steps are in reverse order", "return 2 * e /", "return 2 * e[:, ::-1] /"),
        shape=(3, 4),
        targets="numbers",
    ),
]
