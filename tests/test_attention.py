"""Attention and transformer blocks: what they see, step by step. Numbers: test_torch_cases."""

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array


def built(layer: Any, *shape: int, seed: int = 0) -> Any:
    layer.initialize(shape, rng=np.random.default_rng(seed), dtype=np.float64)
    return layer


def plain(layer: Any, x: Array) -> Array:
    """Attention head by head, of one sample (steps, width), as the papers write it."""
    n, h, shared = x.shape[1] // layer.heads, layer.heads, layer.key_value_heads or layer.heads
    z = x @ layer.in_proj_weight.T + layer.in_proj_bias
    heads = np.split(z, h + 2 * shared, axis=1)
    outputs = []
    for head in range(h):
        own = head // (h // shared)
        q, k, v = heads[head], heads[h + own], heads[h + shared + own]
        if layer.rotary:
            turn = built(mt.RotaryPositions(), len(x), n)
            q, k = turn.forward(q[None])[0][0], turn.forward(k[None])[0][0]
        scores = q @ k.T / np.sqrt(n)
        if layer.causal:
            scores[np.triu_indices(len(x), 1)] = -np.inf
        a = np.exp(scores)
        outputs.append(a / a.sum(axis=1, keepdims=True) @ v)
    y: Array = np.concatenate(outputs, 1) @ layer.out_proj.weight.T + layer.out_proj.bias
    return y


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shared", [None, 1, 2])
@pytest.mark.parametrize("rotary", [False, True])
def test_attention_is_the_papers(
    causal: bool, shared: int | None, rotary: bool, rng: np.random.Generator
) -> None:
    layer = built(mt.MultiHeadAttention(4, causal, 0.0, shared, rotary), 5, 8)
    for array in layer.named_parameters().values():
        array[...] = rng.normal(size=array.shape)
    x = rng.normal(size=(3, 5, 8))
    wanted = np.stack([plain(layer, sample) for sample in x])
    np.testing.assert_allclose(layer.forward(x)[0], wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        mt.MultiHeadAttention(2, causal=True),
        mt.MultiHeadAttention(4, True, 0.2, 2, True),
        mt.TransformerBlock(2),
        mt.TransformerBlock(4, 5, 0.1, "swiglu", True, 1, True),
    ],
)
def test_step_by_step_is_the_same(layer: mt.Layer, rng: np.random.Generator) -> None:
    built(layer, 7, 8)
    x, state, parts, before = rng.normal(size=(3, 7, 8)), None, [], None
    for part in (slice(0, 1), slice(1, 5), slice(5, 7)):
        before = state
        y, state = layer.step(x[:, part], state)
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts, 1), layer.forward(x)[0], rtol=1e-10)
    np.testing.assert_array_equal(layer.step(x[:, 5:], before)[0], parts[-1])
    with pytest.raises(mt.DataError, match="as the batch, got one of 3"):
        layer.step(x[:1, :1], state)


def test_a_causal_step_sees_no_later_one(rng: np.random.Generator) -> None:
    layer, x = built(mt.TransformerBlock(2), 6, 4), rng.normal(size=(1, 6, 4))
    other = x.copy()
    other[:, 4:] += 1
    one, two = layer.forward(x)[0], layer.forward(other)[0]
    np.testing.assert_array_equal(one[:, :4], two[:, :4])
    assert not np.allclose(one[:, 4:], two[:, 4:])


def test_dropout_needs_a_generator_and_is_repeatable() -> None:
    layer, x = built(mt.MultiHeadAttention(2, dropout=0.5), 6, 4), np.ones((1, 6, 4))
    outputs = [layer.forward(x, train=True, rng=np.random.default_rng(s))[0] for s in (1, 1, 2)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])
    with pytest.raises(mt.ConfigurationError, match="generator"):
        layer.forward(x, train=True)


def test_tied_weights_are_one_table_in_training_and_in_a_file(tmp_path: Any) -> None:
    table = mt.Embedding(5, 4)
    model = mt.Sequential(
        table, mt.TransformerBlock(2), mt.Unembedding(table), input_shape=6, seed=0
    )
    assert "0.weight" in model.named_parameters()
    assert not any("embedding" in name for name in model.named_parameters())
    x = np.random.default_rng(0).integers(0, 5, (20, 6))
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.Adam(0.01), seed=0)
    history = trainer.fit(x, (x + 1) % 5, epochs=30)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    model.save(tmp_path / "model.npz")
    again = mt.Sequential.load(tmp_path / "model.npz")
    assert again.count_parameters() == model.count_parameters()
    np.testing.assert_array_equal(model.predict(x), again.predict(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mt.MultiHeadAttention(0), "heads"),
        (lambda: mt.MultiHeadAttention(4, key_value_heads=3), "divide the heads"),
        (lambda: mt.TransformerBlock(2, activation="relu"), "activation"),
        (lambda: mt.Unembedding(mt.Dense(3)), "embedding to be an Embedding"),  # type: ignore[arg-type]
        (lambda: built(mt.MultiHeadAttention(2), 4, 2).step(np.ones((1, 1, 2))), "causal=True"),
    ],
)
def test_arguments_without_meaning_are_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.ConfigurationError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (mt.MultiHeadAttention(3), (4, 8), "3 heads divide"),
        (mt.MultiHeadAttention(2), (8,), "steps, width"),
        (mt.MultiHeadAttention(2, rotary=True), (4, 6), "even number of features a head"),
        (mt.TransformerBlock(2), (8,), "steps, width"),
        (mt.Unembedding(mt.Embedding(3, 2)), (4, 3), "dimensions of its embedding"),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    layer: mt.Layer, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(mt.ShapeError, match=message):
        built(layer, *shape)
