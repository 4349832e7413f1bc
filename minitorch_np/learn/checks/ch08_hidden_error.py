"""dZ1 = W2^T dZ2 * g'(Z1)."""

from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Generator
from minitorch_np.learn.inputs import LARGE, RANDOM, Sizes, numbers
from minitorch_np.learn.task import Task, mistake

TITLE = "dZ1: back through the weights, and g'(Z1)"


def sigmoid(Z: AnyArray) -> Any:
    """1 / (1 + exp(-z)), for all z."""
    return 0.5 * (1 + np.tanh(0.5 * Z))


def sigmoid_derivative(Z: AnyArray) -> Any:
    """s (1 - s)."""
    return sigmoid(Z) * (1 - sigmoid(Z))


def tanh_derivative(Z: AnyArray) -> Any:
    """1 - tanh^2."""
    return 1 - np.tanh(Z) ** 2


def _inputs(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    W2 = numbers("classes", "units")(rng, sizes, kind)
    dZ2 = numbers("classes", "m")(rng, sizes, kind)
    Z1 = numbers("units", "m")(rng, sizes, RANDOM if kind == LARGE else kind)
    if sizes["m"] % 2:
        return W2, dZ2, Z1, sigmoid(Z1), sigmoid_derivative
    return W2, dZ2, Z1, np.tanh(Z1), tanh_derivative


BACK = (
    mistake("W2 is not transposed", "W2.T", "W2"),
    mistake("the product is transposed: samples in rows", "W2.T @ dZ2", "(W2.T @ dZ2).T"),
    mistake("W2 and dZ2 are exchanged: dZ2^T W2 has samples in rows", "W2.T @ dZ2", "dZ2 @ W2"),
    mistake("dZ2 is transposed and not W2", "W2.T @ dZ2", "W2 @ dZ2.T"),
    mistake("dZ2 is transposed too", "W2.T @ dZ2", "W2.T @ dZ2.T"),
    mistake("a 1/m too much: it belongs to dW and db alone", "W2.T @ dZ2",
            "W2.T @ dZ2 / dZ2.shape[1]"),
    mistake("the sign is wrong", "W2.T @ dZ2", "-W2.T @ dZ2"),
    mistake("`*` (entry by entry) stands where the matrix product `@` belongs", "W2.T @ dZ2",
            "W2.T * dZ2"),
    mistake("it is divided by the number of classes: a sum, not a mean, goes over the outputs",
            "W2.T @ dZ2", "W2.T @ dZ2 / len(dZ2)"),
    mistake("the weights' signs are lost: abs(W2)", "W2.T", "abs(W2).T"),
    mistake("the weights are squared", "W2.T", "(W2 ** 2).T"),
    mistake("the first output alone is used", "W2.T @ dZ2", "W2[:1].T @ dZ2[:1]"),
    mistake("the last output alone is used, as when a loop replaces and does not add up",
            "W2.T @ dZ2", "W2[-1:].T @ dZ2[-1:]"),
)  # fmt: skip

TASKS = (
    Task(
        "back_to_outputs", (numbers("classes", "units"), numbers("classes", "m")),
        "dA1 of shape (units, m): W2^T dZ2",
        notes="W(2)T . dZ(2): W(2)T means transpose of weights of 2nd layer",
        hints=("(units, classes) @ (classes, m): W2 is (classes, units), so it is transposed.",),
        mistakes=BACK,
    ),
    Task(
        "hidden_error", _inputs, "dZ1 of shape (units, m): W2^T dZ2 * g'(Z1)",
        notes="dZ(1) = W(2)T dZ(2) * g'(Z(1))",
        hints=(
            "First dA1 = W2.T @ dZ2. Then multiply entry by entry.",
            "g' comes as a function: g_derivative(Z1) is an array of the shape of Z1.",
        ),
        mistakes=(
            mistake("g' is taken at A1, not at Z1", "(Z1)", "(A1)"),
            mistake("g'(Z1) is missing", " * g_derivative(Z1)", ""),
            mistake("it is multiplied by Z1, not by g'(Z1)", "g_derivative(Z1)", "Z1"),
            mistake("it is multiplied by A1 = g(Z1), not by g'(Z1)", "g_derivative(Z1)", "A1"),
            mistake("ReLU's derivative (Z1 > 0) is used, not the g' that is handed in",
                    "g_derivative(Z1)", "(Z1 > 0)"),
            mistake("ReLU's derivative (A1 > 0) is used, not the g' that is handed in",
                    "g_derivative(Z1)", "(A1 >= 0)"),
            mistake("Sigmoid's derivative A1 (1 - A1) is used, not the g' that is handed in",
                    "g_derivative(Z1)", "A1 * (1 - A1)"),
            mistake("tanh's derivative 1 - A1^2 is used, not the g' that is handed in",
                    "g_derivative(Z1)", "(1 - A1 ** 2)"),
            mistake("g' is taken of the error: g'(W2^T dZ2)", "W2.T @ dZ2 * g_derivative(Z1)",
                    "g_derivative(W2.T @ dZ2)"),
            mistake("g' is taken of the error, and multiplied with it",
                    "g_derivative(Z1)", "g_derivative(W2.T @ dZ2)"),
            mistake("g' is added, not multiplied", "* g_d", "+ g_d"),
            mistake("it is divided by g'(Z1)", "* g_d", "/ g_d"),
            mistake("g'(Z1) is there twice", "* g_derivative(Z1)", "* g_derivative(Z1) ** 2"),
            mistake("g'(Z1) is multiplied by `@`, not entry by entry by `*`", "* g_d", "@ g_d"),
            mistake("g' is taken of the derivative again", "g_derivative(Z1)",
                    "g_derivative(g_derivative(Z1))"),
            mistake("W2 is missing: the error is not sent back through the weights",
                    "W2.T @ dZ2", "dZ2"),
            *BACK,
        ),
    ),
)  # fmt: skip
