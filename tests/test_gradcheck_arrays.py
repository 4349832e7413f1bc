"""What is said of one array, at one point and at others, and of the rules, in numbers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck import array_check, rules, search
from minitorch_np.gradcheck.report import TensorResult
from tests.test_gradcheck_numbers import claim_of

# What is said of one array


class Changed(mt.Dense):
    """A Dense layer whose gradients are changed."""

    def __init__(self, units: int, change: Any) -> None:
        super().__init__(units)
        self.change = change

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, cache, need_dx=True)
        found = {"x": dx, **gradients}
        self.change(found)
        return found.pop("x"), found


def tensor(change: Any, name: str, x: Any = None, **options: Any) -> TensorResult:
    x = np.random.default_rng(3).normal(size=(3, 4)) if x is None else x
    result = mt.gradcheck(Changed(5, change), x, contracts=False, **options)
    return next(each for each in result.tensors if each.name == name)


def test_each_wrong_entry_is_counted_and_the_worst_is_shown() -> None:
    def change(g: Any) -> None:
        g["weight"][1, 2] += 1e-3
        g["weight"][4, 0] -= 3
        g["weight"][2, 3] += 2e-3

    found = tensor(change, "weight")
    assert (found.status, found.entries, found.size, found.directions) == ("fail", 20, 20, 0)
    assert (found.wrong, found.place) == (3, (4, 0))
    assert found.places == [6, 11, 16]
    assert found.analytic - found.numeric == pytest.approx(-3, rel=1e-5)
    assert found.ratio > 1e3
    assert 0 < found.resolution < 1e-7
    assert (found.kinks, found.jumps) == (0, 0)
    assert found.lines()[1] == (
        f"    3 wrong; the worst is weight[4, 0]: analytic {found.analytic:.10g}, "
        f"numeric {found.numeric:.10g}"
    )
    others = [each for each in ("x", "bias") if tensor(change, each).status != "pass"]
    assert not others


@pytest.mark.parametrize(
    ("change", "cause", "place"),
    [
        (lambda g: g.pop("bias"), "expected a gradient of shape (5,), got none", None),
        (
            lambda g: g.update(bias=g["bias"][:3]),
            "expected a gradient of shape (5,), got one of shape (3,)",
            None,
        ),
    ],
)
def test_a_gradient_that_is_not_there(change: Any, cause: str, place: Any) -> None:
    found = tensor(change, "bias")
    assert (found.status, found.wrong, found.ratio, found.cause) == ("fail", 5, math.inf, cause)
    assert found.place is None


def test_a_gradient_that_is_not_finite() -> None:
    def change(g: Any) -> None:
        g["bias"][[1, 3]] = np.nan, -np.inf

    found = tensor(change, "bias")
    assert (found.status, found.wrong, found.ratio) == ("fail", 2, math.inf)
    assert (found.cause, found.place) == ("it is not finite", (1,))
    assert math.isnan(found.analytic)
    assert math.isfinite(found.numeric)


@pytest.mark.parametrize(("claimed", "nearer"), [(-0.5, 0.0), (1.5, 1.0)])
def test_at_a_corner_the_nearer_side_is_shown(claimed: float, nearer: float) -> None:
    class Corner(mt.ReLU):
        def derivative(self, z: Any, a: Any) -> Any:
            return np.where(z == 0, claimed, z > 0).astype(z.dtype)

    (found,) = mt.gradcheck(Corner(), np.array([[0.0, 1.0, -2.0]]), contracts=False).tensors
    assert (found.wrong, found.place, found.kinks) == (1, (0, 0), 1)
    assert found.numeric * claimed == pytest.approx(found.analytic * nearer, abs=1e-12)


@pytest.mark.parametrize(
    ("entries", "mode", "checked", "directions"),
    [
        (512, "auto", 512, 0),
        (513, "auto", 0, 2),
        (513, "exhaustive", 513, 0),
        (6, "directional", 0, 2),
    ],
)
def test_how_much_is_checked(entries: int, mode: str, checked: int, directions: int) -> None:
    x = np.random.default_rng(0).normal(size=(1, entries))
    (found,) = mt.gradcheck(mt.Tanh(), x, mode=mode, contracts=False).tensors
    assert (found.entries, found.directions) == (checked, directions)


@pytest.mark.parametrize(("size", "checked"), [(32, 32), (33, 0)])
def test_inside_of_a_model_less_is_checked(size: int, checked: int) -> None:
    model = mt.Sequential("tanh", "sigmoid", input_shape=size)
    x = np.random.default_rng(0).normal(size=(1, size))
    result = mt.gradcheck(model, x, contracts=False)
    for part in result.parts:
        (found,) = part.tensors
        assert (found.entries, found.directions) == (checked, int(not checked))
    assert (result.tensors[0].entries, result.tensors[0].directions) == (0, 1)
    assert result.tensors[0].needed == 1e-4
    assert result.parts[0].tensors[0].needed == 1e-6


def test_of_a_large_wrong_array_25_entries_are_measured() -> None:
    """24 spread evenly, and the one that was found."""

    def change(g: Any) -> None:
        g["weight"][1, 457] *= 1.5

    x = np.random.default_rng(0).normal(size=(2, 784))
    result = mt.gradcheck(Changed(2, change), x, contracts=False)
    (found,) = (each for each in result.tensors if each.name == "weight")
    assert found.place == (1, 457)
    assert (found.entries, found.wrong) == (25, 1)
    assert found.sample is not None
    places, numeric = found.sample
    assert sorted(places) == sorted({784 + 457, *np.linspace(0, 1567, 24).astype(int)})
    assert found.analytic == pytest.approx(1.5 * found.numeric)
    assert numeric[0] == found.numeric


class Stairs(mt.Activation):
    """A whole number, rounded down, plus a slope."""

    def value(self, z: Any) -> Any:
        return np.floor(z) + z

    def derivative(self, z: Any, a: Any) -> Any:
        return np.ones_like(z)


@pytest.mark.parametrize(("at_steps", "doubt"), [(2, False), (3, True)])
def test_where_most_entries_jump_nothing_is_measured(at_steps: int, doubt: bool) -> None:
    x = np.array([[0.0, 0.0, 0.0, 0.6]]) + 0.3 * (np.arange(4) >= at_steps)
    claim = claim_of(Stairs(), x)
    found = array_check.check_array(
        claim, "x", array_check.Effort(9, 1), np.random.default_rng(0), 1e-6
    )
    assert (found.jumps, found.wrong, found.entries) == (at_steps, 0, 4)
    assert (found.doubt == array_check.NOT_MEASURED) == doubt
    assert f", {at_steps} at a jump; " in found.lines()[0]


@pytest.mark.parametrize(
    ("composed", "resolution", "analytic", "size", "clear"),
    [
        (False, 1e-7, 1.0, 1.0, 1.0),
        (False, 1e-5, 1.0, 1.0, 10.0),  # at a poor resolution
        (False, 1e-7, 1e-10, 1.0, math.inf),  # below a billionth of the largest array
        (False, 1e-7, 0.0, 1.0, 1.0),  # but not 0 itself
        (True, 1e-7, 1.0, 1.0, 100.0),
        (True, 1e-7, 1.0, 3e7, math.inf),  # the difference is faint
        (True, 1e-7, 1.0, 1.9e6, math.inf),  # the slope itself may be lost
        (True, 1e-7, 1.0, 0.9e6, 100.0),
    ],
)
def test_from_which_ratio_on_a_gradient_is_wrong(
    composed: bool, resolution: float, analytic: float, size: float, clear: float
) -> None:
    arrays = {"x": np.ones(2), "other": np.ones(3)}
    target = SimpleNamespace(composed=composed, arrays=arrays)
    claim: Any = SimpleNamespace(
        target=target, gradients={"x": np.array([analytic, 0.0])}, natural_size=size
    )
    result = TensorResult("x", 2, resolution=resolution, analytic=analytic, numeric=0.0)
    result.numeric = analytic - (1.0 if size < 1e6 else 0.5)
    assert array_check._clear(claim, result) == clear


# Other points


@pytest.mark.parametrize(
    ("suspect", "ratio", "here", "there", "decides"),
    [
        (0, 5.0, 1e-3, 1.0, True),
        (1, 5.0, 0.0, 1.0, True),
        (1, 5.0, 1e-3, 1.4e-3, True),
        (1, 5.0, 1e-3, 1.6e-3, False),
    ],
)
def test_a_pass_elsewhere_decides_if_it_sees_as_much(
    suspect: int, ratio: float, here: float, there: float, decides: bool
) -> None:
    one = TensorResult("x", 4, suspect=suspect, ratio=ratio, resolution=here)
    assert search._decides(TensorResult("x", 4, resolution=there), one) == decides


@pytest.mark.parametrize(("gradient", "vanishes"), [(0.9e-5, True), (1.1e-5, False)])
def test_a_gradient_vanishes_that_hardly_changes_the_value(gradient: float, vanishes: bool) -> None:
    target = SimpleNamespace(arrays={"x": np.full(3, 2.0)})
    claim: Any = SimpleNamespace(
        target=target, gradients={"x": np.array([gradient])}, natural_size=2.0
    )
    assert search._vanishes(claim, "x") == vanishes


def test_random_steps_are_a_share_of_the_size() -> None:
    arrays = {"x": np.full((200, 50), 4.0), "b": np.zeros(9000)}
    steps = search._random_steps(arrays, 0.3, np.random.default_rng(0))
    assert steps["x"].std() == pytest.approx(1.2, rel=0.03)
    assert steps["b"].std() == pytest.approx(0.3, rel=0.03)


# Rules


class Rule:
    """Gradients of x for a dy, as a function says."""

    composed = False

    def __init__(self, gradient: Any, composed: bool = False) -> None:
        self.gradient, self.composed = gradient, composed
        self.arrays = {"x": np.ones(3)}

    def gradients(self, dy: Any) -> Any:
        return {"x": self.gradient(dy)}


@pytest.mark.parametrize(
    ("gradient", "composed", "said"),
    [
        (lambda dy: 2 * dy, False, None),
        (lambda dy: 2 * dy * (1 + 1e-10), False, None),
        (lambda dy: np.abs(dy), False, "dx of a sum of two dy is not the sum of the two"),
        (lambda dy: dy + 3e-6 * np.abs(dy), False, "dx of a sum of two dy is not the sum"),
        (lambda dy: dy + 3e-6 * np.abs(dy), True, None),  # later layers may amplify rounding
        (lambda dy: np.clip(dy, -100, 100), False, "not in proportion to dy where dy is large"),
        (lambda dy: dy * (np.abs(dy) > 1e-3), False, "not in proportion to dy where dy is small"),
    ],
)
def test_linear_in_dy(gradient: Any, composed: bool, said: str | None) -> None:
    target: Any = Rule(gradient, composed)
    u, v = np.array([1.0, -0.7, 1.3]), np.array([-0.6, 0.9, 1.1])
    claim: Any = SimpleNamespace(
        u=u, v=v, fitting=["x"], gradients=target.gradients(u), ulps_of_dy=0.0,
        scale=lambda name: 1.0, rounding=lambda name: 0.0, refine=lambda: False,
    )  # fmt: skip
    found = rules.linear_in_dy(target, claim)
    assert (found is None) == (said is None)
    assert (said or "") in (found or "")
