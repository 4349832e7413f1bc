"""Pieces of the gradient check: made-up data, packing, functions, steps, the tape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck import made_up, packed, tape
from minitorch_np.gradcheck.targets import LayerTarget, at_generic_point, in_float64

# Made-up data


def test_a_made_up_batch() -> None:
    """Of three sizes in turn, with ties of 2.5 along each axis at the start, and a 0 at the end."""
    found = made_up.made_up((4, 2), np.random.default_rng(5), 5)
    normal = np.random.default_rng(5).normal(size=(5, 4, 2))
    expected = normal * np.array([1, 2, 0.5, 1, 2]).reshape(5, 1, 1)
    expected[0, :3, 0] = 2.5  # three of four; of the axis of two none
    expected[-1, -1, -1] = 0
    np.testing.assert_array_equal(found, expected)
    one = made_up.made_up((3,), np.random.default_rng(5))
    assert one.shape == (4, 3)
    assert (one[0, :2] == 2.5).all()
    assert one[0, 2] != 2.5  # a tie does not cover all entries
    assert (made_up.made_up((2,), np.random.default_rng(5)) != 2.5).all()
    of_eight = made_up.made_up((8,), np.random.default_rng(5))[0] == 2.5
    assert of_eight.tolist() == [True] * 3 + [False] * 5


def test_inputs_that_are_whole_numbers_or_have_an_empty_step() -> None:
    table = mt.Embedding(3, 2)
    table.initialize((50,), rng=np.random.default_rng(0), dtype=np.float64)
    found = made_up.made_up_inputs(table, np.random.default_rng(0))
    assert found.shape == (4, 50)
    assert set(np.unique(found)) == {0, 1, 2}
    layer = mt.Tanh()
    layer.initialize((3, 2), rng=np.random.default_rng(0), dtype=np.float64)
    steps = made_up.made_up_inputs(layer, np.random.default_rng(0), 2)
    assert (steps[-1, -1] == 0).all()
    assert (steps[-1, :-1] != 0).all()
    flat = mt.Tanh()
    flat.initialize((3,), rng=np.random.default_rng(0), dtype=np.float64)
    assert (made_up.made_up_inputs(flat, np.random.default_rng(0), 2)[-1] != 0).sum() == 2


class Refuses(mt.Loss):
    """A loss of one kind of scores and targets."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
        sums = np.allclose(scores.sum(-1) - 0.1, 0.9) if scores.shape[-1] == 5 else False
        kinds = {
            "labels": targets.dtype.kind == "i",
            "probabilities": sums and targets.dtype.kind == "i",
            "one-hot": targets.dtype.kind == "f" and set(np.unique(targets)) == {0, 1},
            "shares": targets.dtype.kind == "f" and targets.min() >= 0.1 and targets.max() <= 0.9,
            "positive": scores.min() >= 0 and scores.max() > 1,
            "even": scores.shape[-1] % 2 == 0,
        }
        if not kinds[self.kind]:
            raise ValueError(f"not {self.kind}")
        return 1.0, None

    def backward(self, cache: Any) -> Any:
        return cache


@pytest.mark.parametrize(
    "kind", ["labels", "probabilities", "one-hot", "shares", "positive", "even"]
)
def test_scores_and_targets_that_a_loss_takes(kind: str) -> None:
    scores, targets = made_up.made_up_for(Refuses(kind), np.random.default_rng(0))
    assert scores.shape == ((7, 6) if kind == "even" else (6, 5))
    assert len(targets) == len(scores)
    if kind in ("labels", "even"):
        assert set(targets) == set(range(scores.shape[1]))  # every class is there
    if kind == "probabilities":
        np.testing.assert_allclose(scores.sum(axis=1), 1.0)
        assert scores.min() >= 0.02
    with pytest.raises(ValueError, match=f"not {kind}" if kind == "even" else "not even"):
        made_up.made_up_for(Refuses("even"), np.random.default_rng(0), (5,))
    images, of_images = made_up.made_up_for(Refuses("labels"), np.random.default_rng(0), (2, 3), 2)
    assert (images.shape, of_images.shape) == ((2, 2, 3), (2, 2))


# Packing


