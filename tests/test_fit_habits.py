"""What users of Keras, PyTorch and scikit-learn try: names, labels, bars, wrong sizes."""

from __future__ import annotations

import copy
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array
from minitorch_np.training import display

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = RNG.integers(3, size=60)


def trainer(loss: Any = "softmax_cross_entropy", outputs: int = 3, **arguments: Any) -> mt.Trainer:
    model = mt.Sequential(mt.Dense(outputs), input_shape=5, seed=0)
    return mt.Trainer(model, loss, "sgd(0.1)", seed=0, **arguments)


def test_a_trainer_is_made_of_names() -> None:
    made = trainer(metrics=["accuracy", "top_k_accuracy(2)", mt.F1(1)])
    assert isinstance(made.loss, mt.SoftmaxCrossEntropy)
    assert made.optimizer.rate == 0.1
    assert [metric.name for metric in made.metrics] == ["accuracy", "top_2_accuracy", "f1_1"]
    assert repr(made) == (
        "Trainer(Sequential, SoftmaxCrossEntropy(), SGD(learning_rate=0.1), "
        "metrics=[Accuracy(), TopKAccuracy(k=2), F1(label=1)])"
    )
    with pytest.raises(mt.ConfigurationError, match="did you mean 'Adam'"):
        mt.Trainer(made.model, "mse", "adan")


@pytest.mark.parametrize(
    "form", [np.array, list, lambda y: np.array(y, object), lambda y: np.array(y)[:, None]]
)
def test_labels_may_be_texts(form: Any) -> None:
    names = np.array(["cat", "dog", "ape"])
    by_name, by_number = trainer(), trainer()
    number = np.array([1, 2, 0])[Y]  # of sorted names
    history = by_name.fit(X, form(names[Y].tolist()), epochs=2, validation_data=(X, names[Y]))
    assert history == by_number.fit(X, number, epochs=2, validation_data=(X, number))
    assert by_name.classes == ("ape", "cat", "dog")
    assert "classes=['ape', 'cat', 'dog']" in repr(by_name)
    assert by_name.evaluate(X, names[Y]) == by_number.evaluate(X, number)
    assert by_name.step(X, names[Y]) == by_number.step(X, number)
    with pytest.raises(mt.DataError, match=r"evaluate: y: .* 'dog', got 'cow' at row 1"):
        by_name.evaluate(X[:2], ["cat", "cow"])


def test_class_names_may_be_given() -> None:
    names = ["dog", "ape", "cat"]
    made = trainer(classes=names)
    plain = trainer()
    assert made.fit(X, np.array(names)[Y]) == plain.fit(X, Y)
    assert made.classes == ("dog", "ape", "cat")
    assert made.evaluate(X[:1], ["ape"]) == plain.evaluate(X[:1], [1])  # a part of the classes
    binary = trainer("binary_cross_entropy", 1)
    binary.fit(X, np.where(Y > 0, "yes", "no"))
    assert binary.classes == ("no", "yes")


def test_texts_that_are_no_classes() -> None:
    with pytest.raises(mt.DataError, match="expected 3 different class names.*got 2: 'a', 'b'"):
        trainer().fit(X, ["a", "b"] * 30)
    with pytest.raises(mt.DataError, match=r"strings of shape \(60,\).*and a loss over classes"):
        trainer("mse", 1).fit(X, ["a", "b"] * 30)
    with pytest.raises(mt.DataError, match="expected numbers"):
        trainer().fit(X, [None] * 60)


def test_class_numbers_may_stand_in_a_column() -> None:
    one, other = trainer(), trainer()
    assert one.fit(X, Y[:, None]) == other.fit(X, Y)
    assert one.evaluate(X, Y[:, None].tolist()) == other.evaluate(X, Y)


def test_pixels_that_are_not_scaled_are_warned_of_where_fit_is_called() -> None:
    pixels = RNG.integers(256, size=(60, 5), dtype=np.uint8)
    with pytest.warns(UserWarning, match=r"numbers from 0 to 25\d: .* write x / 255") as caught:
        trainer().fit(pixels, Y)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"x.mean\(axis=0\)"):
        trainer().fit(X * 1000, Y)
    with pytest.warns(UserWarning, match="about size 1, got numbers from"):
        trainer().fit(pixels / 255 / 255, Y)


@pytest.mark.parametrize(
    "x", [X, X / 10, X + 3, np.abs(X), np.eye(60)[:, :5], np.zeros((60, 5)), X * 4], ids=range(7)
)
def test_inputs_of_a_usual_size_are_not_warned_of(x: Array) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer().fit(x, Y)


