"""Recurrent layers: their order, their steps, and what they refuse. Numbers: test_torch_cases."""

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt

KINDS = [mt.SimpleRNN, mt.LSTM, mt.GRU]


def built(layer: Any, *shape: int, seed: int = 0) -> Any:
    layer.initialize(shape, rng=np.random.default_rng(seed), dtype=np.float64)
    return layer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sequences", [False, True])
def test_backwards_is_forwards_on_the_reversed(
    kind: Any, sequences: bool, rng: np.random.Generator
) -> None:
    one, other = (built(kind(3, sequences, back), 5, 2) for back in (False, True))
    x = rng.normal(size=(4, 5, 2))
    y, cache = one.forward(x)
    back, back_cache = other.forward(x[:, ::-1])
    flip = (slice(None), slice(None, None, -1)) if sequences else (slice(None),)
    np.testing.assert_allclose(back[flip], y, rtol=1e-13)
    dy = rng.normal(size=y.shape)
    dx, gradients = one.backward(dy, cache)
    back_dx, back_gradients = other.backward(dy[flip], back_cache)
    np.testing.assert_allclose(back_dx[:, ::-1], dx, rtol=1e-12, atol=1e-15)
    for name in gradients:
        np.testing.assert_allclose(back_gradients[name], gradients[name], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sequences", [False, True])
def test_step_by_step_is_the_same(kind: Any, sequences: bool, rng: np.random.Generator) -> None:
    model = mt.Sequential(
        kind(3, True), kind(4, sequences), mt.Dense(2), input_shape=(7, 2), seed=0, dtype=np.float64
    )
    x, state, parts = rng.normal(size=(3, 7, 2)), None, []
    before = None
    for part in (slice(0, 1), slice(1, 5), slice(5, 7)):
        before = state
        y, state = model.step(x[:, part], state)
        parts.append(y)
    whole = model(x)
    np.testing.assert_allclose(
        np.concatenate(parts, 1) if sequences else parts[-1], whole, rtol=1e-12
    )
    again, _ = model.step(x[:, 5:], before)  # a state that was handed in stays as it was
    np.testing.assert_array_equal(again, parts[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_stands_in_two_places(kind: Any, rng: np.random.Generator) -> None:
    shared = kind(3, True)
    model = mt.Sequential(shared, mt.Tanh(), shared, input_shape=(4, 3), seed=0, dtype=np.float64)
    assert mt.gradcheck(model, rng.normal(size=(2, 4, 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_has_its_batch_size(kind: Any) -> None:
    layer = built(kind(3), 4, 2)
    _, state = layer.step(np.ones((2, 1, 2)))
    with pytest.raises(mt.DataError, match="state of 3 sequences, as the batch, got one of 2"):
        layer.step(np.ones((3, 1, 2)), state)


def test_names_of_both_directions_are_pytorchs() -> None:
    layer = built(mt.Bidirectional("lstm(3)"), 4, 2)
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert list(layer.named_parameters()) == [*names, *(f"{name}_reverse" for name in names)]


def test_they_come_back_from_a_file_and_train(tmp_path: Any) -> None:
    model = mt.Sequential(
        mt.Bidirectional(mt.GRU(3, return_sequences=True)),
        "lstm(4, True)",
        mt.SimpleRNN(3),
        mt.Dense(2),
        input_shape=(5, 2),
        seed=0,
    )
    x = np.random.default_rng(0).normal(size=(40, 5, 2))
    y = (x[:, 0, 0] > 0).astype(int)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(0.02), seed=0)
    history = trainer.fit(x, y, epochs=60)
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    model.save(tmp_path / "model.npz")
    again = mt.Sequential.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(model.predict(x), again.predict(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.LSTM(0), "units"),
        (lambda: mt.GRU(3, return_sequences=1), "return_sequences to be True or False"),  # type: ignore[arg-type]
        (lambda: mt.SimpleRNN(3, activation="selu"), "'tanh' or 'relu'"),
        (lambda: mt.Bidirectional(mt.Dense(3)), "Bidirectional: expected a Recurrent"),  # type: ignore[arg-type]
        (
            lambda: built(mt.GRU(3, go_backwards=True), 4, 2).step(np.ones((1, 1, 2))),
            "from the start",
        ),
        (lambda: built(mt.Bidirectional("gru(2)"), 4, 2).step(np.ones((1, 1, 2))), "as a whole"),
    ],
)
def test_arguments_without_meaning_are_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        make()


def test_one_row_of_numbers_is_no_sequence() -> None:
    with pytest.raises(mt.ShapeError, match=r"\(steps, features\), got \(5,\): .* put Reshape"):
        built(mt.LSTM(3), 5)
