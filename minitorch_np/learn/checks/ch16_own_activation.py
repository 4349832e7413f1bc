"""An Activation of one's own."""

from typing import Any

from minitorch_np.gradcheck.check import gradcheck as check_gradients
from minitorch_np.learn.inputs import LARGE, numbers
from minitorch_np.learn.task import Task, mistake

TITLE = "an Activation of one's own"


def gradcheck(obj: Any, *arguments: Any) -> tuple[str, str]:
    """A gradient check's report, if it has something to say."""
    result = check_gradients(obj, *arguments)
    return ("", "gradcheck: pass") if result else (f"gradcheck says\n{result}", "")


def _observe(cls: Any, inputs: tuple[Any, ...]) -> Any:
    layer, (z,) = cls(), inputs
    value = layer.value(z)
    if value is ...:
        return ...
    derivative = layer.derivative(z, value)
    return ... if derivative is ... else {"value": value, "derivative": derivative}


V, D = "return z * s\n", "return s + z * s * (1 - s)"
S = "s = 1 / (1 + np.exp(-z))"

TASKS = (
    Task(
        "MySiLU", (numbers("m", "units"),),
        "value: z s(z); derivative: s(z) + z s(z) (1 - s(z))",
        notes="g': derivative of activation function",
        observe=_observe, arguments=("z",), without=(LARGE,), second=lambda cls: gradcheck(cls()),
        hints=(
            "Both need s = 1 / (1 + np.exp(-z)).",
            "The product rule: the derivative of z is 1, that of s is s (1 - s).",
        ),
        mistakes=(
            mistake("derivative: the product rule's first part s is missing", D,
                    "return z * s * (1 - s)"),
            mistake("derivative: the product rule's second part z s (1 - s) is missing", D,
                    "return s"),
            mistake("derivative: it is the sigmoid's, s (1 - s)", D, "return s * (1 - s)"),
            mistake("derivative: z is missing in the second part", D, "return s + s * (1 - s)"),
            mistake("derivative: z (1 - s) lacks a factor s", D, "return s + z * (1 - s)"),
            mistake("derivative: the two parts are subtracted, not added", D,
                    "return s - z * s * (1 - s)"),
            mistake("derivative: it is multiplied, not added (a product of the derivatives is "
                    "not the derivative of a product)", D, "return s * (z * s * (1 - s))"),
            mistake("derivative: a (1 - a) stands where z s (1 - s) belongs", D,
                    "return s + a * (1 - a)"),
            mistake("derivative: a (1 - a), the sigmoid's formula with the wrong a", D,
                    "return a * (1 - a)"),
            mistake("derivative: it is the value", D, "return a"),
            mistake("derivative: it is ReLU's, 1 where z > 0", D, "return 1.0 * (z > 0)"),
            mistake("derivative: s is taken at a, not at z", D,
                    "s = 1 / (1 + np.exp(-a))\n        return s + z * s * (1 - s)"),
            mistake("derivative: it is taken at a, not at z", D,
                    "s = 1 / (1 + np.exp(-a))\n        return s + a * s * (1 - s)"),
            mistake("derivative: 1 + s stands where 1 - s belongs", "(1 - s)", "(1 + s)"),
            mistake("derivative: 1 - z stands where 1 - s belongs", "(1 - s)", "(1 - z)"),
            mistake("derivative: the minus in exp(-z) is missing", D,
                    "s = 1 / (1 + np.exp(z))\n        return s + z * s * (1 - s)"),
            mistake("value: the factor z is missing: it is the sigmoid", V, "return s\n"),
            mistake("value: the minus in exp(-z) is missing", S + "\n        return z * s\n",
                    "s = 1 / (1 + np.exp(z))\n        return z * s\n"),
            mistake("value and derivative: the minus in exp(-z) is missing", "exp(-z)", "exp(z)"),
            mistake("value: z + s, not z times s", V, "return z + s\n"),
            mistake("value: it is ReLU", V, "return np.maximum(z, 0)\n"),
            mistake("value: z is multiplied by s twice", V, "return z * s * s\n"),
            mistake("value: it is z tanh(z)", V, "return z * np.tanh(z)\n"),
            mistake("derivative: it is already multiplied by z (dA is multiplied in the base "
                    "class)", D, "return z * (s + z * s * (1 - s))"),
        ),
    ),
)  # fmt: skip
