"""dW1, db1, and all gradients together."""

from typing import Any

from minitorch_np.arrays import Generator
from minitorch_np.learn.checks.gradients import of_biases, of_weights
from minitorch_np.learn.inputs import LARGE, ONES, RANDOM, Sizes, numbers, one_hot
from minitorch_np.learn.task import Task, mistake

TITLE = "dW1 and db1, and all gradients together"

PARAMETERS = (
    numbers("units", "inputs"), numbers("units", 1), numbers("classes", "units"),
    numbers("classes", 1),
)  # fmt: skip


def network(rng: Generator, sizes: Sizes, kind: str) -> tuple[Any, ...]:
    """X, Y, W1, b1, W2, b2 of about size 1, so that softmax does not only give 0 and 1."""
    kind = RANDOM if kind in (LARGE, "tiny") else kind
    X, Y = numbers("inputs", "m")(rng, sizes, kind), one_hot()(rng, sizes, kind)
    return (X, Y, *(make(rng, sizes, RANDOM if kind == ONES else kind) for make in PARAMETERS))


M1, M2 = "dZ1 @ X.T / m", "dZ2 @ A1.T / m"
B1, B2 = "np.sum(dZ1, axis=1, keepdims=True) / m", "np.sum(dZ2, axis=1, keepdims=True) / m"

