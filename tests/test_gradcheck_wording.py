"""The words for how two gradients differ: a wrong number in them would mislead."""

import math
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck.wording import (
    at_indices,
    beyond,
    constant_ratio,
    expression,
    number,
    times,
    where,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (1 / 3, "1/3"),
        (-2 / 3, "-2/3"),
        (12, "12"),
        (11 / 12, "11/12"),
        (1 / 13, "0.0769231"),
        (0.123, "0.123"),
        (1.00001234, "1.000012"),
    ],
)
def test_a_number(value: float, text: str) -> None:
    assert number(value) == text


RELATIONS = {
    "* 7": 7,
    "/ 7": 1 / 7,
    "* sqrt(7)": math.sqrt(7),
    "/ sqrt(7)": 1 / math.sqrt(7),
    "* 7**2": 49,
    "/ 7**2": 1 / 49,
    "* (1 - 7)": -6,
    "/ (1 - 7)": -1 / 6,
    "* (7 - 1) / 7": 6 / 7,
    "* 7 / (7 - 1)": 7 / 6,
}
ADVICE = {
    ("* 7", "n"): ": that factor is too much",
    ("/ 7", "n"): ": that factor is missing",
    ("* 7", "the size of y"): ": a division by it is missing, or a sum stands for a mean",
    ("/ 7", "m, the samples"): ": divided once too often, or a mean for a sum",
}


@pytest.mark.parametrize("form", [form for form in RELATIONS if "(1 - 7)" not in form])
@pytest.mark.parametrize("name", ["n", "the size of y", "m, the samples"])
def test_a_factor_that_is_related_to_a_number(form: str, name: str) -> None:
    text = f"analytic = numeric {form}, where 7 is {name}"
    found = times(RELATIONS[form], [("another", 5.0), (name, 7.0), ("one", 1.0)])
    assert found.startswith(text)
    if (form, name) in ADVICE:
        assert found == text + ADVICE[form, name]
    wrong_sign = times(-RELATIONS[form], [(name, 7.0)])
    assert wrong_sign.startswith(f"analytic = numeric {form}, and the sign is wrong, where 7 is")


@pytest.mark.parametrize(("form", "ratio"), [("* (1 - 0.3)", 0.7), ("/ (1 - 0.3)", 1 / 0.7)])
def test_a_factor_that_is_related_to_a_share(form: str, ratio: float) -> None:
    assert times(ratio, [("rate", 0.3)]) == f"analytic = numeric {form}, where 0.3 is rate"


@pytest.mark.parametrize(
    ("ratio", "numbers", "text"),
    [
        (0.0, [], "analytic is 0"),
        (-1.0, [], "the sign is wrong: analytic = -numeric"),
        (2.0, [], "analytic = numeric * 2"),
        (0.5, [], "analytic = numeric / 2"),
        (-0.75, [], "analytic = numeric * 3/4, and the sign is wrong"),
        (2.0, [("n", 2.0)], "analytic = numeric * 2, as 2 is also n"),
        (0.5, [("n", 2.0), ("k", 2.0)], "analytic = numeric / 2, as 2 is also n or k"),
        (1.5, [("n", 1.5)], "analytic = numeric * 1.5, where 1.5 is n: that factor is too much"),
        (2.0, [("n", 4.0)], "analytic = numeric * 2"),  # sqrt(4), but 2 has many reasons
        (1.5, [("n", 3.0)], "analytic = numeric * 3/2"),
    ],
)
def test_a_factor(ratio: float, numbers: Any, text: str) -> None:
    assert times(ratio, numbers) == text


@pytest.mark.parametrize(
    ("ids", "n", "text"),
    [
        ([3], 6, "at index 3 of axis 1 of w"),
        ([5], 6, "at index 5 of axis 1 of w (the last)"),
        ([0, 1, 2, 3, 4], 6, "everywhere but at index 5 of axis 1 of w (the last)"),
        ([0, 2, 3, 4, 5], 6, "everywhere but at index 1 of axis 1 of w"),
        ([2, 3, 4, 5], 6, "from index 2 of axis 1 of w on"),
        ([0, 1, 2], 6, "up to index 2 of axis 1 of w"),
        ([0, 2, 4], 6, "at even indices of axis 1 of w"),
        ([1, 3, 5], 6, "at odd indices of axis 1 of w"),
        ([2, 4], 6, "at indices 2, 4 of axis 1 of w"),
        ([2, 3], 6, "at indices 2 to 3 of axis 1 of w"),
        ([0, 3, 5], 8, "at indices 0, 3, 5 of axis 1 of w"),
        ([0, 3, 5, 6], 8, ""),
    ],
)
def test_some_indices(ids: list[int], n: int, text: str) -> None:
    assert at_indices(ids, n, 1, "w") == text


