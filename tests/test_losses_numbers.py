"""Losses of numbers, of yes or no, of distributions; and what weights do to any of them."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array, DType

SCORES = np.array([[-2.5], [0.3], [4.0]])
TARGETS = np.array([[1.0], [0.25], [0.0]])

# Values and gradients by hand, and for the cross-entropy with mpmath at 40 digits.
PINNED: list[tuple[mt.Loss, float, list[float]]] = [
    (mt.MeanSquaredError(), (12.25 + 0.0025 + 16) / 3, [-7 / 3, 0.1 / 3, 8 / 3]),
    (mt.MeanAbsoluteError(), (3.5 + 0.05 + 4) / 3, [-1 / 3, 1 / 3, 1 / 3]),
    (mt.Huber(), (3 + 0.00125 + 3.5) / 3, [-1 / 3, 0.05 / 3, 1 / 3]),
    (mt.Huber(2.0), (5 + 0.00125 + 6) / 3, [-2 / 3, 0.05 / 3, 2 / 3]),
    (
        mt.BinaryCrossEntropy(),
        2.4587983022262954942,
        [-0.3080472733262521496, 0.10814750560388632905, 0.32733793001263614732],
    ),
]

LOGITS = np.array([[1.3, 5.1, 2.2, 0.7, 1.1], [-0.5, 0.25, 2.0, -1.75, 0.0]])
LABELS = np.array([1, 2])
CLASS_WEIGHTS = [1, 2, 0.5, 1, 3]


@pytest.mark.parametrize("loss", [loss for loss, _, _ in PINNED])
@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.0, 2.0])])
def test_the_order_in_memory_does_not_matter(
    loss: mt.Loss, weights: Array | None, rng: np.random.Generator
) -> None:
    scores, targets = rng.random((2, 3, 4, 5))
    value, cache = loss.forward(scores, targets, weights)
    laid = np.asarray(scores.transpose(1, 2, 0), order="C").transpose(2, 0, 1)  # a convolution's
    other, own = loss.forward(laid, targets, weights)
    assert other == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(loss.backward(own), loss.backward(cache), rtol=1e-14)
    targets[1, 2, 3] = np.nan
    with pytest.raises(mt.DataError, match="row 1,? column 2"):
        loss.forward(laid, targets, weights)


@pytest.mark.parametrize(("loss", "expected", "gradient"), PINNED)
def test_values_and_gradients_to_the_last_digits(
    loss: mt.Loss, expected: float, gradient: list[float]
) -> None:
    value, cache = loss.forward(SCORES, TARGETS)
    assert value == pytest.approx(expected, rel=1e-14)
    assert isinstance(value, float)
    np.testing.assert_allclose(loss.backward(cache)[:, 0], gradient, rtol=1e-13)


@pytest.mark.parametrize("loss", [loss for loss, _, _ in PINNED])
@pytest.mark.parametrize("shape", [(6, 1), (4, 3), (2, 3, 2, 2)])
def test_gradients_match_finite_differences(
    loss: mt.Loss, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    scores, targets = rng.normal(size=shape) * 2, rng.uniform(size=shape)
    mt.assert_gradients(loss, scores, targets, mode="exhaustive")
    value, _ = loss.forward(scores, targets)
    each = [loss.forward(scores[i : i + 1], targets[i : i + 1])[0] for i in range(len(scores))]
    assert value == pytest.approx(np.mean(each), rel=1e-13)


def test_smoothing_and_class_weights_to_the_last_digits() -> None:
    """With mpmath: (1 - e) y + e / K for y, and the mean over the sum of the labels' weights."""
    smooth = mt.SoftmaxCrossEntropy(label_smoothing=0.1)
    weighted = mt.SoftmaxCrossEntropy(class_weights=CLASS_WEIGHTS)
    both = mt.SoftmaxCrossEntropy(label_smoothing=0.1, class_weights=CLASS_WEIGHTS)
    pins = {smooth: 0.47573539269677431, weighted: 0.15142105445703240, both: 0.46244719613494208}
    for loss, expected in pins.items():
        for targets in (LABELS, LABELS.astype(np.uint8), np.eye(5)[LABELS]):
            assert loss.forward(LOGITS, targets)[0] == pytest.approx(expected, rel=1e-14)
        mt.assert_gradients(loss, LOGITS, LABELS, mode="exhaustive")


