"""The numbers behind a gradient check: slopes, steps, tolerances and limits, worked out by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck import array_check, rules, search
from minitorch_np.gradcheck.claim import MANY, ULPS, Claim
from minitorch_np.gradcheck.numeric import (
    EPSILON,
    MULTIPLES,
    WEIGHTS,
    Sides,
    cotangent,
    generic_step,
    largest,
    power_of_two,
    root_mean_square,
    slopes,
)
from minitorch_np.gradcheck.report import TensorResult
from minitorch_np.gradcheck.targets import LayerTarget

# Slopes


@pytest.mark.parametrize(("row", "degree"), list(enumerate([4, 3, 3])))
def test_weights_are_exact_for_polynomials(row: int, degree: int) -> None:
    k = np.array(MULTIPLES)
    for power in range(1, degree + 1):
        assert WEIGHTS[row] @ k**power == pytest.approx(float(power == 1), abs=1e-12)
    assert abs(WEIGHTS[row] @ k ** (degree + 1)) > 0.1


@pytest.mark.parametrize(
    ("number", "power"), [(1, 1), (3, 4), (2.8, 2), (0.7, 0.5), (1e-3, 2**-10)]
)
def test_powers_of_two(number: float, power: float) -> None:
    assert power_of_two(number) == power


def test_sizes_of_arrays() -> None:
    assert root_mean_square(np.array([[3.0, -4.0]])) == math.sqrt(12.5)
    assert root_mean_square(np.full(4, 1e-20)) == pytest.approx(1e-20, rel=1e-12)
    for nothing in (np.zeros(3), np.zeros(0), np.array([np.inf, 1.0])):
        assert root_mean_square(nothing) == 1
    assert largest(np.array([1.0, -3.0])) == 3
    assert largest(np.zeros(0)) == 0


def test_random_directions_keep_away_from_zero(rng: np.random.Generator) -> None:
    found = cotangent(rng, (40, 50))
    assert found.shape == (40, 50)
    assert 0.5 <= np.abs(found).min() < 0.51
    assert 1.49 < np.abs(found).max() <= 1.5
    assert 0.45 < (found > 0).mean() < 0.55
    array = np.array([[0.0, -2.0, 4.0]]).repeat(2000, 0)
    step = generic_step(rng, array)
    share = np.abs(step) / [math.sqrt(20 / 3), 2, 4]
    assert (share.min(axis=0) >= 0.15).all()
    assert (share.min(axis=0) < 0.152).all()
    assert (share.max(axis=0) <= 0.45).all()
    assert (share.max(axis=0) > 0.448).all()
    assert (np.abs((step > 0).mean(axis=0) - 0.5) < 0.05).all()


@pytest.mark.parametrize(
    ("function", "size", "sigma", "scale", "exponents", "slope", "error"),
    [
        # Smooth: 5e-4 of the size is enough, and nearly 2^-11.
        (lambda t: 3 * t, 1.0, 1e-16, 0.0, [-11], 3.0, 4 * 1e-16 * 2**11),
        (lambda t: 3 * t, 8.0, 1e-16, 0.0, [-8], 3.0, 4 * 1e-16 * 2**8),
        # All zero: no step is better than the first, or the longest where there is rounding.
        (lambda t: 0.0, 1.0, 0.0, 0.0, [-11], 0.0, 0.0),
        (lambda t: 0.0, 1.0, 1e-16, 0.0, [-11, -2], 0.0, 4 * 1e-16 * 2**2),
        # Near a corner, and where it bends, steps are 16 times as short.
        (lambda t: max(t, 5 * t - 2.0**-10), 1.0, 1e-16, 0.0, [-11, -15], 1.0, 4 * 1e-16 * 2**15),
        (lambda t: math.sin(50 * t), 1.0, 1e-16, 0.0, [-11, -15], 50.0, None),
        # Where rounding dominates they are longer, up to 512 times, or as long as is enough.
        (lambda t: t, 1.0, 1e-6, 0.0, [-11, -2], 1.0, 4 * 1e-6 * 2**2),
        (lambda t: t, 1.0, 1e-3, 1e9, [-11, -8, -8], 1.0, 4 * 1e-3 * 2**8),
        (lambda t: t, 1e-17, 1e-16, 0.0, [-67, -58, -49, -40, -31, -22, -21], 1.0, 4e-16 * 2**21),
        # Where there is no slope, all is tried.
        (lambda t: float(t > 0), 1.0, 1e-16, 0.0, range(-11, -40, -4), math.nan, math.inf),
        (lambda t: math.copysign(abs(t) ** 0.5, t), 1.0, 1e-16, 0.0, range(-11, -40, -4), math.nan,
         math.inf),
    ],
)  # fmt: skip
def test_which_steps_are_tried(
    function: Any, size: float, sigma: float, scale: float, exponents: Any, slope: float, error: Any
) -> None:
    seen: list[float] = []

    def move(t: float) -> Any:
        seen.append(t)
        return np.array([function(t)])

    found = slopes(move, size, sigma, scale)
    expected = [sign * k * 2.0**e for e in exponents for sign in (-1, 1) for k in MULTIPLES]
    assert seen == expected
    assert (found.left, found.right) == pytest.approx((slope, slope), rel=1e-8, nan_ok=True)
    if error is not None:
        assert found.error == pytest.approx(error, rel=1e-3)


def test_outside_of_its_domain_a_function_has_no_slope() -> None:
    def refused(t: float) -> Any:
        raise mt.DataError("negative")

    for move in (refused, lambda t: np.array([np.nan]), lambda t: np.array([t, np.inf])):
        with np.errstate(invalid="ignore"):
            found = slopes(move, 1.0, 1e-16)
        assert found.error == math.inf
        assert math.isnan(found.left)
        assert found.distance(3.0, 0.0) == 0  # nothing is known of it


def test_each_output_may_have_its_own_corner() -> None:
    """Of |t| and max(-3 t, 0): slopes are -4 and 1, and each of the two may take another side."""
    found = slopes(lambda t: np.array([abs(t), max(-3 * t, 0.0)]), 1.0, 1e-16)
    assert tuple(found[:4]) == pytest.approx((-4, 1, -4, 1))
    found = slopes(lambda t: np.array([abs(t), max(3 * t, 0.0) - 3 * t]), 1.0, 1e-16)
    assert tuple(found[:4]) == pytest.approx((-4, 1, -4, 1))
    found = slopes(lambda t: np.array([abs(t), -abs(t)]), 1.0, 1e-16)
    assert tuple(found[:4]) == pytest.approx((0, 0, -2, 2))


def test_margins_of_corners() -> None:
    """Slopes differ at a corner by more than 8 of their errors and the margin."""
    for right, margin, is_corner in ((8.0, 0.0, False), (8.1, 0.0, True), (9.0, 1.0, False)):
        sides = Sides(0.0, right, -2.0, 10.0, 1.0)
        assert sides.at_corner(margin) == is_corner
        assert sides.value == right / 2
        assert sides.distance(-3.0, margin) == (1 if is_corner else 3)
        assert sides.distance(12.0, margin) == (2 if is_corner else 12 - right)
        assert sides.distance(right / 2, margin) == 0
    assert Sides(0.0, math.nan, 0.0, 0.0, 0.0).at_corner()
    assert Sides(5.0, 1.0, 1.0, 5.0, 1.0).distance(0.5, 0.0) == 0.5  # left may be the greater


# Claims


def claim_of(layer: mt.Layer, x: Any, seed: int = 0) -> Claim:
    layer.initialize(np.shape(x)[1:], rng=np.random.default_rng(1), dtype=np.float64)
    return Claim(LayerTarget(layer, np.array(x)), np.random.default_rng(seed))


def test_a_claim_in_numbers(rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 4))
    claim = claim_of(mt.Dense(2), x)
    w, b = (claim.target.arrays[name] for name in ("weight", "bias"))
    assert claim.origin.tolist() == (x @ w.T + b).tolist()
    assert claim.fitting == ["x", "weight", "bias"]
    assert claim.size == pytest.approx(np.linalg.norm(claim.u * claim.origin))
    np.testing.assert_allclose(claim.gradients["bias"], claim.u.sum(axis=0), rtol=1e-13)
    assert claim.repeats == {"x", "weight", "bias"}
    assert claim.natural_size >= claim.size
    assert claim.sigma >= EPSILON * claim.natural_size
    assert (claim.u != claim.v).all()
    move = claim.entry_line("weight", 5)  # row 1, column 1
    np.testing.assert_allclose(move(0.5)[:, 1], claim.u[:, 1] * x[:, 1] * 0.5, rtol=1e-12)
    assert (move(0.5)[:, 0] == 0).all()
    along = claim.line("bias", np.array([2.0, -1.0]))
    np.testing.assert_allclose(along(0.5), claim.u * [1.0, -0.5], rtol=1e-12)
    assert claim.origin.tolist() == claim.target.value().tolist()  # all is put back
    assert claim.refine()
    assert not claim.refine()


def bare_claim(**known: Any) -> Any:
    """A claim of which only this is known."""
    claim: Any = object.__new__(Claim)
    vars(claim).update(known)
    return claim


def test_what_rounding_explains() -> None:
    """4 (noise + 2 ulps of the gradient), and what a composed function loses."""
    target = SimpleNamespace(composed=False, arrays={"x": np.full(4, 2.0)})
    claim = bare_claim(
        target=target, repeats={"x"}, noise={"x": 1e-12}, gradients={"x": np.array([3.0, -8.0])},
        natural_size=10.0, size=5.0,
    )  # fmt: skip
    assert claim.rounding("x") == pytest.approx(4 * (1e-12 + 16 * EPSILON), rel=1e-12)
    assert claim.vanishing("x") == 0
    assert claim.ulps_of_dy == 64 * EPSILON * 5
    claim.repeats = set()
    assert claim.rounding("x") == pytest.approx(4 * 16 * EPSILON, rel=1e-12)
    assert claim.scale("x") == 8
    target.composed, claim.repeats = True, {"x"}
    assert claim.vanishing("x") == pytest.approx(1e-11 * 10 / 2)
    assert claim.rounding("x") == pytest.approx(4 * (1e-12 + 16 * EPSILON) + 5e-11, rel=1e-12)
    assert claim.scale("x") == pytest.approx(1e-12 / (8 * EPSILON))  # the terms that cancel
    claim.noise["x"] = 1.0
    assert claim.scale("x") == pytest.approx(1e6 * 5 / 2)  # no more than is plausible
    claim.noise["x"] = EPSILON
    assert claim.scale("x") == 8


@pytest.mark.parametrize(("drift", "repeats"), [(1.9e-12, True), (2.1e-12, False)])
def test_a_call_repeats_up_to_rounding(drift: float, repeats: bool) -> None:
    target = SimpleNamespace(arrays={"x": np.full(4, 2.0)})
    claim = bare_claim(target=target, size=4.0, gradients={"x": np.array([20.0, 1.0])})
    assert claim._repeats("x", np.array([20.0, 1.0 + drift])) == repeats
    claim.size = 400.0
    assert claim._repeats("x", np.array([20.0, 1.0 + drift]))


def test_small_changes_are_never_none_and_keep_ties(rng: np.random.Generator) -> None:
    claim = bare_claim(rng=rng, _equal={})
    drawn = claim._draw((50, 40))
    assert set(np.unique(drawn)) == {*range(-ULPS, 0), *range(1, ULPS + 1)}
    tied = np.array([[1.0, 2.0], [2.0, 1.0]])
    steps = claim._ulps("x", tied) / EPSILON
    assert steps[0, 0] == steps[1, 1]
    assert steps[0, 1] == steps[1, 0]
    assert claim._ulps("many", np.ones(MANY)).std() == 0
    assert claim._ulps("more", np.ones(MANY + 1)).std() > 0


def test_a_difference_is_measured_again_nearer() -> None:
    """A staircase whose steps are as long as the slope's own look straight from afar."""
    claim = bare_claim(sigma=1e-16)
    found, ratio, tolerance = claim.compare(lambda t: np.array([2 * t]), 2.0, 1.0, 0.0, 1e-6)
    assert ratio == pytest.approx(0, abs=1e-6)
    assert tolerance == pytest.approx(1e-6, rel=1e-4)
    found, ratio, tolerance = claim.compare(lambda t: np.array([2 * t]), 2.1, 1.0, 0.0, 1e-3)
    assert ratio == pytest.approx(0.1 / 1e-3, rel=1e-3)
    bent = lambda t: np.array([2 * t if abs(t) < 2.0**-19 else 3 * t])  # noqa: E731
    found, ratio, _ = claim.compare(bent, 2.0, 1.0, 0.0, 1e-6)
    assert found.value == pytest.approx(2)
    assert ratio < 1
    assert claim.compare(bent, 2.5, 1.0, 0.0, 1e-6)[1] > 1
    assert claim.compare(lambda t: np.zeros(1), 1.0, 1.0, 0.0, 0.0)[1] > 1e9


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
