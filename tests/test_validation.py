"""Arguments are checked in one way: True is not a number, NumPy's numbers are."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.gradcheck.registry import cases_for, components
from minitorch_np.validation import choice, flag, instances, number, share, whole

X, Y = np.ones((4, 3)), np.arange(4) % 2
PIXELS = np.zeros((2, 3, 3), np.uint8)
CALLS = Path(__file__).with_name("material") / "arguments.txt"


def fit(**arguments: Any) -> object:
    model = mt.Sequential(mt.Dense(2), input_shape=3)
    return mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD()).fit(X, Y, **arguments)


WHOLE: dict[str, Callable[[Any], object]] = {
    "units": lambda n: mt.Dense(n),
    "filters": lambda n: mt.Conv2D(n, 3),
    "window": lambda n: mt.Conv2D(2, n),
    "groups": lambda n: mt.Conv2D(2, 3, groups=n),
    "window ": lambda n: mt.MaxPool2D(n),
    "vocabulary": lambda n: mt.Embedding(n, 2),
    "trailing_axes": lambda n: mt.LayerNorm(n),
    "shape": lambda n: mt.Reshape((n, 1)),
    "axis": lambda n: mt.Concatenate("relu", axis=n),
    "epochs": lambda n: fit(epochs=n),
    "batch_size": lambda n: fit(batch_size=n),
    "micro_batch_size": lambda n: fit(micro_batch_size=n),
    "steps": lambda n: mt.schedules.cosine(0.1, n),
    "every": lambda n: mt.Checkpoint("run.npz", every=n),
    "k": lambda n: mt.TopKAccuracy(n),
    "label": lambda n: mt.Recall(n),
    "patience": lambda n: mt.EarlyStopping("loss", n),
    "pixels": lambda n: mt.data.Shift(n),
    "ignore_index": lambda n: mt.SoftmaxCrossEntropy(ignore_index=n),
}
REAL: dict[str, Callable[[Any], object]] = {
    "learning_rate": lambda r: mt.SGD(r),
    "weight_decay": lambda r: mt.Adam(weight_decay=r),
    "clip_norm": lambda r: mt.Adam(clip_norm=r),
    "momentum": lambda r: mt.SGD(momentum=r),
    "alpha": lambda r: mt.ELU(r),
    "negative_slope": lambda r: mt.LeakyReLU(r),
    "epsilon": lambda r: mt.BatchNorm(epsilon=r),
    "rate": lambda r: mt.Dropout(r),
    "delta": lambda r: mt.Huber(r),
    "label_smoothing": lambda r: mt.SoftmaxCrossEntropy(r),
    "validation_split": lambda r: fit(validation_split=r),
    "min_delta": lambda r: mt.EarlyStopping("loss", min_delta=r),
    "degrees": lambda r: mt.data.Rotate(r),
    "factor": lambda r: mt.schedules.exponential(0.1, r),
}


@pytest.mark.parametrize("name", [*WHOLE, *REAL])
@pytest.mark.parametrize("value", [True, np.True_, "1", [1], 1j, math.nan])
def test_what_is_no_number_is_refused_everywhere(name: str, value: Any) -> None:
    with pytest.raises(mt.MinitorchError, match="expected.*got "):
        (WHOLE | REAL)[name](value)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [np.int64(1), np.uint8(1)])
def test_numpy_integers_are_whole_numbers(name: str, value: Any) -> None:
    WHOLE[name](value)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("value", [np.float32(0.25), np.float64(0.25)])
def test_numpy_floats_are_numbers(name: str, value: Any) -> None:
    REAL[name](value)


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_a_check_returns_the_plain_number_or_says_what_it_got(value: Any) -> None:
    for check, kind in ((whole, int), (number, float), (share, float)):
        message = ""
        try:
            found = check("place", "it", value)
        except mt.ConfigurationError as error:
            message = str(error)
        if message:
            assert message.startswith("place: expected it to be a ")
            assert message.endswith(f"got {value!r}")
        else:
            assert type(found) is kind
            assert found == value


def test_other_kinds() -> None:
    assert choice("f", "mode", "a", ("a", "b")) == "a"
    assert flag("f", "on", np.True_) is True
    for run, message in (
        (
            lambda: choice("f", "mode", "c", ("a", "b")),
            "f: expected mode to be 'a' or 'b', got 'c'",
        ),
        (lambda: flag("f", "on", 1), "f: expected on to be True or False, got 1"),
        (lambda: whole("f", "n", 9, most=8), "f: expected n .* at least 1 and at most 8, got 9"),
        (lambda: number("f", "r", 10**400), "f: expected r to be a finite number, got 1000"),
        (lambda: instances("f", "xs", "ab", int), "f: expected xs to be a list .*, got 'ab'"),
    ):
        with pytest.raises(mt.ConfigurationError, match=message):
            run()


def test_a_number_that_is_none_is_told_by_its_name() -> None:
    """Each argument of each layer, loss and optimizer, in the words that begin a message."""
    optimizers: list[mt.Optimizer] = [mt.SGD(0.1), mt.Adam(), mt.RMSprop()]
    cases = [case.obj for cls in components() for case in cases_for(cls)]
    tried = set()
    for one in [*optimizers, *cases]:
        given, cls = one.config(), type(one)
        for name, value in given.items():
            if isinstance(value, (bool, str)) or not isinstance(value, (int, float)):
                continue
            with pytest.raises(mt.ConfigurationError) as caught:
                cls.from_config({**given, name: math.nan})
            place, _, said = str(caught.value).partition(": expected ")
            assert place in (cls.__name__, "MultiHeadAttention")
            known = (name, "the window", "padding", "an axis")
            assert said.startswith(tuple(f"{each} " for each in known))
            tried.add((cls, name))
    assert len(tried) > 70


def test_what_is_said_of_each_argument() -> None:
    """The place, the argument, its bounds and what was given, in a table of calls and messages."""
    lines = CALLS.read_text().splitlines()[1:]

    def model() -> mt.Sequential:
        return mt.Sequential(mt.Dense(2), input_shape=3, seed=0)

    def trainer() -> mt.Trainer:
        return mt.Trainer(model(), "softmax_cross_entropy", "sgd")

    known = {**globals(), "model": model, "trainer": trainer}
    for call, expected in zip(lines[::2], lines[1::2], strict=True):
        with pytest.raises((mt.ConfigurationError, mt.MissingExtraError)) as error:
            eval(call, known)
        missing = isinstance(error.value, mt.MissingExtraError)  # of an optional library
        assert missing or f"    {error.value}" == expected, call
