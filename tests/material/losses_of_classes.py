"""Losses over classes with class numbers as targets, and mistakes in their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from tests.material.specimens import one, rows, sigmoid, softmax
from tests.planting import Bug, Specimen


class Labelled(mt.Loss):
    """What the losses below share: class numbers (m,) as targets."""

    def prepare(self, targets: Any, output_shape: Any) -> Any:
        targets = np.asarray(targets)
        if targets.ndim != 1 or targets.dtype.kind not in "iu":
            raise mt.ShapeError(f"expected class numbers (m,), got {targets.shape}")
        return targets


class Focal(Labelled):
    """-(1 - p_y)^g log p_y."""

    def __init__(self, gamma: float = 1.5) -> None:
        self.gamma = gamma

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, y = softmax(scores), rows(targets, scores)
        py = (p * y).sum(axis=1)
        return float(-((1 - py) ** self.gamma * np.log(py)).mean()), (p, y, py)

    def backward(self, cache: Any) -> Any:
        p, y, py = cache
        g, q = self.gamma, 1 - py
        factor = q**g - g * py * q ** (g - 1) * np.log(py)
        return factor[:, None] * (p - y) / len(p)


class LabelSmoothing(Labelled):
    def __init__(self, eps: float = 0.2) -> None:
        self.eps = eps

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, k = softmax(scores), scores.shape[1]
        y = (1 - self.eps) * rows(targets, scores) + self.eps / k
        return float(-(y * np.log(p)).sum(axis=1).mean()), (p, y, targets)

    def backward(self, cache: Any) -> Any:
        p, y, labels = cache
        return (p - y) / len(p)


class Temperature(Labelled):
    """Cross-entropy of softmax(z / T)."""

    def __init__(self, temperature: float = 2.5) -> None:
        self.temperature = temperature

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, y = softmax(scores / self.temperature), rows(targets, scores)
        return float(-np.log((p * y).sum(axis=1)).mean()), (p, y)

    def backward(self, cache: Any) -> Any:
        p, y = cache
        return (p - y) / self.temperature / len(p)


class Ordinal(Labelled):
    """K - 1 yes-or-no questions, "is the class above k?", for K ordered classes."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        above = (targets[:, None] > np.arange(scores.shape[1])).astype(scores.dtype)
        value = np.logaddexp(0, scores) - above * scores
        return float(value.sum(axis=1).mean()), (scores, above, targets)

    def backward(self, cache: Any) -> Any:
        s, above, labels = cache
        return (sigmoid(s) - above) / len(s)


class ClassWeights(Labelled):
    """Cross-entropy with weights of the classes, divided by the sum of the weights."""

    def __init__(self, weights: Any = (1.0, 3.0, 0.5)) -> None:
        self.class_weights = weights

    def weights(self, targets: Any, sample_weight: Any) -> Any:
        return np.asarray(self.class_weights)[targets]

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, y = softmax(scores), rows(targets, scores)
        w = np.asarray(self.class_weights, scores.dtype)[targets]
        return float(-(w * np.log((p * y).sum(axis=1))).sum() / w.sum()), (p, y, w)

    def backward(self, cache: Any) -> Any:
        p, y, w = cache
        return (p - y) * w[:, None] / w.sum()


class IgnoreIndex(Labelled):
    """Cross-entropy of the samples whose class is not 0; 0 stands for padding."""

    def weights(self, targets: Any, sample_weight: Any) -> Any:
        return (targets != 0).astype(float)

    def counted(self, targets: Any, sample_weight: Any) -> Any:
        return targets != 0

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, y = softmax(scores), rows(targets, scores)
        kept = (targets != 0).astype(scores.dtype)
        n = max(int(kept.sum()), 1)
        return float(-(kept * np.log((p * y).sum(axis=1))).sum() / n), (p, y, kept, n)

    def backward(self, cache: Any) -> Any:
        p, y, kept, n = cache
        return (p - y) * kept[:, None] / n


