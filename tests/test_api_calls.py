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


MODEL = mt.Sequential(mt.Dense(3), input_shape=4, seed=0)
PLANE = mt.Sequential(mt.Dense(2), input_shape=2, seed=0)


def fitted(**given: object) -> object:
    """What `fit` says of odd data."""
    arrays = {"x": np.ones((2, 4)), "y": [0, 1]} if "x" not in given else {"steps_per_epoch": 1}
    return mt.Trainer(MODEL, "softmax_cross_entropy", "sgd").fit(**arrays | given)  # type: ignore[arg-type]


NESTED = np.array([np.ones(2), None], object)
ODD_ARRAY = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mt.gpt(5, 4, dropout=ODD_ARRAY), "gpt: expected dropout"),  # type: ignore[arg-type]
        (lambda: mt.char_rnn(5, 4, dropout=ODD_ARRAY), "char_rnn: expected dropout"),  # type: ignore[arg-type]
        (lambda: mt.MultiHeadAttention(2, key_value_heads=0), "key_value_heads to be a whole"),
        (lambda: mt.MultiHeadAttention(2, key_value_heads=ODD_ARRAY), "key_value_heads to be"),  # type: ignore[arg-type]
        (lambda: mt.data.Images(np.zeros((2, 3, 3), np.uint8), class_names=5), "class_names"),  # type: ignore[arg-type]
        (lambda: mt.data.Images(np.zeros((2, 3, 3), np.uint8), NESTED), "a string for each label"),
        (lambda: mt.data.TextWindows([[1], [2, 3]], 1), "TextWindows: ids: expected rows of equal"),  # type: ignore[arg-type]
        (lambda: mt.data.CharTokenizer("abc").encode(1), "encode: expected a text, got 1"),  # type: ignore[arg-type]
        (lambda: mt.data.CharTokenizer("abc").decode([0.5]), "ids: expected one row of whole"),  # type: ignore[list-item]
        (lambda: mt.data.CharTokenizer("abc").decode("12"), "ids: expected numbers, got"),  # type: ignore[arg-type]
        (lambda: mt.data.pad_sequences(np.array(3)), "a list of sequences, got ndarray"),  # type: ignore[arg-type]
        (lambda: mt.History().append([1]), "append: expected numbers to be a Mapping"),  # type: ignore[arg-type]
        (lambda: mt.History().append({"f": "x"}), "f: expected a number, got 'x'"),  # type: ignore[dict-item]
        (lambda: mt.History().best("loss", mode={}), "best: expected mode to be"),  # type: ignore[arg-type]
        (lambda: list(mt.generate(MODEL, [0.5], 3)), "prompt: expected one row of whole numbers"),  # type: ignore[list-item]
        (lambda: mt.generate(3, [1], 3), "generate: expected model to be a Layer"),  # type: ignore[arg-type]
        (lambda: mt.resnet(8, input_shape="x"), "shape of one sample"),  # type: ignore[arg-type]
        (lambda: mt.unet(8, 2), "unet: expected images of shape"),  # type: ignore[arg-type]
        (lambda: mt.SeveralLosses([mt.Huber()], np.array(1)), "weights to be a list"),
        (lambda: mt.Trainer(MODEL, mt.SeveralLosses([mt.Huber()]), mt.SGD()), "model of one"),
        (lambda: mt.data.convert_csv("a.csv", "a.npy", progress=3), "a function progress"),  # type: ignore[arg-type]
        (lambda: mt.Sequential.load("\ud800"), "path to be a string"),
        (lambda: MODEL.predict(np.ones(4)), r"got x of shape \(4,\): for a batch of one sample"),
        (lambda: mt.plot_boundary(PLANE, [[0.0, 1]], "x"), "labels: expected an array of numbers"),
        (lambda: mt.plot_boundary(PLANE, [[0.0, 1]], []), "labels: expected at least one sample"),
        (lambda: mt.plot_confusion([0.5], [1]), "labels: expected class numbers; got 0.5"),
        (lambda: mt.saliency(MODEL, np.ones((2, 4)), [[1], [1, 2]]), "classes: expected rows of"),
        (lambda: mt.gradcheck(MODEL, np.ones((2, 4)), target=([1], [1, 2])), "rows of equal"),
        (lambda: mt.gradcheck(MODEL, ()), "x: expected an array, or one for each input, got none"),
        (lambda: fitted(sample_weight=np.zeros(2)), "sample_weight: expected some greater than 0"),
        (lambda: fitted(x=len), "a function that returns an iterator over batches, got TypeError"),
    ],
)
def test_what_generated_calls_have_found(call: Callable[[], object], message: str) -> None:
    with pytest.raises(mt.MinitorchError, match=message):
        call()
