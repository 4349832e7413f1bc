"""ONNX files of other programs: PyTorch's, scikit-learn's, ONNX's own tests, and damaged ones."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import Array
from minitorch_np.exchange.onnx_export import onnx_model

onnx = pytest.importorskip("onnx")


def from_torch(
    tmp_path: Path, function: Callable[..., Any], modules: Any, x: Any, **how: Any
) -> Any:
    """What PyTorch's exporter writes of a function of modules, read by us; and the module."""
    torch = pytest.importorskip("torch")

    class Module(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(modules)

        def forward(self, x: Any) -> Any:
            return function(x, *self.parts)

    module, path = Module().eval(), tmp_path / "torch.onnx"
    torch.onnx.export(module, x[:1], path, dynamo=False, input_names=["x"], **how)
    with torch.no_grad():
        return mt.from_onnx(path), module(x).numpy()


def in_a_row(x: Any, *modules: Any) -> Any:
    for module in modules:
        x = module(x)
    return x


MODULES: dict[str, tuple[str, tuple[int, ...]]] = {
    "a multi-layer perceptron": ("Linear(784, 20), ReLU(), Linear(20, 10)", (784,)),
    "LeNet-5": (
        "Conv2d(1, 6, 5, padding=2), Tanh(), AvgPool2d(2), Conv2d(6, 16, 5), GELU(), MaxPool2d(2),"
        "Flatten(), Linear(400, 120), SiLU(), BatchNorm1d(120), Linear(120, 10), Softmax(-1)",
        (1, 28, 28),
    ),
    "series": (
        "Conv1d(4, 3, 4, padding='same', bias=False), ReLU(), MaxPool1d(2), AvgPool1d(2),"
        "ConstantPad1d((2, 0), 0.), ConvTranspose1d(3, 2, 3, 2, 1, 1, bias=False),"
        "AdaptiveAvgPool1d(1), Flatten()",
        (4, 8),
    ),
    "images": (
        "Upsample(scale_factor=2), ConvTranspose2d(4, 4, 3, 2, 1, 1, groups=2), ZeroPad2d((1, 2, 0,"
        "1)), GroupNorm(2, 4), InstanceNorm2d(4, affine=True), Conv2d(4, 4, 3, (2, 1), groups=2),"
        "PReLU(4), AdaptiveAvgPool2d(1), Flatten()",
        (4, 4, 4),
    ),
    "counted padding": ("AvgPool2d(3, 2, 1), MaxPool2d(3, 2, 1)", (2, 9, 9)),
    "rows": (
        "Linear(4, 6), GLU(-1), Softplus(2.), LayerNorm(3), Mish(), Hardswish(), Hardsigmoid(),"
        "ReLU6(), ELU(0.3), LeakyReLU(0.3), SELU(), Sigmoid(), LogSoftmax(-1), Dropout()",
        (4,),
    ),
    "sequences": ("LayerNorm(4), Linear(4, 6), GELU('tanh'), Unflatten(1, (1, 5))", (5, 4)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("fixed", [False, True], ids=["any batch", "batch of one"])
def test_modules_of_pytorch(name: str, fixed: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    texts, shape = MODULES[name]
    torch.manual_seed(0)
    modules = eval(f"[{texts}]", vars(torch.nn))
    how = {} if fixed else {"dynamic_axes": {"x": {0: "batch"}}}
    x = torch.randn(1 if fixed else 5, *shape)
    found, expected = from_torch(tmp_path, in_a_row, modules, x, **how)
    np.testing.assert_allclose(found.predict(x.numpy()), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("opset", [9, 11, 13, 14, 17, 18, 20])
def test_versions_of_the_operators(opset: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    texts = "Flatten(), Linear(12, 5), ReLU6(), Dropout(), LayerNorm(5), Linear(5, 3), Softmax(1)"
    modules, x = eval(f"[{texts}]", vars(torch.nn)), torch.randn(1, 3, 4)
    found, expected = from_torch(tmp_path, in_a_row, modules, x, opset_version=opset)
    np.testing.assert_allclose(found.predict(x.numpy()), expected, atol=1e-5)


def both_last(x: Any, r: Any) -> Any:
    import torch

    states = r(x)[1]
    return torch.cat([states[0], states[1]], 1)


RECURRENT: dict[str, tuple[str, Callable[..., Any], list[str]]] = {
    "last step": ("LSTM(4, 3)", lambda x, r: r(x)[0][:, -1], ["LSTM"]),
    "all steps": ("GRU(4, 3)", lambda x, r: r(x)[0], ["GRU"]),
    "last state": ("GRU(4, 3)", lambda x, r: r(x)[1][-1], ["GRU"]),
    "squeezed": ("LSTM(4, 3)", lambda x, r: r(x)[1][0].squeeze(0), ["LSTM"]),
    "relu": ("RNN(4, 3, nonlinearity='relu')", lambda x, r: r(x)[0], ["SimpleRNN"]),
    "no bias": ("LSTM(4, 3, bias=False)", lambda x, r: r(x)[0], ["LSTM"]),
    "three layers": ("GRU(4, 3, 3)", lambda x, r: r(x)[0], ["GRU"] * 3),
    "last of two": ("LSTM(4, 3, 2)", lambda x, r: r(x)[1][0][-1], ["LSTM"] * 2),
    "both ways": ("LSTM(4, 3, 2, bidirectional=True)", lambda x, r: r(x)[0], ["Bidirectional"] * 2),
    "both last": ("RNN(4, 3, bidirectional=True)", both_last, ["Concatenate"]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("fixed", [False, True], ids=["any batch", "batch of one"])
def test_recurrent_modules_of_pytorch(name: str, fixed: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    text, function, layers = RECURRENT[name]
    torch.manual_seed(0)
    modules = [eval(text.replace(")", ", batch_first=True)"), vars(torch.nn))]
    how = {} if fixed else {"dynamic_axes": {"x": {0: "batch"}}}
    x = torch.randn(1 if fixed else 5, 6, 4)
    found, expected = from_torch(tmp_path, function, modules, x, **how)
    assert [type(layer).__name__ for layer in found] == layers
    np.testing.assert_allclose(found.predict(x.numpy()), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_functions_of_pytorch(tmp_path: Path) -> None:
    """What modules write in their `forward`: views, means, sums and joins."""
    torch = pytest.importorskip("torch")
    nn, how = torch.nn, {"dynamic_axes": {"x": {0: "batch"}}}
    image, row = torch.randn(5, 1, 6, 6), torch.randn(5, 4)
    cases: list[tuple[Callable[..., Any], list[Any], Any]] = [
        (
            lambda x, c, f: f(c(x).view(x.size(0), -1)),
            [nn.Conv2d(1, 2, 3), nn.Linear(32, 2)],
            image,
        ),
        (lambda x, c, f: f(c(x).view(-1, 32)), [nn.Conv2d(1, 2, 3), nn.Linear(32, 2)], image),
        (lambda x, c, f: f(c(x).mean((2, 3))), [nn.Conv2d(1, 2, 3), nn.Linear(2, 2)], image),
        (lambda x, c: c(x.flatten(2).permute(0, 2, 1)), [nn.Conv1d(36, 2, 1)], image),
        (
            lambda x, f, g: torch.relu(x + g(torch.relu(f(x)))),
            [nn.Linear(4, 4), nn.Linear(4, 4)],
            row,
        ),
        (lambda x, f, g: torch.cat([f(x), g(x), x], 1), [nn.Linear(4, 2), nn.Linear(4, 3)], row),
        (lambda x, f: f(torch.tanh(f(x))), [nn.Linear(4, 4)], row),
        (lambda x, e: x + e.weight, [nn.Embedding(6, 4)], torch.randn(5, 6, 4)),
    ]
    for number, (function, modules, x) in enumerate(cases):
        found, expected = from_torch(tmp_path, function, modules, x, **how)
        np.testing.assert_allclose(
            found.predict(x.numpy()), expected, atol=1e-5, err_msg=str(number)
        )


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


def of_somebody(proto: Any) -> None:
    proto.graph.node[1].domain = "somebody"
    proto.opset_import.add(domain="somebody", version=1)


def long_bias(proto: Any) -> None:
    proto.graph.initializer[1].CopyFrom(
        onnx.numpy_helper.from_array(np.ones(5, np.float32), "0.bias")
    )


def negative_batch(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1


def no_sizes(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "features"


def enormous(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**40


def two_inputs(proto: Any) -> None:
    proto.graph.input.append(onnx.helper.make_tensor_value_info("more", 1, ["batch", 4]))


def negative_slope(proto: Any) -> None:
    proto.graph.node[1].op_type = "Elu"
    proto.graph.node[1].attribute.add(name="alpha", type=1, f=-1.0)


def not_a_number(proto: Any) -> None:
    weight = onnx.numpy_helper.from_array(np.full((2, 3), np.nan, np.float32), "2.weight")
    proto.graph.initializer[2].CopyFrom(weight)


def other_software(proto: Any) -> None:
    proto.graph.node[0].attribute.add(name="alpha", type=1, f=2.0)


def misshapen(proto: Any) -> None:
    proto.graph.initializer[2].CopyFrom(
        onnx.numpy_helper.from_array(np.ones((2, 5), np.float32), "2.weight")
    )


def outside(proto: Any) -> None:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def node_tests() -> list[Any]:
    """ONNX's own tests of operators."""
    loader = pytest.importorskip("onnx.backend.test.loader")
    return list(loader.load_model_tests(kind="node"))


def with_known_weights(case: Any) -> Any:
    """A test's graph with all inputs but the first as constants; None where that can't be."""
    inputs = case.data_sets[0][0]
    if not inputs or any(not isinstance(a, np.ndarray) or not a.ndim for a in inputs):
        return None
    proto = onnx.ModelProto()
    proto.CopyFrom(case.model)
    for info, array in zip(proto.graph.input[1:], inputs[1:], strict=False):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, info.name))
    del proto.graph.input[1:]
    return proto


@pytest.mark.filterwarnings("ignore")
def test_onnx_own_tests_of_operators(tmp_path: Path) -> None:
    """Each is either refused, or gives what the test says: nothing is read wrongly."""
    path, count = tmp_path / "node.onnx", Counter[str]()
    for case in node_tests():
        proto = with_known_weights(case)
        if proto is None:
            continue
        path.write_bytes(proto.SerializeToString())
        try:
            model = mt.from_onnx(path)
        except mt.ModelFileError:
            count["refused"] += 1
            continue
        inputs, outputs = case.data_sets[0]
        found = model(inputs[0].astype(np.float32))
        same = [o for o in outputs if np.shape(o) == found.shape]
        assert any(np.allclose(found, o, rtol=1e-4, atol=1e-5) for o in same), case.name
        count["read"] += 1
    assert count["read"] > 90


def written_by_hand(
    tmp_path: Path, nodes: list[Any], x: Array, y: list[Any], opset: int = 13, **constants: Any
) -> Any:
    """A graph of nodes from x to y, read by us."""
    helper, path = onnx.helper, tmp_path / "by_hand.onnx"
    graph = helper.make_graph(
        nodes,
        "by hand",
        [helper.make_tensor_value_info("x", 1, [None, *x.shape[1:]])],
        [helper.make_tensor_value_info("y", 1, y)],
        [onnx.numpy_helper.from_array(np.array(a), name) for name, a in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return mt.from_onnx(path)


def test_pooling_with_an_uneven_border(tmp_path: Path) -> None:
    """Zeros that count in the mean: one row above, two columns on the right."""
    how: dict[str, Any] = {"kernel_shape": [2, 2], "pads": [1, 0, 0, 2], "count_include_pad": 1}
    nodes = [onnx.helper.make_node("AveragePool", ["x"], ["y"], **how)]
    x = np.arange(18, dtype=np.float32).reshape(2, 1, 3, 3)
    found = written_by_hand(tmp_path, nodes, x, [None, 1, 3, 4])
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 2), axis=(2, 3))
    np.testing.assert_allclose(found.predict(x), windows.mean((-2, -1)))


def test_group_normalization(tmp_path: Path) -> None:
    """As an operator of its own, which has a weight for each channel since opset 21."""
    names = ["x", "weight", "bias"]
    nodes = [onnx.helper.make_node("GroupNormalization", names, ["y"], num_groups=2)]
    x = np.random.default_rng(0).normal(size=(3, 4, 2, 5)).astype(np.float32)
    given: dict[str, Any] = {"weight": np.arange(2, 6, dtype="f"), "bias": np.eye(4, dtype="f")[1]}
    found = written_by_hand(tmp_path, nodes, x, [None, 4, 2, 5], opset=21, **given)
    groups = x.reshape(3, 2, -1)
    deviation = np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    normal = (groups - groups.mean(-1, keepdims=True)) / deviation
    weight, bias = (given[name].reshape(4, 1, 1) for name in ("weight", "bias"))
    np.testing.assert_allclose(found.predict(x), weight * normal.reshape(x.shape) + bias, atol=1e-4)


def test_dropout_with_its_ratio_as_an_input(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Dropout", ["x", "ratio"], ["y"])]
    x, ratio = np.arange(6, dtype=np.float32).reshape(2, 3), np.float32(0.3)
    given: dict[str, Any] = {"ratio": ratio}
    found = written_by_hand(tmp_path, nodes, x, [None, 3], **given)
    assert "Dropout(rate=0.3" in repr(found)
    np.testing.assert_array_equal(found.predict(x), x)


def test_a_clip_that_is_no_layer_is_refused(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Clip", ["x", "low", "high"], ["y"])]
    bounds: dict[str, Any] = {"low": np.float32(0), "high": np.float32(5)}
    x = np.ones((2, 3), np.float32)
    with pytest.raises(mt.ModelFileError, match=r"a clip to \(0\.0, 5\.0\)"):
        written_by_hand(tmp_path, nodes, x, [None, 3], **bounds)


def test_a_reshape_that_keeps_an_axis(tmp_path: Path) -> None:
    """0 is the size in what is reshaped, and not in the model's input."""
    nodes = [
        onnx.helper.make_node("Reshape", ["x", "flat"], ["h"]),
        onnx.helper.make_node("Reshape", ["h", "kept"], ["y"]),
    ]
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    found = written_by_hand(tmp_path, nodes, x, [None, 6, 1], flat=[0, 6], kept=[0, 0, 1])
    np.testing.assert_array_equal(found.predict(x), x.reshape(2, 6, 1))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["lstm", "gru", "simple_rnn"])
def test_onnx_own_tests_of_recurrent_operators(kind: str, tmp_path: Path) -> None:
    """Samples before steps, as models have them; the last states, both directions side by side."""
    helper, path, done = onnx.helper, tmp_path / "node.onnx", 0
    for case in node_tests():
        proto: Any = with_known_weights(case) if case.name.startswith(f"test_{kind}_") else None
        node = proto and proto.graph.node[0]
        if not node or any(each.name == "layout" for each in node.attribute):
            continue
        x, (graph, outputs) = case.data_sets[0][0][0], (proto.graph, case.data_sets[0][1])
        states = next(
            o for name, o in zip(graph.output, outputs, strict=True) if name.name == "Y_h"
        )
        graph.node.insert(0, helper.make_node("Transpose", ["x"], ["X"], perm=[1, 0, 2]))
        for place in range(len(states)):
            graph.initializer.append(onnx.numpy_helper.from_array(np.array(place), f"n{place}"))
            names = ["Y_h", f"n{place}"]
            graph.node.append(helper.make_node("Gather", names, [f"h{place}"], axis=0))
        parts = [f"h{place}" for place in range(len(states))]
        graph.node.append(helper.make_node("Concat", parts, ["y"], axis=1))
        shape = [None, x.shape[0], x.shape[2]]
        del graph.input[:], graph.output[:]
        graph.input.append(helper.make_tensor_value_info("x", 1, shape))
        graph.output.append(helper.make_tensor_value_info("y", 1, [None, None]))
        path.write_bytes(proto.SerializeToString())
        unlike = "peepholes" in case.name or kind == "gru"  # GRU's default resets before
        if unlike:
            with pytest.raises(mt.ModelFileError, match="linear_before_reset 0|peepholes|lengths"):
                mt.from_onnx(path)
            continue
        found = mt.from_onnx(path).predict(x.transpose(1, 0, 2))
        np.testing.assert_allclose(found, np.concatenate(list(states), axis=1), atol=1e-5)
        done += 1
    assert kind == "gru" or done >= 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an ONNX model"),
        (b"not a model", "expected an ONNX model"),
        (edited(lambda proto: None)[:-40], "expected an ONNX model"),
        (edited(unknown), "node 'relu_1': got the operator Sin"),
        (edited(of_somebody), "node 'relu_1': got the operator Relu"),
        (edited(long_bias), "node 'gemm_0': got Gemm with invalid inputs"),
        (edited(misshapen), "expected matching shapes"),
        (edited(no_sizes), "fixed sizes"),
        (edited(negative_batch), "fixed sizes"),
        (edited(enormous), "expected at most"),
        (edited(two_inputs), "a graph with one input, got 2"),
        (
            edited(negative_slope),
            "node 'relu_1': got Elu with invalid inputs: ELU: expected alpha",
        ),
        (edited(not_a_number), "differ by up to nan"),
        (edited(other_software), "node 'gemm_0': got Gemm with alpha 2.0"),
        (edited(outside), "expected an ONNX model"),
    ],
)
def test_bad_files(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(mt.ModelFileError, match=message):
        mt.from_onnx(path)


def test_external_data(tmp_path: Path) -> None:
    """Weights in a file of their own are read from the model's folder, and from nowhere else."""
    model = mt.Sequential(mt.Dense(3), input_shape=400, seed=0)
    proto, path = onnx_model(model), tmp_path / "inner" / "m.onnx"
    path.parent.mkdir()
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    x = np.ones((2, 400), np.float32)
    np.testing.assert_array_equal(mt.from_onnx(path).predict(x), model.predict(x))
    (path.parent / "weights.bin").rename(tmp_path / "weights.bin")
    for place in ("../weights.bin", str(tmp_path / "weights.bin"), "weights.bin"):
        proto = onnx.load(path, load_external_data=False)
        for tensor in proto.graph.initializer:
            tensor.external_data[0].value = place
        path.write_bytes(proto.SerializeToString())
        with pytest.raises(mt.ModelFileError, match="expected an ONNX model"):
            mt.from_onnx(path)
    path.with_name("weights.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(mt.ModelFileError, match="expected an ONNX model"):
        mt.from_onnx(path)


def test_a_description_that_asks_for_too_much(tmp_path: Path) -> None:
    """A kilobyte that describes a billion weights is read by its graph, which has twelve."""
    proto = onnx_model(mt.Sequential(mt.Dense(3), input_shape=4, seed=0))
    described = proto.metadata_props[0]
    for value in (
        described.value.replace('"units": 3', '"units": 3000000000'),
        "[" * 100_000,
        "[]",
        "{}",
        '{"model": {"class": [], "module": {}, "config": 5}, "input_shape": "text"}',
    ):
        described.value = value
        (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
        assert mt.from_onnx(tmp_path / "m.onnx").count_parameters() == 15


def test_without_onnxruntime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    path = tmp_path / "m.onnx"
    path.write_bytes(edited(lambda proto: None))
    assert len(mt.from_onnx(path)) == 3
    path.write_bytes(edited(of_somebody))
    with pytest.raises(mt.ModelFileError):
        mt.from_onnx(path)


def test_deep_and_doubling_graphs(tmp_path: Path) -> None:
    """Many nodes in a row, and sums of a tensor with itself, which have 2^30 paths."""
    helper, path = onnx.helper, tmp_path / "m.onnx"
    for kind, number in (("Relu", 2000), ("Add", 30)):
        names = ["x", *(f"t{n}" for n in range(1, number)), "y"]
        nodes = [
            helper.make_node(kind, [a] * (1 + (kind == "Add")), [b])
            for a, b in itertools.pairwise(names)
        ]
        values = [helper.make_tensor_value_info(name, 1, [None, 4]) for name in ("x", "y")]
        graph = helper.make_graph(nodes, "deep", values[:1], values[1:])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path.write_bytes(made.SerializeToString())
        assert len(mt.from_onnx(path)) == number


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    """Files of which some bytes were changed: no error but ours."""
    rng, path = np.random.default_rng(0), tmp_path / "m.onnx"
    whole, refused = edited(lambda proto: None), 0
    for _ in range(1000):
        content = bytearray(whole)
        for place in rng.integers(len(content), size=rng.integers(1, 4)):
            content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            mt.from_onnx(path)
        except mt.ModelFileError:
            refused += 1
    assert refused > 300
