"""What fit takes beside plain batches: parts held out, weights, pieces, transformed inputs."""

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array
from tests.sampling import every

X = np.random.default_rng(0).normal(size=(60, 5))
Y = np.arange(60) % 3
W = np.random.default_rng(1).integers(0, 4, 60)


def trainer_for(loss: mt.Loss | None = None, **arguments: Any) -> mt.Trainer:
    """Of layers that take each sample for itself, unlike BatchNorm."""
    layers = (mt.Dense(4), mt.LayerNorm(), mt.Tanh(), mt.Dense(3))
    model = mt.Sequential(*layers, input_shape=5, seed=0, dtype=np.float64)
    loss = loss or mt.SoftmaxCrossEntropy()
    return mt.Trainer(model, loss, mt.Adam(0.01), seed=0, **arguments)


def assert_same(one: dict[str, Array], other: dict[str, Array], tolerance: float = 0) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_allclose(array, other[name], rtol=tolerance, atol=tolerance)


def test_the_last_part_is_held_out_with_its_weights() -> None:
    trainers = [trainer_for(metrics=[mt.Accuracy()]) for _ in range(2)]
    split = trainers[0].fit(X, Y, epochs=3, batch_size=8, sample_weight=W, validation_split=0.3)
    apart = trainers[1].fit(
        *(X[:42], Y[:42]),
        epochs=3,
        batch_size=8,
        sample_weight=W[:42],
        validation_data=(X[42:], Y[42:], W[42:]),
    )
    assert dict(split) == dict(apart)
    assert_same(trainers[0].model.state_dict(), trainers[1].model.state_dict())


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, 0.001, 0.999, math.nan, "0.2"])
def test_parts_that_leave_nothing(share: Any) -> None:
    with pytest.raises(mt.ConfigurationError, match="validation_split: expected a fraction"):
        trainer_for().fit(X, Y, validation_split=share)


@pytest.mark.parametrize("data", [3, (X,), (X, Y, W, W), zip(X, Y, strict=True), "ab"])
def test_validation_data_of_another_form(data: Any) -> None:
    with pytest.raises(mt.MinitorchError, match="validation_data: .*expected"):
        trainer_for().fit(X, Y, validation_data=data)


@pytest.mark.parametrize("arguments", [{}, {"callbacks": [mt.Callback()]}])
def test_a_bad_sample_is_named_by_its_row_wherever_it_goes(arguments: Any) -> None:
    trainer = trainer_for()
    before = trainer.model.state_dict()
    for row in (3, 57):
        broken = X.copy()
        broken[row, 2] = np.nan
        with pytest.raises(mt.DataError, match=f"fit: x: .* at row {row}, column 2"):
            trainer.fit(broken, Y, validation_split=0.2, **arguments)
    assert_same(trainer.model.state_dict(), before)


@pytest.mark.parametrize("use", ["fit", "evaluate", "validation", "predict"])
@pytest.mark.parametrize("columns", [1, 2])
def test_a_gap_in_a_single_column_is_found_too(use: str, columns: int) -> None:
    x = np.ones((60, columns))
    broken = x.copy()
    broken[3] = np.nan
    model = mt.Sequential(mt.Dense(1), input_shape=columns, seed=0)
    trainer = mt.Trainer(model, mt.MeanSquaredError(), mt.SGD())
    with pytest.raises(mt.DataError, match="nan at row 3, column 0"):
        if use == "fit":
            trainer.fit(broken, Y)
        elif use == "validation":
            trainer.fit(x, Y, validation_data=(broken, Y))
        elif use == "evaluate":
            trainer.evaluate(broken, Y)
        else:
            model.predict(broken)


@pytest.mark.parametrize("y", [["a"] * 60, [[1], [1, 2]] * 30, [None] * 60, Y * 1j, Y * 1e300])
def test_targets_of_a_regression_are_numbers(y: Any) -> None:
    model = mt.Sequential(mt.Dense(1), input_shape=5, seed=0)
    with pytest.raises((mt.DataError, mt.ShapeError), match="expected"):
        mt.Trainer(model, mt.MeanSquaredError(), mt.SGD()).fit(X, y)


@pytest.mark.parametrize(
    "weights", [np.full(60, 60000, np.float16), np.full(60, 1e300), np.full(60, 1e-50)]
)
@pytest.mark.parametrize("outputs", [1, 3])
def test_only_the_proportion_of_weights_counts(weights: Array, outputs: int) -> None:
    """Whatever their size, in a model of float32 too."""
    model = mt.Sequential(mt.Dense(outputs), input_shape=5, seed=0)
    loss = mt.MeanSquaredError() if outputs == 1 else mt.SoftmaxCrossEntropy()
    trainer = mt.Trainer(model, loss, mt.SGD())
    expected = trainer.evaluate(X, Y)["loss"]
    assert trainer.evaluate(X, Y, weights)["loss"] == pytest.approx(expected, rel=1e-5)
    assert trainer.fit(X, Y, sample_weight=weights)["loss"] == pytest.approx([expected], rel=1e-5)


