"""Wrong and odd arguments get an error of this package; `benchmarks.api_calls` tries many more."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import minitorch_np as mt
from benchmarks.api_calls import Subject, faults, generated, outcome, subjects
from benchmarks.call_arguments import ODD


def test_no_generated_call_does_what_it_must_not() -> None:
    assert list(faults(seed=20240607, count=600)) == []


def test_everything_public_is_called() -> None:
    called = {subject.name for subject in subjects()}
    assert {"Dense", "mlp", "Trainer.fit", "cosine", "Images", "compare", "Adam"} <= called
    assert len(called) > 100


def test_the_same_seed_makes_the_same_calls() -> None:
    def shown(seed: int) -> list[tuple[str, list[str]]]:
        return [(subject.name, changed) for subject, _, changed in generated(seed, 200)]

    assert shown(1) == shown(1) != shown(2)


def test_a_raw_error_is_a_fault() -> None:
    def broken(x: object) -> None:
        raise ValueError("raw")

    def refuses(x: object) -> None:
        raise mt.DataError("place: expected a number, got another")

    for function, wrong in ((broken, "ValueError at : raw"), (refuses, "")):
        subject = Subject("f", lambda function=function: function, {"x": None}, lambda made: made)  # type: ignore[misc]
        assert outcome(subject, {"x": 1}) == wrong


def test_odd_values_can_be_made_again() -> None:
    assert all(type(odd()) is type(odd()) for odd in ODD)


@pytest.mark.parametrize("path", [1, True, b"a", "a\0b", None, ["a"]])
def test_a_path_is_a_text(path: object) -> None:
    """A number would be an open file, such as standard output, which is closed afterwards."""
    model = mt.Sequential(mt.Dense(2), input_shape=3)
    uses = [model.save, mt.Sequential.load, mt.CSVLogger, mt.Checkpoint, mt.ModelCheckpoint]
    uses += [mt.data.load_csv, mt.data.load_idx, lambda p: mt.data.save_idx(p, np.zeros(3))]
    for use in uses:
        with pytest.raises(
            mt.ConfigurationError, match="path to be a string or a pathlib.Path, got"
        ):
            use(path)  # type: ignore[operator]


ODD_ARRAY = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mt.gpt(5, 4, dropout=ODD_ARRAY), "gpt: expected dropout"),  # type: ignore[arg-type]
        (lambda: mt.char_rnn(5, 4, dropout=ODD_ARRAY), "char_rnn: expected dropout"),  # type: ignore[arg-type]
        (lambda: mt.MultiHeadAttention(2, key_value_heads=0), "key_value_heads to be a whole"),
        (lambda: mt.MultiHeadAttention(2, key_value_heads=ODD_ARRAY), "key_value_heads to be"),  # type: ignore[arg-type]
        (lambda: mt.data.Images(np.zeros((2, 3, 3), np.uint8), class_names=5), "class_names"),  # type: ignore[arg-type]
        (lambda: mt.data.TextWindows([[1], [2, 3]], 1), "TextWindows: ids: expected rows of equal"),  # type: ignore[arg-type]
    ],
)
def test_what_generated_calls_have_found(call: Callable[[], object], message: str) -> None:
    with pytest.raises(mt.MinitorchError, match=message):
        call()