def test_smoothed_labels_are_probabilities(rng: np.random.Generator) -> None:
    scores, labels = rng.normal(size=(7, 4)), rng.integers(0, 4, 7)
    loss, plain = mt.SoftmaxCrossEntropy(label_smoothing=0.2), mt.SoftmaxCrossEntropy()
    value, cache = loss.forward(scores, labels)
    same, same_cache = plain.forward(scores, 0.8 * np.eye(4)[labels] + 0.05)
    assert value == pytest.approx(same, rel=1e-14)
    np.testing.assert_allclose(loss.backward(cache), plain.backward(same_cache), atol=1e-16)


def test_class_weights_of_probabilities_count_each_term(rng: np.random.Generator) -> None:
    scores, y = rng.normal(size=(7, 3)), rng.dirichlet(np.ones(3), size=7)
    factors = np.array([0.5, 2.0, 0.0])
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    value, _ = mt.SoftmaxCrossEntropy(class_weights=factors).forward(scores, y)
    assert value == pytest.approx(-(factors * y * logs).sum() / (factors * y).sum(), rel=1e-13)


def test_the_divergence_of_two_distributions() -> None:
    wanted = np.array([[0.1, 0.6, 0.3], [0.0, 0.25, 0.75]])
    logs = np.log([[0.2, 0.5, 0.3], [0.5, 0.25, 0.25]])
    loss = mt.KLDivergence()
    value, cache = loss.forward(logs, wanted)
    assert value == pytest.approx(0.43201871626073025667, rel=1e-14)
    np.testing.assert_allclose(loss.backward(cache), -wanted / 2, rtol=1e-15)
    assert loss.forward(np.log(wanted[:1]), wanted[:1])[0] == pytest.approx(0, abs=1e-16)
    labels = np.array([1, 2])  # of a class number it is the cross-entropy
    assert loss.forward(logs, labels)[0] == pytest.approx((math.log(2) + math.log(4)) / 2)
    ruled_out = np.array([[-np.inf, np.log(0.25), np.log(0.75)]])
    assert loss.forward(ruled_out, wanted[1:])[0] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("logit", [1e4, -1e4])
def test_huge_logits_cost_what_they_should(logit: float, dtype: DType) -> None:
    """Without a warning: those are errors here."""
    binary, smooth = mt.BinaryCrossEntropy(), mt.SoftmaxCrossEntropy(label_smoothing=0.5)
    one = np.array([[logit]], dtype)
    for target in (0.0, 0.3, 1.0):
        value, cache = binary.forward(one, np.array([[target]]))
        assert value == pytest.approx((1 - target) * 1e4 if logit > 0 else target * 1e4)
        found = binary.backward(cache)
        assert found[0, 0] == pytest.approx((logit > 0) - target)
        assert found.dtype == dtype
    two = np.array([[logit, 0]], dtype)
    value, smooth_cache = smooth.forward(two, np.array([0]))  # that is, of [0.75, 0.25]
    assert value == pytest.approx(2500 if logit > 0 else 7500)
    expected: Any = [[0.25, -0.25]] if logit > 0 else [[-0.75, 0.75]]
    np.testing.assert_allclose(smooth.backward(smooth_cache), expected)
    for loss in (mt.MeanSquaredError(), mt.MeanAbsoluteError(), mt.Huber()):
        assert np.isfinite(loss.forward(one, np.array([[0.5]]))[0])


POINTWISE = [
    mt.MeanSquaredError(),
    mt.MeanAbsoluteError(),
    mt.Huber(0.7),
    mt.BinaryCrossEntropy(),
]


@pytest.mark.parametrize("loss", POINTWISE)
def test_one_number_a_sample_is_a_column(loss: mt.Loss, rng: np.random.Generator) -> None:
    scores, targets = rng.normal(size=(5, 1)), rng.integers(0, 2, 5)
    value, cache = loss.forward(scores, targets)
    same, same_cache = loss.forward(scores, targets[:, np.newaxis].astype(float))
    assert value == same
    gradient = loss.backward(cache)
    assert gradient.shape == (5, 1)
    np.testing.assert_array_equal(gradient, loss.backward(same_cache))


