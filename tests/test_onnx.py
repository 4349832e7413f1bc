"""ONNX files: onnxruntime computes what the model does, and both ways are walked back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.cli import main
from minitorch_np.exchange.onnx_export import onnx_model
from minitorch_np.gradcheck.registry import components as registered
from tests.random_models import in_float64, random_model

onnx = pytest.importorskip("onnx")


def session(content: bytes) -> Any:
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return runtime.InferenceSession(content, options)


def test_random_models_in_onnxruntime_and_back(tmp_path: Path) -> None:
    """200 models, with batches of 1, 2 and 17: where float32 is exact to 1e-6, onnxruntime is to
    1e-5. Read again they are equal to the bit.
    """
    path, exact, seen = tmp_path / "model.onnx", 0, set[str]()
    for seed in range(200):
        made = random_model(seed)
        model = made.model
        model.to_onnx(path)
        seen |= {type(layer).__name__ for layer in model.walk()}
        runs = session(path.read_bytes())
        again, double = mt.from_onnx(path), in_float64(made).model
        single = {n: a.astype(np.float32) for n, a in model.state_dict().items()}
        for m in (1, 2, 17):
            x = np.resize(made.x, (m, *made.x.shape[1:])).astype(np.float32)
            (found,) = runs.run(None, {"input": x})
            expected = double.predict(x)
            scale = max(1.0, np.abs(expected).max())
            with np.errstate(invalid="ignore"):  # a flag that other libraries' threads may raise
                near = np.abs(again.predict(x) - expected).max() < 1e-6 * scale
            if near:
                exact += 1
                assert np.abs(found - expected).max() <= 1e-5 * scale, (seed, m)
        for name, array in again.state_dict().items():
            np.testing.assert_array_equal(array, single[name])
        assert onnx_model(again).SerializeToString() == path.read_bytes()
    assert exact > 500
    assert {"TransformerBlock", "MultiHeadAttention", "Unembedding", "LSTM", "GRU"} <= seen


def components() -> list[tuple[mt.Layer | str, Any]]:
    """Every layer, with the settings that its operators depend on, and a sample's shape."""
    images, series, rows = (4, 6, 6), (4, 9), (6,)
    table = mt.Embedding(7, 4)
    return [
        (mt.Conv2D(4, (3, 2), stride=2, padding=1, groups=2), images),
        (mt.Conv2D(2, 2, padding="same"), images),
        (mt.Conv2D(2, 2, dilation=(1, 3), use_bias=False), images),
        (mt.Conv1D(3, 3, padding="same"), series),
        (mt.ConvTranspose2D(4, 3, stride=2, padding=1, output_padding=1, groups=2), images),
        (mt.ConvTranspose1D(3, 3, stride=2), series),
        (mt.MaxPool1D(2), series),
        (mt.Masking(), series),
        (mt.MaxPool2D(3, 2, "same"), images),
        (mt.AveragePool1D(2), series),
        (mt.AveragePool2D(3, stride=2, padding=1), images),
        (mt.AveragePool2D(3, 2, "same"), images),
        (mt.GlobalAveragePool1D(), series),
        (mt.GlobalAveragePool1D(axis=1), series),
        (mt.GlobalAveragePool2D(), images),
        (mt.UpSampling2D((2, 3)), images),
        (mt.ZeroPadding([(2, 0)]), series),
        (mt.ZeroPadding([1, (0, 2)]), images),
        (mt.Transpose(), series),
        (mt.Reshape((2, -1)), images),
        (mt.BatchNorm(), images),
        (mt.LayerNorm(2), images),
        (mt.GroupNorm(2), images),
        (mt.GroupNorm(3), rows),
        (mt.RMSNorm(), rows),
        (mt.RMSNorm(0.1), series),
        (mt.GLU("gelu"), rows),
        (mt.GLU(), images),
        (mt.PositionalEmbedding(), series),
        (mt.SinusoidalPositions(5.0), series),
        (mt.RotaryPositions(), (2, 5, 4)),
        (mt.Embedding(7, 4), (3,)),
        (mt.Dense(3), (5, 4)),
        (mt.Dense(3, use_bias=False), (2, 5, 4)),
        (mt.PReLU(per_channel=True), images),
        (mt.Softplus(3.0), rows),
        (mt.ELU(0.3), rows),
        (mt.LeakyReLU(0.3), rows),
        (mt.Dropout(0.3), rows),
        (mt.NormalSampling(), rows),
        (mt.SpatialDropout(0.3), images),
        (mt.SimpleRNN(3), series),
        (mt.SimpleRNN(3, activation="relu", return_sequences=True, go_backwards=True), series),
        (mt.LSTM(3), (1, 1)),
        (mt.LSTM(3, return_sequences=True), series),
        (mt.GRU(3, go_backwards=True), series),
        (mt.GRU(3, return_sequences=True), series),
        (mt.Bidirectional("lstm(3)"), series),
        (mt.Bidirectional(mt.GRU(3, return_sequences=True)), series),
        (mt.MultiHeadAttention(2), (5, 4)),
        (mt.MultiHeadAttention(4, causal=True, key_value_heads=2, rotary=True), (5, 8)),
        (mt.MultiHeadAttention(2, use_bias=False), (1, 4)),
        (mt.TransformerBlock(2, dropout=0.1), (5, 4)),
        (mt.TransformerBlock(2, 6, 0.0, "swiglu", False, 1, True), (5, 4)),
        (mt.Sequential(table, mt.LayerNorm(), mt.Unembedding(table)), (3,)),
        (mt.Residual("tanh", mt.Dense(3), shortcut="dense(3)"), rows),
        (mt.Concatenate("relu", mt.Sequential("tanh", "sigmoid"), axis=-1), images),
        *((mt.GELU(how), rows) for how in ("none", "tanh")),
        *((name, rows) for name in PLAIN),
    ]


