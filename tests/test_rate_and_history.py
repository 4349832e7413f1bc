"""What is done with the learning rate, and with the numbers of a run."""

from __future__ import annotations

import json
import math
import re
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.training.history import smaller_is_better

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 5)).astype(np.float32)
Y = (X @ RNG.normal(size=(5, 3))).argmax(axis=1)


def trainer(optimizer: Any = "sgd(0.1)") -> mt.Trainer:
    model = mt.Sequential(
        mt.Dense(8), mt.BatchNorm(), mt.ReLU(), mt.Dropout(0.1), mt.Dense(3), input_shape=5, seed=0
    )
    return mt.Trainer(model, mt.SoftmaxCrossEntropy(), optimizer, metrics=[mt.Accuracy()], seed=0)


@pytest.mark.parametrize("optimizer", ["sgd(0.1, momentum=0.9)", "adam"])
def test_a_search_for_the_rate_changes_nothing(optimizer: str) -> None:
    searched, plain = trainer(optimizer), trainer(optimizer)
    for one in (searched, plain):
        one.fit(X, Y)
    found = mt.find_learning_rate(searched, X, Y, batch_size=32)
    assert searched.fit(X, Y, epochs=2) == plain.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(searched.model.predict(X), plain.model.predict(X))
    assert found.rates[0] == pytest.approx(1e-6)
    assert len(found.rates) == len(found.losses) <= 100
    ratios = np.array(found.rates[1:]) / found.rates[:-1]
    np.testing.assert_allclose(ratios, ratios[0])


def test_the_rate_that_is_found_is_of_use() -> None:
    found = mt.find_learning_rate(trainer(), X, Y, high=1e4, steps=200)
    assert 1e-3 < found.suggestion < 10
    assert found.rates[-1] < 1e4  # it stopped where the loss exploded
    history = trainer(mt.SGD(found.suggestion)).fit(X, Y, epochs=10)
    assert history["accuracy"][-1] > 0.8
    assert repr(found) == f"RateSearch({len(found.rates)} rates, suggestion={found.suggestion:.3g})"


def test_a_search_shuffles_as_a_fit_does() -> None:
    model = mt.Sequential(mt.Dense(3), input_shape=5, seed=0)
    loss = mt.SoftmaxCrossEntropy()
    in_order = loss.forward(model(X[:32]), Y[:32])[0]
    found = mt.find_learning_rate(mt.Trainer(model, loss, "sgd", seed=0), X, Y, batch_size=32)
    assert found.losses[0] != pytest.approx(in_order, rel=1e-4)


