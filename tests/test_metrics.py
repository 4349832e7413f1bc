"""Metrics: against confusion matrices made by hand, and however the data is cut."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array
from minitorch_np.training.probability_metrics import reliability


def measured(metric: mt.Metric, scores: Any, targets: Any) -> float:
    return metric.value(metric.count(np.asarray(scores, float), np.asarray(targets)))


# True classes in rows; class 2 is never right, class 3 is neither there nor predicted.
MATRIX = np.array([[5, 1, 2, 0], [0, 3, 1, 0], [4, 0, 0, 0], [0, 0, 0, 0]])
PRECISION, RECALL = [5 / 9, 3 / 4, 0, 0], [5 / 8, 3 / 4, 0, 0]
F_ONE = [10 / 17, 6 / 8, 0, 0]


def samples(matrix: AnyArray) -> tuple[AnyArray, AnyArray]:
    """True and predicted classes that a matrix counts."""
    cells = np.argwhere(matrix >= 0)
    labels, predicted = np.repeat(cells, matrix.reshape(-1), axis=0).T
    return labels, predicted


def test_the_matrix_counts() -> None:
    labels, predicted = samples(MATRIX)
    found = mt.confusion_matrix(labels, predicted, classes=4)
    np.testing.assert_array_equal(found, MATRIX)
    assert found.dtype.kind == "i"
    np.testing.assert_array_equal(mt.confusion_matrix(labels, predicted), MATRIX[:3, :3])
    np.testing.assert_array_equal(
        mt.confusion_matrix(labels.astype(np.uint8), predicted.tolist(), classes=5)[:4, :4], MATRIX
    )
    np.testing.assert_array_equal(
        mt.confusion_matrix([True, False], [True, True]), [[0, 1], [0, 1]]
    )
    nobody = np.zeros(0, int)
    np.testing.assert_array_equal(mt.confusion_matrix(nobody, nobody, 3), np.zeros((3, 3)))
    np.testing.assert_array_equal(mt.confusion_matrix(nobody, nobody), np.zeros((1, 1)))


@pytest.mark.parametrize(
    ("labels", "predicted", "classes", "error", "message"),
    [
        ([0, 1], [0], None, mt.ShapeError, r"equal length, got shapes \(2,\) and \(1,\)"),
        ([[0, 1]], [[0, 1]], None, mt.ShapeError, r"got shapes \(1, 2\)"),
        ([0, 0.5], [0, 1], None, mt.DataError, "whole numbers, got float64"),
        (["a"], ["b"], None, mt.DataError, "whole numbers, got <U1"),
        ([0, -1], [0, 1], None, mt.DataError, "from 0 to 1, got -1 to 1"),
        ([0, 1], [0, 7], 3, mt.DataError, "from 0 to 2, got 0 to 7"),
        ([1, 1], [1, 3], 3, mt.DataError, "from 0 to 2, got 0 to 3"),
        ([0, 1], [0, 4096], None, mt.DataError, "at most 4096 classes, got 4096"),
        ([0, 1], [[0], [1, 2]], None, mt.DataError, "expected rows of equal length: "),
        ([0, 1], [0, 1], 2.5, mt.ConfigurationError, "classes"),
        ([0, 1], [0, 1], "2", mt.ConfigurationError, "classes"),
        ([0, 1], [0, 1], 0, mt.MinitorchError, "expected"),
    ],
)
def test_what_is_no_pair_of_classes(
    labels: Any, predicted: Any, classes: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"confusion_matrix: .*{message}"):
        mt.confusion_matrix(labels, predicted, classes)


@pytest.mark.parametrize(
    ("metric", "each"), [(mt.Precision, PRECISION), (mt.Recall, RECALL), (mt.F1, F_ONE)]
)
def test_ratios_by_hand(metric: Any, each: list[float]) -> None:
    labels, predicted = samples(MATRIX)
    for targets in (labels, np.eye(4)[labels], labels.astype(float)):
        for label, expected in enumerate(each):
            found = measured(metric(label), np.eye(4)[predicted], targets)
            assert found == pytest.approx(expected, rel=1e-15)
            assert isinstance(found, float)
        whole = measured(metric(), np.eye(4)[predicted], targets)
        assert whole == pytest.approx(sum(each) / 4, rel=1e-15)
    assert metric(2).name == metric().name + "_2"


def test_accuracy_by_hand() -> None:
    labels, predicted = samples(MATRIX)
    for targets in (labels, np.eye(4)[labels], 0.6 * np.eye(4)[labels] + 0.1):
        assert measured(mt.Accuracy(), np.eye(4)[predicted], targets) == 8 / 16


def test_of_two_classes_the_second_counts() -> None:
    """tp 3, fp 1, fn 2, tn 4, whether there are two scores or one logit."""
    labels, predicted = samples(np.array([[4, 1], [2, 3]]))
    logit = np.where(predicted, 0.1, -0.1)[:, np.newaxis]
    for scores in (np.eye(2)[predicted], logit):
        for targets in (labels, labels.astype(float)):
            assert measured(mt.Precision(), scores, targets) == 3 / 4
            assert measured(mt.Recall(), scores, targets) == 3 / 5
            assert measured(mt.F1(), scores, targets) == pytest.approx(2 / 3)
            assert measured(mt.Accuracy(), scores, targets) == 7 / 10
            assert measured(mt.Recall(0), scores, targets) == 4 / 5
    column = labels[:, np.newaxis]
    assert measured(mt.Accuracy(), logit, column) == 7 / 10
    assert measured(mt.F1(), logit, column) == pytest.approx(2 / 3)
    assert measured(mt.Accuracy(), np.zeros((1, 1)), [0]) == 1  # a logit of 0 is no


def test_yes_or_no_as_probabilities() -> None:
    """Targets that BinaryCrossEntropy takes too: smoothed, 0.95 is still a yes."""
    scores, targets = [[3.0], [2.0], [-3.0]], [[0.95], [0.6], [0.05]]
    assert measured(mt.Accuracy(), scores, targets) == 1
    assert measured(mt.Recall(), scores, targets) == 1


def test_what_is_on_the_line_is_a_no() -> None:
    assert measured(mt.Accuracy(), [[-1.0], [0.0]], [[0.5], [0.5]]) == 1
    assert measured(mt.Accuracy(), [[1.0]], [[0.5]]) == 0


def test_several_at_once_are_not_one_class() -> None:
    """Yes or no for each of three things, as BinaryCrossEntropy takes it: there is no argmax."""
    scores, targets = [[3.0, 2, -1], [3, -2, -1]], [[1, 1, 0], [0, 1, 1]]
    for metric in (mt.Accuracy(), mt.F1(), mt.TopKAccuracy(1)):
        with pytest.raises(mt.MinitorchError, match="one-hot"):
            measured(metric, scores, targets)


METRICS: list[mt.Metric] = [
    mt.Accuracy(),
    mt.TopKAccuracy(2),
    mt.Precision(),
    mt.Recall(1),
    mt.F1(),
]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("targets", [[0.5, 2.7], [[1.5], [0.2]], [np.nan, 1]])
def test_what_is_no_class(metric: mt.Metric, targets: Any) -> None:
    """Numbers that a regression predicts, for instance."""
    with pytest.raises(mt.MinitorchError, match="expected"):
        measured(metric, np.eye(3)[:2], targets)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize(
    ("scores", "targets"), [((4, 3), (1,)), ((4, 3), (4, 2)), ((4,), (4,)), ((4, 3, 2), (4,))]
)
def test_shapes_that_do_not_fit(
    metric: mt.Metric, scores: tuple[int, ...], targets: tuple[int, ...]
) -> None:
    with pytest.raises(mt.ShapeError, match=f"{type(metric).__name__}: expected scores"):
        metric.count(np.ones(scores), np.ones(targets, int))


def test_of_equal_scores_the_lower_class_is_first() -> None:
    for k, expected in ((1, 1 / 4), (2, 2 / 4), (3, 3 / 4), (4, 1)):
        assert measured(mt.TopKAccuracy(k), np.zeros((4, 4)), range(4)) == expected
    ties = [[1.0, 2, 2, 0], [1, 2, 2, 0], [3, 0, 0, 0]]
    assert measured(mt.TopKAccuracy(1), ties, [1, 2, 0]) == 2 / 3
    assert measured(mt.TopKAccuracy(2), ties, [1, 2, 2]) == 2 / 3
    assert mt.TopKAccuracy().name == "top_5_accuracy"


@pytest.mark.parametrize("label", [-1, 3])
def test_a_class_that_there_is_not_is_not_among_the_first(label: int) -> None:
    """NumPy takes -1 for the last."""
    with pytest.raises(mt.DataError, match="TopKAccuracy.*from 0 to 2"):
        measured(mt.TopKAccuracy(1), [[0, 0, 1]], [label])


def test_one_logit_has_no_top_classes() -> None:
    with pytest.raises(mt.ShapeError, match="TopKAccuracy"):
        mt.TopKAccuracy(1).count(np.ones((2, 1)), np.array([0, 1]))


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1), st.data())
def test_top_1_is_accuracy(rows: list[list[int]], data: st.DataObject) -> None:
    labels = [data.draw(st.integers(0, 3)) for _ in rows]
    values = [measured(mt.TopKAccuracy(k), rows, labels) for k in range(1, 5)]
    assert values[0] == measured(mt.Accuracy(), rows, labels)
    assert values == sorted(values)
    assert values[-1] == 1


@pytest.mark.parametrize("metric", [*METRICS, mt.Precision(2)], ids=lambda metric: metric.name)
@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 1000),
    cuts=st.lists(st.integers(0, 20), max_size=5).map(sorted),
    classes=st.sampled_from([2, 3, 5]),
)
def test_any_cut_gives_the_same(
    metric: mt.Metric, seed: int, cuts: list[int], classes: int
) -> None:
    """Pieces of no samples, and without some of the classes, among them."""
    rng = np.random.default_rng(seed)
    scores, labels = rng.normal(size=(20, max(3, classes))), rng.integers(0, classes, 20)
    pieces = [slice(a, b) for a, b in zip([0, *cuts], [*cuts, 20], strict=True)]
    total: Any = sum(metric.count(scores[piece], labels[piece]) for piece in pieces)
    assert metric.value(total) == measured(metric, scores, labels)


def test_nobody_to_be_right_about() -> None:
    for metric in METRICS:
        assert measured(metric, np.zeros((0, 3)), np.zeros(0, int)) == 0


@pytest.mark.parametrize("metric", [mt.Precision, mt.Recall, mt.F1])
def test_labels_of_the_wrong_kind(metric: Any) -> None:
    for bad in (-1, 7, 1.0, "cat"):
        with pytest.raises(
            mt.ConfigurationError, match=f"{metric.__name__}: expected (label to be|a label from)"
        ):
            measured(metric(bad), np.eye(3), [0, 1, 2])


@pytest.mark.parametrize("k", [0, -1, 1.5, "5", None])
def test_k_is_at_least_1(k: Any) -> None:
    with pytest.raises(
        mt.ConfigurationError, match="TopKAccuracy: expected k to be a whole number of at least 1"
    ):
        mt.TopKAccuracy(k)


def test_k_is_at_most_the_number_of_classes(rng: np.random.Generator) -> None:
    """The class is always among all of them, so that the metric would be 1 for any model."""
    metric, scores = mt.TopKAccuracy(11), rng.normal(size=(6, 10))
    said = "TopKAccuracy: expected k to be at most 10, the number of classes, got 11"
    with pytest.raises(mt.ConfigurationError, match=said):
        metric.count(scores, np.arange(6))
    model = mt.mlp([3, 10], seed=0)
    before = model.state_dict()["0.weight"].copy()
    with pytest.raises(mt.ConfigurationError, match=said):
        mt.Trainer(model, "softmax_cross_entropy", "sgd(0.1)", metrics=[metric]).fit(
            np.ones((6, 3)), np.arange(6)
        )
    np.testing.assert_array_equal(model.state_dict()["0.weight"], before)
    assert measured(mt.TopKAccuracy(10), scores, np.arange(6)) == 1


def test_as_scikit_learn(rng: np.random.Generator) -> None:
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, scores = rng.integers(0, 4, 200), rng.normal(size=(200, 4))
    predicted = scores.argmax(axis=1)
    pairs = [(mt.Precision, "precision"), (mt.Recall, "recall"), (mt.F1, "f1")]
    for metric, name in pairs:
        theirs = getattr(sklearn, f"{name}_score")
        macro = theirs(labels, predicted, average="macro")
        assert measured(metric(), scores, labels) == pytest.approx(macro, rel=1e-12)
        each = theirs(labels, predicted, average=None)
        for label, expected in enumerate(each):
            assert measured(metric(label), scores, labels) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_array_equal(
        mt.confusion_matrix(labels, predicted), sklearn.confusion_matrix(labels, predicted)
    )
    top = sklearn.top_k_accuracy_score(labels, scores, k=2)
    assert measured(mt.TopKAccuracy(2), scores, labels) == pytest.approx(top)


def test_yes_or_no_of_a_model_that_ends_in_a_sigmoid(rng: np.random.Generator) -> None:
    """A probability is always above 0, where the line between no and yes is for a logit."""
    x = rng.normal(size=(50, 4))
    y = (x[:, 0] > 0) * 1
    model = mt.Sequential(mt.Dense(1), mt.Sigmoid(), input_shape=4, seed=0)
    trainer = mt.Trainer(model, mt.MeanSquaredError(), mt.Adam(0.1), metrics=[mt.Accuracy()])
    trainer.fit(x, y, epochs=30)
    right = ((model.predict(x)[:, 0] > 0.5) == y).mean()
    assert right > 0.9
    assert trainer.evaluate(x, y)["accuracy"] == pytest.approx(right)


def trained(
    loss: mt.Loss, x: Array, y: AnyArray, outputs: int, **arguments: Any
) -> tuple[mt.Sequential, dict[str, float]]:
    model = mt.Sequential(mt.Dense(outputs), input_shape=x.shape[1], seed=0, dtype=np.float64)
    trainer = mt.Trainer(model, loss, mt.SGD(0.0), metrics=METRICS[:1] + METRICS[2:], seed=0)
    history = trainer.fit(x, y, **arguments)
    return model, {name: column[-1] for name, column in history.items()}


@pytest.mark.parametrize("batch", [None, 7, 64])
@pytest.mark.parametrize("micro", [None, 3])
def test_a_trainer_measures_all_samples_together(
    batch: int | None, micro: int | None, rng: np.random.Generator
) -> None:
    x, y = rng.normal(size=(50, 4)), np.arange(50) % 3
    model, numbers = trained(
        mt.SoftmaxCrossEntropy(), x, y, 3, batch_size=batch, micro_batch_size=micro
    )
    for metric in METRICS[:1] + METRICS[2:]:
        assert numbers[metric.name] == measured(metric, model.predict(x), y)


def test_ignored_labels_and_weights_of_0_count_in_no_metric(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(50, 4)), np.arange(50) % 3
    weights = (rng.random(50) < 0.5) * 2.0
    ignored = np.where(weights > 0, y, -1)
    loss = mt.SoftmaxCrossEntropy(ignore_index=-1)
    for targets, arguments in ((ignored, {}), (y, {"sample_weight": weights})):
        model, numbers = trained(loss, x, targets, 3, **arguments)
        kept = weights > 0
        for metric in METRICS[:1] + METRICS[2:]:
            assert numbers[metric.name] == measured(metric, model.predict(x[kept]), y[kept])


def test_a_class_that_weighs_nothing_is_still_measured(rng: np.random.Generator) -> None:
    """Class weights are the loss's; such a sample may be wrong all the same."""
    x, y = rng.normal(size=(50, 4)), np.arange(50) % 3
    model, numbers = trained(mt.SoftmaxCrossEntropy(class_weights=[1, 0, 1]), x, y, 3)
    for metric in METRICS[:1] + METRICS[2:]:
        assert numbers[metric.name] == measured(metric, model.predict(x), y)


