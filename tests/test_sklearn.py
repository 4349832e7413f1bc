"""The estimators pass scikit-learn's own checks, and work where estimators are used."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt

sklearn = pytest.importorskip("sklearn")

from scipy import sparse
from sklearn import datasets
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from minitorch_np.sklearn import Classifier, Regressor

X, Y = datasets.load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
FAST: dict[str, Any] = {"epochs": 40, "batch_size": 16, "random_state": 0}


@pytest.mark.parametrize("estimator", [Classifier(), Regressor()], ids=["Classifier", "Regressor"])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator: Any) -> None:
    """All of them, which takes some 20 s: none fails, none is expected to."""
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(results) > 50
    bad = [r for r in results if r["status"] not in ("passed", "skipped")]
    assert not bad, [(r["check_name"], r["exception"]) for r in bad]


def test_pipelines_searches_and_calibration() -> None:
    pipeline = make_pipeline(StandardScaler(), Classifier([16], **FAST))
    assert cross_val_score(pipeline, X, Y, cv=3).mean() > 0.9
    grid = {
        "optimizer__learning_rate": [1e-6, 0.01],
        "layers": [[8], [mt.Dense(8), "elu", "dense(3)"]],
    }
    search = GridSearchCV(Classifier(**FAST), grid, cv=3).fit(X, Y)
    assert search.best_params_["optimizer__learning_rate"] == 0.01
    assert search.best_score_ > 0.9
    calibrated = CalibratedClassifierCV(Classifier([8], **FAST), cv=2).fit(X, Y)
    assert calibrated.score(X, Y) > 0.9


def test_sizes_layers_and_models_are_the_same_network() -> None:
    whole = mt.Sequential(mt.Dense(8), "relu", mt.Dense(3), input_shape=4, seed=5)
    before = whole.state_dict()
    kinds: list[Any] = [[8], [mt.Dense(8), "relu", mt.Dense(3)], whole]
    predicted = [Classifier(layers, **FAST).fit(X, Y).predict_proba(X) for layers in kinds]
    for other in predicted[1:]:
        np.testing.assert_array_equal(other, predicted[0])
    for name, array in whole.state_dict().items():  # an argument is never trained
        np.testing.assert_array_equal(array, before[name])


def test_labels_weights_and_sparse_rows() -> None:
    names = np.array(["setosa", "versicolor", "virginica"])[Y]
    model = Classifier([8], **FAST).fit(X, names)
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]
    assert model.score(X, names) > 0.9
    assert len(model.loss_curve_) == model.n_iter_ == 40
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    scarce = Classifier([8], class_weight={"setosa": 0}, **FAST).fit(X, names)
    assert "setosa" not in scarce.predict(X)
    rows = sparse.csr_matrix(X)
    thin = Classifier([8], early_stopping=True, **FAST).fit(rows, names)
    assert thin.score(rows, names) > 0.9
    np.testing.assert_allclose(thin.predict_proba(rows), thin.predict_proba(X), atol=1e-12)


def test_several_labels_and_several_numbers() -> None:
    labels = np.stack([X[:, 0] > 0, X[:, 2] > 0], axis=1).astype(int)
    model = Classifier([8], **FAST).fit(X, labels)
    assert model.predict(X).shape == labels.shape
    assert (model.predict(X) == labels).mean() > 0.9
    both = X[:, :2] @ [[1.0, 2.0], [3.0, -1.0]]
    regressor = Regressor([16], **FAST).fit(X, both)
    assert regressor.predict(X).shape == both.shape
    assert regressor.score(X, both) > 0.9


def test_going_on() -> None:
    model = Classifier([8], warm_start=True, **{**FAST, "epochs": 3})
    first = model.fit(X, Y).loss_curve_[-1]
    assert len(model.fit(X, Y).loss_curve_) == 6
    assert model.loss_curve_[-1] < first
    part = Classifier([8], **FAST).partial_fit(X[:60], Y[:60], classes=[0, 1, 2])
    for _ in range(40):
        part.partial_fit(X, Y)
    assert part.score(X, Y) > 0.85
    with pytest.raises(ValueError, match="expected labels that are in classes_"):
        part.partial_fit(X, Y + 1)


def test_parts_of_the_classes() -> None:
    """Rows that come in order, as from a sorted file: after the first call, of one class only."""
    part = Classifier([8], **FAST).partial_fit(X[:70], Y[:70], classes=[0, 1, 2])
    for _ in range(60):
        for rows in (slice(0, 50), slice(50, 100), slice(100, 150)):
            part.partial_fit(X[rows], Y[rows])
    assert list(part.classes_) == [0, 1, 2]
    assert part.score(X, Y) > 0.5
    with pytest.raises(ValueError, match="expected a label for each sample, as before"):
        part.partial_fit(X, np.stack([Y > 0, Y > 1], axis=1).astype(int))
    with pytest.raises(ValueError, match="two or more classes, got 1 class"):
        Classifier([8]).partial_fit(X[:50], Y[:50])


def test_ways_to_write_layers() -> None:
    kinds: list[Any] = [8, (8,), [8], np.array([8])]
    fitted = [Classifier(layers, **FAST).fit(X, Y).predict_proba(X) for layers in kinds]
    for other in fitted[1:]:
        np.testing.assert_array_equal(other, fitted[0])
    for single in ("dense(3)", mt.Dense(3)):
        assert len(Classifier(single, **FAST).fit(X, Y).model_) == 1
    assert len(Classifier([], **FAST).fit(X, Y).model_) == 1
    with pytest.raises(mt.ConfigurationError, match="name of one, got True"):
        Classifier([True], **FAST).fit(X, Y)


def test_sparse_rows_are_trained_on_like_others() -> None:
    """The same batches and losses; and the same errors."""
    rows = sparse.csc_matrix(X)
    for estimator, y in ((Classifier([8], **FAST), Y), (Regressor([8], **FAST), X[:, :2])):
        dense, thin = (clone(estimator).fit(x, y).loss_curve_ for x in (X, rows))
        np.testing.assert_allclose(thin, dense, rtol=1e-12)
    both = sparse.csr_matrix(X[:, :2])
    assert Regressor([8], **FAST).fit(rows, both).predict(rows).shape == both.shape
    for x in (X, rows):
        for setting in ({"epochs": 0}, {"batch_size": 0}, {"epochs": 1.5}):
            with pytest.raises(mt.ConfigurationError, match=f"{next(iter(setting))} to be a whole"):
                Classifier([8], **{**FAST, **setting}).fit(x, Y)


def test_halving_search() -> None:
    pytest.importorskip("sklearn.experimental.enable_halving_search_cv")
    from sklearn.model_selection import HalvingRandomSearchCV

    rates = {"optimizer__learning_rate": [1e-6, 0.01, 0.03], "layers": [[4], [8]]}
    search = HalvingRandomSearchCV(
        Classifier(**FAST),
        rates,
        n_candidates=5,
        resource="epochs",
        max_resources=40,
        random_state=0,
        cv=3,
    ).fit(X, Y)
    assert search.best_params_["optimizer__learning_rate"] > 1e-6


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="Invalid parameter 'rate'"):
        Classifier().set_params(optimizer__rate=1)
    with pytest.raises(mt.ConfigurationError, match="end in 3 outputs"):
        Classifier([mt.Dense(8), "relu"]).fit(X, Y)
    with pytest.raises(mt.ConfigurationError, match="did you mean"):
        Classifier(optimizer="adm").fit(X, Y)
    assert clone(Classifier(optimizer="adm")).optimizer == "adm"
    assert "Dense(8)" in Classifier([8], **FAST).fit(X, Y)._repr_html_()


@pytest.mark.parametrize(
    ("layers", "labels"),
    [
        ([8], ["Dense(8)", "ELU()", "Dense(3)"]),
        (5, ["Dense(5)", "ELU()", "Dense(3)"]),
        ([5, 4], ["Dense(5)", "ELU()", "Dense(4)", "ELU()", "Dense(3)"]),
        ([], ["Dense(3)"]),
        ("dense(3)", ["Dense(3)"]),
        (mt.Dense(3), ["Dense(3)"]),
        ([mt.Dense(8), "tanh", "dense(3)"], ["Dense(8)", "Tanh()", "Dense(3)"]),
    ],
)
def test_which_network_is_made(layers: Any, labels: list[str]) -> None:
    model = Classifier(layers, activation="elu", epochs=1, random_state=0).fit(X, Y)
    assert [layer.label for layer in model.model_] == labels
    assert model.n_iter_ == 1
    with pytest.raises(mt.ConfigurationError, match=r"in 2 outputs, as y needs, got .3,.*Dense.2."):
        Classifier([mt.Dense(3)], epochs=1).fit(X, Y > 0)


def test_losses_and_labels_by_default() -> None:
    two = np.stack([Y > 0, Y > 1], axis=1).astype(int)
    losses = {
        "SoftmaxCrossEntropy": Classifier(2, epochs=1).fit(X, Y),
        "BinaryCrossEntropy": Classifier(2, epochs=1).fit(X, two),
        "MeanSquaredError": Regressor(2, epochs=1).fit(X, Y),
        "Huber": Regressor(2, epochs=1, loss="huber").fit(X, Y),
    }
    for name, model in losses.items():
        assert type(model._trainer.loss).__name__ == name
    assert losses["BinaryCrossEntropy"].classes_.tolist() == [0, 1]
    assert losses["MeanSquaredError"].predict(X).shape == (150,)
    assert Regressor(2, epochs=1).fit(X, Y[:, None]).predict(X).shape == (150, 1)
    tags = [model.__sklearn_tags__() for model in losses.values()]
    assert all(each.input_tags.sparse for each in tags)
    assert tags[0].classifier_tags.multi_label
    assert tags[2].target_tags.multi_output


class Fake:
    """A trainer and a model of three samples, whose losses are written down."""

    def __init__(self, held_out: list[float]) -> None:
        self.rng, self.held_out = self, iter(held_out)
        self.steps: list[list[int]] = []
        self.epoch = 0

    def permutation(self, n: int) -> Any:
        self.epoch += 1
        return np.arange(n)[::-1]

    def step(self, x: Any, y: Any, weights: Any) -> float:
        assert (x[:, 0] == y).all()
        self.steps.append(y.tolist())
        return float(y.sum())

    def evaluate(self, x: str, y: str) -> dict[str, float]:
        assert (x, y) == ("x", "y")
        return {"loss": next(self.held_out)}

    def state_dict(self) -> int:
        return self.epoch

    def load_state_dict(self, kept: int) -> None:
        self.loaded = kept


@pytest.mark.parametrize(
    ("held_out", "epochs", "kept"),
    [
        ([3, 2, 2, 5, 1, 1, 1], 4, 2),  # no better in two epochs: that is more than one
        ([3, 2, 5, 1, 1, 1, 1], 6, 4),
        ([3, 2, 1, 0.5, 0.4, 0.3, 0.2], 7, 7),
    ],
)
def test_sparse_rows_stop_early_too(held_out: list[float], epochs: int, kept: int) -> None:
    fake = Fake(held_out)
    estimator: Any = Classifier(patience=1)
    estimator._trainer = estimator.model_ = fake
    rows, labels = sparse.csr_matrix([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0])
    weights = np.array([1.0, 1.0, 6.0])
    found = list(estimator._sparse_epochs(rows, labels, weights, 7, 2, ("x", "y")))
    # Batches of 3 and 2, and of 1: losses of 5 and 1, weights of 7 and 1.
    assert found == [pytest.approx((7 * 5 + 1 * 1) / 8)] * epochs
    assert fake.steps[:2] == [[3, 2], [1]]
    assert fake.loaded == kept
    whole = Fake([])
    estimator._trainer = estimator.model_ = whole
    assert list(estimator._sparse_epochs(rows, labels, weights, 2, None, None)) == [6, 6]
    assert not hasattr(whole, "loaded")
