"""Training: what it gives, what it refuses, and that nothing is half done."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array
from minitorch_np.training.batches import Batches, Samples


def trainer_for(model: mt.Sequential, rate: float = 0.1, **arguments: Any) -> mt.Trainer:
    return mt.Trainer(
        model,
        mt.SoftmaxCrossEntropy(),
        mt.SGD(rate),
        **{"metrics": [mt.Accuracy()], "seed": 0, **arguments},
    )


def test_it_learns_to_read(digits: mt.data.Digits) -> None:
    x, y = digits.train.features(), digits.train.labels
    model = mt.notes_network(seed=0)
    trainer = trainer_for(model)
    held_out = (digits.test.features(), digits.test.labels)
    history = trainer.fit(x, y, epochs=5, batch_size=50, validation_data=held_out)
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(len(column) == history.epochs == 5 for column in history.values())
    assert history["loss"] == sorted(history["loss"], reverse=True)
    result = trainer.evaluate(*held_out)
    assert result == {"loss": history["val_loss"][-1], "accuracy": history["val_accuracy"][-1]}
    assert result["accuracy"] > 0.86
    right = (model.predict_classes(held_out[0]) == held_out[1]).mean()
    assert result["accuracy"] == pytest.approx(right)
    assert history.history["loss"] == history["loss"]
    assert "epochs=5" in repr(history)


def test_full_mnist_reaches_92_percent(
    full_mnist: mt.data.Digits, request: pytest.FixtureRequest
) -> None:
    """ReLU, learning rate 0.1, batch 64, 3 epochs: the mean over 5 seeds, or over 2."""
    x, y = full_mnist.train.features(), full_mnist.train.labels
    accuracies = []
    for seed in range(5 if request.config.getoption("--whole") else 2):
        trainer = trainer_for(mt.notes_network(seed=seed), seed=seed)
        trainer.fit(x, y, epochs=3, batch_size=64)
        test = full_mnist.test
        accuracies.append(trainer.evaluate(test.features(), test.labels)["accuracy"])
    assert np.mean(accuracies) >= 0.92


def test_losses_are_means_over_samples_however_they_are_cut(few: Any) -> None:
    x, y = few
    trainer = trainer_for(mt.notes_network(seed=0, dtype=np.float64), rate=0.0)
    whole = trainer.fit(x, y, batch_size=None)
    pieces = trainer.fit(x, y, batch_size=48)  # the last one has 20
    assert pieces["loss"][0] == pytest.approx(whole["loss"][0], rel=1e-12)
    assert pieces["accuracy"] == whole["accuracy"]


def test_every_sample_is_seen_once_an_epoch(rng: np.random.Generator) -> None:
    x, y = np.arange(10.0).reshape(10, 1), np.arange(10)
    batches = Batches(Samples(x, y), 4, shuffle=True, place="x")
    assert len(batches) == 3
    orders = []
    for _ in range(2):
        epoch = batches.epoch(batches.order(rng), rng)
        seen = [(xb.copy(), yb) for xb, yb, _, _ in epoch]
        assert [len(yb) for _, yb in seen] == [4, 4, 2]
        for xb, yb in seen:
            assert xb[:, 0].tolist() == yb.tolist()  # x and y stay together
        orders.append(np.concatenate([yb for _, yb in seen]).tolist())
        assert sorted(orders[-1]) == list(range(10))
    assert orders[0] != orders[1]
    in_order = Batches(Samples(x, y), 4, shuffle=False, place="x")
    assert in_order.order(rng) is None
    rows = [yb for _, yb, _, _ in in_order.epoch(None, rng)]
    assert np.concatenate(rows).tolist() == list(range(10))


def test_one_hot_targets_are_the_same_as_labels(few: Any) -> None:
    x, y = few
    models = [mt.notes_network(seed=0) for _ in range(2)]
    for model, targets in zip(models, (y, np.eye(10)[y]), strict=True):
        trainer_for(model).fit(x, targets, epochs=2)
    one, other = (model.state_dict() for model in models)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
    both = trainer_for(models[0])
    assert both.evaluate(x, y) == both.evaluate(x, np.eye(10)[y])


RUN = """
import sys, hashlib, numpy as np, minitorch_np as mt
part = mt.data.load_mnist().train.take(slice(1000))
model = mt.notes_network("elu", seed=5)
trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=6)
trainer.fit(part.features(), part.labels, epochs=3)
state = b"".join(a.tobytes() for a in model.state_dict().values())
print(hashlib.sha256(state).hexdigest())
"""


def test_one_seed_is_one_result_in_two_processes() -> None:
    runs = [
        subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout
    assert len(runs[0].stdout.strip()) == 64


def test_different_seeds_are_different_results(few: Any) -> None:
    states = []
    for seed in (0, 1):
        model = mt.notes_network(seed=3)
        trainer_for(model, seed=seed).fit(*few, epochs=1)
        states.append(model.state_dict()["0.weight"])
    assert not np.array_equal(states[0], states[1])


def bad(x: Array, row: int, column: int, value: float) -> Array:
    x = x.copy()
    x[row, column] = value
    return x


X, Y = np.random.default_rng(0).random((60, 5)).astype(np.float32), np.arange(60) % 3
BAD_DATA = [
    (X[:, :4], Y, mt.ShapeError, r"Sequential\[0\] Dense\(4\): expected 5 features"),
    (X, Y[:-1], mt.ShapeError, "one target for each of the 60 samples"),
    (X[0], Y, mt.ShapeError, "one target for each|expected 5 features"),
    (X, Y + 1, mt.DataError, "from 0 to 2; got 3 at row 2"),
    (X, Y - 1, mt.DataError, "from 0 to 2; got -1 at row 0"),
    (X, Y + 0.5, mt.DataError, "from 0 to 2; got 0.5 at row 0"),
    (X, np.stack([Y, Y], axis=1), mt.ShapeError, r"got shape \(60, 2\)"),
    (X, 3, mt.ShapeError, "one target for each"),
    (X, ["a"] * 60, mt.DataError, "expected 3 different class names.*got 1: 'a'"),
    (X, [["a", "b"]] * 60, mt.DataError, "expected numbers"),
    (bad(X, 57, 3, np.nan), Y, mt.DataError, "x: expected finite.*nan at row 57, column 3"),
    (bad(X, 2, 4, np.inf), Y, mt.DataError, "inf at row 2, column 4"),
    (bad(X, 0, 0, -np.inf), Y, mt.DataError, "-inf at row 0, column 0"),
    (X[:0], Y[:0], mt.DataError, "at least one sample"),
    ([["a"] * 5] * 60, Y, mt.DataError, "expected an array of numbers"),
]


@pytest.mark.parametrize("where", ["fit", "fit-full", "validation", "evaluate"])
@pytest.mark.parametrize(("x", "y", "error", "message"), BAD_DATA)
def test_bad_data_is_refused_and_nothing_is_trained(
    x: Any, y: Any, error: type[Exception], message: str, where: str
) -> None:
    model = mt.Sequential(mt.Dense(4), mt.ReLU(), mt.Dense(3), input_shape=5, seed=0)
    before = model.state_dict()
    trainer = trainer_for(model)
    use: dict[str, Callable[[], object]] = {
        "fit": lambda: trainer.fit(x, y, epochs=2, batch_size=8),
        "fit-full": lambda: trainer.fit(x, y, epochs=2, batch_size=None),
        "validation": lambda: trainer.fit(X, Y, epochs=2, validation_data=(x, y)),
        "evaluate": lambda: trainer.evaluate(x, y),
    }
    with pytest.raises(error, match=message):
        use[where]()
    for name, array in model.named_parameters().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("arguments", [{"epochs": 0}, {"batch_size": 0}, {"batch_size": 2.5}])
def test_counts_are_whole_numbers(arguments: Any) -> None:
    trainer = trainer_for(mt.Sequential(mt.Dense(3), input_shape=5))
    with pytest.raises(mt.ConfigurationError, match=f"{next(iter(arguments))}.*at least 1"):
        trainer.fit(X, Y, **arguments)


def test_divergence_is_stopped_and_explained(few: Any) -> None:
    model = mt.notes_network(seed=0)
    with pytest.raises(mt.DivergenceError, match=r"inf in the .* Dense\(10\)") as caught:
        trainer_for(model, rate=1e20).fit(*few, epochs=3, batch_size=10)
    assert "smaller learning rate" in str(caught.value)
    assert all(np.isfinite(array).all() for array in model.named_parameters().values())
    assert np.isfinite(trainer_for(model).evaluate(*few)["loss"])


def test_divergence_in_the_last_step_is_not_missed(few: Any) -> None:
    model = mt.notes_network(seed=0)
    before = model.state_dict()
    with pytest.raises(mt.DivergenceError, match="step 1 of the epoch, the last"):
        trainer_for(model, rate=1e39 / 2).fit(*few, epochs=1, batch_size=None)
    for name, array in model.named_parameters().items():
        np.testing.assert_array_equal(array, before[name])


class Breaks(mt.Activation):
    """Fine until the inputs are past a bound; then its value or its derivative is not a number."""

    def __init__(self, what: str) -> None:
        self.what = what

    def value(self, z: Array) -> Array:
        return z * np.nan if self.what == "value" else z

    def derivative(self, z: Array, a: Array) -> Array:
        return z * np.nan if self.what == "derivative" else np.ones_like(z)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("value", r"nan in the output of Sequential\[1\] Sequential\[0\] Breaks\('value'\)"),
        (
            "derivative",
            r"nan in the gradient of its input, in Sequential\[1\] Sequential\[0\] Breaks",
        ),
    ],
)
def test_the_first_broken_layer_is_named(what: str, message: str) -> None:
    layers: tuple[Any, ...] = (mt.Dense(4), mt.Sequential(Breaks(what), mt.Dense(3)))
    model = mt.Sequential(*layers, input_shape=5, seed=0)
    before = model.state_dict()
    with pytest.raises(mt.DivergenceError, match=message):
        trainer_for(model).fit(X, Y, epochs=3, batch_size=20)
    for name, array in model.named_parameters().items():
        np.testing.assert_array_equal(array, before[name])


def test_an_infinite_loss_on_finite_outputs_is_named() -> None:
    """Cross-entropy of a probability that rounds to 0."""
    model = mt.Sequential(mt.Dense(3), mt.Softmax(), input_shape=5, seed=0)
    model.named_parameters()["0.bias"][:] = [0, 1000, 0]
    with pytest.raises(mt.DivergenceError, match="loss of inf from CrossEntropy"):
        mt.Trainer(model, mt.CrossEntropy(), mt.SGD(0.1)).fit(X, Y)


def test_callbacks_are_called_in_keras_order() -> None:
    calls: list[str] = []

    class Recorder(mt.Callback):
        def on_train_begin(self, trainer: mt.Trainer, epochs: int, batches: int) -> None:
            calls.append(f"train {epochs}x{batches}")

        def on_epoch_begin(self, trainer: mt.Trainer, epoch: int) -> None:
            calls.append(f"epoch {epoch}")

        def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
            calls.append(f"batch {batch}")

        def on_epoch_end(
            self, trainer: mt.Trainer, epoch: int, numbers: Mapping[str, float]
        ) -> None:
            calls.append(f"end {epoch} {sorted(numbers)}")

        def on_train_end(self, trainer: mt.Trainer) -> None:
            calls.append("done")

    model = mt.Sequential(mt.Dense(3), input_shape=5)
    trainer_for(model).fit(X, Y, epochs=2, batch_size=30, callbacks=[Recorder(), mt.Callback()])
    assert calls == [
        "train 2x2",
        *["epoch 0", "batch 0", "batch 1", "end 0 ['accuracy', 'loss']"],
        *["epoch 1", "batch 0", "batch 1", "end 1 ['accuracy', 'loss']"],
        "done",
    ]


def test_lists_integers_and_columns_first_arrays_will_do() -> None:
    results = []
    for x in (X, X.tolist(), np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
        model = mt.Sequential(mt.Dense(3), input_shape=5, seed=0)
        trainer_for(model).fit(x, Y.tolist(), epochs=1)
        results.append(model.state_dict()["0.weight"])
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_a_validation_that_is_not_finite_stops_training(few: Any) -> None:
    model = mt.notes_network(seed=0)
    with pytest.raises(mt.DivergenceError, match="the validation after epoch 1"):
        trainer_for(model, rate=1e22).fit(*few, batch_size=None, validation_data=few)
    assert np.isfinite(trainer_for(model).evaluate(*few)["loss"])


class LossTwice(mt.Metric):
    name = "loss"

    def count(self, scores: Array, targets: Any) -> Any:
        return np.ones(1)

    def value(self, counts: Any) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": mt.Accuracy()}, r"write \[...\] around it"),
        ({"metrics": "accuracy"}, r"metrics to be a list"),
        ({"metrics": ["acuracy"]}, "metrics: expected the name of a metric.*mean 'Accuracy'"),
        ({"metrics": [mt.Accuracy]}, "write parentheses after its name"),
        ({"metrics": [mt.Accuracy(), mt.Accuracy()]}, "different names"),
        ({"metrics": [LossTwice()]}, "different names.*'loss', 'loss'"),
        ({"seed": -1}, "seed: expected a whole number of at least 0"),
        ({"seed": "a"}, "seed: expected a whole number of at least 0"),
        ({"loss": mt.SoftmaxCrossEntropy}, "loss: expected a Loss.*parentheses"),
        ({"optimizer": "sdg"}, "optimizer: expected the name of an optimizer"),
        ({"optimizer": 0.1}, "optimizer: expected an Optimizer or the name of one, got 0.1"),
        ({"classes": "abc"}, "classes to be two or more different strings"),
        ({"classes": ["a", "a"]}, "classes to be two or more different strings"),
        ({"model": mt.Dense(3)}, "model to be a Sequential"),
    ],
)
def test_what_a_trainer_is_made_of(arguments: Any, message: str) -> None:
    complete = {
        "model": mt.Sequential(mt.Dense(3), input_shape=5),
        "loss": mt.SoftmaxCrossEntropy(),
        "optimizer": mt.SGD(),
    }
    with pytest.raises(mt.ConfigurationError, match=message):
        mt.Trainer(**{**complete, **arguments})


def test_what_fit_is_given_beside_the_data() -> None:
    trainer = trainer_for(mt.Sequential(mt.Dense(3), input_shape=5))
    with pytest.raises(mt.ConfigurationError, match=r"callbacks.*\[...\] around it"):
        trainer.fit(X, Y, callbacks=cast(Any, mt.Progress()))
    with pytest.raises(mt.ConfigurationError, match=r"expected \(x, y\) or .* got 4"):
        trainer.fit(X, Y, validation_data=cast(Any, (X, Y, Y, Y)))
    with pytest.raises(mt.DataError, match="rows of equal length"):
        trainer.fit([[1.0, 2.0], [3.0]], [0, 1])
    with pytest.raises(mt.DataError, match="got inf at row 0, column 0"):
        trainer.fit(np.full((3, 5), 1e300), [0, 1, 2])  # too large for float32


def test_callbacks_see_nothing_of_data_that_is_refused() -> None:
    class Forbidden(mt.Callback):
        def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
            raise AssertionError("a batch was trained on")

    trainer = trainer_for(mt.Sequential(mt.Dense(3), input_shape=5))
    with pytest.raises(mt.DataError, match="row 59"):
        trainer.fit(bad(X, 59, 0, np.nan), Y, shuffle=False, batch_size=8, callbacks=[Forbidden()])


def test_gradients_that_nobody_owns_are_refused() -> None:
    class Hidden(mt.Layer):
        """Hands on the gradients of the layer within under names that are not its own."""

        def build(
            self, input_shape: Any, *, rng: np.random.Generator, dtype: Any
        ) -> tuple[int, ...]:
            self.inner = mt.Dense(5)
            return self.inner.build_once(input_shape, rng=rng, dtype=dtype)

        def forward(
            self, x: Array, *, train: bool = False, rng: np.random.Generator | None = None
        ) -> tuple[Array, Any]:
            return self.inner.forward(x)

        def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
            return self.inner.backward(dy, cache)

    class TooMuch(mt.ReLU):
        def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
            return dy, {"slope": np.ones(3)}

    extra = mt.Sequential(mt.Dense(3), TooMuch(), input_shape=5)
    with pytest.raises(
        mt.ShapeError, match=r"TooMuch.*gradients of \[\] only, got 'slope' too.*parameter_names"
    ):
        trainer_for(extra).fit(X, Y)
    model = mt.Sequential(Hidden(), mt.Dense(3), input_shape=5)
    with pytest.raises(mt.ShapeError, match=r"gradient of inner.weight of.*got none"):
        trainer_for(model).fit(X, Y)


def test_accuracy_wants_classes() -> None:
    for scores, targets in (((4, 3), (1,)), ((4, 3), (4, 1)), ((4,), (4,))):
        with pytest.raises(mt.ShapeError, match="Accuracy: expected scores"):
            mt.Accuracy().count(np.ones(scores), np.ones(targets))


def test_a_step_is_a_step_of_fit_and_of_a_loop_by_hand(few: Any) -> None:
    x, y = few[0][:50], few[1][:50]
    loss, optimizer = mt.SoftmaxCrossEntropy(), mt.Adam(0.01)
    trainers = [mt.Trainer(mt.notes_network(seed=0), loss, mt.Adam(0.01), seed=0) for _ in range(2)]
    model = mt.notes_network(seed=0)
    losses = trainers[0].fit(x, y, epochs=3, batch_size=None)["loss"]
    for expected in losses:
        assert trainers[1].step(x, y) == expected
        scores, cache = model.forward(x, train=True)
        value, loss_cache = loss.forward(scores, y)
        _, gradients = model.backward(loss.backward(loss_cache), cache)
        optimizer.step(model, gradients)
        assert value == pytest.approx(expected, rel=1e-6)
    for name, array in trainers[0].model.state_dict().items():
        np.testing.assert_array_equal(array, trainers[1].model.state_dict()[name])
        np.testing.assert_allclose(array, model.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_a_step_that_diverges_or_has_bad_data_changes_no_parameter() -> None:
    model = mt.Sequential(mt.Dense(3), input_shape=5, seed=0)
    trainer = trainer_for(model)
    before = model.state_dict()
    with pytest.raises(mt.DataError, match="step: x.*row 1, column 2"):
        trainer.step([[0.0] * 5, [0, 0, np.nan, 0, 0]], [0, 1])
    with pytest.raises(mt.DivergenceError, match="step: expected a finite loss.*no parameter"):
        trainer.step(np.full((2, 5), 3e38), [0, 1])
    for name, array in before.items():
        np.testing.assert_array_equal(array, model.state_dict()[name])
