"""Losses of margins and distances, and mistakes in their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from tests.material.losses_of_classes import Labelled
from tests.material.specimens import one, rows, sigmoid, softmax
from tests.planting import Bug, Specimen


class MultiHinge(Labelled):
    """Weston and Watkins: the sum over wrong classes of max(0, s_j - s_y + margin)."""

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = margin

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        y = rows(targets, scores)
        gaps = scores - (scores * y).sum(axis=1, keepdims=True) + self.margin
        violations = np.maximum(gaps, 0) * (1 - y)
        return float(violations.sum(axis=1).mean()), (violations, y)

    def backward(self, cache: Any) -> Any:
        violations, y = cache
        on = (violations > 0).astype(violations.dtype)
        return (on - y * on.sum(axis=1, keepdims=True)) / len(y)


class SquaredHinge(Labelled):
    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        y = rows(targets, scores)
        gaps = np.maximum(scores - (scores * y).sum(axis=1, keepdims=True) + 1, 0) * (1 - y)
        return float((gaps**2).sum() / len(y)), (gaps, y)

    def backward(self, cache: Any) -> Any:
        gaps, y = cache
        d = 2 * gaps
        d = d - y * d.sum(axis=1, keepdims=True)
        return d / len(y)


class CrammerSinger(Labelled):
    """max over j of (s_j + [j is wrong]) - s_y."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        y = rows(targets, scores)
        raised = scores + 1 - y
        best = rows(raised.argmax(axis=1), scores)
        return float((raised.max(axis=1) - (scores * y).sum(axis=1)).mean()), (best, y)

    def backward(self, cache: Any) -> Any:
        best, y = cache
        return (best - y) / len(y)


class PairwiseLogistic(Labelled):
    """Sum over wrong classes of log(1 + exp(s_j - s_y)), as in BPR and RankNet."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        y = rows(targets, scores)
        gaps = scores - (scores * y).sum(axis=1, keepdims=True)
        return float((np.logaddexp(0, gaps) * (1 - y)).sum() / len(y)), (gaps, y)

    def backward(self, cache: Any) -> Any:
        gaps, y = cache
        d = sigmoid(gaps) * (1 - y)
        return (d - y * d.sum(axis=1, keepdims=True)) / len(y)


class Center(Labelled):
    """|s - c_y|^2 / 2 with fixed centers, one for each class."""

    def __init__(self, seed: int = 0) -> None:
        self.centers = np.random.default_rng(seed).normal(size=(5, 5))

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        d = scores - self.centers[targets].astype(scores.dtype)
        return float(0.5 * (d**2).sum(axis=1).mean()), (d, scores)

    def backward(self, cache: Any) -> Any:
        d, s = cache
        return d / len(d)


class Triplet(mt.Loss):
    """max(0, |a - p|^2 - |a - n|^2 + margin) for scores (m, 3, d); targets are not used."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        a, p, n = scores[:, 0], scores[:, 1], scores[:, 2]
        loss = np.maximum(((a - p) ** 2).sum(axis=1) - ((a - n) ** 2).sum(axis=1) + 1, 0)
        return float(loss.mean()), (scores, loss > 0)

    def backward(self, cache: Any) -> Any:
        scores, active = cache
        a, p, n = scores[:, 0], scores[:, 1], scores[:, 2]
        d = np.stack([2 * (n - p), 2 * (p - a), 2 * (a - n)], axis=1)
        return d * active[:, None, None] / len(d)


