"""A fair comparison of two options."""

from typing import Any

import numpy as np

from minitorch_np.arrays import Generator
from minitorch_np.learn.inputs import CASES, RANDOM, SQUARE, TINY, Case, Sizes
from minitorch_np.learn.task import Task, mistake

TITLE = "LeakyReLU + ELU or ReLU + ReLU: compare fairly"

USED = tuple(case for case in CASES if case.kind in (TINY, RANDOM, SQUARE))


MEANS = tuple(Case(RANDOM, {"m": number}, number) for number in range(20))


def _rates(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    """The best mean, the best single run, the best worst run and the last are different rates."""
    rates = rng.permutation(np.array([0.01, 0.03, 0.1, 0.3, 1.0]))
    accuracies = 0.6 + 0.03 * rng.random((5, 4)).round(2)
    best, single, safe = rng.permutation(4)[:3]
    accuracies[best] = [0.95, 0.94, 0.8, 0.93]
    accuracies[single] = [0.98, 0.6, 0.62, 0.61]
    accuracies[safe] = [0.86, 0.87, 0.86, 0.85]
    return rates, accuracies[:, rng.permutation(4)]


def _pair(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    n = {TINY: 2}.get(kind, 2 + sizes["m"])
    common = rng.normal(0, 0.02, n)
    a, b = 0.9 + common, 0.88 + common + rng.normal(0, 0.005, n)
    return (a.round(3), b.round(3)) if rng.random() < 0.5 else (b.round(3), a.round(3))


def _mean(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    error = float(rng.uniform(0.001, 0.01))
    ratio = (-4.0, -2.5, -1.5, -0.7, -0.3, 0.3, 0.7, 1.5, 2.5, 4.0)[sizes["m"] % 10]
    return ratio * error, error


MEAN = "np.argmax(np.mean(accuracies, axis=1))"
ERROR = "np.std(d, ddof=1) / np.sqrt(len(d))"

TASKS = (
    Task(
        "choose_rate", _rates, "one of the rates: that with the best mean over the seeds",
        notes="alpha: hyper parameter, you set it", cases=USED,
        hints=(
            "np.mean(accuracies, axis=1) is the mean of each row: one number a rate.",
            "np.argmax says in which row the largest is; rates[...] is the rate of that row.",
        ),
        mistakes=(
            mistake("the best single run decides, not the mean over the seeds", MEAN,
                    "np.argmax(np.max(accuracies, axis=1))"),
            mistake("the best worst run decides, not the mean over the seeds", MEAN,
                    "np.argmax(np.min(accuracies, axis=1))"),
            mistake("the row's index is returned, not the rate", f"rates[{MEAN}]", MEAN),
            mistake("the accuracy is returned, not the rate", f"rates[{MEAN}]",
                    "np.max(np.mean(accuracies, axis=1))"),
            mistake("the worst rate is chosen: argmin for argmax", "argmax", "argmin"),
            mistake("the mean goes over the rates (axis 0), not over the seeds (axis 1)",
                    "axis=1", "axis=0"),
            mistake("only the first seed is looked at", MEAN, "np.argmax(accuracies[:, 0])"),
            mistake("only the last seed is looked at", MEAN, "np.argmax(accuracies[:, -1])"),
            mistake("the largest rate is chosen", f"rates[{MEAN}]", "np.max(rates)"),
            mistake("the smallest rate is chosen", f"rates[{MEAN}]", "np.min(rates)"),
            mistake("the most even rate is chosen, not the best", MEAN,
                    "np.argmin(np.std(accuracies, axis=1))"),
            mistake("the first rate is chosen, whatever the accuracies are", f"rates[{MEAN}]",
                    "rates[0]"),
            mistake("the last rate is chosen, whatever the accuracies are", f"rates[{MEAN}]",
                    "rates[-1]"),
        ),
    ),
    Task(
        "paired_difference", _pair, "the mean of a - b, and s / sqrt(n)",
        outputs=("mean", "error"), cases=USED,
        hints=(
            "Work with d = a - b, one number a seed.",
            "np.std(d, ddof=1) divides by n - 1. The error of the mean is that over sqrt(n).",
        ),
        mistakes=(
            mistake("s is divided by n in place of n - 1: ddof=1 is missing", "np.std(d, ddof=1)",
                    "np.std(d)"),
            mistake("the division by sqrt(n) is missing: s is the error of one run, not of the "
                    "mean", " / np.sqrt(len(d))", ""),
            mistake("both n - 1 and sqrt(n) are missing: np.std(d)", ERROR, "np.std(d)"),
            mistake("it is divided by n, not by sqrt(n)", "np.sqrt(len(d))", "len(d)"),
            mistake("it is divided by sqrt(n - 1) twice: once in ddof=1, once in the denominator",
                    "np.sqrt(len(d))", "np.sqrt(len(d) - 1)"),
            mistake("the variance is used: the root of s^2 is missing", "np.std", "np.var"),
            mistake("a and b are exchanged: b - a", "d = a - b", "d = b - a"),
            mistake("the errors of a and b are combined as if their runs were unrelated: with the "
                    "same seeds the differences vary less", ERROR,
                    "np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(d))"),
            mistake("s_a - s_b: the standard deviation of a difference is not the difference of "
                    "the standard deviations", ERROR,
                    "(np.std(a, ddof=1) - np.std(b, ddof=1)) / np.sqrt(len(d))"),
            mistake("the absolute differences are taken: who is better is lost", "d = a - b",
                    "d = np.abs(a - b)"),
            mistake("it is the sum, not the mean", "np.mean(d)", "np.sum(d)"),
            mistake("it is the median, not the mean", "np.mean(d)", "np.median(d)"),
            mistake("only the first run is compared", "np.mean(d)", "d[0]"),
            mistake("it is the difference of the best runs", "np.mean(d)", "np.max(a) - np.max(b)"),
            mistake("the runs are sorted first: a[k] and b[k] are then of different seeds",
                    "d = a - b", "d = np.sort(a) - np.sort(b)"),
            mistake("mean and error are exchanged", "(np.mean(d), " + ERROR + ")",
                    "(" + ERROR + ", np.mean(d))"),
            mistake("it is two errors, not one", ERROR, "2 * " + ERROR),
            mistake("it is 1.96 errors, not one", ERROR, "1.96 * " + ERROR),
        ),
    ),
    Task(
        "verdict", _mean, "1, 0 or -1", cases=MEANS,
        hints=("First: is abs(mean) at most 2 * error? Then 0. Else the sign of the mean.",),
        mistakes=(
            mistake("any difference counts: the error is not looked at", "abs(mean) <= 2 * error",
                    "mean == 0"),
            mistake("one error is enough: two are needed", "2 * error", "error"),
            mistake("three errors are asked for", "2 * error", "3 * error"),
            mistake("half an error is enough", "2 * error", "error / 2"),
            mistake("1 and -1 are exchanged", "mean > 0", "mean < 0"),
            mistake("b is never better: abs is missing, or there is no -1", "abs(mean)", "mean"),
            mistake("-1 never comes: b better counts as 1", "1 if mean > 0 else -1", "1"),
            mistake("it is 0 where the difference is sure", "<=", ">"),
            mistake("the mean itself is returned", "1 if mean > 0 else -1", "mean"),
            mistake("the number of errors is returned", "1 if mean > 0 else -1", "mean / error"),
            mistake("the mean is compared with a fixed number, not with 2 * error", "2 * error", "2"),
            mistake("always 1", "abs(mean) <= 2 * error", "False", "1 if mean > 0 else -1", "1"),
        ),
    ),
)  # fmt: skip
