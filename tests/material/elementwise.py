"""Functions of one array, entry by entry, with derivatives that are right and wrong.

Each is defined for all real x, and smooth but for single points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[..., Any]
Wrong = list[tuple[str, Function]]


def sigmoid(x: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * x))


def bell(x: Any) -> Any:
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def normal_cdf(x: Any) -> Any:
    return 0.5 * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2)))


ROOT = math.sqrt(2 / math.pi)


def gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(ROOT * (x + 0.044715 * x**3)))


def gelu_tanh_slope(x: Any, inner: bool = True) -> Any:
    t = np.tanh(ROOT * (x + 0.044715 * x**3))
    du = ROOT * (1 + 3 * 0.044715 * x**2) if inner else ROOT
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du


def erf_series(x: Any) -> Any:
    """Twenty terms of erf's series: a polynomial."""
    return (2 / math.sqrt(math.pi)) * sum(
        (-1) ** n * x ** (2 * n + 1) / (math.factorial(n) * (2 * n + 1)) for n in range(20)
    )


def erf_series_slope(x: Any) -> Any:
    terms = sum((-1) ** n * x ** (2 * n) / math.factorial(n) for n in range(20))
    return (2 / math.sqrt(math.pi)) * terms


def sinc(x: Any) -> Any:
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, np.sin(safe) / safe)


def sinc_slope(x: Any) -> Any:
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 0.0, (safe * np.cos(safe) - np.sin(safe)) / safe**2)


def mish_slope(x: Any) -> Any:
    t = np.tanh(np.logaddexp(0, x))
    return t + x * (1 - t * t) * sigmoid(x)


def hard_swish(x: Any) -> Any:
    return x * np.clip(x / 6 + 0.5, 0, 1)


def hard_swish_slope(x: Any) -> Any:
    return np.where(x <= -3, 0.0, np.where(x >= 3, 1.0, x / 3 + 0.5))


def horner(x: Any) -> Any:
    return ((0.5 * x - 1.0) * x + 0.25) * x + 2.0


