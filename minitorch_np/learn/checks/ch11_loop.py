"""The step and the loop, to 90 % on the digits."""

from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Generator
from minitorch_np.data import load_mnist
from minitorch_np.learn.checks.ch09_first_layer import network
from minitorch_np.learn.inputs import LARGE, ONES, TIES, ZEROS, Sizes
from minitorch_np.learn.task import Task, mistake

TITLE = "the loop: forward, back, update, to 90 % on the digits"

NAMES = ("W1", "b1", "W2", "b2")
NEEDED = 0.9
"""So many of the digits must a network read."""


def _step(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    return (*network(rng, sizes, kind), float(rng.choice([0.1, 0.3, 0.5])))


def _train(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    return (*_step(rng, sizes, kind), int(rng.integers(2, 6)))


def _predict(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    X, _, *parameters = network(rng, {**sizes, "m": 4 * sizes["m"]}, kind)
    return (X, *parameters)


def first_weights(units: int, pixels: int, rng: Generator) -> tuple[AnyArray, ...]:
    """W1, b1, W2, b2 to begin with."""
    W1 = rng.normal(size=(units, pixels)) * np.sqrt(2 / pixels)
    W2 = rng.normal(size=(10, units)) * np.sqrt(2 / units)
    return W1, np.zeros((units, 1)), W2, np.zeros((10, 1))


def share_read(images: Any, parameters: Any) -> float:
    """The share of images whose class the network says."""
    W1, b1, W2, b2 = parameters
    scores = W2 @ np.maximum(W1 @ images.features().T + b1, 0) + b2
    return float(np.mean(np.argmax(scores, axis=0) == images.labels))


def on_digits(train: Any) -> tuple[str, str]:
    """Train on 1,000 digits, all of them in each step."""
    digits = load_mnist().train.take(slice(1000))
    X, Y = digits.features().T.astype(float), np.eye(10)[digits.labels].T
    start = first_weights(10, 784, np.random.default_rng(0))
    share = share_read(digits, train(X, Y, *start, 0.3, 120))
    said = f"after 120 steps your network reads {share:.1%} of the 1,000 digits that it learnt"
    return ("", said) if share >= NEEDED else (f"{said}; expected {NEEDED:.0%}", "")


def early(X: Any, Y: Any, W1: Any, b1: Any, W2: Any, b2: Any, alpha: float) -> tuple[Any, ...]:
    """The mistake: layer 2 is updated before layer 1's gradients are computed with it."""
    m = X.shape[1]
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    E = np.exp(W2 @ A1 + b2 - np.max(W2 @ A1 + b2, axis=0))
    dZ2 = E / E.sum(axis=0) - Y
    W2 = W2 - alpha * dZ2 @ A1.T / m
    b2 = b2 - alpha * dZ2.mean(axis=1, keepdims=True)
    dZ1 = W2.T @ dZ2 * (Z1 > 0)
    return (
        W1 - alpha * dZ1 @ X.T / m,
        b1 - alpha * dZ1.mean(axis=1, keepdims=True),
        W2,
        b2,
    )


STEP = "return update(W1, b1, W2, b2, dW1, db1, dW2, db2, alpha)"
EARLY = "from minitorch_np.learn.checks.ch11_loop import early\n    return early(X, Y, W1, b1, W2, b2, alpha)"
LOOP = "for _ in range(steps):\n        W1, b1, W2, b2 = step(X, Y, W1, b1, W2, b2, alpha)\n    return (W1, b1, W2, b2)"
INSIDE = "        W1, b1, W2, b2 = step(X, Y, W1, b1, W2, b2, alpha)"

TASKS = (
    Task(
        "step", _step, "the new W1, b1, W2, b2 after one step", outputs=NAMES,
        notes="Forward propagation, back-propagation, update the parameters",
        hints=(
            "Two lines: call gradients(X, Y, W1, b1, W2, b2), which returns four arrays ...",
            "... and return update(W1, b1, W2, b2, dW1, db1, dW2, db2, alpha).",
        ),
        mistakes=(
            mistake("W2 and b2 are updated before dZ1 is computed with W2: all gradients belong to "
                    "the old parameters", STEP, EARLY),
            mistake("the parameters are updated one after the other, each with gradients computed "
                    "anew: all gradients belong to the old parameters, so compute them once", STEP,
                    "W1 = W1 - alpha * gradients(X, Y, W1, b1, W2, b2)[0]\n"
                    "    b1 = b1 - alpha * gradients(X, Y, W1, b1, W2, b2)[1]\n"
                    "    W2 = W2 - alpha * gradients(X, Y, W1, b1, W2, b2)[2]\n"
                    "    b2 = b2 - alpha * gradients(X, Y, W1, b1, W2, b2)[3]\n"
                    "    return (W1, b1, W2, b2)"),
            mistake("layer 1 is updated first, and layer 2 with gradients of the changed network",
                    STEP, "W1, b1 = W1 - alpha * dW1, b1 - alpha * db1\n"
                    "    _, _, dW2, db2 = gradients(X, Y, W1, b1, W2, b2)\n"
                    "    return (W1, b1, W2 - alpha * dW2, b2 - alpha * db2)"),
            mistake("layer 2 is updated first, and layer 1 with gradients of the changed network",
                    STEP, "W2, b2 = W2 - alpha * dW2, b2 - alpha * db2\n"
                    "    dW1, db1, _, _ = gradients(X, Y, W1, b1, W2, b2)\n"
                    "    return (W1 - alpha * dW1, b1 - alpha * db1, W2, b2)"),
            mistake("the sign is wrong: the step goes up, and the loss grows", "dW2, db2, alpha)", "dW2, db2, -alpha)"),
            mistake("alpha is missing", "dW2, db2, alpha)", "dW2, db2, 1)"),
            mistake("alpha is divided by m too: 1/m is in the gradients already", "dW2, db2, alpha)", "dW2, db2, alpha / X.shape[1])"),
            mistake("two steps are made, not one", "dW1, db1, dW2, db2 = gradients",
                    "W1, b1, W2, b2 = update(W1, b1, W2, b2, *gradients(X, Y, W1, b1, W2, b2), alpha)\n"
                    "    dW1, db1, dW2, db2 = gradients"),
            mistake("nothing is updated: the old parameters are returned", STEP,
                    "return (W1, b1, W2, b2)"),
            mistake("the gradients are returned, not the parameters", STEP,
                    "return (dW1, db1, dW2, db2)"),
            mistake("dW1 and dW2 go to the wrong layers' biases or weights: the order of the "
                    "gradients is dW1, db1, dW2, db2", "dW1, db1, dW2, db2 = gradients",
                    "dW2, db2, dW1, db1 = gradients"),
            mistake("layer 1 is not updated", "dW1, db1, dW2, db2, alpha", "0, 0, dW2, db2, alpha"),
            mistake("layer 2 is not updated", "dW1, db1, dW2, db2, alpha", "dW1, db1, 0, 0, alpha"),
            mistake("the biases are not updated", "dW1, db1, dW2, db2, alpha", "dW1, 0, dW2, 0, alpha"),
            mistake("the weights are not updated", "dW1, db1, dW2, db2, alpha", "0, db1, 0, db2, alpha"),
        ),
    ),
    Task(
        "train", _train, "W1, b1, W2, b2 after `steps` steps", outputs=NAMES,
        notes="Repeat all processes for training the model",
        hints=(
            "A loop: for i in range(steps). In it, W1, b1, W2, b2 = step(..., alpha).",
            "Each step starts from the parameters of the one before: use the same four names.",
        ),
        mistakes=(
            mistake("only one step is made: is the `return` inside the loop?", "range(steps)",
                    "range(1)"),
            mistake("one step too many", "range(steps)", "range(steps + 1)"),
            mistake("one step too few", "range(steps)", "range(1, steps)"),
            mistake("twice as many steps", "range(steps)", "range(2 * steps)"),
            mistake("no step is made: the parameters are returned as they came", "range(steps)",
                    "range(0)"),
            mistake("the gradients are computed once, before the loop, and used in each step",
                    LOOP, "g = gradients(X, Y, W1, b1, W2, b2)\n    for _ in range(steps):\n"
                    "        W1, b1, W2, b2 = update(W1, b1, W2, b2, *g, alpha)\n"
                    "    return (W1, b1, W2, b2)"),
            mistake("alpha becomes smaller from step to step: half each time", INSIDE,
                    INSIDE + "\n        alpha = alpha / 2"),
            mistake("alpha is divided by the step's number", "for _ in range(steps):\n" + INSIDE,
                    "for i in range(steps):\n" + INSIDE.replace("alpha)", "alpha / (i + 1))")),
            mistake("alpha is missing", "alpha)\n", "1)\n"),
            mistake("the sign is wrong: the steps go up", "alpha)\n", "-alpha)\n"),
            mistake("W2 and b2 are updated before dZ1 is computed with W2, in each step", INSIDE,
                    "        from minitorch_np.learn.checks.ch11_loop import early\n"
                    + INSIDE.replace("step(", "early(")),
            mistake("only layer 2 learns: the new W1 and b1 are not kept", "W1, b1, W2, b2 = step",
                    "_, _, W2, b2 = step"),
            mistake("only layer 1 learns: the new W2 and b2 are not kept", "W1, b1, W2, b2 = step",
                    "W1, b1, _, _ = step"),
            mistake("the new biases are not kept", "W1, b1, W2, b2 = step", "W1, _, W2, _ = step"),
            mistake("the new weights are not kept", "W1, b1, W2, b2 = step", "_, b1, _, b2 = step"),
            mistake("the gradients are returned, not the parameters", "return (W1, b1, W2, b2)",
                    "return gradients(X, Y, W1, b1, W2, b2)"),
        ),
        second=on_digits,
    ),
    Task(
        "predict", _predict, "the class of each picture, (m,), whole numbers",
        notes="Predict what is written?",
        hints=(
            "Forward: Z1, A1 = relu(Z1), Z2. Then np.argmax(Z2, axis=0).",
        ),
        without=(ZEROS, TIES, LARGE, ONES),
        mistakes=(
            mistake("argmax goes along a row (axis 1), over the pictures", "axis=0", "axis=1"),
            mistake("argmax without axis=0 gives one number for all pictures", ", axis=0", ""),
            mistake("ReLU is missing", "relu(weighted_sums(W1, X, b1))", "weighted_sums(W1, X, b1)"),
            mistake("b1 is missing", "X, b1", "X, 0 * b1"),
            mistake("b2 is missing", "b1)), b2", "b1)), 0 * b2"),
            mistake("both biases are missing", "X, b1", "X, 0 * b1", "b1)), b2", "b1)), 0 * b2"),
            mistake("the largest number is returned, not its row", "argmax", "max"),
            mistake("the row of the smallest number is returned: argmin for argmax", "argmax",
                    "argmin"),
            mistake("all numbers are returned: argmax is missing", "return np.argmax(Z2, axis=0)",
                    "return Z2"),
            mistake("classes are counted from 1", "return np.argmax(Z2, axis=0)",
                    "return np.argmax(Z2, axis=0) + 1"),
            mistake("it is one-hot, not the class's number", "return np.argmax(Z2, axis=0)",
                    "return 1.0 * (Z2 == Z2.max(axis=0))"),
            mistake("layer 1's largest unit is returned: the second layer is missing",
                    "weighted_sums(W2, relu(weighted_sums(W1, X, b1)), b2)",
                    "relu(weighted_sums(W1, X, b1))"),
            mistake("the result is (1, m), not (m,)", "axis=0)", "axis=0, keepdims=True)"),
            mistake("the result is (m, 1), not (m,)", "np.argmax(Z2, axis=0)",
                    "np.argmax(Z2, axis=0).reshape(-1, 1)"),
            mistake("softmax goes along the pictures before argmax", "return np.argmax(Z2, axis=0)",
                    "E = np.exp(Z2 - Z2.max())\n    return np.argmax(E / E.sum(axis=1, keepdims=True), axis=0)"),
        ),
    ),
)  # fmt: skip