@pytest.mark.parametrize("loss", POINTWISE)
@pytest.mark.parametrize(
    ("scores", "targets"),
    [
        ((4,), (4, 1)),
        ((4, 3), (4,)),
        ((4, 4), (4,)),  # these NumPy would broadcast
        ((4, 3), (4, 1)),
        ((4, 1), (4, 3)),
        ((4, 1), (1, 4)),
        ((4, 1), (4, 1, 1)),
        ((4, 1), ()),
        ((4, 1), (3,)),
        ((4, 1), (1, 1)),
        ((0, 1), (0, 1)),
    ],
)
def test_nothing_is_broadcast(
    loss: mt.Loss, scores: tuple[int, ...], targets: tuple[int, ...]
) -> None:
    with pytest.raises(mt.ShapeError, match=f"{type(loss).__name__}: expected.*target.* got"):
        loss.forward(np.zeros(scores), np.zeros(targets))


@pytest.mark.parametrize("loss", POINTWISE)
@pytest.mark.parametrize("use", ["prepare", "forward"])
@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 2)])
def test_targets_that_are_not_finite(loss: mt.Loss, use: str, shape: tuple[int, ...]) -> None:
    scores = np.zeros(shape if len(shape) == 2 else (5, 1))
    for bad in (np.nan, np.inf):
        targets = np.zeros(shape)
        targets[3] = bad
        with pytest.raises(mt.DataError, match=f"got {bad} at row 3, column 0"):
            if use == "prepare":
                loss.prepare(targets, scores.shape[1:])
            loss.forward(scores, targets)


@pytest.mark.parametrize("loss", POINTWISE)
@pytest.mark.parametrize("targets", [np.array([["a"]] * 3), np.ones((3, 1)) * 1j])
def test_targets_that_are_no_numbers(loss: mt.Loss, targets: AnyArray) -> None:
    with pytest.raises(mt.DataError, match="expected.*numbers|expected targets"):
        loss.prepare(targets, (1,))


@pytest.mark.parametrize("bad", [-0.1, 1.0001, 2])
def test_yes_or_no_is_from_0_to_1(bad: float) -> None:
    targets = np.array([[0, 1], [0.5, bad]])
    for use in (
        lambda: mt.BinaryCrossEntropy().forward(np.zeros((2, 2)), targets),
        lambda: mt.BinaryCrossEntropy().prepare(targets, (2,)),
    ):
        with pytest.raises(mt.DataError, match=rf"from 0 to 1; got {bad:.5g}.* row 1, column 1"):
            use()


LOSSES: list[mt.Loss] = [
    *POINTWISE,
    mt.KLDivergence(),
    mt.CrossEntropy(),
    mt.SoftmaxCrossEntropy(),
    mt.SoftmaxCrossEntropy(label_smoothing=0.1),
    mt.SoftmaxCrossEntropy(class_weights=[1, 2.5, 0.5]),
    mt.SoftmaxCrossEntropy(0.2, class_weights=[1, 2.5, 0.5], ignore_index=-1),
]
NAMES = [f"{place} {type(loss).__name__}" for place, loss in enumerate(LOSSES)]


def made_up(loss: mt.Loss, m: int, seed: int) -> tuple[Array, AnyArray]:
    """Scores of three outputs and targets such as the loss is made for."""
    rng = np.random.default_rng(seed)
    if isinstance(loss, mt.Pointwise):
        return rng.normal(size=(m, 3)), rng.uniform(size=(m, 3))
    if isinstance(loss, mt.SoftmaxCrossEntropy):
        return rng.normal(size=(m, 3)), rng.integers(0, 3, m)
    p = rng.dirichlet(np.ones(3), size=m) + 0.01
    y = rng.dirichlet(np.ones(3), size=m)
    return (np.log(p) if isinstance(loss, mt.KLDivergence) else p), y


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 4), min_size=1, max_size=6).filter(any),
    seed=st.integers(0, 1000),
)
def test_a_whole_weight_is_so_many_samples(loss: mt.Loss, counts: list[int], seed: int) -> None:
    """And 0 is none."""
    scores, targets = made_up(loss, len(counts), seed)
    value, cache = loss.forward(scores, targets, np.array(counts))
    rows = np.repeat(np.arange(len(counts)), counts)
    repeated, repeated_cache = loss.forward(scores[rows], targets[rows])
    assert value == pytest.approx(repeated, rel=1e-12, abs=1e-14)
    expected = np.zeros_like(scores)
    np.add.at(expected, rows, loss.backward(repeated_cache))
    np.testing.assert_allclose(loss.backward(cache), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-12, 1e12), seed=st.integers(0, 1000))