def test_a_sample_of_weight_2_is_in_the_data_twice() -> None:
    one, other = trainer_for(), trainer_for()
    repeated = np.repeat(np.arange(60), W)
    again = (X[repeated], Y[repeated])
    history = one.fit(X, Y, epochs=5, batch_size=None, sample_weight=W, validation_data=(X, Y, W))
    same = other.fit(*again, epochs=5, batch_size=None, validation_data=again)
    assert history["loss"] == pytest.approx(same["loss"], rel=1e-12)
    assert history["val_loss"] == pytest.approx(same["val_loss"], rel=1e-12)
    assert_same(one.model.state_dict(), other.model.state_dict(), 1e-12)
    assert one.evaluate(X, Y, W)["loss"] == pytest.approx(other.evaluate(*again)["loss"])
    assert one.evaluate(X, Y, np.zeros(60)) == {"loss": 0.0}


class Losses(mt.Callback):
    """Remembers the loss of each step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_batch_end(self, trainer: mt.Trainer, batch: int, loss: float) -> None:
        self.seen.append(loss)


@pytest.mark.parametrize("size", every(2, [1, 3, 7, 10, 1000, 20]))
@pytest.mark.parametrize("batch", [20, 25, None])
@pytest.mark.parametrize("weights", [None, W, np.where(np.arange(60) < 30, 0, 1)])
@pytest.mark.parametrize(
    "loss",
    [mt.SoftmaxCrossEntropy(), mt.SoftmaxCrossEntropy(0.1, [1, 2, 3], ignore_index=1)],
    ids=["plain", "weighted"],
)
def test_pieces_make_the_same_steps(
    size: int, batch: int | None, weights: AnyArray | None, loss: mt.Loss
) -> None:
    for shuffle in (False, True):
        whole, pieces, spies = trainer_for(loss), trainer_for(loss), (Losses(), Losses())
        common: Any = {"batch_size": batch, "sample_weight": weights, "shuffle": shuffle}
        history = whole.fit(X, Y, epochs=2, callbacks=spies[:1], **common)
        common["micro_batch_size"] = size
        same = pieces.fit(X, Y, epochs=2, callbacks=spies[1:], **common)
        assert whole.optimizer.steps == pieces.optimizer.steps == len(spies[0].seen)
        assert spies[0].seen == pytest.approx(spies[1].seen, rel=1e-12)
        assert history["loss"] == pytest.approx(same["loss"], rel=1e-12)
        assert_same(whole.model.state_dict(), pieces.model.state_dict(), 1e-12)


def test_pieces_bound_the_memory_of_all_digits_at_once(digits: mt.data.Digits) -> None:
    x, y = digits.train.features(), digits.train.labels
    peaks = {}
    for size in (None, 250):
        model = mt.Sequential(mt.Dense(64), mt.ReLU(), mt.Dense(10), input_shape=784, seed=0)
        trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), seed=0)
        tracemalloc.start()
        trainer.fit(x, y, batch_size=None, micro_batch_size=size)
        peaks[size] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    parameters, hidden = model.count_parameters() * 4, 64 * 4
    assert peaks[250] < 6 * parameters + 8 * 250 * hidden
    assert peaks[None] > len(x) * hidden + 5 * parameters


def test_training_alone_sees_what_transform_makes() -> None:
    """All x are 0 to the training, so its loss is that of zeros."""
    seen: list[tuple[int, ...]] = []

    def zeros(batch: Array, rng: np.random.Generator) -> Array:
        assert isinstance(rng, np.random.Generator)
        seen.append(batch.shape)
        return np.zeros_like(batch)

    trainer = mt.Trainer(
        mt.Sequential(mt.Dense(3), input_shape=5, seed=0), mt.SoftmaxCrossEntropy(), mt.SGD(0.0)
    )
    held_out = (X[:30], Y[:30])
    history = trainer.fit(X, Y, batch_size=25, transform=zeros, validation_data=held_out)
    assert seen == [(25, 5), (25, 5), (10, 5)]
    assert history["loss"][0] == pytest.approx(math.log(3), rel=1e-6)
    assert history["val_loss"][0] == pytest.approx(trainer.evaluate(*held_out)["loss"], rel=1e-6)
    assert history["val_loss"][0] > 1.2
    assert len(seen) == 3


class Dtypes(mt.ReLU):
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.seen = set[Any]()

    def forward(
        self, x: Array, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Any]:
        self.seen.add(x.dtype)
        return super().forward(x, train=train, rng=rng)


def test_noise_from_a_generator_is_float64_and_the_model_is_not() -> None:
    spy = Dtypes()
    model = mt.Sequential(spy, mt.Dense(3), input_shape=5, seed=0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD())
    trainer.fit(X, Y, transform=lambda batch, rng: batch + rng.normal(size=batch.shape))
    assert spy.seen == {np.dtype(np.float32)}


@pytest.mark.parametrize("batch", [None, 25])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("micro", [None, 7])
def test_transform_may_work_in_place(batch: int | None, shuffle: bool, micro: int | None) -> None:
    x, trainer = X.copy(), trainer_for()

    def shift(rows: Array, rng: np.random.Generator) -> Array:
        rows += rng.normal(size=rows.shape)
        return rows

    common: Any = {"batch_size": batch, "shuffle": shuffle, "micro_batch_size": micro}
    trainer.fit(x, Y, epochs=2, transform=shift, **common)
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize(
    "transform",
    [lambda x, rng: None, lambda x, rng: x[:, 1:], lambda x, rng: x[1:], 3],
    ids=["nothing", "fewer columns", "fewer rows", "no function"],
)
def test_transform_gives_a_batch_of_the_same_shape(transform: Any) -> None:
    with pytest.raises(mt.MinitorchError, match="expected"):
        trainer_for().fit(X, Y, transform=transform)