@pytest.mark.parametrize(
    "layers",
    [
        [mt.Embedding(1000, 4), mt.Flatten(), mt.Dense(3)],
        [mt.BatchNorm(), mt.Dense(3)],
        [mt.Sequential(mt.LayerNorm(), mt.Dense(3))],
        [mt.Tanh(), mt.Dense(3)],
    ],
    ids=range(4),
)
def test_layers_that_take_any_size_are_not_warned_of(layers: list[mt.Layer]) -> None:
    x = RNG.integers(100, 1000, size=(60, 5))
    model = mt.Sequential(*layers, input_shape=5, seed=0)
    mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(), seed=0).fit(x, Y)


class Slow(mt.Callback):
    def __init__(self) -> None:
        self.began, self.go = threading.Event(), threading.Event()

    def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
        self.began.set()
        self.go.wait(20)


def test_one_trainer_trains_in_one_thread_at_a_time() -> None:
    made, slow = trainer(), Slow()
    thread = threading.Thread(target=made.fit, args=(X, Y), kwargs={"callbacks": [slow]})
    thread.start()
    assert slow.began.wait(20)
    try:
        for call in (made.fit, made.step):
            with pytest.raises(mt.ConfigurationError, match="training in another: make a Trainer"):
                call(X, Y)
        assert made.evaluate(X, Y)["loss"] > 0
    finally:
        slow.go.set()
        thread.join()
    made.fit(X, Y)
    copy.deepcopy(made).step(X, Y)


class StepsInBetween(mt.Callback):
    def on_epoch_end(self, trainer: mt.Trainer, epoch: int, numbers: dict[str, float]) -> None:
        trainer.step(X[:5], Y[:5])


def test_a_callback_may_take_a_step() -> None:
    trainer().fit(X, Y, epochs=2, callbacks=[StepsInBetween()])


def test_fit_is_silent_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    trainer().fit(X, Y, epochs=2)
    trainer().fit(X, Y, epochs=2, verbose=False)
    assert capfd.readouterr() == ("", "")
    trainer().fit(X, Y, epochs=2, verbose=1)
    out, err = capfd.readouterr()
    assert [line.split("  ")[0] for line in out.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert not err
    with pytest.raises(mt.ConfigurationError, match="verbose to be True, False or None, got 'no'"):
        trainer().fit(X, Y, verbose="no")  # type: ignore[arg-type]


def test_fit_shows_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    trainer().fit(X, Y, epochs=2, batch_size=1)
    out, err = capsys.readouterr()
    assert not out
    assert "epoch 1/2: " in err
    assert "60/60" in err or "0/60" in err
    assert err.count("epoch 1/2  loss ") == 1
    trainer().fit(X, Y, verbose=False)
    assert capsys.readouterr().err == ""
    trainer().fit(X, Y, callbacks=[mt.Progress()])
    out, err = capsys.readouterr()
    assert out.count("epoch 1/1  loss ") == 1
    assert "epoch 1/1  loss " not in err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    monkeypatch.setattr("minitorch_np.training.callback.is_watched", lambda: True)
    monkeypatch.setattr("minitorch_np.training.callback.in_notebook", lambda: True)
    trainer().fit(X, Y)
    assert "epoch 1/1  loss " in capsys.readouterr().out


class Interrupts(mt.Callback):
    def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
        raise KeyboardInterrupt


def test_a_run_that_is_interrupted_leaves_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm", reason="tqdm is not installed").tqdm
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    before = set(tqdm._instances)
    made = trainer()
    with pytest.raises(KeyboardInterrupt):
        made.fit(X, Y, callbacks=[Interrupts()])
    assert set(tqdm._instances) <= before
    made.fit(X, Y)  # and the trainer may train again


def test_what_a_notebook_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class ZMQInteractiveShell:
        pass

    class IPython:
        get_ipython = staticmethod(ZMQInteractiveShell)

    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not display.in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert display.in_notebook()


def test_a_bar_does_not_change_what_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    weights: list[AnyArray] = []
    for watched in (False, True):
        monkeypatch.setattr("minitorch_np.training.callback.is_watched", lambda w=watched: w)
        made = trainer()
        made.fit(X, Y, epochs=2)
        weights.append(made.model.predict(X))
    np.testing.assert_array_equal(weights[0], weights[1])
