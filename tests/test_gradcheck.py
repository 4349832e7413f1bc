"""The gradient check checked: it finds what is wrong, it says what, and it does not cry wolf."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.arrays import parts
from minitorch_np.gradcheck.cases import CASES
from minitorch_np.gradcheck.made_up import made_up_inputs
from minitorch_np.gradcheck.numeric import Sides, slopes
from minitorch_np.gradcheck.registry import cases_for, components
from tests.sampling import every

CLASSES = list(CASES)


@pytest.mark.parametrize("cls", components(), ids=lambda c: c.__name__)
def test_no_component_is_without_cases(cls: Any) -> None:
    assert cases_for(cls)


@pytest.mark.parametrize(("seed", "scale"), list(enumerate([1e-6, 1e-3, 1.0, 1e3, 1e6])))
def test_no_false_alarm_at_any_scale(
    seed: int, scale: float, request: pytest.FixtureRequest
) -> None:
    """A part of `python -m benchmarks.false_alarms`: each case at one of the scales, or at all."""
    rng = np.random.default_rng(seed)
    cases = [case for cls in CLASSES for case in cases_for(cls)]
    for case in cases if request.config.getoption("--whole") else cases[seed::5]:
        if isinstance(case.obj, mt.Loss) or case.obj.index_limit:
            continue
        several = tuple(rng.normal(size=(3, *shape)) * scale for shape in parts(case.shape))
        for part in several:
            part.reshape(-1)[rng.integers(part.size)] = 0.0
        x = several if several[1:] else several[0]
        result = mt.gradcheck(case.obj, x, seed=seed, contracts=False)
        assert result.status != "fail", result


def test_kinks_are_told_from_wrong_gradients() -> None:
    x = np.array([[0.0, 1e-5, -1e-5, 2e-3, -2e-3, 1.0]])
    result = mt.gradcheck(mt.ReLU(), x)
    assert result, result
    (tensor,) = result.tensors
    assert tensor.kinks == 1  # only 0 itself; the others are near one, and are seen beside it

    class Outside(mt.ReLU):
        def derivative(self, z: Any, a: Any) -> Any:
            return np.where(z == 0, 1.5, z > 0).astype(z.dtype)

    wrong = mt.gradcheck(Outside(), x)
    assert wrong.status == "fail"
    assert wrong.tensors[0].place == (0, 0)

    class Inside(mt.ReLU):
        def derivative(self, z: Any, a: Any) -> Any:
            return np.where(z == 0, 0.5, z > 0).astype(z.dtype)

    assert mt.gradcheck(Inside(), x)


@pytest.mark.parametrize("seed", every(4, range(4)))
def test_a_layer_with_its_defaults_passes(seed: int) -> None:
    """As a user meets it: ELU's alpha of 1 makes its slope continuous at 0, and not its change."""
    for cls in components():
        try:
            obj = cls()
        except TypeError:  # a layer that needs arguments: its cases give some
            continue
        except mt.ConfigurationError:  # a container that needs layers
            continue
        result = mt.gradcheck(obj, seed=seed)
        assert result, result


def test_a_saturated_layer_is_checked_where_it_is_not() -> None:
    x = np.full((2, 3), 800.0)
    result = mt.gradcheck(mt.Sigmoid(), x)
    assert result, result
    assert "with all arrays scaled to the size of 1" in str(result)
    assert (x == 800).all()


class Step(mt.Activation):
    def value(self, z: Any) -> Any:
        return np.floor(3 * z)

    def derivative(self, z: Any, a: Any) -> Any:
        return np.zeros_like(z)


