"""Attention to another sequence: PyTorch's numbers, its place in a Graph, a model of two parts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array

SHAPES: list[tuple[tuple[int, int], ...]] = [
    ((5, 6), (4, 6)),
    ((5, 6), (4, 3)),
    ((5, 6), (4, 6), (4, 6)),
    ((5, 6), (4, 3), (4, 7)),
]
"""Queries and a memory of the same width, of another; keys and values apart, of the same, of
others."""


def built(layer: Any, shapes: Any, rng: np.random.Generator) -> Any:
    layer.initialize(shapes, rng=rng, dtype=np.float64)
    for array in layer.named_parameters().values():
        array[...] = rng.normal(0.2, 0.6, array.shape)
    return layer


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("biased", [True, False])
def test_values_and_gradients_are_pytorchs(
    shapes: Any, biased: bool, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    layer = built(mt.MultiHeadAttention(2, use_bias=biased), shapes, rng)
    widths = [shape[1] for shape in (*shapes, *shapes[-1:] * (3 - len(shapes)))]
    module = torch.nn.MultiheadAttention(
        6, 2, bias=biased, kdim=widths[1], vdim=widths[2], batch_first=True, dtype=torch.float64
    )
    assert {n: tuple(a.shape) for n, a in module.state_dict().items()} == {
        n: a.shape for n, a in layer.state_dict().items()
    }
    module.load_state_dict({n: torch.tensor(a) for n, a in layer.state_dict().items()})
    x = tuple(rng.normal(size=(3, *shape)) for shape in shapes)
    given = [torch.tensor(part, requires_grad=True) for part in x]
    theirs = module(*given, *given[-1:] * (3 - len(given)))[0]
    y, cache = layer.forward(x)
    dy = rng.normal(size=y.shape)
    dx, gradients = layer.backward(dy, cache)
    theirs.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
    for part, tensor in zip(dx, given, strict=True):
        np.testing.assert_allclose(part, tensor.grad.numpy(), rtol=1e-10, atol=1e-12)
    assert gradients.keys() == layer.named_parameters().keys()
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(
            gradients[name], parameter.grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name
        )
    again, same = layer.backward(dy, cache, need_dx=False)
    assert again is None
    np.testing.assert_array_equal(same["out_proj.weight"], gradients["out_proj.weight"])


@pytest.mark.parametrize("shared", [1, 2])
def test_to_itself_it_is_self_attention(shared: int, rng: np.random.Generator) -> None:
    alone = built(mt.MultiHeadAttention(4, key_value_heads=shared), (5, 8), rng)
    x, dy = rng.normal(size=(3, 5, 8)), rng.normal(size=(3, 5, 8))
    y, cache = alone.forward(x)
    dx, gradients = alone.backward(dy, cache)
    for n in (2, 3):
        cross = built(mt.MultiHeadAttention(4, key_value_heads=shared), ((5, 8),) * n, rng)
        cross.load_state_dict(alone.state_dict())
        found, cache = cross.forward((x,) * n)
        dxs, own = cross.backward(dy, cache)
        np.testing.assert_allclose(found, y, rtol=1e-12)
        np.testing.assert_allclose(sum(dxs), dx, rtol=1e-10, atol=1e-13)
        for name, array in gradients.items():
            np.testing.assert_allclose(own[name], array, rtol=1e-10, atol=1e-13)


def translator(seed: int = 0, words: int = 7, steps: int = 5, width: int = 16) -> mt.Graph:
    """An encoder that reads both ways, and a decoder that looks at all of it."""
    source, target = mt.Input(steps, "source"), mt.Input(steps, "target")
    encoder = mt.Sequential(
        mt.Embedding(words, width), mt.SinusoidalPositions(), mt.TransformerBlock(2, causal=False)
    )
    memory = encoder(source)
    h = mt.SinusoidalPositions()(mt.Embedding(words, width)(target))
    h = mt.Add()(h, mt.MultiHeadAttention(2, causal=True)(mt.LayerNorm()(h)))
    h = mt.Add()(h, mt.MultiHeadAttention(2)(mt.LayerNorm()(h), memory))
    return mt.Graph([source, target], mt.Dense(words)(mt.LayerNorm()(h)), seed=seed)


def reversals(m: int, words: int = 7, steps: int = 5) -> tuple[Any, Any]:
    """Sequences, and what has been said of their reversals when each next word is asked for."""
    source = np.random.default_rng(1).integers(1, words, (m, steps))
    target = source[:, ::-1]
    return (source, np.pad(target, ((0, 0), (1, 0)))[:, :-1]), target


def test_an_encoder_and_a_decoder_learn_to_reverse(tmp_path: Path) -> None:
    model, (x, y) = translator(), reversals(600)
    trainer = mt.Trainer(
        model, mt.SoftmaxCrossEntropy(), mt.Adam(0.01), metrics=[mt.Accuracy()], seed=0
    )
    trainer.fit(x, y, epochs=12, batch_size=30, verbose=False)
    assert trainer.evaluate(x, y)["accuracy"] > 0.95
    model.save(tmp_path / "model.npz")
    again = mt.Graph.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    assert "MultiHeadAttention(2)" in repr(again)


def test_a_decoder_goes_step_by_step_and_keeps_the_memorys_keys(rng: np.random.Generator) -> None:
    h, memory = mt.Input((6, 4)), mt.Input((3, 5))
    a = mt.Add()(h, mt.MultiHeadAttention(2, causal=True)(h))
    graph = mt.Graph([h, memory], mt.MultiHeadAttention(2)(a, memory), seed=0, dtype=np.float64)
    x, seen, state, parts = rng.normal(size=(2, 6, 4)), rng.normal(size=(2, 3, 5)), None, []
    for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
        y, state = graph.step((x[:, part], seen), state)
        parts.append(y)
        seen = seen if part.start else +seen
    np.testing.assert_allclose(np.concatenate(parts, 1), graph((x), seen), rtol=1e-10, atol=1e-12)
    before = graph.step((x[:, 4:], np.zeros_like(seen)), state)[0]
    assert np.isfinite(before).all()  # the memory is in the state, and not read again
    with pytest.raises(mt.DataError, match="as the batch, got one of 2"):
        graph.step((x[:1], seen[:1]), state)


def test_the_gradient_check_passes(rng: np.random.Generator) -> None:
    assert mt.gradcheck(built(mt.MultiHeadAttention(2, dropout=0.2), ((3, 4), (2, 3)), rng))


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (mt.MultiHeadAttention(3), ((4, 8), (4, 6)), r"3 heads divide, got \(4, 8\) and \(4, 6\)"),
        (mt.MultiHeadAttention(2), ((4, 8), (8,)), "steps, width"),
        (mt.MultiHeadAttention(2, causal=True), ((4, 8), (4, 8)), "leave out causal"),
        (mt.MultiHeadAttention(2, rotary=True), ((4, 8), (4, 8)), "leave out causal and rotary"),
        (mt.MultiHeadAttention(2), ((4, 8), (3, 8), (2, 8)), "as many keys as values"),
        (mt.MultiHeadAttention(2), ((4, 8),) * 4, "one sequence, or queries and a memory"),
    ],
)
def test_sequences_that_do_not_fit_are_refused(
    layer: mt.Layer, shapes: Any, message: str, rng: np.random.Generator
) -> None:
    with pytest.raises(mt.ShapeError, match=message):
        built(layer, shapes, rng)


def test_batches_that_do_not_fit_are_refused(rng: np.random.Generator) -> None:
    layer = built(mt.MultiHeadAttention(2), ((4, 8), (3, 6)), rng)
    x, memory = np.ones((2, 4, 8)), np.ones((2, 3, 6))
    with pytest.raises(mt.ShapeError, match=r"\(m, 4, 8\), \(m, 3, 6\), got \(2, 3, 6\), \(2, 4"):
        layer.forward((memory, x))
    with pytest.raises(mt.DataError, match="as many samples"):
        layer.forward((x, memory[:1]))
    with pytest.raises(mt.ShapeError, match="expected"):
        layer.forward(x)
    with pytest.raises(mt.ShapeError, match="expected inputs of shape"):
        built(mt.MultiHeadAttention(2), (4, 8), rng).forward((x, memory))


def test_what_torch_stores_apart_does_not_fit_one_width(rng: np.random.Generator) -> None:
    apart: Array = built(mt.MultiHeadAttention(2), ((4, 8), (3, 6)), rng).state_dict()
    with pytest.raises(
        mt.DataError, match="in_proj_weight is missing.*k_proj_weight is unexpected"
    ):
        built(mt.MultiHeadAttention(2), ((4, 8), (3, 8)), rng).load_state_dict(apart)
