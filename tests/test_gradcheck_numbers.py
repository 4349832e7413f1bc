"""The numbers behind a gradient check: slopes, steps, tolerances and limits, worked out by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
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
