"""Sequences of different lengths: padding changes nothing in a layer that takes a mask."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array

LENGTHS = np.array([5, 2, 3, 1])
STEPS, FEATURES = 5, 4
MASK = np.arange(STEPS) < LENGTHS[:, None]
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}


def built(layer: Any, *shape: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    layer.initialize(shape, rng=rng, dtype=np.float64)
    for array in layer.named_parameters().values():
        array[...] += rng.normal(0.1, 0.3, array.shape)
    return layer


MAKERS: dict[str, Callable[[], mt.Layer]] = {
    "rnn": lambda: mt.SimpleRNN(3, True, activation="relu"),
    "lstm": lambda: mt.LSTM(3),
    "gru": lambda: mt.GRU(3, True),
    "gru backwards": lambda: mt.GRU(3, False, True),
    "lstm backwards": lambda: mt.LSTM(3, True, True),
    "bidirectional": lambda: mt.Bidirectional(mt.LSTM(3, True)),
    "attention": lambda: mt.MultiHeadAttention(2),
    "causal attention": lambda: mt.MultiHeadAttention(2, causal=True, key_value_heads=1),
    "block": lambda: mt.TransformerBlock(2, 5, causal=False, rotary=True),
    "pooling": lambda: mt.GlobalAveragePool1D(axis=1),
    "a stack": lambda: mt.Sequential(
        mt.Dense(4),
        mt.Residual(mt.LayerNorm(), mt.MultiHeadAttention(2)),
        mt.Concatenate(mt.GRU(2, True), mt.Identity(), axis=-1),
        mt.Bidirectional("lstm(3)"),
        mt.Dense(2),
    ),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_padded_batch_gives_what_each_sequence_gives_alone(
    name: str, rng: np.random.Generator
) -> None:
    layer = built(MAKERS[name](), STEPS, FEATURES)
    x, wanted = rng.normal(size=(4, STEPS, FEATURES)), dict[str, Array]()
    y, cache = layer.forward(x, mask=MASK)
    steps = y.ndim == 3
    dy = rng.normal(size=y.shape)
    if steps:
        dy[~MASK] = 0  # as a loss with ignore_index gives it
    dx, gradients = layer.backward(dy, cache)
    assert not dx[~MASK].any()
    for row, n in enumerate(LENGTHS):
        alone = built(MAKERS[name](), n, FEATURES)
        alone.load_state_dict(layer.state_dict())
        one, own = alone.forward(x[row : row + 1, :n])
        kept = slice(0, n) if steps else ...
        np.testing.assert_allclose(y[row][kept], one[0], **CLOSE)
        back, parts = alone.backward(dy[row : row + 1][:, kept], own)
        np.testing.assert_allclose(dx[row, :n], back[0], **CLOSE)
        for key, gradient in parts.items():
            wanted[key] = wanted.get(key, 0) + gradient
    for key, gradient in gradients.items():
        np.testing.assert_allclose(gradient, wanted[key], **CLOSE, err_msg=key)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("both", [False, True])
def test_recurrent_layers_are_pytorchs_on_packed_sequences(
    kind: str, sequences: bool, both: bool, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    own = {"RNN": mt.SimpleRNN, "LSTM": mt.LSTM, "GRU": mt.GRU}[kind](3, sequences)
    layer = built(mt.Bidirectional(own) if both else own, STEPS, FEATURES)
    module = getattr(torch.nn, kind)(FEATURES, 3, batch_first=True, bidirectional=both).double()
    module.load_state_dict({n: torch.tensor(a) for n, a in layer.state_dict().items()})
    x = rng.normal(size=(4, STEPS, FEATURES))
    given = torch.tensor(x, requires_grad=True)
    rnn = torch.nn.utils.rnn
    packed = rnn.pack_padded_sequence(given, LENGTHS, batch_first=True, enforce_sorted=False)
    states, last = module(packed)
    last = last[0] if kind == "LSTM" else last
    theirs = rnn.pad_packed_sequence(states, batch_first=True, total_length=STEPS)[0]
    theirs = theirs if sequences else last.transpose(0, 1).reshape(4, -1)
    y, cache = layer.forward(x, mask=MASK)
    np.testing.assert_allclose(y, theirs.detach().numpy(), **CLOSE)
    dy = rng.normal(size=y.shape)
    theirs.backward(torch.tensor(dy))
    dx, gradients = layer.backward(dy, cache)
    np.testing.assert_allclose(dx, given.grad.numpy(), **CLOSE)
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(gradients[name], parameter.grad.numpy(), **CLOSE, err_msg=name)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_pytorchs_with_a_key_padding_mask(
    causal: bool, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    layer = built(mt.TransformerBlock(2, 5, causal=causal), STEPS, FEATURES)
    module = torch.nn.TransformerEncoderLayer(
        FEATURES, 2, 5, 0.0, "gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    module.load_state_dict({n: torch.tensor(a) for n, a in layer.state_dict().items()})
    x = rng.normal(size=(4, STEPS, FEATURES))
    given = torch.tensor(x, requires_grad=True)
    later = torch.ones(STEPS, STEPS, dtype=torch.bool).triu(1) if causal else None
    theirs = module(given, src_mask=later, src_key_padding_mask=torch.tensor(~MASK))
    y, cache = layer.forward(x, mask=MASK)
    np.testing.assert_allclose(y, theirs.detach().numpy(), **CLOSE)
    dy = rng.normal(size=y.shape)
    theirs.backward(torch.tensor(dy))
    dx, gradients = layer.backward(dy, cache)
    np.testing.assert_allclose(dx, given.grad.numpy(), **CLOSE)
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(gradients[name], parameter.grad.numpy(), **CLOSE, err_msg=name)


def test_cross_attention_leaves_out_the_memorys_padding(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    layer = mt.MultiHeadAttention(2)
    layer.initialize(((3, 4), (STEPS, 4)), rng=rng, dtype=np.float64)
    module = torch.nn.MultiheadAttention(4, 2, batch_first=True, dtype=torch.float64)
    module.load_state_dict({n: torch.tensor(a) for n, a in layer.state_dict().items()})
    x, memory = rng.normal(size=(4, 3, 4)), rng.normal(size=(4, STEPS, 4))
    one, other = (torch.tensor(part, requires_grad=True) for part in (x, memory))
    theirs = module(one, other, other, key_padding_mask=torch.tensor(~MASK))[0]
    y, cache = layer.forward((x, memory), mask=(None, MASK))
    np.testing.assert_allclose(y, theirs.detach().numpy(), **CLOSE)
    theirs.backward(torch.tensor(y))
    dxs: Any = layer.backward(y, cache)[0]
    for ours, tensor in zip(dxs, (one, other), strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("name", MAKERS)
def test_a_sequence_of_padding_alone_is_defined(name: str, rng: np.random.Generator) -> None:
    layer, mask = built(MAKERS[name](), STEPS, FEATURES), MASK.copy()
    mask[1] = False
    x = rng.normal(size=(4, STEPS, FEATURES))
    y, cache = layer.forward(x, mask=mask)
    dy = rng.normal(size=y.shape)
    if y.ndim == 3:
        dy[~mask] = 0
    dx, gradients = layer.backward(dy, cache)
    assert np.isfinite(y).all()
    assert all(np.isfinite(array).all() for array in gradients.values())
    assert not dx[1].any()
    if name in ("rnn", "lstm", "gru", "bidirectional", "pooling"):
        assert not y[1].any()
    if name == "attention":
        np.testing.assert_allclose(y[1], np.tile(layer.out_proj.bias, (STEPS, 1)))


@pytest.mark.parametrize("kind", [mt.SimpleRNN, mt.LSTM, mt.GRU])
def test_steps_left_out_in_the_middle_are_as_if_they_were_not_there(
    kind: Any, rng: np.random.Generator
) -> None:
    x, mask = rng.normal(size=(1, 5, 4)), np.array([[False, True, False, True, True]])
    layer, alone = built(kind(3, True), 5, 4), built(kind(3, True), 3, 4)
    y = layer.forward(x, mask=mask)[0]
    np.testing.assert_allclose(y[mask], alone.forward(x[:, mask[0]])[0][0], **CLOSE)
    assert not y[~mask].any()


def ids(rng: np.random.Generator, m: int = 4) -> AnyArray:
    found = rng.integers(1, 7, (m, STEPS))
    found[np.arange(STEPS) >= np.resize(LENGTHS, m)[:, None]] = 0
    return found


def reader(*layers: Any, padding_id: int | None = 0) -> mt.Sequential:
    table = mt.Embedding(7, FEATURES, padding_id=padding_id)
    return mt.Sequential(table, *layers, input_shape=STEPS, seed=0, dtype=np.float64)


def test_an_embedding_makes_the_mask_and_its_padding_learns_nothing(
    rng: np.random.Generator,
) -> None:
    torch = pytest.importorskip("torch")
    x = ids(rng)
    model = reader(mt.LSTM(3), mt.Dense(2))
    assert not model[0].weight[0].any()  # type: ignore[attr-defined]
    y, cache = model.forward(x.astype(float), train=True)
    np.testing.assert_allclose(y, model[1:].forward(model[0](x), mask=x != 0)[0], rtol=1e-12)
    _, gradients = model.backward(np.ones_like(y), cache)
    theirs = torch.nn.Embedding(7, FEATURES, padding_idx=0, dtype=torch.float64)
    theirs.load_state_dict({"weight": torch.tensor(model.state_dict()["0.weight"])})
    out = theirs(torch.tensor(x))
    np.testing.assert_array_equal(out.detach().numpy(), model[0](x))
    dy = rng.normal(size=out.shape)
    out.backward(torch.tensor(dy))
    table = model[0]
    own = table.backward(dy, table.forward(x.astype(float))[1])[1]["weight"]
    np.testing.assert_allclose(own, theirs.weight.grad.numpy(), **CLOSE)
    assert not gradients["0.weight"][0].any()
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.AdamW(0.01), seed=0)
    trainer.fit(x, np.array([0, 1, 0, 1]), epochs=5, batch_size=2)
    assert not model.state_dict()["0.weight"][0].any()
    assert mt.gradcheck(reader(mt.GRU(2), mt.Dense(2)), x, np.array([0, 1, 1, 0]))


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [mt.LSTM(3)],
        lambda: [mt.Sequential(mt.Dense(3), mt.Residual(mt.GRU(3, True))), mt.GRU(2)],
        lambda: [mt.TransformerBlock(2, causal=False), mt.GlobalAveragePool1D(axis=1)],
        lambda: [mt.Dropout(0.5), mt.SinusoidalPositions(), mt.Bidirectional("gru(2)")],
    ],
)
def test_the_mask_goes_as_far_as_there_are_steps(layers: Any, rng: np.random.Generator) -> None:
    """As many steps of padding as one likes give the same."""
    model, x = reader(*layers()), ids(rng)
    x[:, 3:] = 0
    short = mt.Sequential(mt.Embedding(7, FEATURES, padding_id=0), *layers(), input_shape=3, seed=0,
                          dtype=np.float64)  # fmt: skip
    short.load_state_dict(model.state_dict())
    np.testing.assert_allclose(model(x), short(x[:, :3]), **CLOSE)
    np.testing.assert_allclose(model(x), model.predict(x), **CLOSE)
    names = list(model.outputs(x))
    np.testing.assert_allclose(model.outputs(x)[names[-1]], model(x), **CLOSE)


def test_an_inner_model_hands_its_mask_out(rng: np.random.Generator) -> None:
    x = ids(rng)
    inner = mt.Sequential(mt.Embedding(7, 4, padding_id=0), mt.Dense(3))
    one = mt.Sequential(inner, mt.LSTM(2), input_shape=STEPS, seed=0, dtype=np.float64)
    flat = mt.Sequential(*inner.layers, one[1], input_shape=STEPS, dtype=np.float64)
    np.testing.assert_array_equal(one(x), flat(x))
    layers: list[Any] = [inner, "transpose", mt.LSTM(2)]
    moved = mt.Sequential(*layers, input_shape=STEPS, seed=0, dtype=np.float64)
    assert moved(x).shape == (4, 2)  # its steps are features: no mask fits them


def test_masking_by_a_value(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, STEPS, FEATURES))
    x[~MASK] = -1
    layers = [mt.Dense(3), mt.GRU(2)]
    model = mt.Sequential(mt.Masking(-1), *layers, input_shape=(STEPS, FEATURES), seed=0)
    plain = mt.Sequential(*layers, input_shape=(STEPS, FEATURES))
    np.testing.assert_array_equal(model(x), plain(x, LENGTHS))
    assert not np.allclose(model(x), plain(x))
    assert mt.gradcheck(model, x)


def test_a_graph_hands_masks_along_its_wiring(rng: np.random.Generator) -> None:
    series, lengths = mt.Input((STEPS, FEATURES), "x"), mt.Input((), "lengths")
    words = mt.Input(3, "words")
    h = mt.Masking()(series, lengths)
    memory = mt.Add().named("memory")(mt.Bidirectional(mt.GRU(2, True))(h), h)
    q = mt.Embedding(7, 4, padding_id=0)(words)
    looked = mt.MultiHeadAttention(2)(q, memory)
    joined = mt.Concatenate(axis=-1).named("joined")(looked, q)
    ends = [mt.LSTM(3).named("reader")(joined), mt.GlobalAveragePool1D(axis=1)(memory)]
    graph = mt.Graph([series, lengths, words], ends, seed=0, dtype=np.float64)
    x, said = rng.normal(size=(4, STEPS, FEATURES)), np.array([[1, 2, 3], [4, 0, 0], [5, 6, 0]])
    said = np.concatenate([said, said[:1]])
    read, pooled = graph(x, LENGTHS, said)
    garbage = np.where(MASK[..., None], x, 1e3)
    for one, other in zip((read, pooled), graph(garbage, LENGTHS, said), strict=True):
        np.testing.assert_array_equal(one, other)
    part = graph.outputs((x, LENGTHS, said))
    np.testing.assert_allclose(part["reader"], read, **CLOSE)
    np.testing.assert_allclose(pooled[1], part["memory"][1, :2].mean(axis=0), **CLOSE)
    first: Any = graph["reader"]
    alone = first.forward(part["joined"][1:2], mask=np.array([[True, False, False]]))[0]
    np.testing.assert_allclose(read[1], alone[0], **CLOSE)
    assert mt.gradcheck(graph, (x, LENGTHS.astype(float), said.astype(float)))


def test_a_model_is_trained_and_measured_with_lengths(rng: np.random.Generator) -> None:
    """The padded values do not affect the result, bit for bit, and micro-batches add up."""
    m = 24
    x, lengths = rng.normal(size=(m, STEPS, FEATURES)), rng.integers(1, STEPS + 1, m)
    counts = np.arange(STEPS) < lengths[:, None]
    y = np.where(counts, rng.integers(0, 3, (m, STEPS)), -1)
    runs = []
    for fill, micro in ((0.0, None), (7.0, None), (0.0, 5)):
        model = mt.Sequential(
            mt.Bidirectional(mt.GRU(4, True)), mt.Dense(3), input_shape=(STEPS, FEATURES), seed=0,
            dtype=np.float64,
        )  # fmt: skip
        loss = mt.SoftmaxCrossEntropy(ignore_index=-1)
        trainer = mt.Trainer(model, loss, "adam(0.01)", metrics=["accuracy"], seed=0)
        given = (np.where(counts[..., None], x, fill), lengths)
        history = trainer.fit(
            given, y, epochs=2, batch_size=12, micro_batch_size=micro, validation_data=(given, y)
        )
        runs.append((model.state_dict(), history.history, trainer.evaluate(given, y)))
        assert model.predict(given, batch_size=7).shape == (m, STEPS, 3)
        np.testing.assert_allclose(model.predict(given, batch_size=7), model(*given), **CLOSE)
    for name, array in runs[0][0].items():
        np.testing.assert_array_equal(array, runs[1][0][name])
        np.testing.assert_allclose(array, runs[2][0][name], rtol=1e-9, atol=1e-12)
    assert runs[0][1] == runs[1][1]
    assert runs[0][2] == runs[1][2]
    with pytest.raises(mt.ShapeError, match="gradcheck: .* a tuple of 2: for .* put Masking"):
        mt.gradcheck(model, given)


def test_lengths_that_do_not_fit_are_refused(rng: np.random.Generator) -> None:
    model = mt.Sequential(mt.GRU(3), input_shape=(STEPS, FEATURES), seed=0)
    x, y = rng.normal(size=(4, STEPS, FEATURES)), np.arange(4) % 3
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), "sgd(0.1)", seed=0)
    bad: list[tuple[Any, str]] = [
        (LENGTHS + 1, "whole numbers from 0 to 5, got 6.* at row 0"),
        (LENGTHS - 2.5, "got 2.5 at row 0"),
        (LENGTHS - 2, "got -1.* at row 3"),
        (LENGTHS[:3], "as many samples in each"),
        (x[..., 0], "a length for each sequence, got shape"),
    ]
    for lengths, message in bad:
        for call in (
            lambda given: trainer.fit(given, y),
            lambda given: trainer.evaluate(given, y),
            lambda given: model.predict(given),
            lambda given: model(*given),
        ):
            with pytest.raises(mt.DataError, match=message):
                call((x, lengths))
    with pytest.raises(mt.DataError, match="got a tuple of 3"):
        trainer.fit((x, LENGTHS, LENGTHS), y)
    with pytest.raises(mt.DataError, match=r"pair \(x, lengths\)"):
        reader("flatten", mt.Dense(1)).predict((ids(rng), ids(rng), ids(rng)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: mt.Embedding(5, 2, padding_id=5),
            "padding_id to be a whole number of at least 0 and at most 4",
        ),
        (lambda: mt.Embedding(5, 2, padding_id=-1), "padding_id"),
        (lambda: mt.Masking(float("nan")), "value"),
        (lambda: reader(mt.GRU(2)).step(np.array([[1.0, 0.0]])), "got padding .number 0"),
        (lambda: built(mt.Masking(), 3, 2).step(np.zeros((1, 1, 2))), "got padding"),
        (lambda: built(mt.Masking(), 3), r"samples of shape \(steps, features\)"),
    ],
)
def test_what_has_no_meaning_is_refused(make: Any, message: str) -> None:
    with pytest.raises(mt.MinitorchError, match=message):
        make()


def test_step_by_step_without_padding(rng: np.random.Generator) -> None:
    model = reader(mt.GRU(3, True), mt.Dense(7))
    x, state, parts = rng.integers(1, 7, (2, STEPS)).astype(float), None, []
    for t in range(STEPS):
        y, state = model.step(x[:, t : t + 1], state)
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts, 1), model(x), **CLOSE)


def test_they_come_back_from_a_file(tmp_path: Path, rng: np.random.Generator) -> None:
    model, x = reader(mt.GRU(3, True), mt.GlobalAveragePool1D(axis=1)), ids(rng)
    model.save(tmp_path / "model.npz")
    again = mt.Sequential.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(model(x), again(x))
    assert "padding_id=0" in repr(again)
    twice = mt.Sequential(mt.Masking(2.5), mt.GRU(2), input_shape=(3, 2), seed=0)
    twice.save(tmp_path / "masking.npz")
    assert repr(mt.Sequential.load(tmp_path / "masking.npz")) == repr(twice)


def test_a_model_that_needs_its_mask_is_not_exported(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    model, plain = reader(mt.GRU(3)), reader(mt.Dense(3), "relu")
    plain.state_dict()
    plain[0].weight[0] = 5  # type: ignore[attr-defined]  # as tied weights may have it
    x = ids(rng)
    if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
        message = r"to_onnx: .*got GRU\(3\), which ignores the steps that Embedding\(7"
        with pytest.raises(mt.ConfigurationError, match=message):
            mt.to_onnx(model, tmp_path / "model.onnx")
        mt.to_onnx(plain, tmp_path / "model.onnx")
        session = importlib.import_module("onnxruntime").InferenceSession(tmp_path / "model.onnx")
        found = session.run(None, {"input": x.astype(np.float32)})[0]
        np.testing.assert_allclose(found, plain(x), rtol=1e-5, atol=1e-6)
    torch = pytest.importorskip("torch")
    with pytest.raises(mt.ConfigurationError, match=r"to_torch: .*no mask, got GRU\(3\)"):
        mt.to_torch(model)
    plain[0].weight[0] = 0  # type: ignore[attr-defined]
    module = mt.to_torch(plain)
    assert module[0].padding_idx == 0
    np.testing.assert_allclose(module(torch.tensor(x)).detach().numpy(), plain(x), **CLOSE)
    assert "padding_id=0" in repr(mt.from_torch(module, STEPS))


def test_a_length_is_at_most_all_steps() -> None:
    steps, length = mt.Input((3, 2)), mt.Input(())
    layer = mt.Masking()
    mt.Graph([steps, length], layer(steps, length))
    assert layer.index_limits == [None, 4]