ELEMENTWISE: list[tuple[str, Function, Function, Wrong]] = [
    (
        "softplus",
        lambda x: np.logaddexp(0, x),
        sigmoid,
        [
            ("the sign in the exponent is lost: sigmoid(-x)", lambda x: sigmoid(-x)),
            ("the derivative of sigmoid, s (1 - s)", lambda x: sigmoid(x) * sigmoid(-x)),
        ],
    ),
    (
        "sigmoid",
        sigmoid,
        lambda x: sigmoid(x) * (1 - sigmoid(x)),
        [
            ("takes x for the output: x (1 - x)", lambda x: x * (1 - x)),
            ("the factor 1 - s is lost", sigmoid),
        ],
    ),
    (
        "tanh",
        np.tanh,
        lambda x: 1 - np.tanh(x) ** 2,
        [
            ("the square is lost: 1 - tanh x", lambda x: 1 - np.tanh(x)),
            ("takes x for the output: 1 - x**2", lambda x: 1 - x**2),
        ],
    ),
    (
        "gelu by tanh",
        gelu_tanh,
        gelu_tanh_slope,
        [
            ("the inner derivative of x**3 is lost", lambda x: gelu_tanh_slope(x, inner=False)),
            ("the exact GELU's derivative for the approximation", lambda x: normal_cdf(1.702 * x)),
        ],
    ),
    (
        "gelu",
        lambda x: x * normal_cdf(x),
        lambda x: normal_cdf(x) + x * bell(x),
        [
            ("the product rule's second term is lost", normal_cdf),
            ("1 / sqrt(2 pi) is lost", lambda x: normal_cdf(x) + x * np.exp(-x * x / 2)),
        ],
    ),
    (
        "silu",
        lambda x: x * sigmoid(x),
        lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
        [
            (
                "x is lost in the second term",
                lambda x: sigmoid(x) + sigmoid(x) * (1 - sigmoid(x)),
            )
        ],
    ),
    ("x**3", lambda x: x**3, lambda x: 3 * x**2, [("the power stays: 3 x**3", lambda x: 3 * x**3)]),
    (
        "arctan",
        np.arctan,
        lambda x: 1 / (1 + x * x),
        [("a root too many: arsinh's derivative", lambda x: 1 / np.sqrt(1 + x * x))],
    ),
    (
        "sin(x) / x",
        sinc,
        sinc_slope,
        [
            ("the quotient rule's second term is lost", lambda x: np.cos(x) / np.where(x, x, 1)),
            ("the denominator is not squared", lambda x: x * sinc_slope(x)),
        ],
    ),
    (
        "erf as a series",
        erf_series,
        erf_series_slope,
        [("the factor 2 / sqrt(pi) is lost", lambda x: np.exp(-x * x))],
    ),
    (
        "leaky ReLU",
        lambda x: np.where(x > 0, x, 0.1 * x),
        lambda x: np.where(x > 0, 1.0, 0.1),
        [
            ("ReLU's derivative: 0 for negative x", lambda x: np.where(x > 0, 1.0, 0.0)),
            ("multiplied by x once more", lambda x: np.where(x > 0, x, 0.1 * x)),
        ],
    ),
    ("|x|", np.abs, np.sign, [("1 everywhere: the sign is lost", np.ones_like)]),
    (
        "ELU with alpha 0.5",
        lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0))),
        lambda x: np.where(x > 0, 1.0, 0.5 * np.exp(np.minimum(x, 0))),
        [
            ("alpha is lost", lambda x: np.where(x > 0, 1.0, np.exp(np.minimum(x, 0)))),
            (
                "expm1 for exp in the negative part",
                lambda x: np.where(x > 0, 1.0, 0.5 * np.expm1(np.minimum(x, 0))),
            ),
        ],
    ),
    (
        "exp(-x**2)",
        lambda x: np.exp(-x * x),
        lambda x: -2 * x * np.exp(-x * x),
        [
            ("the sign is lost", lambda x: 2 * x * np.exp(-x * x)),
            ("the inner derivative is lost", lambda x: np.exp(-x * x)),
        ],
    ),
    (
        "sin(x**2)",
        lambda x: np.sin(x * x),
        lambda x: 2 * x * np.cos(x * x),
        [("the inner derivative is lost", lambda x: np.cos(x * x))],
    ),
    (
        "log(1 + x**2)",
        lambda x: np.log1p(x * x),
        lambda x: 2 * x / (1 + x * x),
        [("the factor 2 is lost", lambda x: x / (1 + x * x))],
    ),
    (
        "sqrt(1 + x**2)",
        lambda x: np.sqrt(1 + x * x),
        lambda x: x / np.sqrt(1 + x * x),
        [("the inner derivative 2 x is lost", lambda x: 0.5 / np.sqrt(1 + x * x))],
    ),
    (
        "clip to -1 and 1",
        lambda x: np.clip(x, -1, 1),
        lambda x: (np.abs(x) < 1).astype(x.dtype),
        [
            ("1 everywhere: passes through where x is clipped", np.ones_like),
            ("cut off on one side only", lambda x: (x < 1).astype(x.dtype)),
        ],
    ),
    ("x |x|", lambda x: x * np.abs(x), lambda x: 2 * np.abs(x), [("2 x", lambda x: 2 * x)]),
    (
        "|x|**1.5",
        lambda x: np.abs(x) ** 1.5,
        lambda x: 1.5 * np.sqrt(np.abs(x)) * np.sign(x),
        [("the sign of x is lost", lambda x: 1.5 * np.sqrt(np.abs(x)))],
    ),
    (
        "softsign",
        lambda x: x / (1 + np.abs(x)),
        lambda x: 1 / (1 + np.abs(x)) ** 2,
        [("the denominator is not squared", lambda x: 1 / (1 + np.abs(x)))],
    ),
    (
        "mish",
        lambda x: x * np.tanh(np.logaddexp(0, x)),
        mish_slope,
        [
            (
                "the derivative of the inner softplus is lost",
                lambda x: np.tanh(np.logaddexp(0, x)) + x * (1 - np.tanh(np.logaddexp(0, x)) ** 2),
            )
        ],
    ),
    (
        "log sigmoid",
        lambda x: -np.logaddexp(0, -x),
        lambda x: sigmoid(-x),
        [("sigmoid(x) for sigmoid(-x)", sigmoid)],
    ),
    (
        "max(x, 0)**2",
        lambda x: np.maximum(x, 0) ** 2,
        lambda x: 2 * np.maximum(x, 0),
        [("2 x for negative x as well", lambda x: 2 * x)],
    ),
    ("cos", np.cos, lambda x: -np.sin(x), [("the sign is wrong", np.sin)]),
    (
        "x sin(x)",
        lambda x: x * np.sin(x),
        lambda x: np.sin(x) + x * np.cos(x),
        [
            ("the product rule's first term is lost", lambda x: x * np.cos(x)),
            ("the product of the derivatives", np.cos),
        ],
    ),
    (
        "1 / (1 + x**4)",
        lambda x: 1 / (1 + x**4),
        lambda x: -4 * x**3 / (1 + x**4) ** 2,
        [("the denominator is not squared", lambda x: -4 * x**3 / (1 + x**4))],
    ),
    (
        "log cosh",
        lambda x: np.logaddexp(x, -x) - math.log(2),
        np.tanh,
        [("1 / cosh(x), the inner derivative lost", lambda x: 1 / np.cosh(x))],
    ),
    (
        "arsinh",
        np.arcsinh,
        lambda x: 1 / np.sqrt(1 + x * x),
        [("the root is lost: arctan's derivative", lambda x: 1 / (1 + x * x))],
    ),
    (
        "hard swish",
        hard_swish,
        hard_swish_slope,
        [
            (
                "the product rule's second term is lost: hard sigmoid",
                lambda x: np.clip(x / 6 + 0.5, 0, 1),
            )
        ],
    ),
    (
        "sine of degrees, 30 x",
        lambda x: np.sin(np.deg2rad(30 * x)),
        lambda x: np.pi / 6 * np.cos(np.deg2rad(30 * x)),
        [("degrees and radians are mixed up", lambda x: 30 * np.cos(np.deg2rad(30 * x)))],
    ),
    (
        "2**x",
        lambda x: 2.0**x,
        lambda x: math.log(2) * 2.0**x,
        [
            ("the factor log 2 is lost", lambda x: 2.0**x),
            ("the rule of powers: x 2**(x - 1)", lambda x: x * 2.0 ** (x - 1)),
        ],
    ),
    (
        "floor, a step function",
        np.floor,
        np.zeros_like,
        [("1, as for the identity: straight through", np.ones_like)],
    ),
    ("the sign of x", np.sign, np.zeros_like, [("the function itself", np.sign)]),
    (
        "Huber with delta 0.7",
        lambda x: np.where(np.abs(x) < 0.7, x * x / 2, 0.7 * (np.abs(x) - 0.35)),
        lambda x: np.clip(x, -0.7, 0.7),
        [
            ("not cut off at delta", lambda x: x),
            ("cut off at 1, not at delta", lambda x: np.clip(x, -1, 1)),
        ],
    ),
    (
        "a cubic polynomial by Horner's rule",
        horner,
        lambda x: (1.5 * x - 2.0) * x + 0.25,
        [("the exponents are not multiplied in", lambda x: (0.5 * x - 1.0) * x + 0.25)],
    ),
    (
        "sqrt(|x|)",
        lambda x: np.sqrt(np.abs(x)),
        lambda x: np.sign(x) / (2 * np.sqrt(np.abs(x))),
        [("the sign of x is lost", lambda x: 1 / (2 * np.sqrt(np.abs(x))))],
    ),
    (
        "x modulo 1",
        lambda x: np.mod(x, 1.0),
        np.ones_like,
        [("0, as for a step function", np.zeros_like)],
    ),
    ("the identity", np.copy, np.ones_like, [("the function itself", np.copy)]),
    (
        "a constant",
        lambda x: np.full_like(x, 3.0),
        np.zeros_like,
        [("the constant", lambda x: np.full_like(x, 3.0))],
    ),
    (
        "sigmoid with slope 3",
        lambda x: sigmoid(3 * x),
        lambda x: 3 * sigmoid(3 * x) * sigmoid(-3 * x),
        [("the slope is lost", lambda x: sigmoid(3 * x) * sigmoid(-3 * x))],
    ),
]
