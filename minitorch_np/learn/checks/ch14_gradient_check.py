"""Finite differences: a gradient check of one's own."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Generator
from minitorch_np.learn.inputs import LARGE, ZEROS, Sizes, numbers
from minitorch_np.learn.task import Task, mistake

TITLE = "finite differences: a gradient check of one's own, and what it can't see"


def _function(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    """f with all derivatives, f(0) not 0, another slope in each entry; and W, h."""
    W: AnyArray = numbers("units", "inputs")(rng, sizes, kind)
    slope, bend = rng.normal(size=W.shape) + 2, rng.normal(size=W.shape) + 1

    def f(W: AnyArray) -> float:
        return float(np.sum(slope * W + bend * W**2 + 0.3 * W**3) + W.sum() ** 2 + 5)

    return f, W, float(rng.choice([0.1, 0.2, 0.05]))


def _pair(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    analytic: AnyArray = numbers("units", "inputs")(rng, sizes, kind)
    error = 0.3 * rng.normal(size=analytic.shape)
    return (analytic, analytic + error) if rng.random() < 0.5 else (analytic + error, analytic)


def _corner(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    make: Callable[..., Any] = numbers("units", "m")
    return make(rng, {**sizes, "m": 2 * sizes["m"]}, kind), float(rng.choice([0.4, 0.8, 1.1]))


DIFFERENCE = "(f(above) - f(below)) / (2 * h)"
SIZE = "size = max(np.max(np.abs(analytic)), np.max(np.abs(numeric)))"
ERROR = "np.max(np.abs(analytic - numeric)) / size"

TASKS = (
    Task(
        "numeric_gradient", _function,
        "an array of the shape of W: (f(W + h) - f(W - h)) / (2 h) for each entry",
        notes="See weights' / biases' contribution to the error",
        without=(LARGE,),
        hints=(
            "gradient = np.zeros_like(W), and a loop: for i in np.ndindex(W.shape) gives all places.",
            "In the loop: a copy of W, W.copy(), in which entry i is h larger; another, h smaller.",
            "gradient[i] = (f(above) - f(below)) / (2 * h)",
        ),
        mistakes=(
            mistake("only one side is used: (f(W + h) - f(W)) / h", DIFFERENCE,
                    "(f(above) - f(W)) / h"),
            mistake("only the side below is used: (f(W) - f(W - h)) / h", DIFFERENCE,
                    "(f(W) - f(below)) / h"),
            mistake("the 2 is missing: from W - h to W + h it is 2 h", "(2 * h)", "h"),
            mistake("brackets are missing: / 2 * h divides by 2 and multiplies by h", "/ (2 * h)",
                    "/ 2 * h"),
            mistake("only one side is used, and divided by 2 h", DIFFERENCE,
                    "(f(above) - f(W)) / (2 * h)"),
            mistake("the division by 2 h is missing", DIFFERENCE, "f(above) - f(below)"),
            mistake("the sign is wrong: below minus above", DIFFERENCE,
                    "(f(below) - f(above)) / (2 * h)"),
            mistake("all entries of W are changed at once, not one at a time",
                    "above[i] = above[i] + h", "above = above + h", "below[i] = below[i] - h",
                    "below = below - h"),
            mistake("W is not put back: entries that were changed before stay changed (+h)",
                    "gradient = np.zeros_like(W)",
                    "gradient = np.zeros_like(W)\n    W = W.copy()", DIFFERENCE,
                    DIFFERENCE + "\n        W[i] += h"),
            mistake("W is not put back: entries that were changed before stay changed (-h)",
                    "gradient = np.zeros_like(W)",
                    "gradient = np.zeros_like(W)\n    W = W.copy()", DIFFERENCE,
                    DIFFERENCE + "\n        W[i] -= h"),
            mistake("above and below are the same array: W is not copied, so + h and - h cancel",
                    DIFFERENCE, "0.0"),
            mistake("only the first entry is computed", "np.ndindex(W.shape)",
                    "list(np.ndindex(W.shape))[:1]"),
            mistake("only the diagonal is computed: both indices run together",
                    "np.ndindex(W.shape)", "zip(range(min(W.shape)), range(min(W.shape)))"),
            mistake("whole rows are changed at once, not one entry: both indices are needed",
                    "for i in np.ndindex(W.shape)", "for i in range(len(W))"),
            mistake("the last row is left out", "np.ndindex(W.shape)",
                    "np.ndindex(W.shape[0] - 1, *W.shape[1:])"),
            mistake("the last column is left out", "np.ndindex(W.shape)",
                    "np.ndindex(*W.shape[:-1], W.shape[-1] - 1)"),
            mistake("it is flat: the shape has to be that of W", "return gradient",
                    "return gradient.reshape(-1)"),
            mistake("entries are multiplied by 1 + h, not raised by h",
                    "above[i] + h", "above[i] * (1 + h)", "below[i] - h", "below[i] * (1 - h)"),
            mistake("it is divided by h^2", "(2 * h)", "(h * h)"),
            mistake("the absolute value is taken: the sign is lost", DIFFERENCE,
                    "abs(f(above) - f(below)) / (2 * h)"),
            mistake("h is fixed, and the argument is not used: 1e-5", DIFFERENCE,
                    "(f(W + 1e-5 * (above - W) / h) - f(W + 1e-5 * (below - W) / h)) / 2e-5"),
            mistake("the second difference is computed", DIFFERENCE,
                    "(f(above) - 2 * f(W) + f(below)) / h ** 2"),
        ),
    ),
    Task(
        "relative_error", _pair,
        "one number: max |analytic - numeric| / max(max |analytic|, max |numeric|)",
        without=(ZEROS,),
        hints=(
            "np.max(np.abs(a)) is the largest entry of an array, without its sign.",
            "Python's max(a, b) takes the larger of two numbers.",
        ),
        mistakes=(
            mistake("it is not divided by the size: an absolute error", " / size", ""),
            mistake("abs is missing in the numerator: the largest difference may be negative",
                    "np.abs(analytic - numeric)", "(analytic - numeric)"),
            mistake("it is the mean difference, not the largest", "np.max(np.abs(analytic - "
                    "numeric))", "np.mean(np.abs(analytic - numeric))"),
            mistake("it is divided by analytic alone", SIZE, "size = np.max(np.abs(analytic))"),
            mistake("it is divided by numeric alone", SIZE, "size = np.max(np.abs(numeric))"),
            mistake("it is divided by the sum of both sizes, not by the larger", SIZE,
                    "size = np.max(np.abs(analytic)) + np.max(np.abs(numeric))"),
            mistake("it is divided by the smaller of both sizes", "size = max(", "size = min("),
            mistake("abs is missing in the denominator", SIZE, "size = max(np.max(analytic), np.max(numeric))"),
            mistake("each entry is divided by its own size, and the largest taken", ERROR,
                    "np.max(np.abs(analytic - numeric) / np.maximum(np.abs(analytic), np.abs(numeric)))"),
            mistake("one error for each entry: np.max is missing in the numerator", ERROR,
                    "np.abs(analytic - numeric) / size"),
            mistake("it is the difference of the largest entries, not the largest difference",
                    ERROR, "abs(np.max(np.abs(analytic)) - np.max(np.abs(numeric))) / size"),
            mistake("norms (roots of sums of squares) are used, not largest entries", ERROR,
                    "np.linalg.norm(analytic - numeric) / max(np.linalg.norm(analytic), np.linalg.norm(numeric))"),
            mistake("norms are used, and their sum in the denominator", ERROR,
                    "np.linalg.norm(analytic - numeric) / (np.linalg.norm(analytic) + np.linalg.norm(numeric))"),
            mistake("sums stand where the largest entries belong", ERROR,
                    "np.sum(np.abs(analytic - numeric)) / max(np.sum(np.abs(analytic)), np.sum(np.abs(numeric)))"),
            mistake("the sum is used, not the difference", "analytic - numeric",
                    "analytic + numeric"),
            mistake("it is squared", ERROR, "(" + ERROR + ") ** 2"),
            mistake("each entry is divided by the sum of both sizes, and the largest taken", ERROR,
                    "np.max(np.abs(analytic - numeric) / (np.abs(analytic) + np.abs(numeric)))"),
        ),
    ),
    Task(
        "at_corner", _corner, "an array of the shape of Z: True where |z| <= h",
        hints=("np.abs(Z) is the distance from 0; compare it with h.",),
        mistakes=(
            mistake("abs is missing: all negative numbers count as near", "np.abs(Z)", "Z"),
            mistake("it is True where ReLU is safe", "<=", ">"),
            mistake("only exactly 0 counts", "np.abs(Z) <= h", "Z == 0"),
            mistake("only the side above 0 counts", "np.abs(Z) <= h", "(Z >= 0) & (Z <= h)"),
            mistake("only the side below 0 counts", "np.abs(Z) <= h", "(Z <= 0) & (Z >= -h)"),
            mistake("one answer for all numbers", "np.abs(Z) <= h", "np.any(np.abs(Z) <= h)"),
            mistake("their number is returned", "np.abs(Z) <= h", "np.sum(np.abs(Z) <= h)"),
            mistake("it is within 2 h", "<= h", "<= 2 * h"),
            mistake("it is within h / 2", "<= h", "<= h / 2"),
            mistake("the square of z is compared with h", "np.abs(Z)", "Z ** 2"),
            mistake("0 itself does not count", "np.abs(Z) <= h", "(np.abs(Z) <= h) & (Z != 0)"),
            mistake("the numbers near 0 are returned, not where they are", "np.abs(Z) <= h",
                    "Z[np.abs(Z) <= h]"),
            mistake("everything above -h counts", "np.abs(Z) <= h", "Z >= -h"),
            mistake("it is the corner at 1, not at 0", "np.abs(Z)", "np.abs(Z - 1)"),
        ),
    ),
)  # fmt: skip
