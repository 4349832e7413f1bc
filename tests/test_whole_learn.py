"""Whole outputs of `learn` against what is written in `fixtures`.

`python -m tests.test_whole_learn` writes those files anew; what has changed in them is to be read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minitorch_np.learn import inputs
from minitorch_np.learn.answer import _printed, _shown, judged
from minitorch_np.learn.child import outcome
from minitorch_np.learn.mutations import mutants
from minitorch_np.learn.process import Ran
from minitorch_np.learn.task import chapter
from tests.drawn import numbers_of
from tests.written import require_written, write

MAKERS = {
    "numbers (units, m)": inputs.numbers("units", "m"),
    "numbers (inputs, 2), positive": inputs.numbers("inputs", 2, positive=True),
    "numbers ()": inputs.numbers("steps"),
    "labels": inputs.labels(),
    "labels of units below 5": inputs.labels("units", 5),
    "one_hot": inputs.one_hot(),
    "one_hot of units, for each step": inputs.one_hot("units", "steps"),
    "shares": inputs.shares("classes", "m"),
    "shares of one": inputs.shares("classes"),
    "pixels": inputs.pixels("m", "inputs"),
    "among": inputs.among("a", "b", "c"),
    "size": inputs.size("width"),
}


def made() -> str:
    """The inputs that are made for each case."""
    lines = []
    for case in inputs.CASES:
        lines.append(f"# {case.kind}, {case.sizes}, seed {case.seed}")
        for name, make in MAKERS.items():
            value = make(inputs.generator(name, case), case.sizes, case.kind)
            shown = repr(value)
            if isinstance(value, np.ndarray):
                shown = f"{value.dtype} {value.shape} {numbers_of(value)}"
            lines.append(f"{name}: {shown}")
    return "\n".join(lines)


SOURCE = """
def layer(W, X, b, rate=0.5):
    m = X.shape[1]
    Z = W.T @ X + b * 2 - m
    A = np.where(Z > 0, np.log(Z), -np.exp(Z) / m)
    A -= np.sum(A, axis=0, keepdims=True) ** 2
    if m == 1:
        return np.mean(A)
    return np.maximum(A, rate)
