"""What is measured of a wrong gradient, and which explanations are tried: by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck import evidence, spoiling
from minitorch_np.gradcheck.evidence import Evidence, numbers_of, slopes
from minitorch_np.gradcheck.targets import LayerTarget, LossTarget


class Formula:
    """y = f(x) for an array x of its own."""

    def __init__(self, f: Any, x: Any) -> None:
        self.f, self.arrays = f, {"x": np.array(x, float)}

    def value(self) -> Any:
        return self.f(self.arrays["x"])


def test_slopes_of_each_output_by_each_entry() -> None:
    target = Formula(lambda x: np.array([x[0] ** 2, 3 * x[1], x[0] * x[1]]), [2.0, -1.0])
    found, known = slopes(target, target.arrays["x"], range(2))
    np.testing.assert_allclose(found, [[4, 0], [0, 3], [-1, 2]], atol=1e-9)
    assert known.all()
    assert target.arrays["x"].tolist() == [2, -1]
    one, _ = slopes(target, target.arrays["x"], [1])
    np.testing.assert_allclose(one, [[0], [3], [2]], atol=1e-9)


def test_which_points_are_looked_at() -> None:
    """Half and whole steps of 1e-3 of the size, and twice as far, on both sides."""
    seen: list[float] = []

    def f(x: Any) -> Any:
        seen.append(float(x[0]))
        return x.copy()

    target = Formula(f, [4.0, 4.0])
    slopes(target, target.arrays["x"], [0])
    np.testing.assert_allclose(
        np.array(seen) - 4, 4e-3 * np.array([0, -2, -1, -0.5, 0.5, 1, 2]), atol=1e-12
    )


@pytest.mark.parametrize(
    ("f", "known"),
    [
        (lambda x: np.abs(x), [False, True]),  # a corner at 0
        (lambda x: np.maximum(x, 0) ** 2, [False, True]),  # its slope has one there
        (lambda x: x + x**2, [True, True]),
        (lambda x: np.floor(x), [False, True]),
        (lambda x: np.sin(300 * x), [False, False]),  # too short waves
        (lambda x: np.exp(x), [True, True]),
    ],
)
def test_where_there_is_a_slope(f: Any, known: list[bool]) -> None:
    target = Formula(f, [0.0, 1.5])
    assert slopes(target, target.arrays["x"], range(2))[1].tolist() == known


def test_numbers_that_may_be_missing() -> None:
    layer = mt.PReLU(0.25)
    layer.initialize((3, 4), rng=np.random.default_rng(0), dtype=np.float64)
    target = LayerTarget(layer, np.ones((2, 3, 4)))
    assert numbers_of(target, "weight") == [
        ("initial_slope", 0.25),
        ("per_channel", 0.0),
        ("weight", 0.25),
        ("m, the number of samples", 2.0),
        ("the size of axis 1 of x", 3.0),
        ("the size of axis 2 of x", 4.0),
        ("the size of axis 1 of y", 3.0),
        ("the size of axis 2 of y", 4.0),
        ("the size of axes 0, 1 of x", 6.0),
        ("the size of axes 0, 2 of x", 8.0),
        ("the size of axes 1, 2 of x", 12.0),
        ("the size of axes 0, 1 of y", 6.0),
        ("the size of axes 0, 2 of y", 8.0),
        ("the size of axes 1, 2 of y", 12.0),
        ("the size of axes 0, 1, 2 of x", 24.0),
        ("the size of axes 0, 1, 2 of y", 24.0),
    ]
    dense = mt.Dense(2)
    dense.initialize((1,), rng=np.random.default_rng(0), dtype=np.float64)
    names = [name for name, _ in numbers_of(LayerTarget(dense, np.ones((3, 1))), "weight")]
    assert "the size of axis 0 of weight" in names
    assert not any("axis 1 of x" in name for name in names)  # a factor of 1 is none


def test_arrays_that_may_be_missing_from_a_loss() -> None:
    scores, labels = np.array([[0.5, 1.5, -1.0], [2.0, 0.0, 1.0]]), np.array([2, 0])
    weights = np.array([1.0, 3.0])
    target = LossTarget(mt.SoftmaxCrossEntropy(), scores, labels, weights)
    found = dict(evidence._quantities(target, target.value()))
    assert list(found)[:4] == ["scores", "targets", "sample_weight", "one_hot(targets)"]
    assert found["one_hot(targets)"].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert "cache[0]" in found
    numbers = LossTarget(mt.MeanSquaredError(), scores, scores[::-1].copy())
    found = dict(evidence._quantities(numbers, numbers.value()))
    assert found["(scores - targets)"].tolist() == (scores - scores[::-1]).tolist()
    assert "y" not in found  # one number


def test_arrays_of_a_layer_each_once(rng: np.random.Generator) -> None:
    layer = mt.BatchNorm()
    layer.initialize((3,), rng=rng, dtype=np.float64)
    target = LayerTarget(layer, rng.normal(size=(4, 3)))
    found = evidence._quantities(target, target.value())
    names = [name for name, _ in found]
    assert names[:4] == ["x", "weight", "bias", "y"]
    assert len(names) == len(set(names))
    for place, (_, one) in enumerate(found):
        assert one.dtype == float
        assert not any(np.array_equal(one, other) for _, other in found[:place])


def test_arrays_in_a_cache() -> None:
    a, b, c = np.ones(2), np.zeros(3), np.arange(4)
    cache = (a, {"k": b, "none": None, 7: [c, "text"]}, 3.0)
    assert [name for name, _ in evidence._flat(cache, "cache")] == [
        "cache[0]",
        "cache[1]['k']",
        "cache[1][7][0]",
    ]
    assert evidence._flat(a, "cache")[0][1] is a
    assert len(evidence._flat([a] * 30, "cache")) == 24


class Factor(mt.Layer):
    """y = 3 x, and a gradient that is wrong by a change."""

    def __init__(self, change: Any) -> None:
        self.change = change

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return 3 * x, None

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return self.change(3 * dy), {}


def case_of(change: Any, x: Any = None) -> Evidence:
    x = np.random.default_rng(0).normal(size=(2, 3)) if x is None else x
    layer = Factor(change)
    layer.initialize(x.shape[1:], rng=np.random.default_rng(0), dtype=np.float64)
    claim = SimpleNamespace(u=np.random.default_rng(1).uniform(0.5, 1.5, x.shape))
    tensor = SimpleNamespace(name="x", left=np.zeros(0), right=np.zeros(0))
    return Evidence(LayerTarget(layer, x), claim, tensor)


def test_both_jacobians_and_what_is_wrong() -> None:
    case = case_of(lambda g: np.where(np.arange(6).reshape(2, 3) == 4, 1.5 * g, g))
    np.testing.assert_allclose(case.jacobian, 3 * np.eye(6), atol=1e-9)
    np.testing.assert_allclose(case.numeric, 3 * case.u, rtol=1e-9)
    assert case.known.all()
    assert np.flatnonzero(case.wrong).tolist() == [4]
    assert case.residue.flat[4] == pytest.approx(1.5 * case.u.flat[4], rel=1e-6)
    assert case.claimed is not None
    assert case.claimed[4, 4] == pytest.approx(4.5)
    assert case.scale == pytest.approx(
        float(np.abs(case.numeric).max() + np.abs(case.analytic).max())
    )
    assert case.ratio() is None
    assert case_of(lambda g: 2 * g).ratio() == pytest.approx(2)
    bent = case_of(lambda g: g * np.abs(g))
    assert bent.claimed is None  # it is not linear
    assert case_of(lambda g: 2 * g * np.sign(g.sum())).ratio() == pytest.approx(2)


@pytest.mark.parametrize(
    ("factor", "right"), [(1 + 2e-8, True), (1 + 9e-8, True), (1 + 1e-6, False)]
)
def test_which_candidates_fit(factor: float, right: bool) -> None:
    """Where both are known, and that is more than half."""
    case = case_of(lambda g: g)
    assert case.fits(case.analytic * (1 + (factor - 1) / 3)) == right
    assert not case.fits(case.analytic[:1])
    some = np.where(np.arange(6).reshape(2, 3) < 4, case.analytic, np.nan)
    assert case.fits(some)
    some[0, 0] = np.nan
    assert not case.fits(some)  # three of six


def test_entries_that_were_at_a_corner_are_not_known() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3))
    case = case_of(lambda g: g, x)
    left, right = case.numeric.copy(), case.numeric.copy()
    left[0, 1] += 1.0
    left[1, 2] += 0.5
    right[1, 2] += 0.5
    again = Evidence(
        case.target,
        SimpleNamespace(u=case.u),
        SimpleNamespace(name="x", left=left, right=right),
    )
    assert np.argwhere(~again.known).tolist() == [[0, 1], [1, 2]]
    assert again.residue[0, 1] == 0


# Another derivative of one operation


@pytest.mark.parametrize(
    ("found", "true", "goals", "share"),
    [
        ([1.0, 2.0], [3.0, 5.0], [1.0, 2.0], 0.0),  # the path is lost
        ([1.0, 2.0], [3.0, 5.0], [2.0, 3.5], 0.5),
        ([1.0, 2.0], [3.0, 5.0], [5.0, 8.0], 2.0),
        ([1.0, 2.0], [3.0, 5.0], [3.0, 5.0], None),  # once: nothing is wrong
        ([1.0, 2.0], [3.0, 5.0], [2.0, 4.0], None),  # half in one direction, not in the other
        ([3.0, 5.0], [3.0, 5.0], [1.0, 2.0], None),  # the path does not matter
        ([1.0, 2.0], [3.0, 5.0], [1.0 + 4e-7, 2.0 + 6e-7], 0.0),
    ],
)
def test_how_often_a_path_counts(found: Any, true: Any, goals: Any, share: float | None) -> None:
    one, other, truth = (np.array(each) for each in (found, goals, true))
    assert spoiling._share(one, other, truth, 1e-6) == (
        share if share is None else pytest.approx(share)
    )


@pytest.mark.parametrize(
    ("rough", "goals", "true", "fits"),
    [
        ([1.0], [1.05, 9.0], [3.0, 5.0], True),  # one direction: near enough
        ([1.0], [1.15, 9.0], [3.0, 5.0], False),
        ([1.0, 2.0], [2.0, 3.5], [3.0, 5.0], True),
        ([1.0, 2.0], [2.0, 3.55], [3.0, 5.0], True),
        ([1.0, 2.0], [2.0, 4.0], [3.0, 5.0], False),
        ([2.95, 5.0], [7.0, 7.0], [3.0, 5.0], True),  # nothing is lost: it can't be said
    ],
)
def test_what_two_values_rule_out(rough: Any, goals: Any, true: Any, fits: bool) -> None:
    one, other, truth = (np.array(each) for each in (rough, goals, true))
    assert spoiling._may_fit(one, other, truth, 0.1) == fits


@pytest.mark.parametrize(
    ("kind", "share", "said"),
    [
        ("fixed", 0.0, "the path through W is missing: it is taken for a constant"),
        ("fixed", 0.5, "the path through W counts 1/2 times"),
        ("at output", 0.0, "the derivative of W is taken at its output, not at its input"),
        ("1 - y", 0.0, "the derivative of W is taken as 1 - y"),
    ],
)
def test_how_another_derivative_is_said(kind: str, share: float, said: str) -> None:
    assert spoiling._of_spoiled("W", kind, share) == said


def test_settings_that_are_tried(rng: np.random.Generator) -> None:
    layer = mt.LeakyReLU(0.25)
    layer.initialize((2,), rng=rng, dtype=np.float64)
    target = LayerTarget(layer, rng.normal(size=(3, 2)))
    words = [text for text, _ in spoiling._other_settings(target)]
    others = ["0", "1", "2", "-0.25", "0.75", "4", "0.0625"]
    assert words == [*(f"negative_slope = {v}, not 0.25" for v in others), "prediction"]
    for _, change in spoiling._other_settings(target):
        with change:
            assert layer.negative_slope != 0.25 or not target.train
    assert layer.negative_slope == 0.25
    assert target.train
    sized: Any = SimpleNamespace(layer=SimpleNamespace(walk=lambda: [SimpleNamespace(a=0, b=2)]))
    words = [text for text, _ in spoiling._other_settings(sized)]
    assert words == [f"b = {other}, not 2" for other in ("0", "1", "-2", "-1", "0.5", "4")]
    loss = LossTarget(
        mt.SoftmaxCrossEntropy(label_smoothing=0.2), np.ones((2, 3)), np.array([0, 1]), np.ones(2)
    )
    words = [text for text, _ in spoiling._other_settings(loss)]
    assert "label_smoothing = 0.8, not 0.2" in words
    assert words[-1] == "no sample weights"
    assert not any("_plain" in text for text in words)
