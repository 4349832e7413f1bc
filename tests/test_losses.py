"""The losses: values, gradients, and everything that must not be taken for a target."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array, DType

SCORES = np.array([[1.3, 5.1, 2.2, 0.7, 1.1], [-0.5, 0.25, 2.0, -1.75, 0.0]])
LABELS, LABELS_OF_4 = np.array([1, 2]), np.array([0, 1, 2, 1])
VALUE = 0.2247353926967743  # (log sum e^z - z[label]) with 30 digits, the mean of the two rows


def test_softmax_cross_entropy_is_the_reference() -> None:
    loss = mt.SoftmaxCrossEntropy()
    for targets in (LABELS, LABELS.astype(np.uint8), LABELS.astype(float), np.eye(5)[LABELS]):
        value, _ = loss.forward(SCORES, targets)
        assert value == pytest.approx(VALUE, rel=1e-14)
        assert isinstance(value, float)
    p = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    assert mt.CrossEntropy().forward(p, LABELS)[0] == pytest.approx(VALUE, rel=1e-14)


def test_the_gradient_is_the_notes_one() -> None:
    """dZ = (A - Y) / m."""
    loss = mt.SoftmaxCrossEntropy()
    _, cache = loss.forward(SCORES, LABELS)
    a = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loss.backward(cache), (a - np.eye(5)[LABELS]) / 2, rtol=1e-14)


@pytest.mark.parametrize("kind", ["labels", "one-hot", "probabilities"])
@pytest.mark.parametrize("loss", [mt.SoftmaxCrossEntropy(), mt.CrossEntropy()])
def test_gradients_match_finite_differences(
    loss: mt.Loss, kind: str, rng: np.random.Generator
) -> None:
    scores = rng.normal(size=(6, 4))
    if isinstance(loss, mt.CrossEntropy):
        scores = rng.dirichlet(np.ones(4), size=6) + 0.02
    labels = rng.integers(0, 4, 6)
    targets: AnyArray = {
        "labels": labels,
        "one-hot": np.eye(4)[labels],
        "probabilities": rng.dirichlet(np.ones(4), size=6),
    }[kind]
    mt.assert_gradients(loss, scores, targets, mode="exhaustive")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1e4, -1e4])
def test_uniform_logits_of_any_offset_cost_log_ten(dtype: DType, offset: float) -> None:
    value, cache = mt.SoftmaxCrossEntropy().forward(np.full((3, 10), offset, dtype), np.arange(3))
    assert value == pytest.approx(math.log(10), rel=1e-6)
    gradient = mt.SoftmaxCrossEntropy().backward(cache)
    assert gradient.dtype == dtype
    assert np.isfinite(gradient).all()


@given(
    hnp.arrays(np.float64, (4, 3), elements=st.floats(-30, 30)),
    hnp.arrays(np.int64, 4, elements=st.integers(0, 2)),
)
def test_laws_of_softmax_cross_entropy(scores: Array, labels: AnyArray) -> None:
    """At least 0; rows of the gradient add up to 0; the batch is the mean of its samples."""
    loss = mt.SoftmaxCrossEntropy()
    value, cache = loss.forward(scores, labels)
    assert value >= -1e-12
    np.testing.assert_allclose(loss.backward(cache).sum(axis=1), 0, atol=1e-15)
    singles = [loss.forward(scores[i : i + 1], labels[i : i + 1])[0] for i in range(4)]
    assert value == pytest.approx(np.mean(singles), rel=1e-12, abs=1e-12)


@given(hnp.arrays(np.float64, (5, 3), elements=st.floats(-5, 5)))
def test_both_cross_entropies_are_one(scores: Array) -> None:
    labels = np.arange(5) % 3
    probabilities = mt.Softmax().forward(scores)[0]
    one = mt.SoftmaxCrossEntropy().forward(scores, labels)[0]
    assert mt.CrossEntropy().forward(probabilities, labels)[0] == pytest.approx(one, rel=1e-10)


@pytest.mark.parametrize("loss", [mt.SoftmaxCrossEntropy(), mt.CrossEntropy()])
@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        (np.array([0, 5]), mt.DataError, "from 0 to 4; got 5 at row 1"),
        (np.array([0, 5], np.uint8), mt.DataError, "from 0 to 4; got 5 at row 1"),
        (np.array([-1, 0]), mt.DataError, "from 0 to 4; got -1 at row 0"),
        (np.array([0.5, 0.0]), mt.DataError, "from 0 to 4; got 0.5 at row 0"),
        (np.array([0, np.nan]), mt.DataError, "got nan at row 1"),
        (np.array(["0", "1"]), mt.DataError, "expected class numbers, got <U1"),
        (np.array([0, 1, 2]), mt.ShapeError, r"scores of shape \(2, 5\), targets of shape \(3,\)"),
        (np.array([1]), mt.ShapeError, r"targets of shape \(1,\)"),
        (np.array([[0], [1]]), mt.ShapeError, r"got shape \(2, 1\)"),
        (np.eye(4)[:2], mt.ShapeError, r"one-hot rows of shape \(m, 5\), got shape \(2, 4\)"),
        (np.eye(5)[:1], mt.ShapeError, r"targets of shape \(1, 5\)"),
        (np.ones((2, 5)), mt.DataError, "add up to 1.*at row 0"),
        (np.array([[2.0, -1, 0, 0, 0]] * 2), mt.DataError, "add up to 1.*at row 0"),
    ],
)
def test_targets_that_do_not_fit(
    loss: mt.Loss, targets: AnyArray, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        loss.forward(np.full((2, 5), 0.2), targets)


@pytest.mark.parametrize("loss", [mt.SoftmaxCrossEntropy(), mt.CrossEntropy()])
@pytest.mark.parametrize("scores", [np.ones((3, 1)), np.ones(3), np.ones((3, 2, 1))])
def test_scores_that_are_not_rows_of_classes(loss: mt.Loss, scores: Array) -> None:
    """Among them (N, 1) against (N,), which broadcasts to (N, N) wherever nobody looks."""
    with pytest.raises(mt.ShapeError, match="score for each of two or more classes"):
        loss.forward(scores, np.zeros(3, int))


@pytest.mark.parametrize("loss", [mt.SoftmaxCrossEntropy(), mt.CrossEntropy()])
def test_an_empty_batch_has_no_loss(loss: mt.Loss) -> None:
    with pytest.raises(mt.ShapeError, match="at least one sample"):
        loss.forward(np.ones((0, 4)), np.zeros(0, int))


def test_negative_probabilities_are_refused() -> None:
    with pytest.raises(mt.DataError, match="from 0 to 1; got -0.1 at row 0, column 1"):
        mt.CrossEntropy().forward(np.array([[1.1, -0.1]]), np.array([0]))


def test_losses_refuse_the_wrong_kind_of_model() -> None:
    ends_in_softmax = mt.notes_network(output_activation="softmax", seed=0)
    nested = mt.Sequential(mt.Dense(5), mt.Sequential(mt.Dense(3), mt.Softmax()), input_shape=4)
    for model in (ends_in_softmax, nested):
        with pytest.raises(mt.ConfigurationError, match="softmax would be applied twice"):
            mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD())
        assert isinstance(mt.loss_for(model), mt.CrossEntropy)
    with pytest.raises(mt.ConfigurationError, match=r"put Softmax\(\) at its end"):
        mt.Trainer(mt.notes_network(), mt.CrossEntropy(), mt.SGD())


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_a_learning_rate_is_a_finite_number(rate: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="learning_rate"):
        mt.SGD(rate)


def test_a_class_that_is_ruled_out_costs_nothing() -> None:
    """A logit of -infinity, as masks make it: probability 0, and no NaN."""
    scores = np.array([[1.0, -np.inf, 2.0]])
    value, cache = mt.SoftmaxCrossEntropy().forward(scores, np.array([2]))
    assert value == pytest.approx(math.log1p(math.exp(-1)), rel=1e-14)
    assert mt.SoftmaxCrossEntropy().backward(cache)[0, 1] == 0
    with np.errstate(all="ignore"):
        assert mt.SoftmaxCrossEntropy().forward(scores, np.array([1]))[0] == np.inf


def test_many_classes_need_no_table_of_their_square(rng: np.random.Generator) -> None:
    scores = rng.normal(size=(4, 50_000))
    labels = rng.integers(0, 50_000, 4)
    value, _ = mt.SoftmaxCrossEntropy().forward(scores, labels.astype(np.uint16))
    expected = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(4), labels]
    assert value == pytest.approx(expected.mean(), rel=1e-12)


def test_unsigned_class_numbers() -> None:
    """They need no check of their own where the table of one-hot columns has one."""
    scores, labels = np.random.default_rng(0).normal(size=(3, 4)), np.array([0, 3, 1])
    loss, ignoring = mt.SoftmaxCrossEntropy(), mt.SoftmaxCrossEntropy(ignore_index=255)
    assert loss.forward(scores, labels.astype(np.uint8))[0] == loss.forward(scores, labels)[0]
    wrong = np.array([0, 255, 1], np.uint8)
    with pytest.raises(mt.DataError, match="whole numbers from 0 to 3; got 255 at row 1"):
        loss.forward(scores, wrong)
    counted = loss.forward(scores[::2], wrong[::2])[0]
    assert ignoring.forward(scores, wrong)[0] == pytest.approx(counted, rel=1e-12)


def test_a_loss_is_asked_for_each_output() -> None:
    model = mt.mlp([2, 2], seed=0)
    with pytest.raises(mt.ConfigurationError, match="got a model of one: write its loss alone"):
        mt.Trainer(model, mt.losses.SeveralLosses([]), "sgd(0.1)")


@pytest.mark.parametrize("loss", [mt.SoftmaxCrossEntropy(), mt.CrossEntropy(), mt.KLDivergence()])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (2, 5),
            r"numbers of shape \(m, 3\) or one-hot rows of shape \(m, 3, 4\), got .*\(2, 5\)$",
        ),
        ((3, 2), r"numbers of shape \(m, 3\) or .* got shape \(3, 2\)$"),
        ((3, 3), r"scores of shape \(2, 3, 4\), targets of shape \(3, 3\)$"),
        ((2, 3, 3), r"one-hot rows of shape \(m, 3, 4\), got shape \(2, 3, 3\)$"),
        ((2,), r"got shape \(2,\): for one class a sample, the model needs Flatten"),
    ],
)
def test_targets_of_steps_that_do_not_fit(
    loss: mt.Loss, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(mt.ShapeError, match=message):
        loss.forward(np.full((2, 3, 4), 0.25), np.zeros(shape, int))


def test_a_score_of_minus_infinity_rules_a_class_out() -> None:
    """log(1 + e^-1), as if there were no such class; and no gradient for it."""
    loss = mt.SoftmaxCrossEntropy()
    scores = np.array([[0.0, -np.inf, 1.0], [2.0, 0.5, 1.5]])
    value, cache = loss.forward(scores, np.array([2, 1]))
    second = math.log(math.exp(1.5) + 1 + math.exp(1.0))
    assert value == pytest.approx((math.log1p(math.exp(-1)) + second) / 2, rel=1e-14)
    assert loss.backward(cache)[0, 1] == 0


def test_normal_distributions_by_the_formula() -> None:
    scores = np.array([[1.0, -0.5, 0.5, -1.0], [0.0, 2.0, 0.0, 0.25]])
    targets = np.array([[-0.5, 0.0, 0.2, 0.5], [1.0, 2.0, -1.0, 0.25]])
    loss, found = mt.NormalKL(), []
    for q, p in zip(scores, targets, strict=True):
        v_q, v_p = np.exp(q[2:]), np.exp(p[2:])
        terms = ((q[:2] - p[:2]) ** 2 + v_q) / (2 * v_p) - np.log(v_q / v_p) / 2 - 0.5
        found.append(terms.sum())
    value, cache = loss.forward(scores, targets)
    assert value == pytest.approx(np.mean(found), rel=1e-14)
    v_q, v_p = np.exp(scores[:, 2:]), np.exp(targets[:, 2:])
    means = (scores[:, :2] - targets[:, :2]) / v_p
    expected = np.concatenate([means, (v_q / v_p - 1) / 2], axis=1) / 2
    np.testing.assert_allclose(loss.backward(cache), expected, rtol=1e-14)
    for shape in ((2, 3), (2, 2, 2)):
        with pytest.raises(mt.ShapeError, match="NormalKL: expected rows of an even number"):
            loss.forward(np.zeros(shape), np.zeros(shape))


def test_several_losses_are_a_weighted_sum(rng: np.random.Generator) -> None:
    scores, y = (rng.normal(size=(4, 3)), rng.normal(size=(4, 1))), (LABELS_OF_4, np.ones((4, 1)))
    one, other = mt.SoftmaxCrossEntropy(), mt.MeanSquaredError()
    loss = mt.SeveralLosses([one, other], [2.0, 0.5])
    for weights in (None, np.array([1.0, 0.0, 2.0, 0.5])):
        given = () if weights is None else (weights,)
        value, cache = loss.forward(scores, y, *given)
        both = [
            each.forward(s, t, *given) for each, s, t in zip((one, other), scores, y, strict=True)
        ]
        assert value == pytest.approx(2 * both[0][0] + 0.5 * both[1][0])
        first, second = loss.backward(cache)
        np.testing.assert_allclose(first, 2 * one.backward(both[0][1]))
        np.testing.assert_allclose(second, 0.5 * other.backward(both[1][1]))
    assert repr(loss) == "2 SoftmaxCrossEntropy() + 0.5 MeanSquaredError()"
    assert repr(mt.SeveralLosses([one, other])) == "1 SoftmaxCrossEntropy() + 1 MeanSquaredError()"


def test_how_much_the_samples_of_several_losses_count() -> None:
    y, weights = (LABELS_OF_4, np.ones((4, 1))), np.array([1.0, 0, 2, 3])
    even = mt.SeveralLosses([mt.SoftmaxCrossEntropy(), mt.MeanSquaredError()])
    uneven = mt.SeveralLosses([mt.SoftmaxCrossEntropy(ignore_index=1), mt.MeanSquaredError()])
    assert even.weights(y, None) is None
    np.testing.assert_array_equal(uneven.weights(y, None), np.ones(4))
    for loss in (even, uneven):
        assert loss.weights(y, weights) is weights
    counted = uneven.counted(y, weights)
    np.testing.assert_array_equal(counted[0], [True, False, True, False])
    np.testing.assert_array_equal(counted[1], [True, False, True, True])
    even.check_pieces(y)
    with pytest.raises(mt.ConfigurationError, match="^micro_batch_size, communicator: expected"):
        uneven.check_pieces(y)


def test_a_draw_from_what_the_model_gives(rng: np.random.Generator) -> None:
    x = rng.normal(size=(5, 6))
    layer = mt.Sequential(mt.NormalSampling(), input_shape=6, seed=0, dtype=np.float64)[0]
    mean, variance = x[:, :3], np.exp(x[:, 3:])
    y, cache = layer.forward(x)
    np.testing.assert_array_equal(y, mean)
    assert not np.shares_memory(y, x)
    np.testing.assert_array_equal(layer.backward(y, cache)[0], np.hstack([y, 0 * y]))
    y, cache = layer.forward(x, train=True, rng=np.random.default_rng(3))
    drawn = np.random.default_rng(3).standard_normal((5, 3), np.float32)
    np.testing.assert_allclose(y, mean + np.sqrt(variance) * drawn, rtol=1e-12)
    dx: Any = layer.backward(np.ones_like(y), cache)[0]
    np.testing.assert_allclose(dx, np.hstack([np.ones((5, 3)), (y - mean) / 2]), rtol=1e-12)
    assert layer.backward(y, cache, need_dx=False) == (None, {})
    with pytest.raises(mt.ConfigurationError, match="NormalSampling: expected a generator to draw"):
        layer.forward(x, train=True)