TASKS = (
    Task(
        "first_weight_gradient", (numbers("units", "m"), numbers("inputs", "m")),
        "dW1 of shape (units, pixels), as W1: 1/m dZ1 X^T",
        notes="dW(1) = 1/n dZ(1) XT (10 x 784; 10 x 10 is a slip in the notes)",
        hints=("As dW2 in chapter 7, with X in the place of A1.",),
        mistakes=of_weights("dZ1", "X"),
    ),
    Task(
        "first_bias_gradient", (numbers("units", "m"),),
        "db1 of shape (units, 1), as b1: the mean of dZ1 over the pictures",
        notes="db(1) = 1/m sum of dZ(1), 10 x 1",
        hints=("As db2 in chapter 7.",),
        mistakes=of_biases("dZ1"),
    ),
    Task(
        "gradients", network, "dW1, db1, dW2, db2, each of the shape of its parameter",
        notes="Second part: backwards propagation",
        outputs=("dW1", "db1", "dW2", "db2"),
        hints=(
            "Forward: Z1, A1, Z2, A2. Keep all of them: the way back needs Z1, A1 and A2.",
            "Back, in this order: dZ2 = A2 - Y; dW2, db2; dZ1 = W2^T dZ2 * g'(Z1); dW1, db1.",
            "1/m stands in dW2, db2, dW1 and db1, and nowhere else.",
        ),
        mistakes=(
            mistake("the 1/m is missing in all four", " / m", ""),
            mistake("the 1/m is missing in dW1", M1, "dZ1 @ X.T"),
            mistake("the 1/m is missing in dW2", M2, "dZ2 @ A1.T"),
            mistake("the 1/m is missing in db1", B1, B1.removesuffix(" / m")),
            mistake("the 1/m is missing in db2", B2, B2.removesuffix(" / m")),
            mistake("the 1/m is missing in db1 and db2", B1, B1.removesuffix(" / m"), B2,
                    B2.removesuffix(" / m")),
            mistake("the 1/m is missing in dW1 and dW2", M1, "dZ1 @ X.T", M2, "dZ2 @ A1.T"),
            mistake("the 1/m is there twice: dZ2 is divided by m as well", "output_error(A2, Y)",
                    "output_error(A2, Y) / m"),
            mistake("the 1/m is there twice in dW1 and db1: dZ1 is divided by m as well",
                    "relu_derivative)", "relu_derivative) / m"),
            mistake("g'(Z1) is missing in dZ1", "hidden_error(W2, dZ2, Z1, A1, relu_derivative)",
                    "W2.T @ dZ2"),
            mistake("all have the wrong sign, as with dZ2 = Y - A2; the minus comes later, in the update", "output_error(A2, Y)", "Y - A2"),
            mistake("dW2 is made with X in the place of A1", M2, "dZ2 @ X.T / m"),
            mistake("dW2 is made with Z1 in the place of A1", M2, "dZ2 @ Z1.T / m"),
            mistake("dW1 is made with A1 in the place of X", M1, "dZ1 @ A1.T / m"),
            mistake("dW1 is made with dZ2 in the place of dZ1", M1, "dZ2 @ X.T / m"),
            mistake("db1 is made with dZ2 in the place of dZ1", B1, B2),
            mistake("db2 is made with dZ1 in the place of dZ2", B2,
                    "np.sum(hidden_error(W2, dZ2, Z1, A1, relu_derivative), axis=1, keepdims=True) / m"),
            mistake("ReLU is missing: A1 = Z1 in the forward pass", "A1 = relu(Z1)", "A1 = Z1"),
            mistake("softmax is missing: A2 = Z2 in the forward pass", "A2 = softmax(Z2)",
                    "A2 = Z2"),
            mistake("b1 is missing in the forward pass", "weighted_sums(W1, X, b1)", "W1 @ X"),
            mistake("b2 is missing in the forward pass", "weighted_sums(W2, A1, b2)", "W2 @ A1"),
            mistake("both biases are missing in the forward pass", "weighted_sums(W1, X, b1)",
                    "W1 @ X", "weighted_sums(W2, A1, b2)", "W2 @ A1"),
            mistake("the second layer is fed with Z1, not with A1", "weighted_sums(W2, A1, b2)",
                    "weighted_sums(W2, Z1, b2)"),
            mistake("ReLU is applied to Z2 before softmax", "softmax(Z2)", "softmax(relu(Z2))"),
            mistake("softmax goes along a row, over the pictures", "softmax(Z2)", "softmax(Z2.T).T"),
            mistake("W2 is not transposed in dZ1",
                    "hidden_error(W2, dZ2, Z1, A1, relu_derivative)",
                    "hidden_error(W2.T, dZ2, Z1, A1, relu_derivative)"),
            mistake("db1 and db2 have no 1 at the end of their shape: keepdims=True is missing",
                    ", keepdims=True", ""),
            mistake("db1 is one number: the sum over all entries", B1, "np.sum(dZ1) / m"),
            mistake("db2 is one number: the sum over all entries", B2, "np.sum(dZ2) / m"),
            mistake("db1 and db2 are each one number: the sum over all entries", B1,
                    "np.sum(dZ1) / m", B2, "np.sum(dZ2) / m"),
            mistake("db1 and db2 are summed over the wrong axis", "axis=1", "axis=0"),
            mistake("the gradients are in another order: dW2, db2, dW1, db1",
                    "return (dW1, db1, dW2, db2)", "return (dW2, db2, dW1, db1)"),
            mistake("the gradients are in another order: dW1, dW2, db1, db2",
                    "return (dW1, db1, dW2, db2)", "return (dW1, dW2, db1, db2)"),
            mistake("dZ1 is multiplied by A1, not by g'(Z1)",
                    "hidden_error(W2, dZ2, Z1, A1, relu_derivative)", "W2.T @ dZ2 * A1"),
            mistake("dZ1 is multiplied by Z1, not by g'(Z1)",
                    "hidden_error(W2, dZ2, Z1, A1, relu_derivative)", "W2.T @ dZ2 * Z1"),
            mistake("g' is taken at Z2 / the outputs' derivative of a sigmoid is in dZ2",
                    "output_error(A2, Y)", "(A2 - Y) * A2 * (1 - A2)"),
            mistake("dZ2 is twice as large: the squared error's 2 (A2 - Y)",
                    "output_error(A2, Y)", "2 * (A2 - Y)"),
            mistake("m is the number of pixels: X.shape[0] for X.shape[1]", "X.shape[1]",
                    "X.shape[0]"),
            mistake("m is the number of classes: Y.shape[0] for Y.shape[1]", "X.shape[1]",
                    "Y.shape[0]"),
        ),
    ),
)  # fmt: skip
