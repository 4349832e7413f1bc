"""Metrics of probabilities, of labels and of regression: against scikit-learn, in any batches."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array
from minitorch_np.numerics import sigmoid, softmax


def model_for(outputs: int, *last: Any) -> mt.Sequential:
    return mt.Sequential(mt.Dense(outputs), *last, input_shape=3, seed=0, dtype="float64")


def measured(metric: mt.Metric, loss: mt.Loss, scores: Array, targets: AnyArray) -> float:
    """The metric over batches of different sizes, one of them empty."""
    model = model_for(scores.shape[1])
    metric.begin(model)
    metric.check_loss(loss, model)
    counts: Any = 0
    for part in np.split(np.arange(len(scores)), [1, 1, len(scores) // 3]):
        counts = metric.merge(counts, metric.count(scores[part], targets[part]))
    return metric.value(counts)


def rounded(rng: np.random.Generator, *shape: int) -> Array:
    """Scores with many ties."""
    return np.round(rng.normal(size=shape), 1)


def test_auc_is_scikit_learns(rng: np.random.Generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    z, labels = rounded(rng, 200, 1), rng.integers(2, size=200)
    expected = metrics.roc_auc_score(labels, z[:, 0])
    binary = mt.BinaryCrossEntropy()
    assert measured(mt.AUC(), binary, z, labels) == pytest.approx(expected, rel=1e-12)
    two = np.hstack([np.zeros_like(z), z])
    cross_entropy = mt.SoftmaxCrossEntropy()
    assert measured(mt.AUC(), cross_entropy, two, labels) == pytest.approx(expected, rel=1e-12)
    z, labels = rounded(rng, 200, 4), rng.integers(4, size=200)
    expected = metrics.roc_auc_score(labels, softmax(z), multi_class="ovr")
    assert measured(mt.AUC(), cross_entropy, z, labels) == pytest.approx(expected, rel=1e-12)
    one_hot = np.eye(4)[labels]
    assert measured(mt.AUC(), cross_entropy, z, one_hot) == pytest.approx(expected, rel=1e-12)
    targets = rng.integers(2, size=(200, 4))
    expected = metrics.roc_auc_score(targets, z)
    assert measured(mt.AUC(), binary, z, targets) == pytest.approx(expected, rel=1e-12)


def test_auc_by_hand() -> None:
    loss = mt.BinaryCrossEntropy()
    z = np.array([[1.0], [2], [2], [3]])
    assert measured(mt.AUC(), loss, z, np.array([0, 0, 1, 1])) == (1 + 0.5 + 1 + 1) / 4
    assert math.isnan(measured(mt.AUC(), loss, z, np.ones(4)))
    # Class 2 is never there, so it says nothing.
    scores, labels = np.eye(3)[[0, 1, 0, 1]], np.array([0, 1, 0, 1])
    assert measured(mt.AUC(), mt.SoftmaxCrossEntropy(), scores, labels) == 1
    assert math.isnan(mt.AUC().value(np.asarray(0)))


def test_reliability_is_scikit_learns(rng: np.random.Generator) -> None:
    calibration = pytest.importorskip("sklearn.calibration", reason="scikit-learn is not installed")
    from minitorch_np.training.probability_metrics import reliability

    labels = rng.integers(2, size=500)
    p = np.concatenate([np.round(rng.random(490), 2), np.linspace(0, 1, 10)])
    for bins in (1, 7, 10):
        n, right, promised = reliability(labels, p, bins)
        share, mean = calibration.calibration_curve(labels, p, n_bins=bins)
        np.testing.assert_allclose(right[n > 0] / n[n > 0], share, rtol=1e-12)
        np.testing.assert_allclose(promised[n > 0] / n[n > 0], mean, rtol=1e-12)


def test_calibration_by_hand() -> None:
    """Guo et al.: |1/2 - 0.8| for two samples of four, |1 - 0.9| for the other two."""
    p = np.array([[0.8, 0.2], [0.2, 0.8], [0.9, 0.1], [0.1, 0.9]])
    labels = np.array([0, 0, 0, 1])
    found = measured(mt.CalibrationError(), mt.SoftmaxCrossEntropy(), np.log(p), labels)
    assert found == pytest.approx((0.3 + 0.1) / 2)
    z = np.array([[math.log(3)]] * 4)  # 0.75, and three of four are
    found = measured(mt.CalibrationError(5), mt.BinaryCrossEntropy(), z, np.array([1, 1, 1, 0]))
    assert found == pytest.approx(0)
    with pytest.raises(mt.ConfigurationError, match="bins"):
        mt.CalibrationError(0)


def test_regression_is_scikit_learns(rng: np.random.Generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    t = 1e6 + rng.normal(size=(50, 3)) * [1, 5, 20]
    s = t + rng.normal(size=t.shape)
    t[:, 2] = 7  # a column without variance
    loss = mt.MeanSquaredError()
    rmse = metrics.root_mean_squared_error(t.ravel(), s.ravel())
    assert measured(mt.MAE(), loss, s, t) == pytest.approx(metrics.mean_absolute_error(t, s))
    assert measured(mt.RMSE(), loss, s, t) == pytest.approx(rmse)
    assert measured(mt.R2(), loss, s, t) == pytest.approx(metrics.r2_score(t, s), rel=1e-9)
    exact = s.copy()
    exact[:, 2] = 7
    assert measured(mt.R2(), loss, exact, t) == pytest.approx(metrics.r2_score(t, exact), rel=1e-9)
    column, one = t[:, 0], s[:, :1]
    assert measured(mt.R2(), loss, one, column) == pytest.approx(metrics.r2_score(column, one))
    for metric in (mt.MAE(), mt.RMSE(), mt.R2()):
        with pytest.raises(mt.ShapeError, match=r"targets of shape \(50, 3\)"):
            metric.count(s, t[:, :2])
        assert metric.value(np.asarray(0)) == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 10**6))
def test_r2_does_not_depend_on_the_batches(sizes: list[int], offset: int) -> None:
    rng = np.random.default_rng(sum(sizes))
    t = offset + rng.normal(size=(sum(sizes) + 2, 2))
    s = t + rng.normal(size=t.shape)
    metric, counts = mt.R2(), 0
    for part in np.split(np.arange(len(t)), np.cumsum(sizes)):
        counts = metric.merge(counts, metric.count(s[part], t[part]))  # type: ignore[assignment]
    whole = 1 - ((s - t) ** 2).sum(0) / ((t - t.mean(0)) ** 2).sum(0)
    assert metric.value(np.asarray(counts)) == pytest.approx(whole.mean(), rel=1e-6, abs=1e-9)


def test_several_labels_are_scikit_learns(rng: np.random.Generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    z, y = rng.normal(size=(60, 3)), rng.integers(2, size=(60, 3))
    loss, predicted = mt.BinaryCrossEntropy(), (z > 0).astype(int)
    share = 1 - metrics.hamming_loss(y, predicted)
    assert measured(mt.Accuracy(), loss, z, y) == pytest.approx(share)
    for metric, score in (
        (mt.Precision, metrics.precision_score),
        (mt.Recall, metrics.recall_score),
        (mt.F1, metrics.f1_score),
    ):
        whole, each = score(y, predicted, average="macro"), score(y, predicted, average=None)
        assert measured(metric(), loss, z, y) == pytest.approx(whole)
        assert measured(metric(2), loss, z, y) == pytest.approx(each[2])
    two = measured(mt.F1(), loss, z[:, :2], y[:, :2])
    assert two == pytest.approx(metrics.f1_score(y[:, :2], predicted[:, :2], average="macro"))


def test_a_trainer_measures_several_labels(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(40, 3)), rng.integers(2, size=(40, 2))
    model = model_for(2)
    metrics = [mt.Accuracy(), mt.F1(), mt.AUC(), mt.CalibrationError()]
    trainer = mt.Trainer(model, mt.BinaryCrossEntropy(), mt.SGD(0.1), metrics=metrics)
    found = trainer.evaluate(x, y)
    assert found["accuracy"] == np.mean((model.predict(x) > 0) == y)
    p = sigmoid(model.predict(x))
    assert 0 <= found["calibration_error"] <= float(np.abs(p - y).max())
    history = trainer.fit(x, y, epochs=2, batch_size=7, validation_data=(x, y))
    assert history["val_auc"][-1] == trainer.evaluate(x, y)["auc"]


@pytest.mark.parametrize(
    "loss", [mt.MeanSquaredError(), mt.MeanAbsoluteError(), mt.Huber()], ids=repr
)
def test_metrics_that_do_not_fit_the_loss_are_refused(loss: mt.Loss) -> None:
    for metric in (mt.Accuracy(), mt.F1(), mt.AUC(), mt.CalibrationError()):
        with pytest.raises(mt.ConfigurationError, match=r"targets are numbers: measure MAE\(\)"):
            mt.Trainer(model_for(1), loss, mt.SGD(0.1), metrics=[metric])
        mt.Trainer(model_for(1, "sigmoid"), loss, mt.SGD(0.1), metrics=[metric])  # yes or no
        mt.Trainer(model_for(3), loss, mt.SGD(0.1), metrics=[metric])  # one-hot rows
    of_numbers: list[mt.Metric] = [mt.MAE(), mt.RMSE(), mt.R2()]
    for number in of_numbers:
        mt.Trainer(model_for(1), loss, mt.SGD(0.1), metrics=[number])
        for other, outputs in ((mt.SoftmaxCrossEntropy(), 3), (mt.BinaryCrossEntropy(), 1)):
            with pytest.raises(mt.ConfigurationError, match=r"targets are classes: measure Acc"):
                mt.Trainer(model_for(outputs), other, mt.SGD(0.1), metrics=[number])


def test_squares_of_a_sigmoid_are_yes_or_no(rng: np.random.Generator) -> None:
    x = rng.normal(size=(30, 3))
    y = (x[:, 0] > 0).astype(int)
    model = model_for(1, "sigmoid")
    trainer = mt.Trainer(model, mt.MeanSquaredError(), mt.SGD(0.1), metrics=[mt.Accuracy()])
    assert trainer.evaluate(x, y)["accuracy"] == np.mean((model.predict(x)[:, 0] > 0.5) == y)


def test_metrics_by_name() -> None:
    from minitorch_np.names import by_name

    named = {"mae": mt.MAE, "rmse": mt.RMSE, "r2": mt.R2, "auc": mt.AUC, "f1": mt.F1}
    for name, kind in named.items():
        assert type(by_name(mt.Metric, name)) is kind
