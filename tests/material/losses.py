"""Losses of all kinds with the mistakes that users make in their derivatives.

The users' own losses are in five modules; here are the library's, and the list of all.
"""

from __future__ import annotations

import minitorch_np as mt
from tests.material.losses_kept import KEPT
from tests.material.losses_of_classes import CLASSES
from tests.material.losses_of_margins import MARGINS
from tests.material.losses_of_numbers import NUMBERS
from tests.material.losses_of_rows import ROWS
from tests.material.specimens import one
from tests.planting import Bug, Specimen

LIBRARY: list[Specimen] = [
    one(
        mt.SoftmaxCrossEntropy,
        Bug("the sign is wrong: y - a", "dz: Array = a - y", "dz: Array = y - a"),
        Bug("not divided by the batch", "dz /= count", "pass"),
        Bug("divided by all entries, not by the batch", "dz /= count", "dz /= a.size"),
        Bug("the target is lost", "dz: Array = a - y", "dz: Array = a.copy()"),
        Bug("the softmax's sum is lost: exponentials for probabilities", "a /= total", "a = a + 0"),
    ),
    one(
        mt.SoftmaxCrossEntropy,
        Bug(
            "the labels are not smoothed in the gradient",
            "dz: Array = a - y",
            "dz: Array = a - (y == y.max(axis=0)) * y.sum(axis=0)",
        ),
        Bug("the probabilities are not weighted", "a *= sums", "pass"),
        Bug("divided by the batch, which the weights have done", "dz /= count", "dz /= a.shape[1]"),
        shape=(3,),
        samples=8,
        weighted=True,
        make=lambda cls: cls(label_smoothing=0.2, class_weights=[1.0, 3.0, 0.5]),
    ),
    one(
        mt.SoftmaxCrossEntropy,
        Bug("ignored samples get a gradient", "a *= sums", "a *= sums.max()"),
        shape=(3,),
        samples=12,
        make=lambda cls: cls(ignore_index=1),
    ),
    one(
        mt.CrossEntropy,
        Bug("the sign is wrong", "return -np.divide(y, p, ", "return np.divide(y, p, "),
        Bug(
            "not divided by the probability",
            "return -np.divide(y, p, out=np.zeros_like(p), where=y > 0)",
            "return -y",
        ),
        Bug(
            "divided by the batch twice",
            "return -np.divide(y, p, out=np.zeros_like(p), where=y > 0)",
            "return -np.divide(y, p, out=np.zeros_like(p), where=y > 0) / len(p)",
        ),
        Bug(
            "the gradient by the logits of a softmax before it",
            "return -np.divide(y, p, out=np.zeros_like(p), where=y > 0)",
            "return p * y.sum(axis=1, keepdims=True) - y",
        ),
    ),
    one(
        mt.KLDivergence,
        Bug("the sign is lost", "return -cache", "return cache.copy()"),
        Bug("divided by the batch twice", "return -cache", "return -cache / len(cache)"),
        Bug(
            "the gradient by the logits of a softmax before it",
            "np.where(y > 0, scores, 0))), y",
            "np.where(y > 0, scores, 0))), y - np.exp(scores) / len(scores)",
        ),
        Bug(
            'averaged over the classes too, reduction="mean"',
            "return -cache",
            "return -cache / cache.shape[1]",
        ),
        targets="rows",
    ),
    one(
        mt.BinaryCrossEntropy,
        Bug("the sigmoid is lost", "return sigmoid(scores) - targets", "return scores - targets"),
        Bug(
            "multiplied by the sigmoid's derivative, which cancels",
            "return sigmoid(scores) - targets",
            "return (sigmoid(scores) - targets) * sigmoid(scores) * sigmoid(-scores)",
        ),
        Bug(
            "the sign is wrong",
            "return sigmoid(scores) - targets",
            "return targets - sigmoid(scores)",
        ),
        targets="shares",
    ),
    one(
        mt.Huber,
        Bug(
            "not cut off at delta",
            "np.clip(scores - targets, -self.delta, self.delta)",
            "scores - targets",
        ),
        Bug(
            "cut off at 1, not at delta",
            "np.clip(scores - targets, -self.delta, self.delta)",
            "np.clip(scores - targets, -1, 1)",
        ),
        Bug(
            "the sign, not delta times the sign, of large errors",
            "return np.clip(scores - targets, -self.delta, self.delta)",
            "e = scores - targets\n        return np.where(np.abs(e) <= self.delta, e, np.sign(e))",
        ),
        targets="numbers",
        make=lambda cls: cls(0.6),
    ),
    one(
        mt.MeanSquaredError,
        Bug("the factor 2 is lost", "errors *= 2", "errors *= 1"),
        Bug("the sign is wrong", "errors *= 2", "errors *= -2"),
        Bug("the target is lost", "errors *= 2", "errors = 2 * scores"),
        targets="numbers",
    ),
    one(
        mt.MeanSquaredError,
        Bug(
            "the size of the error is lost",
            "errors *= 2",
            "errors = 2 * np.sign(errors)",
        ),
        shape=(3, 2, 4),
        targets="numbers",
    ),
    one(
        mt.MeanAbsoluteError,
        Bug(
            "the sign of the score, not of the error",
            "return np.sign(scores - targets)",
            "return np.sign(scores)",
        ),
        Bug(
            "1 everywhere: the sign is lost",
            "return np.sign(scores - targets)",
            "return np.ones_like(scores)",
        ),
        targets="numbers",
        samples=8,
    ),
]

SPECIMENS: list[Specimen] = [*NUMBERS, *ROWS, *CLASSES, *MARGINS, *LIBRARY, *KEPT]