def test_weights_count_against_each_other(loss: mt.Loss, scale: float, seed: int) -> None:
    scores, targets = made_up(loss, 5, seed)
    weights = np.random.default_rng(seed).uniform(0.1, 2, 5)
    value, cache = loss.forward(scores, targets, weights)
    scaled, scaled_cache = loss.forward(scores, targets, weights * scale)
    assert value == pytest.approx(scaled, rel=1e-12)
    np.testing.assert_allclose(loss.backward(cache), loss.backward(scaled_cache), rtol=1e-11)


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_where_no_sample_counts_there_is_nothing_to_learn(loss: mt.Loss) -> None:
    scores, targets = made_up(loss, 4, 0)
    value, cache = loss.forward(scores, targets, np.zeros(4))
    assert value == 0
    np.testing.assert_array_equal(loss.backward(cache), np.zeros((4, 3)))


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_float32_stays_float32(loss: mt.Loss) -> None:
    scores, targets = made_up(loss, 6, 1)
    small = scores.astype(np.float32)
    kinds: list[Any] = [None, np.arange(6.0), np.arange(6), np.arange(6) > 2]
    for weights in kinds:
        value, cache = loss.forward(small, targets, weights)
        exact, exact_cache = loss.forward(scores, targets, weights)
        assert value == pytest.approx(exact, rel=1e-5)
        gradient = loss.backward(cache)
        assert gradient.dtype == np.float32
        np.testing.assert_allclose(gradient, loss.backward(exact_cache), rtol=1e-4, atol=1e-6)


def test_a_sample_of_weight_0_may_cost_infinitely_much() -> None:
    p, labels, weights = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 1]), np.array([2.0, 0.0])
    value, cache = mt.CrossEntropy().forward(p, labels, weights)
    assert value == pytest.approx(math.log(2))
    np.testing.assert_array_equal(mt.CrossEntropy().backward(cache)[1], [0, 0])
    far = np.array([[1e200], [1.0]])
    with np.errstate(over="ignore"):
        assert mt.MeanSquaredError().forward(far, np.zeros((2, 1)), np.array([0, 1]))[0] == 1


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 2], mt.ShapeError, r"for each of 3 samples, got shape \(2,\)"),
        ([[1], [2], [3]], mt.ShapeError, r"got shape \(3, 1\)"),
        (1.0, mt.ShapeError, r"got shape \(\)"),
        ([1, -1, 1], mt.DataError, "numbers >= 0; got -1 at row 1"),
        ([1, np.nan, 1], mt.DataError, "numbers >= 0; got nan at row 1"),
        ([1, np.inf, 1], mt.DataError, "numbers >= 0; got inf at row 1"),
        (["a", "b", "c"], mt.DataError, "expected numbers, got <U1"),
    ],
)
@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_weights_that_do_not_fit(
    loss: mt.Loss, weights: Any, error: type[Exception], message: str
) -> None:
    scores, targets = made_up(loss, 3, 0)
    with pytest.raises(error, match=f"sample_weight.*{message}"):
        loss.forward(scores, targets, weights)


@pytest.mark.parametrize("ignore", [-100, -1, 1, 255])
@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.int16])
@pytest.mark.parametrize("weights", [None, np.array([1.0, 2, 0.5, 3, 1])])
def test_ignoring_a_label_is_leaving_the_sample_out(
    ignore: int, dtype: DType, weights: Array | None, rng: np.random.Generator
) -> None:
    scores = rng.normal(size=(5, 3))
    labels = np.array([0, ignore, 2, ignore, 0], dtype)
    kept = labels != ignore
    both: dict[str, Any] = {"label_smoothing": 0.3, "class_weights": [1, 2, 3]}
    for arguments in ({}, both):
        loss = mt.SoftmaxCrossEntropy(**arguments, ignore_index=ignore)
        plain = mt.SoftmaxCrossEntropy(**arguments)
        value, cache = loss.forward(scores, loss.prepare(labels, (3,)), weights)
        fewer = None if weights is None else weights[kept]
        expected, kept_cache = plain.forward(scores[kept], labels[kept], fewer)
        assert value == pytest.approx(expected, rel=1e-14)
        gradient = loss.backward(cache)
        np.testing.assert_allclose(gradient[kept], plain.backward(kept_cache), rtol=1e-13)
        np.testing.assert_array_equal(gradient[~kept], np.zeros((2, 3)))
    assert loss.forward(scores, np.full(5, ignore))[0] == 0
    with pytest.raises(mt.DataError, match="from 0 to 2; got 7 at row 0"):
        loss.prepare(np.full(5, 7), (3,))


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8), st.floats(1e-3, 100))
def test_huber_is_between_the_two(errors: list[float], delta: float) -> None:
    """Half the square near 0, delta times the absolute value less a constant far away."""
    e = np.array(errors)[:, np.newaxis]
    zeros = np.zeros_like(e)
    huber, _ = mt.Huber(delta).forward(e, zeros)
    square, _ = mt.MeanSquaredError().forward(e, zeros)
    absolute, _ = mt.MeanAbsoluteError().forward(e, zeros)
    assert huber <= min(square / 2, delta * absolute) * (1 + 1e-12)
    assert huber >= delta * (absolute - delta / 2) - 1e-9 * delta * absolute
    wide, _ = mt.Huber(1e4).forward(e, zeros)
    assert wide == pytest.approx(square / 2, rel=1e-12)


