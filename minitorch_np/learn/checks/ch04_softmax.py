"""Softmax, and why the maximum is subtracted."""

from minitorch_np.learn.inputs import numbers
from minitorch_np.learn.task import Task, mistake

TITLE = "softmax, and why the maximum is subtracted"

E = "E = np.exp(Z - np.max(Z, axis=0, keepdims=True))"
SUM = "np.sum(E, axis=0, keepdims=True)"

TASKS = (
    Task(
        "softmax",
        (numbers("classes", "m"),),
        "an array (classes, m): in each column positive numbers that add up to 1",
        notes="e^z_i / sum over j of e^z_j",
        hints=(
            "First the exponentials of all numbers, then each divided by its column's sum.",
            "axis=0 goes down a column: np.sum(E, axis=0, keepdims=True) has the shape (1, m).",
            "Subtract the column's largest number before exp: Z - np.max(Z, axis=0, keepdims=True).",
        ),
        mistakes=(
            mistake("the sum goes along a row (axis 1), over the pictures, not down a column "
                    "(axis 0), over the classes", "np.sum(E, axis=0", "np.sum(E, axis=1"),
            mistake("the sum goes over all pictures together, not over each column: "
                    "`axis=0` is missing", SUM, "np.sum(E)"),
            mistake("the maximum is not subtracted: exp overflows for large numbers, and inf / inf "
                    "is not a number", E, "E = np.exp(Z)"),
            mistake("the maximum of all numbers is subtracted, not each column's: in a column "
                    "of much smaller numbers all become 0, and 0 / 0 is not a number",
                    "np.max(Z, axis=0, keepdims=True)", "np.max(Z)"),
            mistake("the maximum of each row (axis 1) is subtracted, not of each column "
                    "(axis 0)", "np.max(Z, axis=0", "np.max(Z, axis=1"),
            mistake("maximum and sum both go along a row (axis 1), over the pictures, not down "
                    "a column (axis 0), over the classes", "axis=0", "axis=1"),
            mistake("the sum goes along a row (axis 1) and the maximum is not subtracted",
                    E, "E = np.exp(Z)", SUM, "np.sum(E, axis=1, keepdims=True)"),
            mistake("the sum goes over all pictures together, and the maximum is not subtracted",
                    E, "E = np.exp(Z)", SUM, "np.sum(E)"),
            mistake("it is divided by the sum of the z, not of their exponentials", SUM,
                    "np.sum(Z, axis=0, keepdims=True)"),
            mistake("it is not divided by the sum (or by the largest of the column): the columns do not add up to 1", " / " + SUM, ""),
            mistake("there is no division by the sum, and the maximum is not subtracted", E,
                    "E = np.exp(Z)", " / " + SUM, ""),
            mistake("it is divided by the mean, not by the sum", "np.sum(E", "np.mean(E"),
            mistake("the exponential is missing: z / sum of z", E, "E = Z"),
            mistake("the maximum is subtracted after the exponential, which changes the result", E,
                    "E = np.exp(Z) - np.max(np.exp(Z), axis=0, keepdims=True)"),
            mistake("the maximum is subtracted, but the exponential is missing", "np.exp(", "("),
            mistake("it is exp(-z): the smallest number gets the largest probability", E,
                    "E = np.exp(-Z - np.max(-Z, axis=0, keepdims=True))"),
            mistake("the maximum is subtracted in the numerator alone: below it stands exp(z)", SUM,
                    "np.sum(np.exp(Z), axis=0, keepdims=True)"),
            mistake("the sum in the denominator has the maximum subtracted, but not the exponential "
                    "above", "return E", "return np.exp(Z)"),
            mistake("it is a sigmoid of each number: the columns do not add up to 1", "return E / "
                    + SUM, "return 1 / (1 + np.exp(-Z))"),
            mistake("the logarithm is returned: log-softmax", "return E / " + SUM,
                    "return np.log(E / " + SUM + ")"),
            mistake("the largest becomes 1 and the others 0: that is the prediction, not the "
                    "probabilities", "return E / " + SUM,
                    "return np.eye(len(Z))[:, np.argmax(Z, axis=0)]"),
            mistake("the minimum is subtracted, not the maximum: exp still overflows",
                    "np.max(Z", "np.min(Z"),
            mistake("softmax is applied twice", "return E / " + SUM,
                    "E = np.exp(E / " + SUM + ")\n    return E / " + SUM),
            mistake("it is 2^z, not e^z", "np.exp(", "np.exp2("),
        ),
    ),
)  # fmt: skip