class Unused(mt.Layer):
    """One parameter does nothing; another one only where inputs are large."""

    parameter_names = ("idle", "rare")

    def build(self, input_shape: Any, *, rng: np.random.Generator, dtype: Any) -> Any:
        self.idle, self.rare = np.ones(3, dtype), np.ones(input_shape, dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return x + self.rare * np.maximum(x - 1e4, 0), x

    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        over = np.maximum(x - 1e4, 0)
        gradients = {"idle": np.zeros_like(self.idle), "rare": (dy * over).sum(axis=0)}
        return dy * (1 + self.rare * (x > 1e4)), gradients


@pytest.mark.parametrize("layer", [Step(), Unused()])
def test_gradients_that_are_rightly_zero_pass(layer: mt.Layer) -> None:
    result = mt.gradcheck(layer)
    assert result, result
    assert "Zero is right" in str(result)


def test_dead_units_are_seen_where_they_live() -> None:
    x = np.array([[-3.0, -4.0], [-2.0, -1.0]])
    result = mt.gradcheck(mt.ReLU(), x)
    assert result, result
    assert "Inconclusive" in str(result)
    assert "checked at a point moved by" in str(result)


def test_what_shows_nothing_is_inconclusive() -> None:
    class Log(mt.Activation):
        def value(self, z: Any) -> Any:
            return np.log(z)

        def derivative(self, z: Any, a: Any) -> Any:
            return 1 / z

    x = np.full((2, 3), -1.0)
    result = mt.gradcheck(Log(), x)
    assert result.status == "inconclusive"
    assert not result
    with pytest.raises(mt.GradientError, match="Give other x"):
        mt.assert_gradients(Log(), x)
    assert mt.gradcheck(Log(), -x)  # the remedy works


def test_corners_that_meet_are_stepped_away_from() -> None:
    """A network of zeros: every ReLU at its corner, for every sample."""
    model = mt.Sequential(
        mt.Dense(4, weight_initializer="zeros"), "relu", mt.Dense(3), input_shape=5, seed=0
    )
    result = mt.gradcheck(model, np.random.default_rng(0).normal(size=(6, 5)), np.arange(6) % 3)
    assert result, result
    assert (model.named_parameters()["0.weight"] == 0).all()


def test_a_gradient_that_cancels_is_held_against_its_terms() -> None:
    """A bias before BatchNorm has no effect; all there is of its gradient is rounding."""
    model = mt.Sequential(mt.Dense(3), mt.BatchNorm(), "relu", mt.Dense(2), input_shape=4, seed=0)
    for rows in (2, 3, 7):
        x = np.random.default_rng(rows).normal(size=(rows, 4))
        result = mt.gradcheck(model, x, np.arange(rows) % 2)
        assert result, result


def test_ties_are_moved_together() -> None:
    class CountsTwice(mt.MaxPool2D):
        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            dx, gradients = super().backward(dy, cache)
            assert dx is not None
            dx[0, 0] = dy[0, 0, 0, 0]  # every entry of the tie has all of it
            return dx, gradients

    x = np.ones((1, 1, 2, 2))
    assert mt.gradcheck(mt.MaxPool2D(), x)
    result = mt.gradcheck(CountsTwice(), x, contracts=False)
    assert result.status == "fail"
    assert "moved together" in str(result)


@pytest.mark.parametrize("obj", [mt.Dense(2), mt.MeanSquaredError(), mt.gpt(5, 4, 1, 1, 4)])
def test_a_name_that_no_array_has_can_not_be_allowed(obj: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match=r"allow: expected names of .*got 'wieght'"):
        mt.gradcheck(obj, allow={"wieght": "a typing error"})


def test_what_is_allowed_is_shown() -> None:
    class StraightThrough(mt.Activation):
        def value(self, z: Any) -> Any:
            return np.sign(z)

        def derivative(self, z: Any, a: Any) -> Any:
            return np.ones_like(z)

    x = np.array([[0.5, -1.5], [2.0, -0.3]])
    assert mt.gradcheck(StraightThrough(), x).status == "fail"
    result = mt.gradcheck(StraightThrough(), x, allow={"x": "straight-through estimator"})
    assert result, result
    assert "allowed: straight-through estimator" in str(result)


def test_the_innermost_failing_layer_is_named() -> None:
    class Swish(mt.Activation):
        def value(self, z: Any) -> Any:
            return z / (1 + np.exp(-z))

        def derivative(self, z: Any, a: Any) -> Any:
            return 1 / (1 + np.exp(-z))  # a term is missing

    model = mt.Sequential(
        mt.Dense(4), mt.Residual(mt.Dense(4), Swish()), mt.Dense(2), input_shape=3, seed=0
    )
    result = mt.gradcheck(model)
    failed = [part.subject for part in result.parts if part.status == "fail"]
    assert failed == ["[1.0.1] Swish()"]
    assert not result.tensors  # the whole says nothing new


class WrongResidual(mt.Residual):
    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, cache, need_dx=True)
        return dx - dy, gradients  # the shortcut is forgotten