BAD_ARGUMENTS: list[tuple[Any, dict[str, Any], str]] = [
    *[(mt.Huber, {"delta": bad}, "delta") for bad in (0, -1, np.inf, np.nan, "1", None)],
    *[
        (mt.SoftmaxCrossEntropy, {"label_smoothing": bad}, "label_smoothing")
        for bad in (-0.1, 1, 2, np.nan, "0.1", None)
    ],
    *[
        (mt.SoftmaxCrossEntropy, {"class_weights": bad}, "class_weights")
        for bad in ([0, 0], [1, -1], [1, np.nan], [1, np.inf], [[1, 2]], 3.0, [], "even")
    ],
]


@pytest.mark.parametrize(("make", "arguments", "message"), BAD_ARGUMENTS)
def test_arguments_out_of_range(make: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=rf"{make.__name__}: expected.*{message}.*got"):
        make(**arguments)


def test_as_many_class_weights_as_classes() -> None:
    loss = mt.SoftmaxCrossEntropy(class_weights=[1, 2])
    with pytest.raises(mt.ShapeError, match="a class weight for each of 3 classes, got 2"):
        loss.forward(np.zeros((2, 3)), np.array([0, 1]))


def ends_in(*layers: Any) -> mt.Sequential:
    return mt.Sequential(mt.Dense(3), *layers, input_shape=2, seed=0)


@pytest.mark.parametrize(
    ("loss", "layers", "message"),
    [
        (mt.BinaryCrossEntropy(), [mt.Sigmoid()], r"ends in Sigmoid\(\): a sigmoid would"),
        (mt.BinaryCrossEntropy(), [mt.Sequential(mt.Dense(1), mt.Sigmoid())], "ends in Sigmoid"),
        (mt.BinaryCrossEntropy(), [mt.Softmax()], "ends in Softmax"),
        (mt.SoftmaxCrossEntropy(0.1), [mt.Softmax()], "softmax would be applied twice"),
        (mt.KLDivergence(), [], r"put LogSoftmax\(\) at its end"),
        (mt.KLDivergence(), [mt.Softmax()], r"put LogSoftmax\(\) at its end"),
        (mt.CrossEntropy(), [mt.LogSoftmax()], r"put Softmax\(\) at its end"),
    ],
)
def test_models_that_do_not_fit(loss: mt.Loss, layers: list[Any], message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=f"{type(loss).__name__}: .*{message}"):
        mt.Trainer(ends_in(*layers), loss, mt.SGD())


def test_models_that_fit() -> None:
    for loss in (*POINTWISE, mt.SoftmaxCrossEntropy()):
        mt.Trainer(ends_in(), loss, mt.SGD())
    mt.Trainer(ends_in(mt.Sigmoid()), mt.MeanSquaredError(), mt.SGD())
    mt.Trainer(ends_in(mt.Sigmoid(), mt.Dense(1)), mt.BinaryCrossEntropy(), mt.SGD())
    nested = ends_in(mt.Sequential(mt.Dense(4), mt.LogSoftmax()))
    mt.Trainer(nested, mt.KLDivergence(), mt.SGD())
    mt.Trainer(nested, mt.SoftmaxCrossEntropy(), mt.SGD())