def test_some_samples() -> None:
    assert at_indices([3], 6, 0, "x") == "at sample 3"
    assert at_indices([2, 3], 6, 0, "dy") == "in samples 2 to 3"
    assert at_indices([1, 3, 5], 6, 0, "scores") == "in odd samples"
    assert at_indices([3], 6, 0, "weight") == "at index 3 of axis 0 of weight"


def test_a_block_of_an_array() -> None:
    known, mask = np.ones((4, 5), bool), np.zeros((4, 5), bool)
    mask[2:, 1] = True
    text = "from index 2 of axis 0 of w on and at index 1 of axis 1 of w"
    assert where(mask, known, "w") == text
    assert where(~mask, known, "w") == ""
    most = np.ones((7, 2), bool)
    most[2:4] = False
    text = "everywhere but at indices 2 to 3 of axis 0 of w"
    assert where(most, np.ones((7, 2), bool), "w") == text
    mask[:2, 1] = True
    assert where(mask, known, "w") == "at index 1 of axis 1 of w"
    known[0] = False  # what is not known may be either
    mask[0] = True
    assert where(mask, known, "w") == "at index 1 of axis 1 of w"
    mask[3, 4] = True
    assert where(mask, known, "w") == ""


def test_a_threshold() -> None:
    q, known = np.linspace(-3, 3, 13), np.ones(13, bool)
    assert beyond(q > 1, known, q, "q", []) == "where q > 1"
    assert beyond(q < 0, known, q, "q", []) == "where q < 0"
    assert beyond(np.abs(q) > 2, known, q, "q", [("limit", 2.0)]) == "where abs(q) > 2"
    assert beyond(q == 0, known, q, "q", []) == "where q is exactly 0"
    assert beyond(q > 2, known, q, "q", []) == ""  # 2 is no number that is known
    assert beyond(q > 9, known, q, "q", []) == ""
    few = q[::4]  # four values are parted by chance
    assert beyond(few > 0, known[::4], few, "q", []) == ""