def test_what_is_wrong_between_layers_is_found() -> None:
    model = mt.Sequential(mt.Dense(4), WrongResidual(mt.Dense(4), "tanh"), input_shape=3, seed=0)
    result = mt.gradcheck(model)
    assert [part.subject for part in result.parts if part.status == "fail"] == ["[1] WrongResidual"]


def test_one_wrong_entry_of_7840_is_located() -> None:
    class Slip(mt.Dense):
        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            dx, g = super().backward(dy, cache)
            g["weight"][3, 456] *= 1.01
            return dx, g

    x = np.random.default_rng(0).random((4, 784))
    result = mt.gradcheck(Slip(10), x, contracts=False)
    assert result.status == "fail"
    weight = next(t for t in result.tensors if t.name == "weight")
    assert weight.place == (3, 456)
    assert weight.analytic == pytest.approx(1.01 * weight.numeric)


def test_the_notes_network_on_real_digits(digits: mt.data.Digits) -> None:
    part = digits.train.take(slice(32))
    model = mt.notes_network(seed=0)
    before = model.state_dict()
    result = mt.gradcheck(model, part.features(), part.labels)
    assert result, result
    assert [part.subject for part in result.parts if part.subject != "when frozen"] == [
        "[0] Dense(10)",
        "[1] ReLU()",
        "[2] Dense(10)",
        "the value of SoftmaxCrossEntropy",
    ]
    for name, array in model.named_parameters().items():
        np.testing.assert_array_equal(array, before[name])
        assert array.dtype == np.float32


def test_a_loss_that_reports_a_mean_and_descends_on_a_sum_is_found() -> None:
    class Summed(mt.SoftmaxCrossEntropy):
        def backward(self, cache: Any) -> Any:
            return super().backward(cache) * len(cache[0])

    model = mt.Sequential(mt.Dense(4), mt.Dense(3), input_shape=5, seed=0)
    x = np.random.default_rng(0).normal(size=(6, 5))
    assert mt.gradcheck(model, x)
    result = mt.gradcheck(model, x, np.arange(6) % 3, loss=Summed())
    assert result.status == "fail"
    assert result.parts[-1].status == "fail"
    assert result.parts[-1].subject == "the value of Summed"


def test_a_report_can_be_read_and_computed_with() -> None:
    result = mt.gradcheck(mt.ELU(1.7))
    data = json.loads(json.dumps(result.to_dict()))
    assert data["status"] == "pass"
    assert data["tensors"][0]["name"] == "x"
    assert "PASS ELU(alpha=1.7)" in str(result)
    assert str(result) == repr(result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((mt.ReLU(), None, None, "fast"), "expected mode to be"),
        ((3, None, None, "auto"), "expected a Layer or a Loss"),
        ((mt.SoftmaxCrossEntropy(), np.ones((2, 3)), None, "auto"), "expected targets"),
    ],
)
def test_what_cannot_be_checked(arguments: Any, message: str) -> None:
    obj, x, target, mode = arguments
    with pytest.raises(mt.ConfigurationError, match=message):
        mt.gradcheck(obj, x, target, mode=mode)


def test_inputs_are_made_up_for_losses_too() -> None:
    class HalfSquares(mt.Loss):
        """Of the reader's own, with targets of the scores' shape."""

        def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
            self.prepare(targets, scores.shape[1:])
            return float(((scores - targets) ** 2).sum() / (2 * len(scores))), (scores, targets)

        def backward(self, cache: Any) -> Any:
            scores, targets = cache
            return (scores - targets) / len(scores)

    for loss in (mt.SoftmaxCrossEntropy(), mt.CrossEntropy(), HalfSquares()):
        result = mt.gradcheck(loss)
        assert result, result
        assert len(result.contracts) == 3


