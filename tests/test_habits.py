"""What someone who knows another library writes here works, or the error says what to write."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import minitorch_np as mt
from minitorch_np.names import by_name
from minitorch_np.signature import ELSEWHERE, arguments_of


def model() -> mt.Sequential:
    return mt.Sequential(mt.Dense(2), input_shape=3, seed=0)


def trainer() -> mt.Trainer:
    return mt.Trainer(model(), mt.SoftmaxCrossEntropy(), mt.SGD())


any_: Any = mt  # whose calls are not checked before they run
WRONG_CALLS: dict[str, Callable[..., object]] = {
    "SGD: expected no argument 'lr': did you mean learning_rate": lambda: any_.SGD(lr=0.1),
    "AdamW: .* 'lr': did you mean learning_rate": lambda: any_.AdamW(lr=0.1),
    "Adam: .* 'eps': did you mean epsilon": lambda: any_.Adam(eps=1e-8),
    "Dense: .* 'activation': write the activation as a layer": lambda: any_.Dense(
        10, activation="relu"
    ),
    "Dropout: .* 'p': did you mean rate": lambda: any_.Dropout(p=0.1),
    "Dense: .* 'bias': did you mean use_bias": lambda: any_.Dense(10, bias=False),
    "Conv2D: .* 'strides': did you mean stride": lambda: any_.Conv2D(8, 3, strides=2),
    "EarlyStopping: .* did you mean restore_best": lambda: any_.EarlyStopping(
        restore_best_weights=True
    ),
    "ReLU: .*'inplace': it takes none": lambda: any_.ReLU(inplace=True),
    r"ReLU: expected ReLU\(\), got 1 argument$": lambda: any_.ReLU(1),
    r"Dense: expected Dense\(units, .*, got none for 'units'": lambda: any_.Dense(),
    "Dense: .* got 'units' twice": lambda: any_.Dense(1, units=1),
    "Flatten: .* give it to the model": lambda: any_.Flatten(input_shape=(28, 28)),
    "Embedding: .* got 3 arguments": lambda: any_.Embedding(1, 2, 3),
    "mlp: .* 'activations': did you mean activation": lambda: any_.mlp([3, 2], activations="relu"),
    "fit: .* 'epoch': did you mean epochs": lambda: any_.Trainer.fit(
        trainer(), [[0, 0, 0]], [0], epoch=1
    ),
    "Trainer: expected Trainer\\(model, loss, optimizer": lambda: any_.Trainer(model()),
}


@pytest.mark.parametrize("message", WRONG_CALLS)
def test_a_wrong_argument_is_answered_with_the_right_one(message: str) -> None:
    with pytest.raises(mt.ArgumentError, match=message) as caught:
        WRONG_CALLS[message]()
    assert isinstance(caught.value, TypeError)


def test_what_is_suggested_exists() -> None:
    classes: list[Any] = [thing for thing in vars(mt).values() if inspect.isclass(thing)]
    functions = [mt.Trainer.fit, mt.mlp]
    known = {name for each in [*classes, *functions] for name in arguments_of(each)}
    assert set(ELSEWHERE.values()) <= known


def test_a_type_error_of_other_code_stays_as_it_is() -> None:
    class Broken(mt.ReLU):
        def __init__(self, size: object) -> None:
            len(size)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="object of type 'int' has no len") as caught:
        Broken(1)
    assert not isinstance(caught.value, mt.MinitorchError)


def test_losses_optimizers_and_metrics_have_names() -> None:
    assert repr(by_name(mt.Optimizer, "adam(0.01, clip_norm=1)")) == (
        "Adam(learning_rate=0.01, clip_norm=1.0)"
    )
    assert isinstance(by_name(mt.Loss, "softmax_cross_entropy"), mt.SoftmaxCrossEntropy)
    assert isinstance(by_name(mt.Loss, "mse"), mt.MeanSquaredError)
    assert isinstance(by_name(mt.Metric, "accuracy"), mt.Accuracy)
    given = mt.SGD()
    assert by_name(mt.Optimizer, given) is given


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rellu", "Sequential\\[0\\]: expected the name of a layer, got 'rellu': did you .*'ReLU'"),
        ("elu(1.7", r"got 'elu\(1.7': did you mean 'elu\(1.7\)'"),
        ("elu 1.7", r"expected name\(arguments\), .* as in 'elu\(1.7\)'"),
        ("elu(slope=1)", "ELU: expected no argument 'slope'"),
        ("zzzzzz", "write one of Add, AveragePool2D"),
    ],
)
def test_a_name_that_is_nearly_right(text: str, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        mt.Sequential(text)


def test_an_object_of_another_kind_is_refused() -> None:
    for given, message in (
        (mt.Adam, "expected a Loss or the name of one, got .*write parentheses"),
        (None, "Trainer: loss: expected a Loss or the name of one, got None"),
    ):
        with pytest.raises(mt.ConfigurationError, match=message):
            by_name(mt.Loss, given, "Trainer: loss")


def test_errors_can_be_pickled() -> None:
    error = mt.MissingExtraError("Pillow", "images", "reading a picture")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_objects_show_themselves_as_code() -> None:
    for text in (
        "SGD(learning_rate=0.1, momentum=0.9)",
        "AdamW(weight_decay=0.1, clip_norm=1.0)",
        "Adam(spare=nothing)",
        "Huber(delta=2.0)",
        "SoftmaxCrossEntropy(label_smoothing=0.1)",
        "EarlyStopping(monitor='loss', patience=3)",
        "TopKAccuracy(k=3)",
    ):
        assert repr(eval(text, vars(mt) | vars(mt.optimizers))) == text
