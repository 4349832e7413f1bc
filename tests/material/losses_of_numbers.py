"""Losses of one score and one target as users write them, and mistakes in their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from tests.material.specimens import one, sigmoid
from tests.planting import Bug, Specimen


class SmoothL1(mt.Pointwise):
    """e^2 / (2 beta) for |e| < beta, else |e| - beta / 2."""

    def __init__(self, beta: float = 0.5) -> None:
        self.beta = beta

    def value(self, scores: Any, targets: Any) -> Any:
        e = np.abs(scores - targets)
        return np.where(e < self.beta, e * e / (2 * self.beta), e - self.beta / 2)

    def derivative(self, scores: Any, targets: Any) -> Any:
        e = scores - targets
        return np.where(np.abs(e) < self.beta, e / self.beta, np.sign(e))


class LogCosh(mt.Pointwise):
    def value(self, scores: Any, targets: Any) -> Any:
        e = scores - targets
        return np.logaddexp(e, -e) - np.log(2).astype(e.dtype)

    def derivative(self, scores: Any, targets: Any) -> Any:
        return np.tanh(scores - targets)


class Pinball(mt.Pointwise):
    """Quantile tau of the targets: tau (t - s) for s < t, else (1 - tau) (s - t)."""

    def __init__(self, tau: float = 0.8) -> None:
        self.tau = tau

    def value(self, scores: Any, targets: Any) -> Any:
        e = targets - scores
        return np.maximum(self.tau * e, (self.tau - 1) * e)

    def derivative(self, scores: Any, targets: Any) -> Any:
        above = (scores > targets).astype(scores.dtype)
        return above * (1 - self.tau) - (1 - above) * self.tau


class Charbonnier(mt.Pointwise):
    """sqrt(e^2 + eps^2)."""

    def __init__(self, eps: float = 0.3) -> None:
        self.eps = eps

    def value(self, scores: Any, targets: Any) -> Any:
        return np.sqrt((scores - targets) ** 2 + self.eps**2)

    def derivative(self, scores: Any, targets: Any) -> Any:
        e = scores - targets
        return e / np.sqrt(e**2 + self.eps**2)


class PoissonNLL(mt.Pointwise):
    """exp(s) - t s: s is the logarithm of the rate, t a count."""

    def value(self, scores: Any, targets: Any) -> Any:
        return np.exp(scores) - targets * scores

    def derivative(self, scores: Any, targets: Any) -> Any:
        return np.exp(scores) - targets


class GaussianNLL(mt.Pointwise):
    """Known variance: (e^2 / var + log var) / 2."""

    def __init__(self, variance: float = 0.4) -> None:
        self.variance = variance

    def value(self, scores: Any, targets: Any) -> Any:
        return 0.5 * ((scores - targets) ** 2 / self.variance + float(np.log(self.variance)))

    def derivative(self, scores: Any, targets: Any) -> Any:
        return (scores - targets) / self.variance


class Tweedie(mt.Pointwise):
    """Deviance of power 1 < p < 2, s the logarithm of the mean."""

    def __init__(self, p: float = 1.6) -> None:
        self.p = p

    def value(self, scores: Any, targets: Any) -> Any:
        a, b = 1 - self.p, 2 - self.p
        return -targets * np.exp(a * scores) / a + np.exp(b * scores) / b

    def derivative(self, scores: Any, targets: Any) -> Any:
        return -targets * np.exp((1 - self.p) * scores) + np.exp((2 - self.p) * scores)


class RelativeError(mt.Pointwise):
    """|e| / max(|t|, eps), as in MAPE."""

    def value(self, scores: Any, targets: Any) -> Any:
        return np.abs(scores - targets) / np.maximum(np.abs(targets), 0.05)

    def derivative(self, scores: Any, targets: Any) -> Any:
        return np.sign(scores - targets) / np.maximum(np.abs(targets), 0.05)


class PosWeightBCE(mt.Pointwise):
    """-w t log p - (1 - t) log(1 - p) on logits."""

    def __init__(self, pos_weight: float = 3.0) -> None:
        self.pos_weight = pos_weight

    def value(self, scores: Any, targets: Any) -> Any:
        yes, no = np.logaddexp(0, -scores), np.logaddexp(0, scores)
        return self.pos_weight * targets * yes + (1 - targets) * no

    def derivative(self, scores: Any, targets: Any) -> Any:
        p = sigmoid(scores)
        return (1 - targets) * p - self.pos_weight * targets * (1 - p)


class BinaryFocal(mt.Pointwise):
    """-t (1 - p)^g log p - (1 - t) p^g log(1 - p) on logits."""

    def __init__(self, gamma: float = 2.0) -> None:
        self.gamma = gamma

    def value(self, scores: Any, targets: Any) -> Any:
        p, g = sigmoid(scores), self.gamma
        return -targets * (1 - p) ** g * np.log(p) - (1 - targets) * p**g * np.log(1 - p)

    def derivative(self, scores: Any, targets: Any) -> Any:
        p, g = sigmoid(scores), self.gamma
        yes = (1 - p) ** g * (g * p * np.log(p) - (1 - p))
        no = p**g * (p - g * (1 - p) * np.log(1 - p))
        return targets * yes + (1 - targets) * no


class Cauchy(mt.Pointwise):
    """log(1 + (e / c)^2)."""

    def __init__(self, c: float = 0.7) -> None:
        self.c = c

    def value(self, scores: Any, targets: Any) -> Any:
        return np.log1p(((scores - targets) / self.c) ** 2)

    def derivative(self, scores: Any, targets: Any) -> Any:
        e = scores - targets
        return 2 * e / (self.c**2 + e**2)


class EpsilonInsensitive(mt.Pointwise):
    """max(|e| - eps, 0)^2."""

    def __init__(self, eps: float = 0.4) -> None:
        self.eps = eps

    def value(self, scores: Any, targets: Any) -> Any:
        return np.maximum(np.abs(scores - targets) - self.eps, 0) ** 2

    def derivative(self, scores: Any, targets: Any) -> Any:
        e = scores - targets
        return 2 * np.maximum(np.abs(e) - self.eps, 0) * np.sign(e)


class BinaryHinge(mt.Pointwise):
    """max(0, 1 - y s) with y the sign of the target."""

    def value(self, scores: Any, targets: Any) -> Any:
        return np.maximum(0, 1 - np.sign(targets) * scores)

    def derivative(self, scores: Any, targets: Any) -> Any:
        y = np.sign(targets)
        return np.where(y * scores < 1, -y, 0)


class StudentT(mt.Pointwise):
    """(nu + 1) / 2 log(1 + e^2 / nu)."""

    def __init__(self, nu: float = 3.0) -> None:
        self.nu = nu

    def value(self, scores: Any, targets: Any) -> Any:
        return (self.nu + 1) / 2 * np.log1p((scores - targets) ** 2 / self.nu)

    def derivative(self, scores: Any, targets: Any) -> Any:
        e = scores - targets
        return (self.nu + 1) * e / (self.nu + e**2)


NUMBERS: list[Specimen] = [
    one(
        SmoothL1,
        Bug("not divided by beta where the error is small", "e / self.beta, np", "e, np"),
        Bug("the error itself, not its sign, where it is large", "np.sign(e))", "e)"),
        Bug("the threshold is 1, not beta", "np.abs(e) < self.beta", "np.abs(e) < 1"),
        targets="numbers",
    ),
    one(
        LogCosh,
        Bug("sinh for tanh", "np.tanh(scores", "np.sinh(scores"),
        Bug(
            "the sign of the error is lost",
            "np.tanh(scores - targets)",
            "np.tanh(np.abs(scores - targets))",
        ),
        Bug(
            "tanh of the score alone, the target is lost",
            "np.tanh(scores - targets)",
            "np.tanh(scores)",
        ),
        targets="numbers",
    ),
    one(
        Pinball,
        Bug(
            "tau and 1 - tau are swapped",
            "above * (1 - self.tau) - (1 - above) * self.tau",
            "above * self.tau - (1 - above) * (1 - self.tau)",
        ),
        Bug(
            "the sign is wrong: the derivative by the target",
            "return above * (1 - self.tau) -",
            "return -above * (1 - self.tau) +",
        ),
        Bug("tau for both sides", "above * (1 - self.tau)", "above * self.tau"),
        targets="numbers",
    ),
    one(
        Charbonnier,
        Bug("the root is lost", "e / np.sqrt(e**2 + self.eps**2)", "e / (e**2 + self.eps**2)"),
        Bug("eps is not squared", "e**2 + self.eps**2", "e**2 + self.eps"),
        Bug(
            "the sign of the error, as if eps were 0",
            "return e / np.sqrt(e**2 + self.eps**2)",
            "return np.sign(e)",
        ),
        targets="numbers",
    ),
    one(
        PoissonNLL,
        Bug(
            "exp is lost: the score is taken for the rate",
            "return np.exp(scores) - targets\n",
            "return scores - targets\n",
        ),
        Bug(
            "the derivative by the rate, not by its logarithm",
            "return np.exp(scores) - targets\n",
            "return 1 - targets / np.exp(scores)\n",
        ),
        targets="shares",
    ),
    one(
        GaussianNLL,
        Bug(
            "the factor 1/2 is lost: doubled",
            "return (scores - targets) / self",
            "return 2 * (scores - targets) / self",
        ),
        Bug(
            "divided by the deviation, not the variance",
            ") / self.variance\n",
            ") / self.variance**0.5\n",
        ),
        Bug("the variance is lost", ") / self.variance\n", ")\n"),
        targets="numbers",
    ),
    one(
        Tweedie,
        Bug(
            "not scaled by the chain rule: the constants 1 - p and 2 - p stay below",
            "return -targets * np.exp((1 - self.p) * scores) + np.exp((2 - self.p) * scores)",
            "a, b = 1 - self.p, 2 - self.p\n"
            "        return -targets * np.exp(a * scores) / a + np.exp(b * scores) / b",
        ),
        Bug(
            "the term with the target has the wrong sign",
            "return -targets * np.exp((1",
            "return targets * np.exp((1",
        ),
        Bug(
            "the exponent 1 - p is used twice",
            "np.exp((2 - self.p) * scores)\n",
            "np.exp((1 - self.p) * scores)\n",
        ),
        targets="shares",
    ),
    one(
        RelativeError,
        Bug(
            "divided by the target with its sign",
            "np.sign(scores - targets) / np.maximum(np.abs(targets), 0.05)",
            "np.sign(scores - targets) / targets",
        ),
        Bug(
            "divided by the score, not the target",
            "np.sign(scores - targets) / np.maximum(np.abs(targets), 0.05)",
            "np.sign(scores - targets) / np.maximum(np.abs(scores), 0.05)",
        ),
        Bug(
            "not divided by the target",
            "np.sign(scores - targets) / np.maximum(np.abs(targets), 0.05)",
            "np.sign(scores - targets)",
        ),
        targets="numbers",
    ),
    one(
        PosWeightBCE,
        Bug("pos_weight is lost", "- self.pos_weight * targets * (1 - p)", "- targets * (1 - p)"),
        Bug(
            "pos_weight multiplies both terms",
            "return (1 - targets) * p -",
            "return self.pos_weight * (1 - targets) * p -",
        ),
        Bug("the score is taken for the probability", "p = sigmoid(scores)", "p = scores"),
        targets="shares",
    ),
    one(
        BinaryFocal,
        Bug(
            "the focal factor is taken for a constant",
            "(g * p * np.log(p) - (1 - p))",
            "(-(1 - p))",
        ),
        Bug(
            "gamma is lost in the term for no",
            "(p - g * (1 - p) * np.log(1 - p))",
            "(p - (1 - p) * np.log(1 - p))",
        ),
        Bug(
            "yes and no are swapped",
            "targets * yes + (1 - targets) * no",
            "targets * no + (1 - targets) * yes",
        ),
        targets="shares",
    ),
    one(
        Cauchy,
        Bug("c is not squared", "(self.c**2 + e**2)", "(self.c + e**2)"),
        Bug("the factor 2 is lost", "return 2 * e /", "return e /"),
        Bug(
            "divided by 1 + (e / c)^2, the inner derivative 1 / c^2 is lost",
            "return 2 * e / (self.c**2 + e**2)",
            "return 2 * e / (1 + (e / self.c) ** 2)",
        ),
        targets="numbers",
    ),
    one(
        EpsilonInsensitive,
        Bug(
            "eps is not taken off",
            "np.maximum(np.abs(e) - self.eps, 0) * np.sign(e)",
            "np.abs(e) * np.sign(e)",
        ),
        Bug("the sign of the error is lost", "self.eps, 0) * np.sign(e)", "self.eps, 0)"),
        Bug(
            "the square's derivative is lost: the sign outside of the tube",
            "return 2 * np.maximum(np.abs(e) - self.eps, 0) * np.sign(e)",
            "return np.where(np.abs(e) > self.eps, np.sign(e), 0)",
        ),
        targets="numbers",
    ),
    one(
        BinaryHinge,
        Bug("pulls where the margin is kept as well", "np.where(y * scores < 1, -y, 0)", "-y"),
        Bug("the score for the target: -s", "-y, 0)", "-scores, 0)"),
        Bug("the threshold is 0, the perceptron's", "y * scores < 1", "y * scores < 0"),
        targets="numbers",
        samples=8,
    ),
    one(
        StudentT,
        Bug("nu is lost below", "(self.nu + e**2)", "(1 + e**2)"),
        Bug(
            "the factor 2 of the square is lost",
            "return (self.nu + 1) * e",
            "return (self.nu + 1) / 2 * e",
        ),
        targets="numbers",
    ),
]
