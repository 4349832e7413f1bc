"""dW2, db2, and where 1/m belongs."""

from minitorch_np.learn.checks.gradients import of_biases, of_weights
from minitorch_np.learn.inputs import numbers
from minitorch_np.learn.task import Task

TITLE = "dW2 and db2, and where 1/m belongs"

TASKS = (
    Task(
        "weight_gradient",
        (numbers("classes", "m"), numbers("units", "m")),
        "dW2 of shape (classes, units), as W2: 1/m dZ2 A1^T",
        notes="dW(2) = 1/m dZ(2) A(1)T, 10 x 10",
        hints=(
            "Shapes first: (classes, m) @ (m, units). A1 is (units, m), so it is transposed.",
            "m is the number of pictures: dZ2.shape[1]. Divide the product by it, once.",
        ),
        mistakes=of_weights("dZ2", "A1"),
    ),
    Task(
        "bias_gradient",
        (numbers("classes", "m"),),
        "db2 of shape (classes, 1), as b2: the mean of dZ2 over the pictures",
        notes="db(2) = 1/m sum of dZ(2), 10 x 1 (the mean with its sign, not of absolute errors)",
        hints=(
            "np.sum(dZ2, axis=1) goes along a row, over the pictures.",
            "keepdims=True keeps the shape (classes, 1). Then divide by m.",
        ),
        mistakes=of_biases("dZ2"),
    ),
)