class MarginRanking(mt.Loss):
    """max(0, margin - y (s_0 - s_1)) with y the sign of t_0: which of two is to be first."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        y = np.sign(targets[:, 0]).astype(scores.dtype)
        gap = np.maximum(0.5 - y * (scores[:, 0] - scores[:, 1]), 0)
        return float(gap.mean()), (gap, y)

    def backward(self, cache: Any) -> Any:
        gap, y = cache
        d = np.where(gap > 0, -y, 0)
        return np.stack([d, -d], axis=1) / len(y)


class Contrastive(mt.Loss):
    """Scores (m, 2, d), a pair: its squared distance D^2 if t is positive, else max(0, 3 - D)^2."""

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        e = scores[:, 0] - scores[:, 1]
        dist = np.sqrt((e**2).sum(axis=1))
        same = targets[:, 0, 0] > 0
        value = np.where(same, dist**2, np.maximum(3 - dist, 0) ** 2)
        return float(value.mean()), (e, dist, same)

    def backward(self, cache: Any) -> Any:
        e, dist, same = cache
        ddist = np.where(same, 2 * dist, -2 * np.maximum(3 - dist, 0))
        d = (ddist / dist)[:, None] * e
        return np.stack([d, -d], axis=1) / len(e)


class InfoNCE(mt.Loss):
    """Scores (m, 1 + n, d): a query and its keys, of which the first is the right one."""

    def __init__(self, temperature: float = 0.4) -> None:
        self.temperature = temperature

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        n = np.linalg.norm(scores, axis=2, keepdims=True)
        unit = scores / n
        p = softmax((unit[:, 1:] * unit[:, :1]).sum(axis=2) / self.temperature)
        return float(-np.log(p[:, 0]).mean()), (unit, n, p)

    def backward(self, cache: Any) -> Any:
        unit, n, p = cache
        d = p - (np.arange(p.shape[1]) == 0)
        d = (d / self.temperature / len(p))[:, :, None]
        query = (d * unit[:, 1:]).sum(axis=1, keepdims=True)
        du = np.concatenate([query, d * unit[:, :1]], axis=1).astype(unit.dtype)
        return (du - unit * (du * unit).sum(axis=2, keepdims=True)) / n


MARGINS: list[Specimen] = [
    one(
        MultiHinge,
        Bug(
            "the right class gets -1, not minus the number of violations",
            "on.sum(axis=1, keepdims=True)",
            "(on.sum(axis=1, keepdims=True) > 0)",
        ),
        Bug("the right class gets no gradient", "(on - y * on.sum(axis=1, keepdims=True))", "on"),
        Bug("not divided by the batch", "/ len(y)", ""),
        Bug(
            "the violations, not 1 for each",
            "on = (violations > 0).astype(violations.dtype)",
            "on = violations",
        ),
        samples=8,
    ),
    one(
        SquaredHinge,
        Bug("the factor 2 is lost", "d = 2 * gaps", "d = gaps"),
        Bug(
            "the hinge's own gradient: 1 for each violation",
            "d = 2 * gaps",
            "d = (gaps > 0).astype(gaps.dtype)",
        ),
        Bug(
            "the right class gets its largest violation only",
            "d.sum(axis=1, keepdims=True)",
            "d.max(axis=1, keepdims=True)",
        ),
        samples=8,
    ),
    one(
        CrammerSinger,
        Bug("the right class gets no gradient", "(best - y) / len(y)", "best / len(y)"),
        Bug("the sign is wrong", "(best - y)", "(y - best)"),
        Bug("summed over the batch, not averaged", "(best - y) / len(y)", "best - y"),
        samples=8,
    ),
    one(
        PairwiseLogistic,
        Bug("the right class gets no gradient", "(d - y * d.sum(axis=1, keepdims=True))", "d"),
        Bug("the sigmoid of minus the gap", "sigmoid(gaps)", "sigmoid(-gaps)"),
        Bug(
            "a mean over the classes for their sum",
            "keepdims=True)) / len(y)",
            "keepdims=True)) / y.size",
        ),
    ),
    one(
        Center,
        Bug(
            "the centers are taken in their order, not by class",
            "return d / len(d)",
            "return (s - self.centers[: len(s)].astype(s.dtype)) / len(d)",
        ),
        Bug("the factor 1/2 is forgotten: doubled", "return d / len(d)", "return 2 * d / len(d)"),
        Bug("divided by all entries, not by the batch", "return d / len(d)", "return d / d.size"),
    ),
    one(
        Triplet,
        Bug("the anchor's gradient lacks the negative", "2 * (n - p), 2", "2 * (a - p), 2"),
        Bug(
            "triplets that keep the margin pull as well",
            "* active[:, None, None] / len(d)",
            "/ len(d)",
        ),
        Bug("the negative's gradient has the wrong sign", "2 * (a - n)]", "2 * (n - a)]"),
        Bug(
            "positive and negative are swapped",
            "[2 * (n - p), 2 * (p - a), 2 * (a - n)]",
            "[2 * (n - p), 2 * (a - n), 2 * (p - a)]",
        ),
        shape=(3, 4),
        targets="numbers",
        samples=8,
    ),
    one(
        MarginRanking,
        Bug("both scores get the same sign", "[d, -d]", "[d, d]"),
        Bug(
            "the order is lost: as if y were always 1",
            "np.where(gap > 0, -y, 0)",
            "np.where(gap > 0, -1.0 + 0 * y, 0)",
        ),
        Bug("pairs in the right order pull as well", "np.where(gap > 0, -y, 0)", "-y"),
        shape=(2,),
        targets="numbers",
        samples=12,
    ),
    one(
        Contrastive,
        Bug(
            "the distance's own derivative is lost",
            "(ddist / dist)[:, None] * e",
            "ddist[:, None] * e",
        ),
        Bug("pairs that differ are pulled together", "2 * dist, -2 * np", "2 * dist, 2 * np"),
        Bug("the second of the pair gets no gradient", "[d, -d]", "[d, 0 * d]"),
        shape=(2, 3),
        targets="numbers",
        samples=8,
    ),
    one(
        InfoNCE,
        Bug("the temperature is lost", "d / self.temperature / len(p)", "d / len(p)"),
        Bug("the keys get no gradient", "d * unit[:, :1]]", "0 * d * unit[:, :1]]"),
        Bug(
            "the lengths are taken for constants",
            "return (du - unit * (du * unit).sum(axis=2, keepdims=True)) / n",
            "return du / n",
        ),
        Bug(
            "the query's gradient is a mean over the keys",
            ".sum(axis=1, keepdims=True)\n    ",
            ".mean(axis=1, keepdims=True)\n    ",
        ),
        Bug("not divided by the lengths", "keepdims=True)) / n", "keepdims=True))"),
        shape=(4, 3),
        targets="numbers",
    ),
]