def test_where_no_rate_is_of_use() -> None:
    constant = mt.find_learning_rate(trainer(), np.zeros((20, 5)), np.arange(20) % 2, high=1e-5)
    assert math.isnan(constant.suggestion) or constant.suggestion <= 1e-5
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    constant._replace(suggestion=math.nan).plot()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 0}, "low"),
        ({"high": 1e-7}, "high"),
        ({"steps": 3}, "steps"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_searches_that_have_no_meaning(arguments: Any, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=f"find_learning_rate: expected {message}"):
        mt.find_learning_rate(trainer(), X, Y, **arguments)


def test_an_error_in_a_search_leaves_all_as_it_was() -> None:
    made = trainer()
    before = made.model.state_dict(), made.optimizer.learning_rate
    bad = X.copy()
    bad[100, 3] = np.nan
    with pytest.raises(mt.DataError, match="row 100, column 3"):
        mt.find_learning_rate(made, bad, Y)
    assert made.optimizer.learning_rate == before[1]
    for name, array in made.model.state_dict().items():
        np.testing.assert_array_equal(array, before[0][name])


class Numbers(mt.Callback):
    """Sets a number in place of what was measured."""

    def __init__(self, *values: float) -> None:
        self.values, self.rates = values, list[float]()

    def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
        self.rates.append(trainer.optimizer.rate)
        numbers["loss"] = self.values[epoch]


@pytest.mark.parametrize(
    ("values", "patience", "expected"),
    [
        ([3, 2, 2, 2, 2, 2], 2, [1, 1, 1, 1, 0.1, 0.1]),
        ([3, 2, 2, 1, 1, 1], 2, [1, 1, 1, 1, 1, 1]),
        ([1, 1, 1, 1, 1, 1], 1, [1, 1, 0.1, 0.01, 0.01, 0.01]),
        ([1, 1, 1], 0, [1, 1, 0.1]),
    ],
)
def test_on_a_plateau_the_rate_falls_as_keras_lets_it(
    values: list[float], patience: int, expected: list[float]
) -> None:
    numbers, made = Numbers(*values), trainer("sgd(1.0)")
    lower = mt.ReduceLROnPlateau("loss", patience=patience, min_rate=0.01)
    made.fit(X, Y, epochs=len(values), callbacks=[numbers, lower])
    assert numbers.rates == pytest.approx(expected)


def test_a_run_that_is_resumed_keeps_its_rate(tmp_path: Any) -> None:
    values, ends = [1.0] * 6, list[Any]()
    for parts in ([6], [3, 6]):
        path = tmp_path / f"{len(parts)}.npz"
        for epochs in parts:
            made = trainer("sgd(1.0)")
            lower = mt.ReduceLROnPlateau("loss", 0.5, patience=2)
            checkpoint = mt.Checkpoint(path, resume=True)
            callbacks = [Numbers(*values), lower, mt.LearningRateLogger()]
            history = made.fit(X, Y, epochs=epochs, callbacks=callbacks, checkpoint=checkpoint)
        ends.append((history, made.optimizer.rate))
    assert ends[0] == ends[1]
    assert ends[0][1] == 0.25


def test_what_cannot_be_lowered() -> None:
    lower = mt.ReduceLROnPlateau("loss")
    with pytest.raises(mt.ConfigurationError, match="not a schedule"):
        trainer(mt.SGD(mt.schedules.cosine(0.1, 10))).fit(X, Y, callbacks=[lower])
    for arguments in ({"factor": 1}, {"factor": 0}, {"patience": -1}, {"min_rate": -1}):
        with pytest.raises(mt.ConfigurationError, match=next(iter(arguments))):
            mt.ReduceLROnPlateau("loss", **arguments)  # type: ignore[arg-type]
    for monitor in (None, 3, ["loss"]):
        with pytest.raises(mt.ConfigurationError, match="monitor to be a str"):
            mt.EarlyStopping(monitor)  # type: ignore[arg-type]
    with pytest.raises(mt.ConfigurationError, match="expected path to be a string"):
        mt.ModelCheckpoint(None)  # type: ignore[arg-type]


def history(**columns: list[float]) -> mt.History:
    made = mt.History()
    made.restore(columns)
    return made


def test_the_best_epoch() -> None:
    made = history(loss=[3, 1, 2], val_loss=[2, 3, 2], accuracy=[0.1, math.nan, 0.3])
    assert made.best() == (1, {"loss": 3, "val_loss": 2, "accuracy": 0.1})
    assert made.best("loss").epoch == 2
    assert made.best("accuracy").epoch == 3
    assert made.best("accuracy", "min").epoch == 1
    assert history(loss=[1, 2]).best().epoch == 1
    with pytest.raises(mt.ConfigurationError, match="its name does not say"):
        history(loss=[1], speed=[1]).best("speed")
    with pytest.raises(mt.ConfigurationError, match="expected an epoch with a value of 'loss'"):
        history(loss=[math.nan]).best()


def test_a_history_is_of_plain_numbers() -> None:
    made = mt.History()
    made.append({"loss": np.float64(0.5), "accuracy": np.float64(1), "n": 3})
    assert repr(made.to_dict()) == "{'loss': [0.5], 'accuracy': [1.0], 'n': [3.0]}"
    assert json.loads(json.dumps(made.to_dict())) == made
    assert repr(made) == "History(epochs=1, loss=0.5, accuracy=1, n=3)"
    made.to_dict()["loss"].append(7)
    assert made["loss"] == [0.5]


def test_a_history_as_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    made = history(loss=[3, 1], val_loss=[2])
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(mt.MissingExtraError, match=r"minitorch-np\[pandas\]"):
        made.to_frame()
    monkeypatch.undo()
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = made.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.index.tolist() == [1, 2]
    assert frame.index.name == "epoch"
    assert frame["loss"].tolist() == [3, 1]
    assert frame["val_loss"].isna().tolist() == [False, True]


def test_a_history_as_a_picture() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    made = history(loss=[3, 1, 2], val_loss=[2, 3, 1], accuracy=[0.1, 0.2, 0.3])
    above, below = made.plot().axes
    lines = {str(line.get_label()): line for line in above.lines}
    assert np.asarray(lines["training"].get_ydata()).tolist() == [3, 1, 2]
    assert np.asarray(lines["validation"].get_ydata()).tolist() == [2, 3, 1]
    assert np.asarray(above.lines[-1].get_xdata()).tolist() == [3]  # the best epoch
    assert [below.get_ylabel(), below.get_xlabel()] == ["accuracy", "epoch"]
    assert len(below.lines) == 1
    history(loss=[1]).plot()
    with pytest.raises(mt.ConfigurationError, match="at least one epoch"):
        mt.History().plot()
    found = mt.RateSearch([0.1, 1, 10], [3.0, 1, 2], 0.1)
    assert np.asarray(found.plot().axes[0].lines[1].get_xdata()).tolist() == [0.1, 0.1]


def test_calibration_as_a_picture(rng: np.random.Generator) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    p = rng.random(500)
    labels = (rng.random(500) < p).astype(int)
    above, below = mt.plot_calibration(labels, p, bins=5).axes
    x, y = np.array(above.lines[1].get_xdata()), np.array(above.lines[1].get_ydata())
    np.testing.assert_allclose(x, [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.05)
    assert np.abs(x - y).max() < 0.2
    assert sum(bar.get_height() for bar in below.patches) == 500
    both = np.stack([1 - p, p], axis=1)
    mt.plot_calibration(labels, both)
    with pytest.raises(mt.DataError, match="probabilities from 0 to 1"):
        mt.plot_calibration(labels, p + 1)
    with pytest.raises(mt.ShapeError, match="one probability for each"):
        mt.plot_calibration(labels[:5], p)


def test_pictures_are_public_and_named_alike() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    names = ["cat_$x$", "dog"]
    (axes,) = mt.plot_confusion([0, 1, 1], [0, 1, 0], names).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    with pytest.raises(mt.DataError, match="class numbers from 0 to 0"):
        mt.plot_confusion([0, 1], [0, 1], ["a"])
    (axes,) = mt.plot_confusion(["dog", "ape", "ape"], np.array(["dog", "ape", "dog"])).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ape", "dog"]
    assert axes.get_title() == "66.67% of 3 are right"
    with pytest.raises(mt.DataError, match="got 'cow' at row 1"):
        mt.plot_confusion(["ape", "cow"], ["ape", "ape"], ["ape", "dog"])
    model = mt.mlp([9, 4, 3], "tanh", seed=0)
    assert [a.get_title() for a in mt.plot_activations("relu", mt.ELU(1.7), model).axes] == [
        "ReLU()",
        "ELU(alpha=1.7)",
        "Tanh()",
    ]
    assert len(mt.plot_weights(model, (3, 3)).axes) == 5
    assert mt.plot_errors(model, np.eye(9), np.arange(9) % 3, (3, 3)).axes


def test_a_history_as_a_table_and_as_text() -> None:
    """The first and the last ten epochs of a long run; a column may begin or end early."""
    history = mt.History()
    for epoch in range(1, 24):
        history.append({"loss": 100 / epoch} | ({"mae": epoch} if epoch < 3 else {}))
    html = history._repr_html_()
    assert html.startswith("<table><caption>23 epochs</caption><thead>")
    cells = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in html.split("<tr>")[1:]]
    assert cells[:4] == [
        ["epoch", "loss", "mae"],
        ["1", "100", "1"],
        ["2", "50", "2"],
        ["3", "33.33", ""],
    ]
    assert [row[0] for row in cells[1:]] == [
        *map(str, range(1, 11)),
        "...",
        *map(str, range(14, 24)),
    ]
    assert cells[11] == ["...", "", ""]
    assert cells[-1] == ["23", "4.348", ""]
    short = mt.History()
    for epoch in range(20):
        short.append({"loss": epoch})
    assert "..." not in short._repr_html_()
    assert repr(history) == "History(epochs=23, loss=4.348, mae=2)"
    assert (repr(mt.History()), mt.History().epochs) == ("History(epochs=0)", 0)
    for wrong in ("val_loss", 0):
        with pytest.raises(KeyError) as error:
            history[wrong]  # type: ignore[index]
        assert error.value.args == (f"{wrong!r}: expected one of loss, mae; see metrics=[...]",)
    with pytest.raises(mt.ConfigurationError) as refused:
        history.append({"loss": "much"})  # type: ignore[dict-item]
    assert str(refused.value) == "loss: expected a number, got 'much'"


@pytest.mark.parametrize(
    ("name", "smaller"),
    [
        *((name, True) for name in ("loss", "val_loss", "calibration_error", "mae", "rmse")),
        *((name, True) for name in ("perplexity", "val_perplexity", "kind_loss")),
        *((name, False) for name in ("accuracy", "val_top_5_accuracy", "precision", "recall_1")),
        *((name, False) for name in ("f1", "auc", "val_r2", "kind_accuracy")),
        *((name, None) for name in ("mine", "perplexity_2")),
    ],
)
def test_which_numbers_are_better_smaller(name: str, smaller: bool | None) -> None:
    assert smaller_is_better(name) is smaller


def test_the_numbers_of_the_best_epoch() -> None:
    history = mt.History()
    history.restore({"loss": [3.0, 1.0, 1.0], "accuracy": [0.5, math.nan], "mine": [math.nan]})
    assert history.best() == (2, {"loss": 1.0, "accuracy": pytest.approx(math.nan, nan_ok=True)})
    assert history.best("accuracy") == (1, {"loss": 3.0, "accuracy": 0.5, "mine": ANY})
    assert history.best("loss", "max").epoch == 1
    history.append({"val_loss": 5.0})
    assert history.best() == (1, ANY)
    for name, message in (
        ("mine", "best: expected mode 'min' or 'max' with 'mine', since its name does not say"),
        ("nothing", "'nothing': expected one of loss, accuracy, mine, val_loss"),
    ):
        with pytest.raises((mt.ConfigurationError, KeyError), match=message):
            history.best(name)
    with pytest.raises(mt.ConfigurationError, match="expected an epoch with a value of 'mine'"):
        history.best("mine", "min")