P = np.array([[0.7, 0.2, 0.1], [0.2, 0.55, 0.25], [0.25, 0.25, 0.5], [0.1, 0.6, 0.3]])


@pytest.mark.parametrize("ending", ["probabilities", "logarithms", "scores"])
def test_calibration_and_areas_by_hand(ending: str) -> None:
    """Of the best class: 0.7, 0.55, 0.5 and 0.6, of which the first and third are right."""
    last = {"probabilities": "softmax", "logarithms": "log_softmax", "scores": "identity"}[ending]
    model = mt.Sequential(mt.Dense(3), last, input_shape=2)
    outputs = P if ending == "probabilities" else np.log(P) + 2.0 * (ending == "scores")
    labels = np.array([0, 0, 2, 2])
    calibration, area = mt.CalibrationError(4), mt.AUC()
    for metric in (calibration, area):
        metric.begin(model)
    # Bins up to 1/4, 1/2, 3/4: the second has 0.5, the third 0.7, 0.55 and 0.6, one right.
    expected = (abs(1 - 0.5) + abs(1 - 1.85)) / 4
    assert calibration.value(calibration.count(outputs, labels)) == pytest.approx(expected)
    # Of four pairs of class 0 three are in order, of class 2 all; class 1 has no sample.
    assert area.value(area.count(outputs, labels)) == pytest.approx((3 / 4 + 1) / 2)
    for empty in (np.array(0), np.zeros((3, 4))):
        assert calibration.value(empty) == 0.0
    assert np.isnan(area.value(np.array(0)))


def test_reliability_counts_an_edge_below_it() -> None:
    counts = reliability(np.array([1, 0, 1, 1]), np.array([0.0, 0.25, 0.26, 1.0]), 4)
    np.testing.assert_array_equal(counts, [[2, 1, 0, 1], [1, 1, 0, 1], [0.25, 0.26, 0, 1.0]])
    for right, p in ((np.zeros(3), np.zeros(2)), (np.zeros((2, 1)), np.zeros((2, 1)))):
        with pytest.raises(mt.ShapeError) as error:
            reliability(right, p, 4)
        said = f"expected one probability for each answer, got shapes {p.shape} and {right.shape}"
        assert str(error.value) == f"reliability: {said}"
