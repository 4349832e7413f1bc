"""What someone who knows another library writes here works, or the error says what to write."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np import names
from minitorch_np.core import prediction
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
    "LSTM: .* 'hidden_size': did you mean units": lambda: any_.LSTM(hidden_size=8),
    "GRU: .* 'num_layers': write several layers": lambda: any_.GRU(8, num_layers=2),
    "LSTM: .* 'activation': its activations are": lambda: any_.LSTM(8, activation="tanh"),
    "generate: .* 'max_new_tokens': did you mean length": lambda: any_.generate(max_new_tokens=1),
    "ReLU: .*'inplace': it takes none": lambda: any_.ReLU(inplace=True),
    r"ReLU: expected ReLU\(\), got 1 argument$": lambda: any_.ReLU(1),
    r"Dense: expected Dense\(units, .*, got none for 'units'": lambda: any_.Dense(),
    "Dense: .* got 'units' twice": lambda: any_.Dense(1, units=1),
    "fit: .*: give it to the loss": lambda: any_.Trainer.fit(trainer(), 1, 1, class_weight={}),
    "SoftmaxC.* did you mean class_weights": lambda: any_.SoftmaxCrossEntropy(class_weight={}),
    "Flatten: .* give it to the model": lambda: any_.Flatten(input_shape=(28, 28)),
    "Embedding: .* got 5 arguments": lambda: any_.Embedding(1, 2, 3, 4, 5),
    "mlp: .* 'activations': did you mean activation": lambda: any_.mlp([3, 2], activations="relu"),
    "fit: .* 'epoch': did you mean epochs": lambda: any_.Trainer.fit(
        trainer(), [[0, 0, 0]], [0], epoch=1
    ),
    "fit: .* 'lr': give it to the optimizer": lambda: any_.Trainer.fit(trainer(), 1, 1, lr=1),
    "compare: .* did you mean learning_rates": lambda: any_.compare(learning_rate=1),
    "Configuration: expected no argument 'lr': did you mean learning_rate": lambda: (
        any_.Configuration("a", [], lr=1)
    ),
    "Configuration.*batch_size=50.*got none for 'layers'": lambda: any_.Configuration("a"),
    "Trainer: expected Trainer\\(model, loss, optimizer": lambda: any_.Trainer(model()),
}


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (lambda: any_.Linear, "no attribute 'Linear': did you mean Dense?"),
        (lambda: any_.MaxPooling2D, "did you mean MaxPool2D?"),
        (lambda: any_.RNN, "did you mean SimpleRNN?"),
        (lambda: any_.Dot, "did you mean Dropout?"),  # and nothing that begins with _
        (lambda: any_.nothing_like_it, "has no attribute 'nothing_like_it'$"),
        (lambda: any_.Sequential.fit, "has no attribute 'fit'"),
        (lambda: any_.notes_network().fit, "train it with Trainer"),
        (lambda: any_.notes_network().eval, "a model has no mode"),
    ],
)
def test_names_of_other_libraries_are_answered_with_ours(missing: Any, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        missing()


def test_names_that_are_suggested_exist() -> None:
    for name in names.ELSEWHERE.values():
        if name.startswith("sklearn."):  # which needs scikit-learn
            continue
        found: Any = mt
        for part in name.split("."):
            found = getattr(found, part)
    texts = " ".join(prediction.ELSEWHERE.values())
    for method in ("named_parameters", "state_dict", "load_state_dict", "count_parameters"):
        assert method in texts
        assert hasattr(mt.Sequential, method)


@pytest.mark.parametrize("message", WRONG_CALLS)
def test_a_wrong_argument_is_answered_with_the_right_one(message: str) -> None:
    with pytest.raises(mt.ArgumentError, match=message) as caught:
        WRONG_CALLS[message]()
    assert isinstance(caught.value, TypeError)


PUBLIC_CALLS = [
    *(getattr(mt, name) for name in dir(mt) if inspect.isfunction(getattr(mt, name))),
    *(getattr(mt.data, name) for name in mt.data.__all__ if name not in ("Digits", "Table")),
    *(mt.Sequential.predict, mt.Sequential.predict_proba, mt.Sequential.predict_classes),
    *(mt.Trainer.fit, mt.Trainer.evaluate, mt.Checkpoint, mt.Trainer),
]
OF_THE_CHECK = "minitorch_np.gradcheck."


@pytest.mark.parametrize(
    "call",
    [
        each
        for each in PUBLIC_CALLS
        if not each.__module__.startswith(OF_THE_CHECK) and each.__name__[0] != "_"
    ],
    ids=lambda call: call.__name__,
)
def test_all_that_is_public_explains_wrong_arguments(call: Any) -> None:
    with pytest.raises(mt.ArgumentError, match="expected no argument 'verbos'"):
        call(verbos=1)


def test_what_is_suggested_exists() -> None:
    classes: list[Any] = [thing for thing in vars(mt).values() if inspect.isclass(thing)]
    functions = [mt.Trainer.fit, mt.mlp, mt.data.pad_sequences, mt.gpt, mt.generate]
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
        ("zzzzzz", "got .zzzzzz.: write one of "),
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
        "Checkpoint('run.npz', every=5)",
    ):
        assert repr(eval(text, vars(mt) | vars(mt.optimizers))) == text


def two() -> mt.Sequential:
    layers: list[mt.Layer | str] = [any_.Dense(4, name="fc1"), "relu", mt.Dense(2).named("fc2")]
    return mt.Sequential(*layers, input_shape=3, seed=0)


def test_named_layers(tmp_path: Any) -> None:
    model = two()
    assert list(model.state_dict()) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert model["fc1"] is model[0]
    assert model["1"] is model[1]
    assert repr(model[0]) == "Dense(4, name='fc1')"
    as_pytorch = mt.Sequential({"fc1": mt.Dense(4), "act": "relu", "fc2": mt.Dense(2)})
    as_pytorch.initialize(3, rng=np.random.default_rng(1), dtype="float32")
    as_pytorch.load_state_dict(model.state_dict())
    assert list(as_pytorch.outputs(np.ones((1, 3)))) == ["fc1", "act", "fc2"]
    model.save(tmp_path / "m.npz")
    again = mt.Sequential.load(tmp_path / "m.npz")
    assert repr(again) == repr(model)
    assert again["fc2"].given_name == "fc2"
    x = np.ones((2, 3))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    before = model.state_dict()
    mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam()).fit(x, [0, 1])
    assert not np.array_equal(before["fc1.weight"], model.state_dict()["fc1.weight"])


def test_names_that_do_not_work() -> None:
    for name in ("", "a.b", "1", None, 3):
        with pytest.raises(mt.ConfigurationError, match="letters, digits and underscores"):
            mt.Dense(3).named(name)  # type: ignore[arg-type]
    with pytest.raises(mt.ConfigurationError, match=r"different names, got \['a', 'a'\]"):
        mt.Sequential(mt.Dense(3).named("a"), mt.Dense(3).named("a"))
    shared = mt.Dense(3).named("a")
    model = mt.Sequential(shared, "relu", shared, input_shape=3)
    assert list(model.state_dict()) == ["a.weight", "a.bias"]
    with pytest.raises(KeyError):
        model["b"]

    class Own(mt.ReLU):
        def __init__(self, name: str) -> None:
            self.name = name

    assert Own(name="x").given_name is None  # the class's own argument


def test_a_slice_of_a_model_shares_its_layers() -> None:
    model = two()
    x = np.ones((2, 3), np.float32)
    first, rest = model[:2], model[2:]
    assert [first[0], first[1], rest[0]] == list(model)
    np.testing.assert_array_equal(rest.predict(first.predict(x)), model.predict(x))
    np.testing.assert_array_equal(model[1:].predict(first[:1].predict(x)), model.predict(x))
    assert isinstance(first[0], mt.Dense)
    first[0].weight[...] = 0
    np.testing.assert_array_equal(first.predict(x), np.zeros((2, 4)))
    np.testing.assert_array_equal(model.outputs(x)["1"], np.zeros((2, 4)))
    assert not mt.Sequential(mt.Dense(3), "relu")[:1].built


def test_a_state_of_other_names_is_loaded() -> None:
    model, plain = two(), mt.Sequential(mt.Dense(4), "relu", mt.Dense(2), input_shape=3)
    plain.load_state_dict(
        model.state_dict(), names={"fc1": "0", "fc2.weight": "2.weight"} | {"fc2": "2"}
    )
    np.testing.assert_array_equal(plain.state_dict()["2.bias"], model.state_dict()["fc2.bias"])
    weights = {"fc1.weight": np.ones((4, 3)), "head.weight": np.ones(3)}
    plain.load_state_dict(weights, strict=False, names={"fc1": "0"})
    assert (plain.state_dict()["0.weight"] == 1).all()
    with pytest.raises(mt.DataError, match=r"did you mean names=\{'fc1': '0', 'fc2': '2'\}\?"):
        plain.load_state_dict(model.state_dict())
    with pytest.raises(mt.DataError, match=r"2.weight is missing.*head.weight is unexpected$"):
        plain.load_state_dict(weights, names={"fc1": "0"})
    with pytest.raises(mt.ConfigurationError, match="expected state to be a Mapping, got None"):
        plain.load_state_dict(None)  # type: ignore[arg-type]


def test_probabilities_are_those_of_the_loss(tmp_path: Any) -> None:
    x, rng = np.linspace(-1, 1, 12).reshape(4, 3), np.random.default_rng(0)
    scores = mt.Sequential(mt.Dense(2), input_shape=3, seed=0)
    z = scores.predict(x)
    np.testing.assert_allclose(scores.predict_proba(x).sum(axis=1), 1, rtol=1e-6)
    mt.Trainer(scores, mt.BinaryCrossEntropy(), mt.SGD())  # several labels at once
    np.testing.assert_allclose(scores.predict_proba(x), 1 / (1 + np.exp(-z)), rtol=1e-6)
    np.testing.assert_array_equal(scores.predict_classes(x), z > 0)
    scores.save(tmp_path / "m.npz")
    again = mt.Sequential.load(tmp_path / "m.npz")
    np.testing.assert_array_equal(again.predict_proba(x), scores.predict_proba(x))
    ends = mt.Sequential(scores, "sigmoid", input_shape=3)
    np.testing.assert_array_equal(ends.predict_proba(x), ends.predict(x))
    np.testing.assert_array_equal(ends.predict_classes(x), z > 0)
    mt.Trainer(ends, mt.SoftmaxCrossEntropy(), mt.SGD())  # the notes' sigmoid + sigmoid: scores
    np.testing.assert_array_equal(ends.predict_classes(x), z.argmax(axis=1))
    np.testing.assert_allclose(ends.predict_proba(x).sum(axis=1), 1, rtol=1e-6)
    one = mt.Sequential(mt.Dense(1), input_shape=3, seed=rng)
    with pytest.raises(mt.ShapeError, match="one trained with BinaryCrossEntropy.*use predict"):
        one.predict_proba(x)
    for model in (one, mt.Sequential(one, "sigmoid", input_shape=3)):
        if model is one:
            mt.Trainer(one, mt.BinaryCrossEntropy(), mt.SGD())
        p = 1 / (1 + np.exp(-one.predict(x)))
        np.testing.assert_allclose(model.predict_proba(x), np.hstack([1 - p, p]), rtol=1e-5)
        np.testing.assert_array_equal(model.predict_classes(x), p[:, 0] > 0.5)