class Norm(mt.Layer):
    """y = |x|, whose gradient at 0 is 0 / 0."""

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        return input_shape[:-1]

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        y = np.sqrt(np.square(x).sum(-1))
        return y, (x, y)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        x, y = cache
        with np.errstate(all="ignore"):
            return (dy / y)[..., np.newaxis] * x, {}


def test_a_step_of_zeros_is_made_up_where_that_has_a_gradient(rng: np.random.Generator) -> None:
    for layer, zeros in ((mt.Tanh(), True), (Norm(), False)):
        model = mt.Sequential(layer, input_shape=(3, 4), seed=0, dtype=np.float64)
        assert made_up_inputs(model, rng)[-1, -1].any() != zeros


def test_x_has_to_fit() -> None:
    with pytest.raises(mt.ShapeError, match=r"x of shape \(m, 784\)"):
        mt.gradcheck(mt.notes_network(), np.ones((2, 5)))


@given(
    at=st.floats(-3, 3),
    scale=st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6]),
    which=st.integers(0, 4),
)
def test_slopes_have_error_bars_that_hold(at: float, scale: float, which: int) -> None:
    """For functions whose derivative is known the error is inside of the bar, at any scale."""
    functions: list[tuple[Any, Any]] = [
        (np.sin, np.cos),
        (np.exp, np.exp),
        (np.tanh, lambda t: 1 - np.tanh(t) ** 2),
        (lambda t: t**3, lambda t: 3 * t**2),
        (lambda t: 1 / (4 + t), lambda t: -1 / (4 + t) ** 2),
    ]
    f, derivative = functions[which]

    def move(h: float) -> Any:
        return np.array([f(at + h / scale) - f(at)])

    found = slopes(move, scale * max(abs(at), 0.1), 4e-16 * max(1.0, abs(float(f(at)))))
    true = float(derivative(at)) / scale
    assert found.distance(true, 0.0) <= 4 * found.error
    assert found.error <= 1e-7 * max(abs(true), 1e-3 / scale)


@pytest.mark.parametrize(
    ("f", "left", "right"),
    [
        (lambda t: np.maximum(t, 0), 0.0, 1.0),
        (lambda t: np.abs(t), -1.0, 1.0),
        (lambda t: np.where(t > 0, t, np.expm1(np.minimum(t, 0))), 1.0, 1.0),
        (lambda t: np.maximum(t, 0) ** 2, 0.0, 0.0),
    ],
)
def test_each_side_of_a_corner_has_its_slope(f: Any, left: float, right: float) -> None:
    found = slopes(lambda h: np.array([f(np.float64(h))]), 1.0, 1e-16)
    assert found.left == pytest.approx(left, abs=1e-9)
    assert found.right == pytest.approx(right, abs=1e-9)


def test_a_corner_is_what_differs_by_more_than_the_margin() -> None:
    sides = Sides(left=1.0, right=1.5, low=0.5, high=2.0, error=0.0)
    assert sides.at_corner()
    assert not sides.at_corner(0.5)
    assert sides.distance(2.25, 0.0) == 0.25  # past what any of the corners allows
    assert sides.distance(1.75, 0.5) == 0.25  # past the greater of the two slopes


@pytest.mark.parametrize("f", [np.sign, np.heaviside, lambda t, _: np.sqrt(abs(t))])
def test_a_jump_and_an_infinite_slope_are_not_measured(f: Any) -> None:
    def move(h: float) -> Any:
        return np.array([f(h, 0.0) if f is not np.sign else np.sign(h)])

    assert not np.isfinite(slopes(move, 1.0, 1e-16).error)


def test_need_dx_is_only_a_hint() -> None:
    """A layer that loses its parameters' gradients where dx is not wanted is found."""

    class Loses(mt.Dense):
        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            dx, gradients = super().backward(dy, cache, need_dx=need_dx)
            return dx, gradients if need_dx else {n: 0 * g for n, g in gradients.items()}

    result = mt.gradcheck(Loses(3))
    assert result.status == "fail"
    assert re.search("need_dx=False d(weight|bias) differs", str(result)), result
