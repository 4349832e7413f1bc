"""Initial weights and dead units."""

from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Generator
from minitorch_np.learn.inputs import CASES, RANDOM, SQUARE, Sizes, numbers
from minitorch_np.learn.task import Task, mistake

TITLE = "initial weights, and units that are dead"

SHAPES = ((120, 60), (80, 160), (200, 40), (100, 100))


def _shape(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    units, inputs = SHAPES[int(rng.integers(3))] if kind == RANDOM else SHAPES[3]
    return units, inputs, np.random.default_rng(int(rng.integers(2**31)))


def _facts(function: Any, inputs: tuple[Any, ...]) -> Any:
    """What is true of the weights, whichever they are."""
    units, features, rng = inputs
    seed = int(rng.integers(2**31))
    got, rng = function(units, features, np.random.default_rng(seed)), np.random.default_rng(seed)
    if not isinstance(got, np.ndarray) or got.dtype.kind != "f":
        return got
    again, other = function(units, features, rng), function(units, features, rng)
    due = np.sqrt(2 / features)
    return {
        "shape": np.array(got.shape),
        "standard deviation, 1 where it is right": got.std() / due,
        "mean, 1 where it is right": 1 + got.mean() / due,
        "the same for the same seed": np.array(np.array_equal(got, again)),
        "other numbers the next time": np.array(not np.array_equal(got, other)),
        "all units differ": np.array(len(np.unique(got, axis=0)) == len(got)),
    }


def _twins(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    W1: AnyArray = numbers("units", "inputs")(rng, sizes, kind)
    twins = W1[rng.integers(0, len(W1), 2)]
    return (np.concatenate([W1, twins, -W1[:1]]),)


def _dead(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    Z1: AnyArray = numbers("units", "m")(rng, sizes, kind)
    dead = -np.abs(numbers(2, "m")(rng, sizes, kind))
    return (np.concatenate([Z1, dead, -dead[:1]]),)


HE = "rng.normal(size=(units, inputs)) * np.sqrt(2 / inputs)"
CASES_OF_WEIGHTS = tuple(case for case in CASES if case.kind in (RANDOM, SQUARE))

TASKS = (
    Task(
        "he_weights", _shape,
        "an array (units, inputs) with the mean 0 and the standard deviation sqrt(2 / inputs)",
        notes="W(1) is 10 x 784; how it starts is not in the notes (He et al. 2015)",
        observe=_facts, cases=CASES_OF_WEIGHTS, tolerance=0.04,
        hints=(
            "rng.normal(size=(units, inputs)) has the standard deviation 1.",
            "Multiply it by what the standard deviation has to be.",
        ),
        mistakes=(
            mistake("the factor is sqrt(2 / units): the size of a sum depends on the inputs",
                    "2 / inputs", "2 / units"),
            mistake("the 2 is missing: ReLU throws half away (sqrt(1 / inputs) is Xavier's)",
                    "2 / inputs", "1 / inputs"),
            mistake("sqrt is missing: 2 / inputs is the variance, not the standard deviation",
                    "np.sqrt(2 / inputs)", "(2 / inputs)"),
            mistake("the weights are not scaled: their standard deviation is 1",
                    " * np.sqrt(2 / inputs)", ""),
            mistake("it is divided by sqrt(2 / inputs), not multiplied", "* np.sqrt",
                    "/ np.sqrt"),
            mistake("the numbers go from 0 to 1: none is negative (rng.random for rng.normal)",
                    "rng.normal(size=", "rng.random(size="),
            mistake("the numbers go from -0.5 to 0.5, not scaled", HE,
                    "rng.random(size=(units, inputs)) - 0.5"),
            mistake("the numbers go from -0.5 to 0.5, times the factor: their standard deviation "
                    "is 0.29 of what it should be", "rng.normal(size=(units, inputs))",
                    "(rng.random(size=(units, inputs)) - 0.5)"),
            mistake("the numbers go from -1 to 1, times the factor: their standard deviation is "
                    "0.58 of what it should be", "rng.normal(size=(units, inputs))",
                    "rng.uniform(-1, 1, size=(units, inputs))"),
            mistake("all weights are 0: all units stay equal for ever", HE,
                    "np.zeros((units, inputs))"),
            mistake("all weights are 1: all units stay equal for ever", HE,
                    "np.ones((units, inputs))"),
            mistake("all units have the same weights", HE,
                    "np.tile(rng.normal(size=(1, inputs)) * np.sqrt(2 / inputs), (units, 1))"),
            mistake("it is fixed at 0.01, whatever the number of inputs", "np.sqrt(2 / inputs)",
                    "0.01"),
            mistake("it is fixed at 0.1, whatever the number of inputs", "np.sqrt(2 / inputs)",
                    "0.1"),
            mistake("the shape is (inputs, units), not (units, inputs)", "(units, inputs)",
                    "(inputs, units)"),
            mistake("it is sqrt(2 / (inputs + units)), which is Glorot's", "2 / inputs",
                    "2 / (inputs + units)"),
            mistake("it is sqrt(6 / inputs), the range of the uniform version", "2 / inputs",
                    "6 / inputs"),
            mistake("the random numbers do not come from rng", "rng.normal", "np.random.normal"),
            mistake("a generator is made inside, and rng is not used", "rng.normal",
                    "np.random.default_rng(0).normal"),
            mistake("the weights are all positive", HE, f"np.abs({HE})"),
            mistake("it is sqrt(2 * inputs)", "2 / inputs", "2 * inputs"),
            mistake("it is 2 / sqrt(inputs)", "np.sqrt(2 / inputs)", "2 / np.sqrt(inputs)"),
            mistake("it is sqrt(2) / inputs", "np.sqrt(2 / inputs)", "np.sqrt(2) / inputs"),
        ),
    ),
    Task(
        "different_units", _twins, "a whole number: how many different rows W1 has",
        hints=("np.unique(W1, axis=0) are the different rows; len counts them.",),
        mistakes=(
            mistake("different numbers are counted, not rows: axis=0 is missing", ", axis=0", ""),
            mistake("different columns are counted, not rows",
                    "len(np.unique(W1, axis=0))", "np.unique(W1, axis=1).shape[1]"),
            mistake("all rows are counted, twins too", "len(np.unique(W1, axis=0))", "len(W1)"),
            mistake("the rows are returned, not their number", "len(np.unique(W1, axis=0))",
                    "np.unique(W1, axis=0)"),
            mistake("the twins are counted", "len(np.unique(W1, axis=0))",
                    "len(W1) - len(np.unique(W1, axis=0))"),
            mistake("one too few", "len(np.unique(W1, axis=0))", "len(np.unique(W1, axis=0)) - 1"),
            mistake("rows that differ only in sign are counted once", "np.unique(W1",
                    "np.unique(abs(W1)"),
            mistake("rows with the same sum are counted once", "np.unique(W1, axis=0)",
                    "np.unique(W1.sum(axis=1).round(9))"),
            mistake("rows with the same first number are counted once", "np.unique(W1, axis=0)",
                    "np.unique(W1[:, 0])"),
            mistake("rows that have a twin are not counted at all", "len(np.unique(W1, axis=0))",
                    "np.sum(np.unique(W1, axis=0, return_counts=True)[1] == 1)"),
        ),
    ),
    Task(
        "dead_units", _dead, "(units,): True where Z1 <= 0 for all pictures",
        hints=("Z1 <= 0 is True or False for each number; np.all(..., axis=1) asks each row.",),
        mistakes=(
            mistake("one picture with z <= 0 is enough: np.any for np.all", "np.all", "np.any"),
            mistake("it goes down the columns: is a picture 0 for all units?", "axis=1", "axis=0"),
            mistake("one answer for all units: axis=1 is missing", ", axis=1", ""),
            mistake("it is True for the units that live", "np.all(Z1 <= 0, axis=1)",
                    "~np.all(Z1 <= 0, axis=1)"),
            mistake("it is True for the units that are positive for all pictures", "<= 0", "> 0"),
            mistake("z = 0 does not count as dead: ReLU gives 0 there too", "<= 0", "< 0"),
            mistake("only z = 0 counts: Z1 is before ReLU", "<= 0", "== 0"),
            mistake("the mean is looked at, not all pictures", "np.all(Z1 <= 0, axis=1)",
                    "np.mean(Z1, axis=1) <= 0"),
            mistake("their number is returned, not which they are", "np.all(Z1 <= 0, axis=1)",
                    "np.sum(np.all(Z1 <= 0, axis=1))"),
            mistake("their indices are returned, not True or False for each",
                    "np.all(Z1 <= 0, axis=1)", "np.flatnonzero(np.all(Z1 <= 0, axis=1))"),
            mistake("the shape is (units, 1), not (units,)", "axis=1)", "axis=1, keepdims=True)"),
            mistake("the share of pictures is returned", "np.all", "np.mean"),
            mistake("the number of pictures with z <= 0 is returned", "np.all", "np.sum"),
            mistake("only the first picture is looked at", "np.all(Z1 <= 0, axis=1)",
                    "Z1[:, 0] <= 0"),
            mistake("only the last picture is looked at", "np.all(Z1 <= 0, axis=1)",
                    "Z1[:, -1] <= 0"),
            mistake("it is True or False for each number: np.all is missing",
                    "np.all(Z1 <= 0, axis=1)", "Z1 <= 0"),
        ),
    ),
)  # fmt: skip
