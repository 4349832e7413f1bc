"""Plain functions, objects of any kind, and training steps under the gradient check."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck import dispatch, functions, step

# Functions


class Pair(NamedTuple):
    a: Any
    b: Any


def test_outputs_as_one_vector_and_back() -> None:
    value = {"u": np.ones((2, 2)), "v": (3.0, [np.zeros(1), np.arange(2.0)]), "w": Pair(1.0, 2.0)}
    flat = functions.joined(value)
    assert flat.tolist() == [1, 1, 1, 1, 3, 0, 0, 1, 1, 2]
    again = functions.split(flat * 2, value)
    assert again["u"].tolist() == [[2, 2], [2, 2]]
    assert [float(again["v"][0]), again["v"][1][1].tolist()] == [6, [0, 2]]
    assert type(again["w"]) is Pair
    assert float(again["w"].b) == 4
    assert functions.joined(3).tolist() == 3


def test_floating_point_arrays_of_a_structure_by_path() -> None:
    arrays: dict[str, Any] = {}
    own = functions._own(
        {"a": [1.0, 2.0], "b": (np.arange(2), np.float32(0.5)), "c": Pair("x", 1.5), "d": [1, 2]},
        "p", arrays,
    )  # fmt: skip
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "p.a": [1, 2], "p.b.1": 0.5, "p.c.1": 1.5,
    }  # fmt: skip
    assert all(array.dtype == np.float64 for array in arrays.values())
    assert own["c"].a == "x"
    assert own["d"] == [1, 2]
    assert own["b"][0].tolist() == [0, 1]
    arrays["p.a"][0] = 7
    assert own["a"][0] == 7  # live


@pytest.mark.parametrize(
    ("function", "required", "possible", "names"),
    [
        (np.sin, 1, 1, ["x"]),
        (np.add, 2, 2, ["x0", "x1"]),
        (lambda a, b=1: None, 1, 2, ["a"]),
        (lambda a, *rest: None, None, None, ["a"]),
        (lambda *rest: None, None, None, ["x"]),
        (lambda a, /, b, *, c=3: None, 2, 2, ["a", "b"]),
        (max, None, None, ["x"]),
    ],
)
def test_arguments_of_functions(
    function: Any, required: int | None, possible: int | None, names: list[str]
) -> None:
    assert functions.required_arguments(function) == required
    assert functions.required_arguments(function, optional=True) == possible
    assert functions._argument_names(function, len(names)) == names


@pytest.mark.parametrize(
    ("f", "df", "count", "is_vjp"),
    [
        (lambda x: x, lambda x: x, 1, False),
        (lambda x: x, lambda dy, x: x, 1, True),
        (lambda x, y: x, lambda dy, x, y: x, 2, True),
        (lambda x, y=1: x, lambda dy, x, y=1: x, 1, True),
        (lambda x: x, lambda x, scale=1: x, 1, False),
        (lambda x, y: x, lambda *all: all, 2, True),
        (lambda x: x, lambda *all: all, 1, False),
    ],
)
def test_derivatives_are_told_from_products(f: Any, df: Any, count: int, is_vjp: bool) -> None:
    assert functions._is_vjp(f, df, count) == is_vjp


def test_a_derivative_of_other_arguments_is_refused() -> None:
    said = "the 1 inputs of f, or dy and the inputs, got a function of 3 arguments"
    with pytest.raises(mt.ConfigurationError, match=said):
        functions._is_vjp(lambda x: x, lambda a, b, c: a, 1)


def test_elementwise_derivatives_and_whole_jacobians() -> None:
    x, w = np.array([1.0, 2.0, 3.0]), np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]])
    assert mt.gradcheck_function(lambda x: x**2, lambda x: 2 * x, x)
    assert mt.gradcheck_function(lambda x: w @ x, lambda x: w, x)
    assert mt.gradcheck_function(lambda x: float(x @ x), lambda x: 2 * x, x)
    both = mt.gradcheck_function(lambda x, y: x * y, lambda x, y: (y, x), x, 2 * x)
    assert both, both
    assert [each.name for each in both.tensors] == ["x", "y"]
    assert [each.name for each in both.contracts] == ["calls repeat, inputs stay", "linear in dy"]
    assert both.tensors[0].entries == 3

    tupled = mt.gradcheck_function(lambda x, y: x * y, lambda x, y: (y, x), (x, 2 * x))
    assert [each.name for each in tupled.tensors] == ["x", "y"]
    one = mt.gradcheck_function(lambda p: p[0] * p[1], lambda dy, p: (dy * p[1], dy * p[0]), (x, x))
    assert [each.name for each in one.tensors] == ["p.0", "p.1"]

    def shifts(x: Any) -> Any:
        x += 1
        return x**2

    changed = mt.gradcheck_function(shifts, lambda x: 2 * (x + 1), x)
    assert [(each.name, each.detail) for each in changed.contracts if not each.ok] == [
        ("inputs stay as they are", "f changes its inputs in place")
    ]
    assert x.tolist() == [1, 2, 3]
    for given, said in (((np.zeros(0),), "got an empty x"), ((np.arange(3),), "got none")):
        with pytest.raises(mt.MinitorchError, match=said):
            mt.gradcheck_function(np.sin, np.cos, *given)
    with pytest.raises(mt.ConfigurationError, match=r"allow: expected names of x; got 'y'"):
        mt.gradcheck_function(np.sin, np.cos, x, allow={"y": "why"})


@pytest.mark.parametrize(
    ("special", "where"),
    [(1.0, "with g moved away from 1"), (0.0, "with g moved away from 0"),
     (-1.0, "with g moved away from -1"), (2.0, None)],
)  # fmt: skip
def test_special_values_hide_a_missing_factor(special: float, where: str | None) -> None:
    """dx lacks what is nothing at 1, 0 or -1; at 2 it is seen at once."""
    x, g = np.array([1.0, -2.0, 0.5]), np.full(3, special)

    def df(x: Any, g: Any) -> Any:
        return (3 * g**3 - 2 * g) if special < 2 else 1.0 + 0 * g, x

    wrong = mt.gradcheck_function(lambda x, g: x * g, df, x, g)
    assert wrong.status == "fail"
    assert [part.subject for part in wrong.parts] == ([] if where is None else [where])
    right = mt.gradcheck_function(lambda x, g: x * g, lambda x, g: (g, x), x, g)
    assert right, right
    assert not right.parts


def test_a_derivative_that_is_wrong_elsewhere_alone() -> None:
    class Bent(mt.Activation):
        def value(self, z: Any) -> Any:
            return z**2

        def derivative(self, z: Any, a: Any) -> Any:
            return np.where(z > 0.6, 3.0, 2 * z)

    x = np.array([[0.1, 0.5, 0.3], [0.2, 0.4, 0.05]])
    found = mt.gradcheck(Bent(), x, contracts=False)
    assert found.tensors[0].status == "pass"
    assert [part.subject for part in found.parts if part.status == "fail"] == ["at other data"]


# Objects of any kind


def test_functions_of_a_file_by_their_names() -> None:
    found = {
        "f": lambda x: x**2, "f_prime": lambda x: 2 * x, "g": lambda x, y: x * y,
        "g_vjp": lambda dy, x, y: (dy * y, dy * x), "g_inputs": (np.ones(2), np.ones(2)),
        "alone": np.sin, "_hidden": 3,
    }  # fmt: skip
    (of_f,) = dispatch.check_named("f", found, 0)
    assert of_f
    assert of_f.tensors[0].size == 20  # made up: (4, 5)
    (of_g,) = dispatch.check_named("g", found, 0)
    assert [each.size for each in of_g.tensors] == [2, 2]
    for name, said in (
        ("h", "expected one of alone, f, f_prime, g, g_inputs, g_vjp; got 'h'"),
        (
            "alone",
            "under one of the names alone_vjp, alone_derivative, alone_prime, d_alone, dalone",
        ),
    ):
        with pytest.raises(mt.ConfigurationError, match=said):
            dispatch.check_named(name, found, 0)
    with pytest.raises(mt.ConfigurationError, match="a trainer or a function, got 3"):
        dispatch.check_any(3)


# Steps


def test_a_check_of_three_steps() -> None:
    model = mt.Sequential(mt.Dense(2), input_shape=3, seed=0)
    x, y = np.random.default_rng(0).normal(size=(4, 3)), np.arange(4) % 2
    before = model.state_dict()
    for optimizer, label in ((mt.Adam(0.01), "a step of Adam"), (mt.SGD(0.1), "a step of SGD")):
        trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), optimizer, seed=0)
        found = mt.check_step(trainer, x, y)
        assert found, found
        assert found.subject == label
        assert [part.subject for part in found.parts] == ["step 1", "step 2", "step 3"]
        assert [each.name for each in found.parts[2].contracts] == [
            "update of 0.weight",
            "update of 0.bias",
        ]
    assert len(mt.check_step(trainer, x, y, steps=1).parts) == 1
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ([0.9, 2.2], ""),
        ([0.9 + 1e-10, 2.2], ""),  # a billionth of the step's length
        ([0.9 + 3e-10, 2.2], "expected a step of -0.1 at [0], got -0.0999999997"),
        ([0.8, 2.4], "the step is 2 times the formula's"),
        ([1.1, 1.8], "the step is -1 times the formula's"),
        ([1.0, 2.0], "the step is 0 times the formula's"),
        ([0.9, 2.5], "expected a step of 0.2 at [1], got 0.5"),
    ],
)
def test_how_a_step_differs(after: list[float], said: str) -> None:
    before = np.array([1.0, 2.0])
    assert step._difference(before, np.array(after), np.array([0.9, 2.2])) == said
    moved = step._difference(before, np.array([1.0, 5.0]), before)
    assert moved == "expected a step of 0 at [1], got 3"


@pytest.mark.parametrize(
    ("optimizer", "rule"),
    [
        (mt.SGD(0.1), "_sgd"), (mt.Adam(0.1), "_adam"), (mt.AdamW(0.1), "_adam"),
        (mt.RMSprop(0.1), "_rmsprop"), (mt.Adagrad(0.1), "_adagrad"), (mt.Lion(0.1), "_lion"),
    ],
)  # fmt: skip
def test_rules_of_optimizers_over_three_steps(optimizer: Any, rule: str) -> None:
    assert step._textbook(optimizer) is getattr(step, rule)
    memory: dict[str, Any] = {}
    own: dict[str, Any] = {}
    p = q = np.array([1.0, -2.0, 0.5])
    for t, g in enumerate(np.array([[1.0, 2.0, -3.0], [0.5, -1.0, 2.0], [2.0, 0.0, 1.0]]), 1):
        p = step.TEXTBOOK[type(optimizer) if type(optimizer) is not mt.AdamW else mt.Adam](
            optimizer, p, g, memory, t, 0.1
        )
        q = step._own_update(optimizer, q, g, own, t, 0.1)
        np.testing.assert_allclose(p, q, rtol=1e-12, atol=1e-12)
    assert abs(p - [1.0, -2.0, 0.5]).max() > 0.05

    class Own(type(optimizer)):  # type: ignore[misc]
        def update(self, p: Any, g: Any, rate: float) -> None:
            p -= rate * g

    assert step._textbook(Own(0.1)) is None


def test_clipping_and_decay_come_before_the_rule() -> None:
    model = mt.Sequential(mt.Dense(2), mt.Dense(1), input_shape=2, seed=0, dtype="float64")
    gradients = {name: np.full(a.shape, 3.0) for name, a in model.named_parameters().items()}
    before = {name: a.copy() for name, a in model.named_parameters().items()}
    model[1].trainable = False

    def stepped(**options: Any) -> dict[str, Any]:
        memories: dict[str, dict[str, Any]] = {name: {} for name in gradients}
        optimizer = mt.SGD(0.1, **options)
        return step._expected(optimizer, model, gradients, memories, 1, step._sgd)

    for options, size in (
        ({}, 3.0),
        ({"clip_value": 0.5}, 0.5),
        ({"clip_norm": 1.0}, 1 / math.sqrt(6)),
        ({"clip_norm": 100.0}, 3.0),
    ):
        found = stepped(**options)
        np.testing.assert_allclose(found["0.weight"], before["0.weight"] - 0.1 * size)
        np.testing.assert_allclose(found["0.bias"], before["0.bias"] - 0.1 * size)
        np.testing.assert_array_equal(found["1.weight"], before["1.weight"])  # frozen
    decayed = stepped(weight_decay=0.5)
    np.testing.assert_allclose(decayed["0.weight"], before["0.weight"] * 0.95 - 0.3)


def test_buffers_of_a_module_are_the_same_in_each_call() -> None:
    torch: Any = pytest.importorskip("torch")

    class Counts(torch.nn.Module):  # type: ignore[misc]
        """Each call multiplies by one more."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.ones(1))

        def forward(self, x: Any) -> Any:
            y = x * float(self.calls)
            self.calls += 1
            return y

    module = Counts()
    found = mt.gradcheck_torch(module, torch.tensor([[1.0, -2.0]]))
    assert found, found
    assert float(module.calls) == 1