def test_arrays_side_by_side_and_back() -> None:
    a, b = np.arange(12.0).reshape(2, 3, 2), np.arange(100.0, 102)
    flat = packed.pack((a, b))
    assert flat.tolist() == [[0, 1, 2, 3, 4, 5, 100], [6, 7, 8, 9, 10, 11, 101]]
    one, other = packed.unpack(flat, [(3, 2), ()])
    np.testing.assert_array_equal(one, a)
    np.testing.assert_array_equal(other, b)
    assert one.flags.c_contiguous
    assert packed.pack(a) is a
    with pytest.raises(mt.DataError, match="one for each input, got none"):
        packed.pack(())


def two_ended() -> mt.Graph:
    a = mt.Input(6)
    return mt.Graph(a, [mt.Dense(6)(a), mt.Dense(6)(a)], seed=0, dtype="float64")


def test_a_layer_of_several_inputs_as_one() -> None:
    layer = mt.Add()
    layer.initialize(((3,), (3,)), rng=np.random.default_rng(0), dtype=np.float64)
    whole: Any = packed.as_one(layer)
    assert (whole.input_shape, whole.output_shape) == ((6,), (3,))
    x = np.arange(12.0).reshape(2, 6)
    y, cache = whole.forward(x)
    assert y.tolist() == [[3, 5, 7], [15, 17, 19]]
    dx, gradients = whole.backward(np.ones((2, 3)), cache)
    assert dx.tolist() == np.ones((2, 6)).tolist()
    assert gradients == {}
    assert whole.label == layer.label
    assert whole.dtype == np.float64
    assert (whole.couples_samples, whole.index_limit) == (False, None)
    assert (
        packed.packed_loss(mt.SeveralLosses([mt.MeanSquaredError()] * 2), two_ended(), (x, x))[
            1
        ].tolist()
        == np.concatenate([x, x], 1).tolist()
    )
    plain = mt.Tanh()
    plain.initialize((3,), rng=np.random.default_rng(0), dtype=np.float64)
    assert packed.as_one(plain) is plain
    masking = mt.Masking()
    masking.initialize(((3, 2), ()), rng=np.random.default_rng(0), dtype=np.float64)
    lengths: Any = packed.as_one(masking)
    assert lengths.limits == [None, 4]  # of steps of three, 0 to 3


# Points


def test_layers_in_float64_at_a_generic_point() -> None:
    model = mt.Sequential(mt.Dense(3), mt.BatchNorm(), input_shape=2, seed=0)
    double = in_float64(model)
    for name, array in double.state_dict().items():
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, model.state_dict()[name])
    moved = at_generic_point(double, np.random.default_rng(0)).state_dict()
    for name, array in double.state_dict().items():
        share = np.abs(moved[name] - array) / np.where(array == 0, 1, np.abs(array))
        if not name.endswith("running_mean"):
            assert (share.min() >= 0.15) & (share.max() <= 0.45), name
    assert (moved["1.running_var"] > 0).all()
    assert (moved["1.running_mean"] > 0).all()  # a 0 is moved up


def test_the_same_draws_and_statistics_in_each_call() -> None:
    for layer in (mt.Dropout(0.5), mt.BatchNorm(), mt.Tanh()):
        layer.initialize((3,), rng=np.random.default_rng(0), dtype=np.float64)
        target = LayerTarget(layer, np.random.default_rng(1).normal(size=(4, 3)), seed=9)
        first = target.value()
        np.testing.assert_array_equal(first, target.value())
        with target.moved({"x": np.ones((4, 3))}):
            assert isinstance(layer, mt.BatchNorm) or (target.value() != first).any()
        np.testing.assert_array_equal(first, target.value())
    assert LayerTarget(mt.ELU(1.5), np.ones((1, 2))).constants() == {"alpha": 1.5}