FORMS = {
    "q": lambda q: q,
    "(1 - q)": lambda q: 1 - q,
    "(1 - q**2)": lambda q: 1 - q * q,
    "(q * (1 - q))": lambda q: q - q * q,
    "q**2": lambda q: q * q,
    "sqrt(q)": lambda q: q**0.5,
    "exp(q)": lambda q: math.e**q,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_formula_of_an_array(form: str, rng: np.random.Generator) -> None:
    q, known = rng.uniform(0.1, 0.9, (3, 4)), np.ones((3, 4), bool)
    f = FORMS[form](q)
    assert expression(f, known, [("q", q)]) == f"* {form}"
    assert expression(1 / f, known, [("q", q)]) == f"/ {form}"
    assert expression(3 * f, known, [("q", q)]) == f"* 3 * {form}"
    assert expression(f + q**5, known, [("q", q)]) == ""


@pytest.mark.filterwarnings("ignore")  # a root of what is below 0 is no formula
def test_a_formula_along_an_axis(rng: np.random.Generator) -> None:
    q, known = rng.normal(size=4), np.ones((3, 4), bool)
    f = np.broadcast_to(q, (3, 4))
    assert expression(f, known, [("q", q)]) == "* q along axis 1"
    assert expression(np.abs(f), known, [("q", q)]) == "* abs(q) along axis 1"
    known[:, 2:] = False
    assert expression(np.where(known, f, 9), known, [("q", q)]) == "* q along axis 1"


def test_a_constant_ratio() -> None:
    b = np.arange(4.0)
    assert constant_ratio(3 * b, b, 9.0) == pytest.approx(3)
    assert constant_ratio(3 * b + 1, b, 9.0) is None
    assert constant_ratio(b, b * 1e-9, 9.0) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2 + 1e-9, "2"),  # up to a billionth a number is a fraction
        (2 + 3e-9, "2"),
        (2.001, "2.001"),
        (1 / 3 * (1 + 0.9e-9), "1/3"),
        (1 / 3 * (1 + 1.1e-9), "0.333333"),
        (13, "13"),
        (1 / 12, "1/12"),
        (12 / 7, "12/7"),
        (-1, "-1"),
        (1.00009, "1.00009"),
        (1.00000123, "1.000001"),
        (0.99990123, "0.9999012"),
        (1.00011234, "1.00011"),
    ],
)
def test_which_numbers_are_fractions(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("ratio", "numbers", "text"),
    [
        (0.9e-9, [], "analytic is 0"),
        (1.1e-9, [], "analytic = numeric * 1.1e-09"),
        (-1 + 0.9e-6, [], "the sign is wrong: analytic = -numeric"),
        (-1 + 1.1e-6, [], "analytic = numeric * 0.9999989, and the sign is wrong"),
        (7 * (1 + 0.9e-6), [("n", 7.0)], "analytic = numeric * 7, where 7 is n: that factor is "
         "too much"),
        (7 * (1 + 1.1e-6), [("n", 7.0)], "analytic = numeric * 7.00001"),
        (5.0, [("a", 5.0), ("b", 5.0), ("c", 5.0), ("d", 5.0)],
         "analytic = numeric * 5, where 5 is a or b or c: that factor is too much"),
        (5.0, [("n", -5.0), ("one", 1.0)], "analytic = numeric * 5"),
        (2 / 3, [("n", 3.0)], "analytic = numeric * 2/3"),  # (3 - 1) / 3 is too common
        (4 / 5, [("n", 5.0)], "analytic = numeric * (5 - 1) / 5, where 5 is n"),
        (1 / 13, [], "analytic = numeric / 13"),
        (1 / 12, [], "analytic = numeric / 12"),
    ],
)  # fmt: skip
def test_how_near_a_factor_has_to_be(ratio: float, numbers: Any, text: str) -> None:
    assert times(ratio, numbers) == text


@pytest.mark.parametrize(
    ("inside", "others", "told"), [(3, 3, True), (1, 18, False), (1, 19, True)]
)
def test_a_threshold_takes_as_many_values_as_chance_does_not_part(
    inside: int, others: int, told: bool
) -> None:
    """20 ways to choose them: a chance of one in 20, as of 3 of 6, or 1 of 20."""
    q = np.concatenate([np.arange(1.0, inside + 1), -np.arange(1.0, others + 1)])
    known = np.ones(q.shape, bool)
    assert beyond(q > 0, known, q, "q", []) == ("where q > 0" if told else "")


def test_thresholds_are_numbers_that_are_known() -> None:
    q, known = np.linspace(-3, 3, 13), np.ones(13, bool)
    assert beyond(q > -1.2, known, q, "q", []) == "where q > -1"
    assert beyond(q > 1.2, known, q, "q", []) == "where q > 1"
    assert beyond(q < 1.2, known, q, "q", []) == "where q < 1"
    assert beyond(q < -2.2, known, q, "q", [("n", 2.25)]) == "where q < -9/4"
    assert beyond(np.abs(q) < 2, known, q, "q", [("n", 1.75)]) == "where abs(q) < 7/4"
    assert beyond(np.abs(q) > 0.9, known, q, "q", []) == "where abs(q) > 1"
    assert beyond(np.abs(q) > 0.2, known, q, "q", []) == ""  # q is 0 nowhere else
    known[q < 0] = False
    assert beyond(q > 1, known, q, "q", []) == "where q > 1"  # of 7 values 4: one of 35
    known[:] = q > 1
    assert beyond(q > 1, known, q, "q", []) == ""  # there is nothing outside