class EntropyBonus(Labelled):
    """Cross-entropy less beta times the entropy of the prediction."""

    def __init__(self, beta: float = 0.3) -> None:
        self.beta = beta

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, y = softmax(scores), rows(targets, scores)
        entropy = -(p * np.log(p)).sum(axis=1)
        return float((-np.log((p * y).sum(axis=1)) - self.beta * entropy).mean()), (p, y)

    def backward(self, cache: Any) -> Any:
        p, y = cache
        entropy = -(p * np.log(p)).sum(axis=1, keepdims=True)
        return (p - y + self.beta * p * (np.log(p) + entropy)) / len(p)


class ZLoss(Labelled):
    """Cross-entropy + c (log sum exp z)^2, which keeps logits from drifting."""

    def __init__(self, c: float = 0.1) -> None:
        self.c = c

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, y = softmax(scores), rows(targets, scores)
        z = np.log(np.exp(scores).sum(axis=1))
        return float((z - (scores * y).sum(axis=1) + self.c * z**2).mean()), (p, y, z)

    def backward(self, cache: Any) -> Any:
        p, y, z = cache
        return (p - y + 2 * self.c * z[:, None] * p) / len(p)


class GeneralizedCE(Labelled):
    """(1 - p_y^q) / q: between cross-entropy and absolute error."""

    def __init__(self, q: float = 0.7) -> None:
        self.q = q

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, y = softmax(scores), rows(targets, scores)
        py = (p * y).sum(axis=1, keepdims=True)
        return float(((1 - py**self.q) / self.q).mean()), (p, y, py)

    def backward(self, cache: Any) -> Any:
        p, y, py = cache
        return py**self.q * (p - y) / len(p)


class Brier(Labelled):
    """Sum of squares of softmax(z) - y."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p, y = softmax(scores), rows(targets, scores)
        return float(((p - y) ** 2).sum(axis=1).mean()), (p, y)

    def backward(self, cache: Any) -> Any:
        p, y = cache
        dp = 2 * (p - y)
        return p * (dp - (p * dp).sum(axis=1, keepdims=True)) / len(p)


class EarthMover(Labelled):
    """Squared distance of cumulated distributions, for ordered classes."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        p = softmax(scores)
        gap = np.cumsum(p - rows(targets, scores), axis=1)
        return float((gap**2).sum(axis=1).mean()), (p, gap)

    def backward(self, cache: Any) -> Any:
        p, gap = cache
        dp = 2 * np.cumsum(gap[:, ::-1], axis=1)[:, ::-1]
        return p * (dp - (p * dp).sum(axis=1, keepdims=True)) / len(p)