PLAIN = (
    *("relu", "relu6", "selu", "silu", "sigmoid", "hard_sigmoid", "tanh", "mish", "hard_swish"),
    *("identity", "softmax", "log_softmax", "flatten"),
)


def one_layer(layer: mt.Layer | str, shape: Any) -> tuple[mt.Sequential, Any]:
    """A model of it whose parameters are no zeros and ones, and a function that makes inputs."""
    model = mt.Sequential(layer, input_shape=shape, seed=0)
    rng = np.random.default_rng(0)
    for array in (model.named_parameters() | model.named_buffers()).values():
        array[...] = rng.uniform(0.5, 1.5, array.shape) * rng.choice([-1, 1], array.shape)
    for name, array in model.named_buffers().items():
        array[...] = np.abs(array) if name.endswith("running_var") else array

    def inputs(m: int) -> Any:
        size = (m, *shape)
        drawn = rng.integers(7, size=size) if model.index_limit else rng.normal(size=size)
        return drawn.astype(np.float32)

    return model, inputs


@pytest.mark.parametrize(("layer", "shape"), components(), ids=lambda x: str(x)[:60])
def test_components(layer: mt.Layer | str, shape: Any, tmp_path: Path) -> None:
    model, inputs = one_layer(layer, shape)
    path = tmp_path / "m.onnx"
    model.to_onnx(path)
    runs, again = session(path.read_bytes()), mt.from_onnx(path)
    for m in (1, 2, 17):
        x = inputs(m)
        (found,) = runs.run(None, {"input": x})
        expected = model.predict(x)
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale)
        np.testing.assert_array_equal(again.predict(x), expected)
    assert onnx_model(again).SerializeToString() == path.read_bytes()


UNREADABLE = (mt.MultiHeadAttention, mt.TransformerBlock, mt.RotaryPositions)
"""What only a file's description gives back, and not its operators."""


@pytest.mark.parametrize(("layer", "shape"), components(), ids=lambda x: str(x)[:60])
def test_operators_alone_give_the_layers_back(
    layer: mt.Layer | str, shape: Any, tmp_path: Path
) -> None:
    model, inputs = one_layer(layer, shape)
    proto = onnx_model(model)
    del proto.metadata_props[:]
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    if isinstance(layer, UNREADABLE):
        with pytest.raises(mt.ModelFileError, match="node '"):
            mt.from_onnx(path)
        return
    x = inputs(3)
    expected = model.predict(x)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(mt.from_onnx(path).predict(x), expected, atol=1e-5 * scale)


def test_every_layer_is_among_the_components() -> None:
    covered = {type(part) for layer, _ in components() for part in walked(layer)}
    left = {mt.Add, mt.Graph}  # Add is written by its subclass Residual; a Graph has its own test
    assert {cls for cls in registered() if issubclass(cls, mt.Layer)} <= covered | left


def walked(layer: mt.Layer | str) -> Any:
    return mt.Sequential(layer).walk()