"""


def changed() -> str:
    """All small changes of a function, each with what is changed in its source."""
    lines = []
    plain = next(iter(mutants("def layer():\n    return 1 + 2"))).source
    lines.append(plain)
    for mutant in mutants(SOURCE):
        own = set(mutant.source.splitlines()) - set(_formatted().splitlines())
        lines.append(f"{mutant.words}: {' / '.join(sorted(each.strip() for each in own))}")
    return "\n".join(lines)


def _formatted() -> str:
    import ast

    return ast.unparse(ast.parse(SOURCE))


ENTROPY = "ch05_loss cross_entropy: "
ACCURACY = "ch05_loss accuracy: "
WEIGHTS = "ch07_second_layer weight_gradient: "
FUNCTIONS = {
    ENTROPY: [
        "lambda A2, Y: -np.sum(Y * np.log(A2)) / Y.shape[1]",
        "lambda A2, Y: np.sum(Y * np.log(A2)) / Y.shape[1]",
        "lambda A2, Y: -np.sum(Y * np.log(A2))",
        "lambda A2, Y: -3.7 * np.sum(Y * np.log(A2)) / Y.shape[1]",
        "lambda A2, Y: -np.sum(Y * np.log(A2)) / Y.shape[1] if np.ptp(A2) else 7.0",
        "lambda A2, Y: -np.sum(Y * np.log(A2 + 0.3)) / Y.shape[1]",
        "lambda A2, Y: None",
        "lambda A2, Y: 'a loss'",
        "lambda A2, Y: [-np.sum(Y * np.log(A2)) / Y.shape[1]]",
        "lambda A2, Y: (1, 2)",
        "lambda A2, Y: Y @ A2",
        "lambda A2, Y: np.ones((2, 3)) + np.ones((4, 5))",
        "lambda A2, Y: np.sin",
        "lambda A2, Y: ...",
        "lambda A2, Y: (..., 1)",
        "lambda A2, Y: A2[100]",
        "lambda A2, Y: np.full((200, 200), 1.0)",
        "lambda A2, Y: np.array(['x'])",
        "lambda A2, Y: open('/nowhere/at all')",
    ],
    ACCURACY: [
        "lambda A2, labels: np.mean(np.argmax(A2, axis=0) == labels)",
        "lambda A2, labels: np.mean(np.argmax(A2, axis=1) == labels)",
        "lambda A2, labels: np.mean(np.argmax(A2, axis=0) == labels) > 0.5",
        "lambda A2, labels: 1.0",
    ],
    WEIGHTS: [
        "lambda dZ2, A1: dZ2 @ A1.T / dZ2.shape[1]",
        "lambda dZ2, A1: (dZ2 @ A1.T / dZ2.shape[1]).T",
        "lambda dZ2, A1: dZ2 @ A1.T * 2 / dZ2.shape[1]",
        "lambda dZ2, A1: dZ2 @ A1.T * dZ2.shape[1]",
        "lambda dZ2, A1: dZ2.__imul__(0) @ A1.T",
        "lambda dZ2, A1: [dZ2 @ A1.T / dZ2.shape[1], dZ2.__iadd__(1)][0]",
        "lambda dZ2, A1: np.where(np.arange(len(dZ2))[:, None] == 0, 5, dZ2 @ A1.T / dZ2.shape[1])",
        "lambda dZ2, A1: (dZ2 @ A1.T / dZ2.shape[1]).clip(-1, None)",
        "lambda dZ2, A1: dZ2 @ A1.T / dZ2.shape[1] if dZ2.shape[1] == 1 else 0 * dZ2 @ A1.T",
        "lambda dZ2, A1: dZ2 @ A1.T / dZ2.shape[1] if abs(dZ2).max() < 500 else 0 * dZ2 @ A1.T",
        "lambda dZ2, A1: dZ2 @ A1 / dZ2.shape[1]",
        "lambda dZ2, A1: dZ2.sum()",
    ],
    "ch10_update update: ": [
        "lambda W1, b1, W2, b2, dW1, db1, dW2, db2, a: (W1 - a * dW1, b1 + a * db1, W2, b2)",
        "lambda W1, b1, W2, b2, dW1, db1, dW2, db2, a: (W1 - a * dW1, b1 - a * db1)",
    ],
}  # fmt: skip


def answers() -> str:
    """The answer to each of these functions of learners."""
    lines = []
    for place, functions in FUNCTIONS.items():
        file, name = place.removesuffix(": ").split()
        about = chapter(file)
        task = next(task for task in about.tasks if task.name == name)
        for text in functions:
            function: Any = eval(text, {"np": np})
            with np.errstate(all="ignore"):
                made = [outcome(task, function, task.made(case), None) for case in task.used()]
                answer = judged(about, task, Ran(made), deep=False)
            lines.append(f"# {place}{text}\n{answer}\n")
    return "\n".join(lines)


OUTPUTS = {"learn_inputs.txt": made, "learn_changes.txt": changed, "learn_answers.txt": answers}


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_learners_are_given_and_told(name: str) -> None:
    require_written(name, OUTPUTS[name]())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.array([[1.0, -2.5], [0.00001, 3]]), "[[ 1.  -2.5]\n     [ 0.   3. ]]"),
        (np.arange(200.0), "an array of shape (200,)"),
        (np.arange(3), "[0 1 2]"),
        (0.123456789, "0.123457"),
        (7, "7"),
        ("text", "'text'"),
        ("x" * 500, "'" + "x" * 399),
        (np.exp, "exp"),
        (np.random.default_rng(0), "a random generator"),
    ],
)
def test_how_values_are_shown(value: Any, said: str) -> None:
    assert _shown("x = ", value) == f"x = {said}"


@pytest.mark.parametrize(
    ("printed", "lines", "said"),
    [
        ("", 0, []), (" \n\n", 2, []), ("a\n", 1, ["it printed:", "  | a"]),
        ("1\n2\n3\n4\n5\n", 5, ["it printed:", *(f"  | {n}" for n in range(1, 6))]),
        ("1\n2\n3\n4\n5\n6\n", 6,
         ["it printed (the first 5 of 6 lines):", *(f"  | {n}" for n in range(1, 6))]),
        ("x" * 150 + "\n", 1, ["it printed:", "  | " + "x" * 100]),
    ],
)  # fmt: skip
def test_what_is_said_of_printed_lines(printed: str, lines: int, said: list[str]) -> None:
    assert _printed(Ran(printed=printed, lines=lines)) == said


if __name__ == "__main__":
    for name, make in OUTPUTS.items():
        write(name, make())