CLASSES: list[Specimen] = [
    one(
        Focal,
        Bug(
            "the focal factor is taken for a constant",
            "factor = q**g - g * py * q ** (g - 1) * np.log(py)",
            "factor = q**g",
        ),
        Bug(
            "the focal factor is lost: cross-entropy's gradient",
            "factor[:, None] * (p - y)",
            "(p - y)",
        ),
        Bug("the exponent is not lowered", "q ** (g - 1)", "q**g"),
        Bug("the second term has the wrong sign", "q**g - g * py", "q**g + g * py"),
    ),
    one(
        LabelSmoothing,
        Bug("the labels are not smoothed in the gradient", "(p - y)", "(p - rows(labels, p))"),
        Bug(
            "eps / (K - 1) for eps / K",
            "(p - y)",
            "(p - y + self.eps / p.shape[1] - self.eps / (p.shape[1] - 1))",
        ),
        Bug(
            "smoothed a second time", "(p - y)", "(p - (1 - self.eps) * y - self.eps / p.shape[1])"
        ),
    ),
    one(
        Temperature,
        Bug("the temperature is lost", "(p - y) / self.temperature", "(p - y)"),
        Bug(
            "multiplied by the temperature, not divided",
            "(p - y) / self.temperature",
            "(p - y) * self.temperature",
        ),
        Bug(
            "divided by the temperature squared, as in distillation",
            "(p - y) / self.temperature",
            "(p - y) / self.temperature**2",
        ),
    ),
    one(
        Ordinal,
        Bug(
            "the threshold of the class itself counts: >= for >",
            "(sigmoid(s) - above)",
            "(sigmoid(s) - (labels[:, None] >= np.arange(s.shape[1])))",
        ),
        Bug("divided by the thresholds as well", "/ len(s)", "/ s.size"),
        Bug("the softmax of the thresholds for their sigmoid", "sigmoid(s)", "softmax(s)"),
    ),
    one(
        ClassWeights,
        Bug("the class weights are lost", "* w[:, None]", "* w.mean()"),
        Bug(
            "divided by the batch, not by the weights",
            "* w[:, None] / w.sum()",
            "* w[:, None] / len(p)",
        ),
        Bug(
            "the weights multiply the target only",
            "(p - y) * w[:, None]",
            "(p * w.mean() - y * w[:, None])",
        ),
        Bug(
            "the weights stand along the classes, not along the samples",
            "* w[:, None]",
            "* np.asarray(self.class_weights, p.dtype)",
        ),
        shape=(3,),
        samples=8,
    ),
    one(
        IgnoreIndex,
        Bug("ignored samples get a gradient", "(p - y) * kept[:, None]", "(p - y)"),
        Bug("divided by all samples, the ignored ones too", "/ n\n", "/ len(p)\n"),
        Bug(
            "the ignored class's score gets no gradient either",
            "(p - y) * kept[:, None]",
            "(p - y) * kept[:, None] * (np.arange(p.shape[1]) != 0)",
        ),
        shape=(3,),
        samples=12,
    ),
    one(
        EntropyBonus,
        Bug(
            "the entropy gets no gradient",
            "(p - y + self.beta * p * (np.log(p) + entropy))",
            "(p - y)",
        ),
        Bug(
            "the entropy's gradient has the wrong sign", "(p - y + self.beta", "(p - y - self.beta"
        ),
        Bug("the entropy's mean part is lost", "(np.log(p) + entropy)", "np.log(p)"),
    ),
    one(
        ZLoss,
        Bug("the square's factor 2 is lost", "2 * self.c * z", "self.c * z"),
        Bug("the log-sum-exp's own derivative is lost", "z[:, None] * p)", "z[:, None])"),
        Bug("the penalty gets no gradient", "p - y + 2 * self.c * z[:, None] * p", "p - y"),
    ),
    one(
        GeneralizedCE,
        Bug(
            "the derivative by the probability: the exponent q - 1",
            "py**self.q * (p - y)",
            "py ** (self.q - 1) * (p - y)",
        ),
        Bug("the power is lost: cross-entropy's gradient", "py**self.q * (p - y)", "(p - y)"),
        Bug("multiplied by q", "py**self.q * (p - y)", "self.q * py**self.q * (p - y)"),
    ),
    one(
        Brier,
        Bug("the softmax is left out", "p * (dp - (p * dp).sum(axis=1, keepdims=True))", "dp"),
        Bug(
            "softmax's diagonal only",
            "p * (dp - (p * dp).sum(axis=1, keepdims=True))",
            "p * (1 - p) * dp",
        ),
        Bug("the factor 2 is lost", "dp = 2 * (p - y)", "dp = p - y"),
    ),
    one(
        EarthMover,
        Bug(
            "summed from the start, not from the end",
            "np.cumsum(gap[:, ::-1], axis=1)[:, ::-1]",
            "np.cumsum(gap, axis=1)",
        ),
        Bug("the cumulation is lost", "np.cumsum(gap[:, ::-1], axis=1)[:, ::-1]", "gap"),
        Bug(
            "cumulated over the batch",
            "np.cumsum(gap[:, ::-1], axis=1)[:, ::-1]",
            "np.cumsum(gap[::-1], axis=0)[::-1]",
        ),
    ),
]