@pytest.mark.filterwarnings("ignore")  # 1 / (1 - q) is no formula where q is 1
def test_a_formula_has_to_be_of_something(rng: np.random.Generator) -> None:
    q = rng.uniform(0.5, 1.5, 4)
    known = np.ones(4, bool)
    assert expression(q * 2, known, [("q", q)]) == "* 2 * q"
    assert expression(q[:3], known[:3], [("q", q[:3])]) == "* q"
    assert expression(q[:2], known[:2], [("q", q[:2])]) == ""  # two numbers fit anything
    assert expression(q, known, [("c", np.full(4, 2.0)), ("q", q)]) == "* q"
    two = np.array([1.0, 2.0, 1.0, 2.0])
    assert expression(two, known, [("two", two)]) == "* two"
    assert expression(3 * two, known, [("two", two)]) == ""  # a line goes through any two
    assert expression(q, known, [("p", 2 * q), ("q", q)]) == "* q"  # the one without a factor
    assert expression(q, known, [("p", 2 * q)]) == "* 1/2 * p"
    assert expression(np.array([1, np.nan, 2, 3]), known, [("q", q)]) == ""
    flat = 1 + 0.9e-3 * np.array([0.0, 0.3, 0.6, 1.0])  # nearly constant: it says nothing
    assert expression(flat, known, [("flat", flat)]) == ""
    less = flat + np.array([0, 0, 0, 1e-3])
    assert expression(less, known, [("less", less)]) == "* less"


def test_a_constant_ratio_is_of_what_is_not_lost() -> None:
    b = np.array([1.1e-6, 0.0])
    assert constant_ratio(3 * b, b, 1.0) == pytest.approx(3)
    assert constant_ratio(3 * b, b / 1.2, 1.0) is None
    near = np.array([1.0, 2.0])
    assert constant_ratio(near, near + np.array([0, 2e-8]), 1.0) == pytest.approx(1)
    assert constant_ratio(near, near + np.array([0, 2e-7]), 1.0) is None


class Product(mt.Layer):
    """y = exp(x) sin(x), without the path through the sine."""

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        y = np.exp(x) * np.sin(x)
        return y, y

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return dy * cache, {}


class AtOutput(Product):
    """y = x tanh(x), with tanh' of the output."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        t = np.tanh(x)
        return t * x, (x, t)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        x, t = cache
        return dy * (t + x * (1 - np.tanh(t) ** 2)), {}


class Loop(Product):
    """h = tanh(h) + x, three times, without the first of the three x."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        h = x
        for _ in range(3):
            h = np.tanh(h) + x
        return h, x

    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        h, d = x, np.ones_like(x)
        for turn in range(3):
            t = np.tanh(h)
            h, d = t + x, (1 - t * t) * d + (turn > 0)
        return dy * d, {}


class Taken(Product):
    """y = x sin(x), with another derivative of the sine."""

    def __init__(self, derivative: Any) -> None:
        self.derivative = derivative

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        y = np.sin(x)
        return x * y, (y, x)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        y, x = cache
        return dy * (y + x * self.derivative(y, x)), {}


TAKEN = "the derivative of `sin(x)` is taken as"


@pytest.mark.parametrize(
    ("layer", "cause"),
    [
        (Product(), "the path through `sin(x)` is missing: it is taken for a constant"),
        (Taken(lambda y, z: np.ones_like(y)), f"{TAKEN} 1 (it is left out)"),
        (Taken(lambda y, z: 1 - y**2), f"{TAKEN} 1 - y**2, with its output y"),
        (Taken(lambda y, z: z * (1 - z)), f"{TAKEN} z * (1 - z), with its input z"),
        (AtOutput(), "the derivative of `tanh(x)` is taken at its output, not at its input"),
        (
            Loop(),
            "the path through `x` of `... + x` in the first of 3 rounds is missing: "
            "it is taken for a constant",
        ),
    ],
)
def test_an_operation_with_another_derivative(layer: mt.Layer, cause: str) -> None:
    found = mt.gradcheck(layer, np.random.default_rng(0).normal(size=(4, 3)))
    assert f"cause: {cause}\n" in str(found)


class Overwritten(mt.Embedding):
    """Of several equal indices, the last one counts."""

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, cache, need_dx=need_dx)
        weight = np.zeros_like(gradients["weight"])
        weight[cache] = dy
        return dx, {"weight": weight}


def test_rows_that_are_looked_up_twice() -> None:
    found = mt.gradcheck(Overwritten(6, 2), np.array([[0, 1, 1], [4, 2, 4]]))
    assert "cause: wrong in just the rows of weight that are used more than once" in str(found)