def test_no_rows(tmp_path: Path) -> None:
    model = mt.Sequential(mt.GroupNorm(2), mt.Flatten(), mt.Dense(3), input_shape=(4, 3, 3))
    found = session(onnx_model(model).SerializeToString()).run(
        None, {"input": np.zeros((0, 4, 3, 3), np.float32)}
    )
    assert found[0].shape == (0, 3)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    shared = mt.Dense(4)
    model = mt.Sequential(shared, "relu", shared, input_shape=4, seed=0)
    mt.to_onnx(model, tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    assert (proto.ir_version, proto.opset_import[0].version) == (10, 17)
    assert (proto.producer_name, proto.producer_version) == ("minitorch_np", mt.__version__)
    assert [t.name for t in proto.graph.initializer] == ["0.weight", "0.bias"]  # once
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_a_description_that_is_not_the_graph_does_not_count(tmp_path: Path) -> None:
    proto = onnx_model(mt.Sequential(mt.Dense(3), "relu", input_shape=4, seed=0))
    proto.graph.node[1].op_type = "Tanh"
    path = tmp_path / "edited.onnx"
    path.write_bytes(proto.SerializeToString())
    assert isinstance(mt.from_onnx(path)[1], mt.Tanh)


def test_numbers_that_look_alike_are_kept_apart() -> None:
    model = mt.Sequential(mt.Softplus(1.2345611), mt.Softplus(1.2345648), input_shape=2)
    betas = {a.item() for a in map(onnx.numpy_helper.to_array, onnx_model(model).graph.initializer)}
    assert betas == {np.float32(1.2345611).item(), np.float32(1.2345648).item()}


def test_what_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Mine(mt.Identity):
        pass

    class Product(mt.Add):  # a container that computes something else
        def combine(self, outputs: Any) -> Any:
            return outputs[0] * outputs[1]

    class Doubled(mt.Sequential):
        def forward(self, x: Any, **options: Any) -> Any:
            y, cache = super().forward(x, **options)
            return 2 * y, cache

    path = tmp_path / "m.onnx"
    for layer in (Product("relu", "tanh"), Doubled("relu")):
        with pytest.raises(mt.ConfigurationError, match=f"layer 0, {type(layer).__name__}"):
            mt.to_onnx(mt.Sequential(layer, input_shape=3), path)
    with pytest.raises(mt.ConfigurationError, match=r"layer 1\.0, Mine"):
        mt.to_onnx(mt.Sequential("relu", mt.Sequential(Mine()), input_shape=3), path)
    with pytest.raises(mt.NotBuiltError):
        mt.to_onnx(mt.Sequential(mt.Dense(3)), path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(mt.MissingExtraError, match="onnx"):
        mt.to_onnx(mt.Sequential("relu", input_shape=3), path)
    assert not list(tmp_path.iterdir())


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("safetensors")
    model, saved = mt.notes_network(seed=0), str(tmp_path / "model.npz")
    model.save(saved)
    for ending in ("onnx", "safetensors"):
        out = str(tmp_path / f"model.{ending}")
        assert main(["export", saved, out]) == 0
        assert capsys.readouterr().out == f"wrote {out}\n"
        assert Path(out).stat().st_size > 30_000
    x = np.ones((2, 784), np.float32)
    np.testing.assert_array_equal(
        mt.from_onnx(tmp_path / "model.onnx").predict(x), model.predict(x)
    )
    assert main(["export", saved, str(tmp_path / "model.h5")]) == 2
    assert "expected a name that ends in .onnx" in capsys.readouterr().err


def wired() -> mt.Graph:
    """Attention to another sequence of another width, a branch, a shared layer, two outputs."""
    x, memory = mt.Input((5, 8), "x"), mt.Input((3, 6), "memory")
    twin = mt.Dense(8)
    h = mt.Add()(mt.MultiHeadAttention(2)(x, memory), twin(x))
    h = mt.Add()(h, mt.MultiHeadAttention(4, key_value_heads=2)(h, twin(h)))
    pooled = mt.GlobalAveragePool1D(axis=1)(mt.Sequential(mt.LayerNorm(), mt.Dense(8), "gelu")(h))
    read = mt.GRU(4)(mt.Bidirectional(mt.LSTM(3, True))(memory))
    ends = [mt.Dense(3).named("kind")(mt.Concatenate()(pooled, read)), mt.Tanh().named("steps")(h)]
    return mt.Graph([x, memory], ends, seed=0)


def test_a_graph_in_onnxruntime_and_back(tmp_path: Path, rng: np.random.Generator) -> None:
    graph, path = wired(), tmp_path / "graph.onnx"
    graph.to_onnx(path)
    runs = session(path.read_bytes())
    assert [one.name for one in runs.get_inputs()] == ["x", "memory"]
    assert [one.name for one in runs.get_outputs()] == ["kind", "steps"]
    again = mt.from_onnx(path)
    assert repr(again) == repr(graph)
    for m in (1, 4):
        x = rng.normal(size=(m, 5, 8)), rng.normal(size=(m, 3, 6))
        given = {"x": x[0].astype(np.float32), "memory": x[1].astype(np.float32)}
        for found, expected, same in zip(
            runs.run(None, given), graph.predict(x), again.predict(x), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(same, expected)
    one = mt.Graph(a := mt.Input(4), mt.Dense(2)(a), seed=0)
    one.to_onnx(path)
    assert isinstance(mt.from_onnx(path), mt.Graph)


def test_a_graph_that_onnx_can_not_hold_is_refused(tmp_path: Path) -> None:
    a, b = mt.Input((3, 2), "a"), mt.Input((), "b")
    graph = mt.Graph([a, b], mt.Dense(2)(mt.Masking()(a, b)), seed=0)
    with pytest.raises(mt.ConfigurationError, match=r"0, Masking\(\): expected one input, got 2"):
        graph.to_onnx(tmp_path / "graph.onnx")
    graph = mt.Graph(a, mt.Dense(2).named("a")(a), seed=0)
    with pytest.raises(mt.ConfigurationError, match="other names for outputs than for inputs"):
        graph.to_onnx(tmp_path / "graph.onnx")
