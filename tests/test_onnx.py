"""ONNX files: onnxruntime computes what the model does, and both ways are walked back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.exchange.onnx_export import onnx_model
from tests.random_models import random_model

onnx = pytest.importorskip("onnx")


def session(content: bytes) -> Any:
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return runtime.InferenceSession(content, options)


def test_random_models_in_onnxruntime_and_back(tmp_path: Path) -> None:
    """200 models, with batches of 1, 2 and 17; where the model itself is exact to 1e-6 in float32,
    onnxruntime is to 1e-5. Read again they are equal to the bit.
    """
    path, exact = tmp_path / "model.onnx", 0
    for seed in range(200):
        made = random_model(seed)
        model = made.model
        mt.to_onnx(model, path)
        runs = session(path.read_bytes())
        again = mt.from_onnx(path)
        single = {n: a.astype(np.float32) for n, a in model.state_dict().items()}
        for m in (1, 2, 17):
            x = np.resize(made.x, (m, *made.x.shape[1:])).astype(np.float32)
            (found,) = runs.run(None, {"input": x})
            expected = model.predict(x)
            scale = max(1.0, np.abs(expected).max())
            if np.abs(again.predict(x) - expected).max() < 1e-6 * scale:
                exact += 1
                assert np.abs(found - expected).max() <= 1e-5 * scale, (seed, m)
        for name, array in again.state_dict().items():
            np.testing.assert_array_equal(array, single[name])
        assert onnx_model(again).SerializeToString() == path.read_bytes()
    assert exact > 500


def components() -> list[tuple[mt.Layer, Any]]:
    """Every layer that a default or a size makes, and a shape of a sample for it."""
    images, series, rows = (4, 6, 6), (4, 9), (6,)
    return [
        (mt.Conv2D(4, (3, 2), stride=2, padding=1, groups=2), images),
        (mt.Conv2D(2, 2, padding="same"), images),
        (mt.Conv1D(3, 3, padding="same"), series),
        (mt.ConvTranspose2D(3, 3, stride=2, padding=1, output_padding=1), images),
        (mt.ConvTranspose1D(3, 3, stride=2), series),
        (mt.MaxPool1D(2), series),
        (mt.AveragePool1D(2), series),
        (mt.AveragePool2D(3, stride=2, padding=1), images),
        (mt.GlobalAveragePool1D(), series),
        (mt.UpSampling2D((2, 3)), images),
        (mt.ZeroPadding([(2, 0)]), series),
        (mt.GroupNorm(2), images),
        (mt.RMSNorm(), rows),
        (mt.GLU("gelu"), rows),
        (mt.PositionalEmbedding(), series),
        (mt.SinusoidalPositions(), series),
        (mt.RotaryPositions(), (5, 4)),
        (mt.Dense(3), (5, 4)),
        (mt.PReLU(per_channel=True), images),
        (mt.Softplus(3.0), rows),
        (mt.SpatialDropout(0.3), images),
        (mt.SimpleRNN(3), series),
        (mt.SimpleRNN(3, activation="relu", return_sequences=True, go_backwards=True), series),
        (mt.LSTM(3, return_sequences=True), series),
        (mt.GRU(3, go_backwards=True), series),
        (mt.Bidirectional("lstm(3)"), series),
        (mt.Bidirectional(mt.GRU(3, return_sequences=True)), series),
    ]


@pytest.mark.parametrize(("layer", "shape"), components(), ids=lambda x: str(x))
def test_components(layer: mt.Layer, shape: Any) -> None:
    model = mt.Sequential(layer, input_shape=shape, seed=0)
    rng = np.random.default_rng(0)
    for array in (model.named_parameters() | model.named_buffers()).values():
        array[...] = rng.uniform(0.5, 1.5, array.shape)
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    (found,) = session(onnx_model(model).SerializeToString()).run(None, {"input": x})
    np.testing.assert_allclose(found, model.predict(x), rtol=1e-5, atol=1e-5)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    shared = mt.Dense(4)
    model = mt.Sequential(shared, "relu", shared, input_shape=4, seed=0)
    mt.to_onnx(model, tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    assert (proto.ir_version, proto.opset_import[0].version) == (10, 17)
    assert proto.producer_name == "minitorch_np"
    assert [t.name for t in proto.graph.initializer] == ["0.weight", "0.bias"]  # once
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.filterwarnings("ignore")
def test_from_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nn, path = torch.nn, tmp_path / "torch.onnx"
    body = nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.GELU()
    head = nn.Linear(400, 120), nn.SiLU(), nn.BatchNorm1d(120), nn.Linear(120, 10)
    lenet = nn.Sequential(*body, nn.MaxPool2d(2), nn.Flatten(), *head, nn.Softmax(-1)).eval()
    mlp = nn.Sequential(nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10)).eval()
    for module, shape in ((lenet, (1, 28, 28)), (mlp, (784,))):
        torch.onnx.export(
            module,
            torch.randn(1, *shape),
            path,
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "batch"}},
        )
        x = torch.randn(5, *shape)
        found = mt.from_onnx(path).predict(x.numpy())
        np.testing.assert_allclose(found, module(x).detach().numpy(), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_from_scikit_learn(tmp_path: Path) -> None:
    convert = pytest.importorskip("skl2onnx").to_onnx
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    network = MLPClassifier((32,), max_iter=20, random_state=0).fit(x, y)
    path = tmp_path / "sklearn.onnx"
    path.write_bytes(convert(network, x[:1]).SerializeToString())
    found = mt.from_onnx(path).predict(x[:50])
    np.testing.assert_allclose(found, network.predict_proba(x[:50]), atol=1e-5)


def edited(change: Any) -> bytes:
    """A small file of ours without its description, changed."""
    proto = onnx_model(mt.Sequential(mt.Dense(3), "relu", mt.Dense(2), input_shape=4, seed=0))
    del proto.metadata_props[:]
    change(proto)
    content: bytes = proto.SerializeToString()
    return content


def unknown(proto: Any) -> None:
    proto.graph.node[1].op_type = "Sin"


def misshapen(proto: Any) -> None:
    proto.graph.initializer[2].CopyFrom(
        onnx.numpy_helper.from_array(np.ones((2, 5), np.float32), "2.weight")
    )


def outside(proto: Any) -> None:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an ONNX model"),
        (b"not a model", "expected an ONNX model"),
        (edited(lambda proto: None)[:-40], "expected an ONNX model"),
        (edited(unknown), "node 'relu_1': got the operator Sin"),
        (edited(misshapen), "do not fit together"),
        (edited(outside), "expected an ONNX model"),
    ],
)
def test_bad_files(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(mt.ModelFileError, match=message):
        mt.from_onnx(path)


def test_a_description_that_is_not_the_graph_does_not_count(tmp_path: Path) -> None:
    proto = onnx_model(mt.Sequential(mt.Dense(3), "relu", input_shape=4, seed=0))
    proto.graph.node[1].op_type = "Tanh"
    path = tmp_path / "edited.onnx"
    path.write_bytes(proto.SerializeToString())
    assert isinstance(mt.from_onnx(path)[1], mt.Tanh)


def test_what_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Mine(mt.Identity):
        pass

    path = tmp_path / "m.onnx"
    with pytest.raises(mt.ConfigurationError, match=r"layer 1\.0, Mine"):
        mt.to_onnx(mt.Sequential("relu", mt.Sequential(Mine()), input_shape=3), path)
    with pytest.raises(mt.NotBuiltError):
        mt.to_onnx(mt.Sequential(mt.Dense(3)), path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(mt.MissingExtraError, match="onnx"):
        mt.to_onnx(mt.Sequential("relu", input_shape=3), path)
    assert not list(tmp_path.iterdir())
