"""The update, and the loop."""

from minitorch_np.learn.checks.ch09_first_layer import PARAMETERS
from minitorch_np.learn.inputs import among
from minitorch_np.learn.task import Mistake, Task, mistake

TITLE = "the update: W := W - alpha dW"

EACH = ("W1", "b1", "W2", "b2")


def _each(words: str, form: str) -> tuple[Mistake, ...]:
    """A mistake in one of the four updates."""
    return tuple(
        mistake(words.format(n), f"{n} = {n} - alpha * d{n}", f"{n} = " + form.format(n))
        for n in EACH
    )


def _all(words: str, form: str) -> Mistake:
    pieces = [(f"{n} = {n} - alpha * d{n}", f"{n} = " + form.format(n)) for n in EACH]
    return Mistake(words, tuple(pieces))


TASKS = (
    Task(
        "update",
        (*PARAMETERS, *PARAMETERS, among(0.1, 0.5, 0.03)),
        "the new W1, b1, W2, b2: each parameter minus alpha times its gradient",
        notes="W(1) := W(1) - alpha dW(1), b(1) := b(1) - alpha db(1), same; W(2), b(2)",
        outputs=EACH,
        hints=(
            "Four lines, one for each parameter: W1 = W1 - alpha * dW1.",
            "At the end: return W1, b1, W2, b2.",
        ),
        mistakes=(
            _all("the sign is wrong: `+ alpha` climbs, and the loss grows", "{0} + alpha * d{0}"),
            _all("alpha is missing", "{0} - d{0}"),
            _all("it is divided by alpha, not multiplied", "{0} - d{0} / alpha"),
            _all("the parameters are multiplied by alpha too: alpha (W - dW)",
                 "alpha * ({0} - d{0})"),
            _all("alpha is at the parameter, not at the gradient: alpha W - dW",
                 "alpha * {0} - d{0}"),
            _all("the parameter is multiplied by 1 - alpha dW, not lowered by alpha dW",
                 "{0} * (1 - alpha * d{0})"),
            _all("it is alpha dW - W: the two are exchanged", "alpha * d{0} - {0}"),
            _all("only the step is returned: the parameter it starts from is missing",
                 "-alpha * d{0}"),
            _all("only alpha times the gradient is returned", "alpha * d{0}"),
            _all("the sign of the gradient alone counts", "{0} - alpha * (d{0} > 0) + alpha * (d{0} < 0)"),
            _all("the step is made twice", "{0} - 2 * alpha * d{0}"),
            _all("alpha is squared", "{0} - alpha ** 2 * d{0}"),
            _all("alpha is fixed at 0.01: the argument is not used", "{0} - 0.01 * d{0}"),
            _all("alpha is fixed at 0.1: the argument is not used", "{0} - 0.1 * d{0}"),
            *_each("{0} is not updated", "{0}"),
            *_each("the sign is wrong for {0}", "{0} + alpha * d{0}"),
            *_each("alpha is missing for {0}", "{0} - d{0}"),
            mistake("b1 and b2 are not updated", "b1 - alpha * db1", "b1", "b2 - alpha * db2", "b2"),
            mistake("W2 and b2 are not updated", "W2 - alpha * dW2", "W2", "b2 - alpha * db2", "b2"),
            mistake("W1 and b1 are not updated", "W1 - alpha * dW1", "W1", "b1 - alpha * db1", "b1"),
            mistake("W1 and W2 are not updated", "W1 - alpha * dW1", "W1", "W2 - alpha * dW2", "W2"),
            mistake("alpha is missing for b1 and b2", "alpha * db1", "db1", "alpha * db2", "db2"),
            mistake("the sign is wrong for b1 and b2", "b1 - alpha", "b1 + alpha", "b2 - alpha",
                    "b2 + alpha"),
            mistake("nothing is updated: the old parameters are returned", "- alpha", "- 0 * alpha"),
            mistake("the results are in another order: W1, W2, b1, b2", "return (W1, b1, W2, b2)",
                    "return (W1, W2, b1, b2)"),
            mistake("the results are in another order: W2, b2, W1, b1", "return (W1, b1, W2, b2)",
                    "return (W2, b2, W1, b1)"),
            mistake("the results are in another order: b1, W1, b2, W2", "return (W1, b1, W2, b2)",
                    "return (b1, W1, b2, W2)"),
            mistake("the gradients are returned, not the parameters", "return (W1, b1, W2, b2)",
                    "return (dW1, db1, dW2, db2)"),
            mistake("db1 and db2 are exchanged", "alpha * db1", "alpha * db_", "alpha * db2",
                    "alpha * db1", "db_", "db2"),
            mistake("dW1 and dW2 are exchanged", "alpha * dW1", "alpha * dW_", "alpha * dW2",
                    "alpha * dW1", "dW_", "dW2"),
        ),
    ),
)  # fmt: skip
