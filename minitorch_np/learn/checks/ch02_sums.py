"""Z1 = W1 X + b1, and broadcasting."""

from minitorch_np.learn.inputs import among, numbers
from minitorch_np.learn.task import Task, mistake

TITLE = "weighted sums: Z1 = W1 X + b1, and broadcasting"

TASKS = (
    Task(
        "one_unit",
        (numbers("inputs"), numbers("inputs"), among(0.5, -1.0, 2.0, 3.0)),
        "a number: the sum of the products w[k] x[k], plus b",
        notes="Z(1) = W(1) . A(0) + b(1), for one row of W and one column of A",
        hints=(
            "`w * x` multiplies entry by entry; then all products are added up, and b once.",
            "`np.sum(w * x)`, or a loop that starts from 0 and adds w[k] * x[k].",
        ),
        mistakes=(
            mistake("the bias b is missing", " + b", ""),
            mistake(
                "b is added to each product, so it counts once for each input",
                "np.sum(w * x) + b", "np.sum(w * x + b)",
            ),
            mistake("the products are not added up", "np.sum(w * x) + b", "w * x + b"),
            mistake(
                "the sums are multiplied, not the entries",
                "np.sum(w * x)", "np.sum(w) * np.sum(x)",
            ),
            mistake("it is a mean, not a sum", "np.sum", "np.mean"),
            mistake("the last input is left out", "w * x", "w[:-1] * x[:-1]"),
            mistake("the first input is left out", "w * x", "w[1:] * x[1:]"),
            mistake("only the first input is used", "np.sum(w * x)", "w[0] * x[0]"),
            mistake("only the last input is used", "np.sum(w * x)", "w[-1] * x[-1]"),
            mistake(
                "weights and inputs are added, not multiplied", "w * x", "w + x"
            ),
            mistake(
                "it is an outer product, all weights by all inputs",
                "np.sum(w * x)", "np.outer(w, x)",
            ),
            mistake(
                "the bias is multiplied, not added", " + b", " * b"
            ),
            mistake("the bias is subtracted, not added", " + b", " - b"),
        ),
    ),
    Task(
        "weighted_sums",
        (numbers("units", "inputs"), numbers("inputs", "m"), numbers("units", 1)),
        "Z of shape (units, m): a row for each unit, a column for each picture",
        notes="Z(1) = W(1) . A(0) + b(1), 10 x 784 . 784 x m + 10 x 1 => 10 x m",
        hints=(
            "`@` multiplies matrices: (units, inputs) @ (inputs, m) gives (units, m).",
            "b has the shape (units, 1); `+` adds it to each column by broadcasting.",
        ),
        mistakes=(
            mistake("the bias b is missing", " + b", ""),
            mistake(
                "`*` (entry by entry) stands where the matrix product `@` belongs",
                "W @ A", "W * A",
            ),
            mistake("W is transposed in the product", "W @ A", "W.T @ A"),
            mistake("A is transposed in the product", "W @ A", "W @ A.T"),
            mistake("W and A are exchanged: A W, not W A", "W @ A", "A @ W"),
            mistake(
                "the product is transposed: A.T W, which has samples in rows",
                "W @ A + b", "A.T @ W.T + b.T",
            ),
            mistake(
                "the bias is a row, (units,) or (1, units), so it is added along the columns: to "
                "picture j goes the bias of unit j", " + b", " + b.T",
            ),
            mistake("only the first unit's bias is added, to all units", " + b", " + b[0]"),
            mistake("the sum of all biases is added to each unit", " + b", " + b.sum()"),
            mistake("the mean of all biases is added to each unit", " + b", " + b.mean()"),
            mistake("the bias is added to the first picture alone", "return W @ A + b",
                    "Z = W @ A\n    Z[:, :1] += b\n    return Z"),
            mistake("the bias is subtracted, not added", " + b", " - b"),
            mistake("the bias is added twice", " + b", " + 2 * b"),
            mistake("the bias is multiplied, not added", " + b", " * b"),
            mistake(
                "b is added before the product: to the weights",
                "W @ A + b", "(W + b) @ A",
            ),
            mistake(
                "b is added once for each input, inside the sum",
                " + b", " + W.shape[1] * b",
            ),
            mistake(
                "the sum is divided by the number of inputs: a mean, not a sum",
                "W @ A", "W @ A / W.shape[1]",
            ),
            mistake(
                "the sum is divided by the number of pictures: 1/m belongs to the gradients",
                "W @ A", "W @ A / A.shape[1]",
            ),
            mistake("the last input is left out", "W @ A", "W[:, :-1] @ A[:-1]"),
            mistake("only the last input is used, as when a loop replaces and does not add up",
                    "W @ A", "W[:, -1:] @ A[-1:]"),
            mistake("only the first input is used", "W @ A", "W[:, :1] @ A[:1]"),
            mistake("the first input is left out", "W @ A", "W[:, 1:] @ A[1:]"),
            mistake(
                "ReLU is already applied: Z is before the activation",
                "W @ A + b", "np.maximum(W @ A + b, 0)",
            ),
            mistake(
                "the product is summed over the pictures: one column is left of m",
                "W @ A + b", "(W @ A + b).sum(axis=1, keepdims=True)",
            ),
        ),
    ),
)  # fmt: skip
