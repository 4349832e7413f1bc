"""A correct loss, and what people keep, change and return in one: no mistake is in the formula."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.material.losses_of_classes import Labelled
from tests.material.specimens import one, rows, several, softmax
from tests.planting import Bug, Specimen


class Scores(Labelled):
    """Cross-entropy of logits, the mean by the samples' weights."""

    def forward(self, scores: Any, targets: Any, sample_weight: Any = None) -> Any:
        weights = np.ones(len(scores)) if sample_weight is None else sample_weight
        shares = (weights / (weights.sum() or 1)).astype(scores.dtype)[:, None]
        p, y = softmax(scores), rows(targets, scores)
        return float(-(shares * y * np.log(p)).sum()), (p, y, shares)

    def backward(self, cache: Any) -> Any:
        p, y, shares = cache
        d = (p - y) * shares
        return d


LINE = "\n        "
CACHE, D, CACHED = "p, y, shares = cache", "d = (p - y) * shares", ", (p, y, shares)"
SHARES = "shares = (weights / (weights.sum() or 1)).astype(scores.dtype)[:, None]"
SOFTMAX = "p, y = softmax(scores), rows(targets, scores)"

KEPT: list[Specimen] = [
    one(
        Scores,
        several(
            Scores,
            "p is kept on the loss, where the next forward overwrites it",
            (SOFTMAX, f"{SOFTMAX}{LINE}self.p = p"),
            (CACHE, f"{CACHE}{LINE}p = self.p[: len(y)]"),
        ),
        several(
            Scores,
            "all is kept on the class, where another loss overwrites it",
            (SOFTMAX, f"{SOFTMAX}{LINE}type(self).kept = p, y, shares"),
            (CACHE, "p, y, shares = self.kept"),
        ),
        Bug(
            "the gradient is written into one array: the next call changes it",
            D,
            f"buffers = self.__dict__.setdefault('buffers', {{}}){LINE}"
            f"d = buffers.setdefault((p.shape, p.dtype), np.empty_like(p)){LINE}"
            "d[...] = (p - y) * shares",
        ),
        Bug(
            "the gradient is computed in the cache: a second backward is wrong",
            D,
            f"p -= y{LINE}p *= shares{LINE}d = p.copy()",
        ),
        Bug(
            "the scores are changed in place: their maximum is taken off",
            SOFTMAX,
            f"scores -= scores.max(axis=1, keepdims=True){LINE}{SOFTMAX}",
        ),
        Bug(
            "the gradients add up over calls", D, f"{D}{LINE}self.d = d = d + getattr(self, 'd', 0)"
        ),
        Bug("the gradient is float64 for float32", D, "d = (p - y) * shares.astype(np.float64)"),
        Bug(
            "the gradient goes through float32",
            D,
            "d = ((p - y) * shares).astype(np.float32).astype(p.dtype)",
        ),
        Bug(
            "the gradient is clipped to -0.05 and 0.05",
            D,
            "d = np.clip((p - y) * shares, -0.05, 0.05)",
        ),
        Bug(
            "the gradient of one sample is doubled", D, "d = (p - y) * shares * (1 + (len(p) == 1))"
        ),
        Bug(
            "the gradient is in the order of memory of scores that are not contiguous",
            D,
            f'p = p.ravel(order="K").reshape(p.shape){LINE}{D}',
        ),
        Bug(
            "noise is added to the gradient, from a generator of its own",
            D,
            "d = (p - y) * shares * np.random.default_rng().normal(1, 0.1, "
            "p.shape).astype(p.dtype)",
        ),
        Bug(
            "the size of the first batch is kept, and divides all others",
            D,
            "d = (p - y) * shares * len(p) / self.__dict__.setdefault('m', len(p))",
        ),
        Bug(
            "the gradients are zero after ten calls",
            D,
            f"self.n = getattr(self, 'n', 0) + 1{LINE}d = (p - y) * shares * (self.n <= 10)",
        ),
        Bug("the gradient has an axis too many", D, "d = ((p - y) * shares)[None]"),
        Bug("the gradient is a pair, as a layer's is", "return d\n", "return d, {}\n"),
    ),
    one(
        Scores,
        Bug(
            "the weights are divided by their sum in the caller's array",
            SHARES,
            f"weights /= weights.sum() or 1{LINE}shares = weights.astype(scores.dtype)[:, None]",
        ),
        Bug("weights count for the value, not for the gradient", D, "d = (p - y) / len(p)"),
        Bug(
            "the weights of the first batch are kept for the gradient",
            D,
            "d = (p - y) * self.__dict__.setdefault('first', shares)",
        ),
        weighted=True,
    ),
    one(
        Scores,
        Bug(
            "the gradient is transposed, which no shape shows", D, "d = ((p - y) * shares).T.copy()"
        ),
        samples=5,
    ),
]
