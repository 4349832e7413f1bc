"""A Loss of one's own."""

from typing import Any

import numpy as np

from minitorch_np.arrays import Generator
from minitorch_np.learn.checks.ch16_own_activation import gradcheck
from minitorch_np.learn.checks.layers import pair
from minitorch_np.learn.inputs import Sizes, numbers, one_hot
from minitorch_np.learn.task import Task, mistake

TITLE = "a Loss of one's own"


def _inputs(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    return numbers("m", "classes")(rng, sizes, kind), one_hot()(rng, sizes, kind).T


def _observe(cls: Any, inputs: tuple[Any, ...]) -> Any:
    loss = cls()
    returned = loss.forward(*inputs)
    if returned is ...:
        return ...
    value, cache = pair(returned, "forward", "the loss and the cache")
    gradient = loss.backward(cache)
    return ... if gradient is ... else {"loss": value, "gradient": gradient}


def _second(cls: Any) -> tuple[str, str]:
    class Unweighted(cls):  # type: ignore[misc]  # a mean over weights is no part of the chapter
        def forward(self, scores: Any, targets: Any) -> Any:
            return super().forward(scores, targets)

    rng = np.random.default_rng(0)
    return gradcheck(Unweighted(), rng.normal(size=(5, 4)), np.eye(4)[[0, 3, 1, 1, 2]])


G = "(p - targets) / len(p)"
L = "-np.sum(targets * log_p) / len(scores)"
SHIFT = "scores - np.max(scores, axis=1, keepdims=True)"

TASKS = (
    Task(
        "MyCrossEntropy", _inputs,
        "forward: the mean of -log p of the right class; backward: (p - targets) / m",
        notes="dZ(2) = A(2) - Y; 1/m here, and in no layer",
        observe=_observe, arguments=("scores", "targets"), second=_second,
        hints=(
            "shifted = scores - np.max(scores, axis=1, keepdims=True); "
            "log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True)).",
            "The loss is -np.sum(targets * log_p) / m; the cache (np.exp(log_p), targets).",
            "backward: (p - targets) / m, with m = len(p).",
        ),
        mistakes=(
            mistake("the 1/m is missing in the gradient: it has to be that of the mean", G,
                    "p - targets"),
            mistake("the 1/m is missing in the loss: a sum, not a mean", L,
                    "-np.sum(targets * log_p)"),
            mistake("the 1/m is missing in loss and gradient", L, "-np.sum(targets * log_p)", G,
                    "p - targets"),
            mistake("the gradient is divided by m and the classes: np.mean over all entries", L,
                    "-np.mean(targets * log_p)", G, "(p - targets) / p.size"),
            mistake("the loss is divided by the number of all entries, not by m", L,
                    "-np.mean(targets * log_p)"),
            mistake("the gradient is divided by the number of all entries, not by m", G,
                    "(p - targets) / p.size"),
            mistake("it is divided by the number of classes, not by m: shape[1] for shape[0]",
                    "len(scores)", "scores.shape[1]", "len(p)", "p.shape[1]"),
            mistake("the gradient is divided by the number of classes, not by m", "len(p)",
                    "p.shape[1]"),
            mistake("the loss is divided by the number of classes, not by m", "len(scores)",
                    "scores.shape[1]"),
            mistake("the minus is missing in the loss", L, "np.sum(targets * log_p) / len(scores)"),
            mistake("the gradient has the wrong sign: targets - p", "p - targets", "targets - p"),
            mistake("the gradient has the 1/m twice", G, G + " / len(p)"),
            mistake("softmax goes over the samples (axis 0): classes are in a row here, axis 1",
                    "axis=1", "axis=0"),
            mistake("softmax goes over all numbers together: axis=1 is missing in the sum",
                    "np.sum(np.exp(shifted), axis=1, keepdims=True)", "np.sum(np.exp(shifted))"),
            mistake("the maximum is not subtracted: exp overflows for large scores", SHIFT,
                    "1 * scores"),
            mistake("the maximum is not subtracted, and p is divided first and its logarithm taken "
                    "then: log(0) and inf / inf for large scores",
                    f"shifted = {SHIFT}\n        log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))",
                    "e = np.exp(scores)\n        log_p = np.log(e / np.sum(e, axis=1, keepdims=True))"),
            mistake("the logarithm is taken of p that was rounded to 0: use s - max - log(sum)",
                    "log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))",
                    "e = np.exp(shifted)\n        log_p = np.log(e / np.sum(e, axis=1, keepdims=True))"),
            mistake("softmax is missing: the scores are taken for probabilities", "(np.exp(log_p), "
                    "targets)", "(scores, targets)"),
            mistake("the gradient is of log p, not of p: exp is missing", "(np.exp(log_p), "
                    "targets)", "(log_p, targets)"),
            mistake("the gradient is -targets / p: the derivative by p, not by the scores", G,
                    "-targets / p / len(p)"),
            mistake("the gradient has softmax's derivative p (1 - p) too much", G,
                    "(p - targets) * p * (1 - p) / len(p)"),
            mistake("one loss a sample is returned: the mean is missing", L,
                    "-np.sum(targets * log_p, axis=1)"),
            mistake("the loss is of p, not of its logarithm", "targets * log_p",
                    "targets * np.exp(log_p)"),
            mistake("it is the squared error", L,
                    "np.sum((np.exp(log_p) - targets) ** 2) / len(scores)"),
            mistake("log is missing in log(sum)", "np.log(np.sum(np.exp(shifted), axis=1, "
                    "keepdims=True))", "np.sum(np.exp(shifted), axis=1, keepdims=True)"),
            mistake("the gradient is twice as large", G, "2 * (p - targets) / len(p)"),
            mistake("the gradient is summed over the samples", G,
                    "np.sum(p - targets, axis=0) / len(p)"),
            mistake("the gradient is summed over the samples, without 1/m", G,
                    "np.sum(p - targets, axis=0)"),
        ),
    ),
)  # fmt: skip