# The tape


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("matmul", ["a", "b"], "a @ b"), ("power", ["a", "2"], "a ** 2"),
        ("tanh", ["z"], "tanh(z)"),
        ("add.reduce", ["a"], "sum(a)"), ("maximum.reduce", ["a"], "max(a)"),
        ("logical_or.reduce", ["a"], "logical_or(a)"), ("where", ["m", "a", "b"], "where(m, a, b)"),
        ("subtract", ["a", "b"], "a - b"), ("minimum.reduce", ["a"], "min(a)"),
        ("multiply.reduce", ["a"], "prod(a)"), ("negative", ["a"], "negative(a)"),
    ],
)  # fmt: skip
def test_operations_in_words(name: str, words: list[str], said: str) -> None:
    assert tape._text(name, words) == said


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("fixed", [1.0, 4.0]),
        ("1 (it is left out)", [1.1, 3.8]),
        ("y, its output", [1.1, 3.2]),
        ("1 - y, with its output y", [1.0, 4.6]),
        ("1 - y**2, with its output y", [1.0, 7.0]),
        ("y * (1 - y), with its output y", [1.0, 6.4]),
        ("z, its input", [1.1, 4.4]),
        ("1 - z**2, with its input z", [1.0, 4.6]),
        ("z * (1 - z), with its input z", [1.0, 5.2]),
        ("y > 0, by its output y", [1.1, 3.8]),
        ("z > 0, by its input z", [1.1, 4.0]),
        ("at output", [1.21, 14.44 - 16 + 4]),
    ],
)
def test_an_operation_with_another_slope(kind: str, result: list[float]) -> None:
    """z**2 at (1, -2), moved by (0.1, -0.2): what it is then, with that slope instead of 2 z."""
    before, now = np.array([1.0, -2.0]), np.array([1.1, -2.2])
    spoiled = tape.Spoiled(("here",), 0, kind, range(1))
    found = tape._spoil(np.square, [now], [before], np.square(before), spoiled)
    np.testing.assert_allclose(found, result, rtol=1e-12)
    other = tape.Spoiled(("here",), 1, "fixed", range(1))
    kept = tape._spoil(np.multiply, [now, 2 * now], [before, 2 * before], 2 * before**2, other)
    np.testing.assert_allclose(kept, now * 2 * before)


class Looped(mt.Layer):
    """h = tanh(h w) + x, twice."""

    parameter_names = ("w",)

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.w = np.full(input_shape, 0.5, dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        h = x
        for _ in range(2):
            h = np.tanh(h * self.w) + x
        return h.sum(axis=1, keepdims=True), None

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return None, {}


def test_what_is_tried_of_a_forward() -> None:
    layer = Looped()
    layer.initialize((2,), rng=np.random.default_rng(0), dtype=np.float64)
    target = LayerTarget(layer, np.array([[0.5, -1.0]]))
    value, x, w = target.value(), target.arrays["x"], target.arrays["w"]
    with tape.recorded(target) as recorded:
        assert [text for text, _ in recorded.texts.values()] == [
            "x * w", "tanh(...)", "... + x", "sum(h)"
        ]  # fmt: skip
        assert list(recorded.rounds.values()) == [2, 2, 2, 1]
        tried = [(words, each.kind, each.rounds) for words, each in tape.hypotheses(recorded)]
        fixed = [(words, rounds) for words, kind, rounds in tried if kind == "fixed"]
        both, last, first = range(2), range(1, 2), range(1)
        operands = [
            "`x` of `x * w`", "`w` of `x * w`", "`tanh(...)`", "operand 1 of `... + x`",
            "`x` of `... + x`",
        ]  # fmt: skip
        assert fixed[:6] == [*((each, both) for each in operands), ("`sum(h)`", first)]
        assert ("`tanh(...)` in all rounds but the first of 2", last) in fixed
        assert ("`tanh(...)` in all rounds but the last of 2", first) in fixed
        assert ("`tanh(...)` in the first of 2 rounds", first) in fixed
        assert len(fixed) == 6 + 3 * 5
        assert sum(words == "`tanh(...)`" for words, _, _ in tried) == 1 + 1 + len(tape.DERIVATIVES)
        assert not any(kind != "fixed" for words, kind, _ in tried if "sum" in words)
        moving = recorded.moved_by(target, w, np.full(2, 0.1))
        assert {(recorded.texts[place][0], k) for place, k in moving} == {
            ("x * w", 0), ("x * w", 1), ("tanh(...)", 0), ("... + x", 0), ("sum(h)", 0),
        }  # fmt: skip
        change = next(
            each for words, each in tape.hypotheses(recorded) if words == "`x` of `... + x`"
        )
        slope = recorded.slope(target, x, np.array([[1e-4, 0.0]]), change)
    t = np.tanh(0.5 * x[0, 0]) + x[0, 0]
    first_slope = 0.5 / np.cosh(0.5 * x[0, 0]) ** 2  # h moves at first, x in the sum does not
    assert slope[0] / 1e-4 == pytest.approx(first_slope * 0.5 / np.cosh(0.5 * t) ** 2, rel=1e-6)
    np.testing.assert_array_equal(target.value(), value)
    assert type(layer.w) is np.ndarray
