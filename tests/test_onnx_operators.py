"""Operators of ONNX one at a time: the layers that they are read as, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.arrays import AnyArray

onnx = pytest.importorskip("onnx")

RNG = np.random.default_rng(0)


def numbers(*shape: int) -> AnyArray:
    """Numbers between 0.5 and 1.5, of either sign."""
    return (RNG.uniform(0.5, 1.5, shape) * RNG.choice([-1, 1], shape)).astype(np.float32)


W, C, V = numbers(3, 2), numbers(2), numbers(3)
ROWS, IMAGES, SERIES = numbers(4, 3), numbers(2, 4, 6, 6), numbers(4, 3, 2)
KERNEL, UP, PER_CHANNEL, HALVES = numbers(2, 4, 3, 3), numbers(4, 2, 2, 2), numbers(4), numbers(4, 6)
CHANNELS = PER_CHANNEL.reshape(4, 1, 1)


def node(text: str, **attributes: Any) -> Any:
    """Of "kind inputs -> outputs", where a dash is an input that is left out."""
    made, _, outputs = text.partition(" -> ")
    kind, *inputs = made.split()
    names = ["" if name == "-" else name for name in inputs]
    return onnx.helper.make_node(kind, names, outputs.split() or ["y"], **attributes)


def read(
    folder: Path, nodes: Any, x: Any, ndim: int, opset: int = 17, rows: Any = None, **given: Any
) -> mt.Sequential:
    """The model in a graph from x to y, which has so many axes."""
    helper, path = onnx.helper, folder / "graph.onnx"
    nodes = nodes if isinstance(nodes, list) else [nodes]
    names = {name for one in nodes for name in one.input}
    constants = {name: array for name, array in CONSTANTS.items() if name in names} | given
    graph = helper.make_graph(
        nodes,
        "by hand",
        [helper.make_tensor_value_info("x", 1, [rows, *x.shape[1:]])],
        [helper.make_tensor_value_info("y", 1, [None] * ndim)],
        [onnx.numpy_helper.from_array(np.array(a), name) for name, a in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(made.SerializeToString())
    found = mt.from_onnx(path)
    assert isinstance(found, mt.Sequential)
    return found


def normal(x: AnyArray, axes: Any, epsilon: float) -> AnyArray:
    deviation = np.sqrt(x.var(axes, keepdims=True) + epsilon)
    return np.asarray((x - x.mean(axes, keepdims=True)) / deviation)


def sigmoid(x: AnyArray) -> AnyArray:
    return np.asarray(1 / (1 + np.exp(-x)))


def softmax(x: AnyArray) -> AnyArray:
    return np.asarray(np.exp(x) / np.exp(x).sum(-1, keepdims=True))


def windows(x: AnyArray, w: AnyArray, stride: Any, border: Any, dilation: Any) -> AnyArray:
    """A convolution by its definition."""
    x = np.pad(x, ((0, 0), (0, 0), *border))
    (high, wide), (a, b), (s, t) = w.shape[2:], dilation, stride
    high, wide = (high - 1) * a + 1, (wide - 1) * b + 1
    cut = np.lib.stride_tricks.sliding_window_view(x, (high, wide), axis=(2, 3))
    return np.einsum("mcijkl,fckl->mfij", cut[:, :, ::s, ::t, ::a, ::b], w)


# Nodes, x, what else is given (constants, opset, rows), the layers, and what they compute.
READ: dict[str, tuple[Any, AnyArray, dict[str, Any], str, Any]] = {
    "gemm": (node("Gemm x W"), ROWS, {}, "Dense(2, use_bias=False)", ROWS @ W),
    "gemm, transposed": (
        node("Gemm x U C", transB=1),
        ROWS,
        {"U": W.T},
        "Dense(2)",
        ROWS @ W + C,
    ),
    "gemm, one number as bias": (node("Gemm x W one"), ROWS, {}, "Dense(2)", ROWS @ W + 0.5),
    "gemm, a row as bias": (node("Gemm x W row"), ROWS, {}, "Dense(2)", ROWS @ W + C),
    "product": (
        node("MatMul x T"),
        SERIES,
        {"T": W.T},
        "Dense(3, use_bias=False)",
        SERIES @ W.T,
    ),
    "product and bias": (
        [node("MatMul x W -> h"), node("Add h C")],
        ROWS,
        {},
        "Dense(2)",
        ROWS @ W + C,
    ),
    "bias and product": (
        [node("MatMul x W -> h"), node("Add one h")],
        ROWS,
        {},
        "Dense(2)",
        ROWS @ W + 0.5,
    ),
    "positions": (node("Add x P"), SERIES, {"P": W}, "PositionalEmbedding()", SERIES + W),
    "positions before": (
        node("Sum P x"),
        SERIES,
        {"P": W[np.newaxis]},
        "PositionalEmbedding()",
        SERIES + W,
    ),
    "positions of what is computed": (
        [node("Tanh x -> h"), node("Add P h")],
        SERIES,
        {"P": W},
        "Tanh() PositionalEmbedding()",
        np.tanh(SERIES) + W,
    ),
    "a sum of three": (
        [node("Tanh x -> a"), node("Relu x -> b"), node("Sum a b x")],
        ROWS,
        {},
        "Add( (0): Sequential( (0): Tanh() ) (1): Sequential( (0): ReLU() ) (2): Identity() )",
        np.tanh(ROWS) + np.maximum(ROWS, 0) + ROWS,
    ),
    "side by side": (
        [node("Tanh x -> a"), node("Concat a x", axis=-1)],
        ROWS,
        {},
        "Concatenate( (0): Sequential( (0): Tanh() ) (1): Identity() )",
        np.concatenate([np.tanh(ROWS), ROWS], -1),
    ),
    "a gate": (
        [node("Split x -> a b", axis=-1), node("Sigmoid b -> g"), node("Mul a g")],
        HALVES,
        {"opset": 13},
        "GLU(gate=Sigmoid())",
        HALVES[:, :3] * sigmoid(HALVES[:, 3:]),
    ),
    "a gate before": (
        [node("Split x -> a b", axis=-1), node("Relu b -> g"), node("Mul g a")],
        HALVES,
        {"opset": 13},
        "GLU(gate=ReLU())",
        HALVES[:, :3] * np.maximum(HALVES[:, 3:], 0),
    ),
    "batch norm": (
        node("BatchNormalization x S B M N", momentum=0.75, epsilon=0.25),
        IMAGES,
        {"S": PER_CHANNEL, "B": PER_CHANNEL + 1, "M": PER_CHANNEL + 2, "N": PER_CHANNEL**2},
        "BatchNorm(momentum=0.25, epsilon=0.25)",
        (IMAGES - CHANNELS - 2) / np.sqrt(CHANNELS**2 + 0.25) * CHANNELS + CHANNELS + 1,
    ),
    "batch norm with defaults": (
        node("BatchNormalization x S B M N"),
        IMAGES,
        {"S": PER_CHANNEL, "B": PER_CHANNEL + 1, "M": PER_CHANNEL + 2, "N": PER_CHANNEL**2},
        "BatchNorm(momentum=0.09999999999999998)",
        (IMAGES - CHANNELS - 2) / np.sqrt(CHANNELS**2 + 1e-5) * CHANNELS + CHANNELS + 1,
    ),
    "instance norm": (
        node("InstanceNormalization x S B", epsilon=0.5),
        IMAGES,
        {"S": PER_CHANNEL, "B": PER_CHANNEL + 1},
        "GroupNorm(4, epsilon=0.5)",
        normal(IMAGES, (2, 3), 0.5) * CHANNELS + CHANNELS + 1,
    ),
    "instance norm with a default": (
        node("InstanceNormalization x S B"),
        IMAGES,
        {"S": PER_CHANNEL, "B": PER_CHANNEL + 1},
        "GroupNorm(4)",
        normal(IMAGES, (2, 3), 1e-5) * CHANNELS + CHANNELS + 1,
    ),
    "group norm": (
        node("GroupNormalization x S B", num_groups=2, epsilon=0.5),
        IMAGES,
        {"S": PER_CHANNEL, "B": PER_CHANNEL + 1, "opset": 21},
        "GroupNorm(2, epsilon=0.5)",
        normal(IMAGES.reshape(2, 2, -1), 2, 0.5).reshape(IMAGES.shape) * CHANNELS + CHANNELS + 1,
    ),
    "layer norm": (
        node("LayerNormalization x V", epsilon=0.5),
        ROWS,
        {},
        "LayerNorm(epsilon=0.5)",
        normal(ROWS, -1, 0.5) * V,
    ),
    "layer norm of two axes": (
        node("LayerNormalization x S B", axis=-2),
        SERIES,
        {"S": W, "B": W + 1},
        "LayerNorm(trailing_axes=2)",
        normal(SERIES, (1, 2), 1e-5) * W + W + 1,
    ),
    "dropout": (node("Dropout x"), ROWS, {}, "Dropout()", ROWS),
    "dropout of 11": (node("Dropout x", ratio=0.25), ROWS, {"opset": 11}, "Dropout(rate=0.25)", ROWS),
    "casts": (
        [node("Cast x -> d", to=11), node("Cast d", to=1)],
        ROWS,
        {},
        "Identity()",
        ROWS,
    ),
    "nothing": ([node("Identity x -> h"), node("Identity h")], ROWS, {}, "Identity()", ROWS),
    "no transpose": (node("Transpose x", perm=[0, 1, 2]), SERIES, {}, "Identity()", SERIES),
    "transpose": (
        node("Transpose x", perm=[0, 2, 1]),
        SERIES,
        {},
        "Transpose()",
        SERIES.transpose(0, 2, 1),
    ),
    "rows of a table": (
        [node("Cast x -> i", to=7), node("Gather W i")],
        np.array([[0, 2], [1, 1], [2, 0]], np.float32),
        {},
        "Embedding(3, 2)",
        W[[[0, 2], [1, 1], [2, 0]]],
    ),
    "prelu": (
        node("PRelu x S"),
        IMAGES,
        {"S": CHANNELS},
        "PReLU(per_channel=True)",
        np.where(IMAGES > 0, IMAGES, IMAGES * CHANNELS),
    ),
    "prelu, reshaped": (
        [node("Reshape S shape -> s"), node("PRelu x s")],
        IMAGES,
        {"S": PER_CHANNEL, "shape": [4, 1, 1]},
        "PReLU(per_channel=True)",
        np.where(IMAGES > 0, IMAGES, IMAGES * CHANNELS),
    ),
    "prelu of one slope": (
        node("PRelu x S"),
        ROWS,
        {"S": V[:1]},
        "PReLU()",
        np.where(ROWS > 0, ROWS, ROWS * V[0]),
    ),
    "clip of 10": (
        node("Clip x", min=0.0, max=6.0),
        8 * ROWS,
        {"opset": 10},
        "ReLU6()",
        np.clip(8 * ROWS, 0, 6),
    ),
    "clip": (node("Clip x zero six"), 8 * ROWS, {}, "ReLU6()", np.clip(8 * ROWS, 0, 6)),
    "clip from below": (node("Clip x zero -"), ROWS, {}, "ReLU()", np.maximum(ROWS, 0)),
    "softplus": (
        [node("Mul beta x -> h"), node("Softplus h -> s"), node("Div s beta")],
        ROWS,
        {"beta": np.float32(2)},
        "Softplus(beta=2.0)",
        np.log1p(np.exp(2 * ROWS)) / 2,
    ),
    "softplus, exchanged": (
        [node("Mul x beta -> h"), node("Softplus h -> s"), node("Div s beta")],
        ROWS,
        {"beta": np.float32(2)},
        "Softplus(beta=2.0)",
        np.log1p(np.exp(2 * ROWS)) / 2,
    ),
    "leaky relu": (node("LeakyRelu x"), ROWS, {}, "LeakyReLU()", np.where(ROWS > 0, ROWS, ROWS / 100)),
    "elu": (node("Elu x"), ROWS, {}, "ELU()", np.where(ROWS > 0, ROWS, np.expm1(ROWS))),
    "elu of another size": (
        node("Elu x", alpha=0.5),
        ROWS,
        {},
        "ELU(alpha=0.5)",
        np.where(ROWS > 0, ROWS, np.expm1(ROWS) / 2),
    ),
    "softmax": (node("Softmax x", axis=1), ROWS, {}, "Softmax()", softmax(ROWS)),
    "softmax of the last": (node("Softmax x"), SERIES, {}, "Softmax()", softmax(SERIES)),
    "log softmax": (
        node("LogSoftmax x", axis=-1),
        SERIES,
        {},
        "LogSoftmax()",
        np.log(softmax(SERIES)),
    ),
    "gelu": (
        node("Gelu x", approximate="tanh"),
        ROWS,
        {"opset": 20},
        "GELU(approximate='tanh')",
        ROWS / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (ROWS + 0.044715 * ROWS**3))),
    ),
    "flatten": (node("Flatten x"), IMAGES, {}, "Flatten()", IMAGES.reshape(2, -1)),
    "flat": (node("Reshape x to"), IMAGES, {"to": [0, -1]}, "Flatten()", IMAGES.reshape(2, -1)),
    "any batch": (
        node("Reshape x to"),
        IMAGES,
        {"to": [-1, 12, 12]},
        "Reshape((12, 12))",
        IMAGES.reshape(2, 12, 12),
    ),
    "this batch": (
        node("Reshape x to"),
        IMAGES,
        {"to": [2, 4, -1], "rows": 2},
        "Reshape((4, -1))",
        IMAGES.reshape(2, 4, -1),
    ),
    "an axis that is kept": (
        node("Reshape x to"),
        IMAGES,
        {"to": [0, 0, 36]},
        "Reshape((4, 36))",
        IMAGES.reshape(2, 4, 36),
    ),
    "zeros": (
        node("Pad x pads"),
        IMAGES,
        {"pads": [0, 0, 1, 2, 0, 0, 3, 0]},
        "ZeroPadding(padding=((1, 3), (2, 0)))",
        np.pad(IMAGES, [(0, 0), (0, 0), (1, 3), (2, 0)]),
    ),
    "zeros of 10": (
        node("Pad x", pads=[0, 0, 1, 0, 0, 2]),
        SERIES,
        {"opset": 10},
        "ZeroPadding(padding=((1, 2),))",
        np.pad(SERIES, [(0, 0), (0, 0), (1, 2)]),
    ),
    "zeros that are given": (
        node("Pad x pads zero"),
        SERIES,
        {"pads": [0, 0, 0, 0, 0, 2]},
        "ZeroPadding(padding=((0, 2),))",
        np.pad(SERIES, [(0, 0), (0, 0), (0, 2)]),
    ),
    "larger": (
        node("Resize x - by", mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"),
        IMAGES,
        {"by": np.array([1, 1, 2, 3], np.float32)},
        "UpSampling2D(size=(2, 3))",
        IMAGES.repeat(2, 2).repeat(3, 3),
    ),
    "convolution": (
        node("Conv x K", strides=[2, 1], pads=[1, 0, 1, 0], dilations=[1, 2]),
        IMAGES,
        {},
        "Conv2D(2, (3, 3), stride=(2, 1), padding=(1, 0), dilation=(1, 2), use_bias=False)",
        windows(IMAGES, KERNEL, (2, 1), ((1, 1), (0, 0)), (1, 2)),
    ),
    "convolution of uneven borders": (
        node("Conv x K C", pads=[0, 1, 2, 0]),
        IMAGES,
        {},
        "ZeroPadding(padding=((0, 2), (1, 0))) Conv2D(2, (3, 3), stride=(1, 1), dilation=(1, 1))",
        windows(IMAGES, KERNEL, (1, 1), ((0, 2), (1, 0)), (1, 1)) + C.reshape(2, 1, 1),
    ),
    "convolution of equal size": (
        node("Conv x K", auto_pad="SAME_UPPER"),
        IMAGES,
        {},
        "Conv2D(2, (3, 3), stride=(1, 1), padding='same', dilation=(1, 1), use_bias=False)",
        windows(IMAGES, KERNEL, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    ),
    "convolution of groups": (
        node("Conv x G", group=2, auto_pad="VALID"),
        IMAGES,
        {"G": KERNEL[:, :2]},
        "Conv2D(2, (3, 3), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=2, "
        "use_bias=False)",
        np.concatenate(
            [
                windows(IMAGES[:, :2], KERNEL[:1, :2], (1, 1), ((0, 0), (0, 0)), (1, 1)),
                windows(IMAGES[:, 2:], KERNEL[1:, :2], (1, 1), ((0, 0), (0, 0)), (1, 1)),
            ],
            1,
        ),
    ),
    "series": (
        node("Conv x G", pads=[1, 1], strides=[2]),
        SERIES,
        {"G": KERNEL[:, :3, 0, :2]},
        "Conv1D(2, 2, stride=2, padding=1, use_bias=False)",
        windows(
            SERIES[:, :, np.newaxis], KERNEL[:, :3, :1, :2], (1, 2), ((0, 0), (1, 1)), (1, 1)
        )[:, :, 0],
    ),
    "transposed": (
        node("ConvTranspose x U C", strides=[2, 2]),
        IMAGES,
        {},
        "ConvTranspose2D(2, (2, 2), stride=(2, 2), padding=(0, 0), output_padding=(0, 0), "
        "dilation=(1, 1))",
        np.einsum("mcij,cfkl->mfikjl", IMAGES, UP).reshape(2, 2, 12, 12) + C.reshape(2, 1, 1),
    ),
    "largest": (
        node("MaxPool x", kernel_shape=[2, 3], strides=[2, 3]),
        IMAGES,
        {},
        "MaxPool2D(pool_size=(2, 3), stride=(2, 3), padding=(0, 0))",
        IMAGES.reshape(2, 4, 3, 2, 2, 3).max((3, 5)),
    ),
    "means with zeros": (
        node("AveragePool x", kernel_shape=[2], pads=[1, 1], strides=[2], count_include_pad=1),
        SERIES,
        {},
        "ZeroPadding(padding=((1, 1),)) AveragePool1D(stride=2)",
        SERIES / 2,
    ),
    "means without zeros": (
        node("AveragePool x", kernel_shape=[2], pads=[1, 1], strides=[2]),
        SERIES,
        {},
        "AveragePool1D(stride=2, padding=1)",
        SERIES,
    ),
    "means of one axis": (
        node("AveragePool x", kernel_shape=[2], count_include_pad=1),
        SERIES,
        {},
        "AveragePool1D(stride=1, padding=0)",
        SERIES.mean(2, keepdims=True),
    ),
    "means of channels": (
        node("GlobalAveragePool x"),
        IMAGES,
        {},
        "GlobalAveragePool2D() Reshape((-1, 1, 1))",
        IMAGES.mean((2, 3), keepdims=True),
    ),
    "means of series": (
        node("GlobalAveragePool x"),
        SERIES,
        {},
        "GlobalAveragePool1D() Reshape((-1, 1))",
        SERIES.mean(2, keepdims=True),
    ),
    "flat means": (
        [node("GlobalAveragePool x -> h"), node("Flatten h", axis=1)],
        IMAGES,
        {},
        "GlobalAveragePool2D()",
        IMAGES.mean((2, 3)),
    ),
    "means of two axes": (
        node("ReduceMean x", axes=[-1, -2], keepdims=0),
        IMAGES,
        {},
        "GlobalAveragePool2D()",
        IMAGES.mean((2, 3)),
    ),
    "means of features": (
        node("ReduceMean x", axes=[2], keepdims=0),
        SERIES,
        {},
        "GlobalAveragePool1D()",
        SERIES.mean(2),
    ),
    "means of steps": (
        node("ReduceMean x axes", keepdims=0),
        SERIES,
        {"axes": [1], "opset": 18},
        "GlobalAveragePool1D(axis=1)",
        SERIES.mean(1),
    ),
}

CONSTANTS: dict[str, Any] = {
    "W": W,
    "C": C,
    "V": V,
    "row": C[np.newaxis],
    "one": np.array([0.5], np.float32),
    "zero": np.float32(0),
    "five": np.float32(5),
    "six": np.float32(6),
    "K": KERNEL,
    "ones": np.ones((1, 1, 2, 2, 2), np.float32),
    "U": UP,
}


@pytest.mark.parametrize("name", READ)
def test_an_operator_is_read_as_these_layers(name: str, tmp_path: Path) -> None:
    nodes, x, given, layers, expected = READ[name]
    model = read(tmp_path, nodes, x, np.ndim(expected), **given)
    assert " ".join(" ".join(map(repr, model)).split()) == layers
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-5)


def pads(*numbers: int) -> dict[str, Any]:
    return {"pads": list(numbers)}


VOLUME = numbers(2, 1, 3, 3, 3)
NEAREST = {"mode": "nearest", "nearest_mode": "floor"}

# Nodes, x, what else is given, and what is said.
REFUSED: dict[str, tuple[Any, AnyArray, dict[str, Any], str]] = {
    "gemm times a number": (node("Gemm x W", alpha=2.0), ROWS, {}, "Gemm with alpha 2.0"),
    "gemm of a column": (
        node("Gemm x W", transA=1),
        ROWS[:3],
        {"rows": 3},
        "Gemm with transA 1",
    ),
    "gemm, a part of its bias": (
        node("Gemm x W C", beta=0.5),
        ROWS,
        {},
        "Gemm with beta 0.5",
    ),
    "two constants": (node("Sum x V V"), ROWS, {}, "a sum with a constant of more than two"),
    "a constant row": (node("Add x V"), ROWS, {}, r"a constant of shape \(3,\) that is added to \(3,\)"),
    "a constant of fewer axes": (
        node("Add x C"),
        SERIES,
        {},
        r"a constant of shape \(2,\) that is added to \(3, 2\)",
    ),
    "a product with a constant": (node("Mul x V"), ROWS, {}, "a product with a constant, which no"),
    "a factor and a bias": (
        [node("Tanh x -> h"), node("Mul h V -> s"), node("Add s V")],
        ROWS,
        {},
        "a constant added to a product that no layer computes",
    ),
    "a factor": ([node("Tanh x -> h"), node("Mul h V")], ROWS, {}, "Tanh before a product, which no"),
    "a quotient": (
        [node("Div x six -> h"), node("Mul h V")],
        ROWS,
        {},
        "Div before a product, which no",
    ),
    "a quotient and a bias": (
        [node("Div x six -> h"), node("Mul h V -> s"), node("Add s V")],
        ROWS,
        {},
        "Div before a product, which no",
    ),
    "a product of two": (
        [node("Tanh x -> h"), node("Mul h x")],
        ROWS,
        {},
        "a product that no layer computes",
    ),
    "a gate of two layers": (
        [
            node("Split x -> a b", axis=-1),
            node("Sigmoid b -> g"),
            node("Relu g -> h"),
            node("Relu h -> i"),
            node("Mul a i"),
        ],
        HALVES,
        {"opset": 13},
        "a product that no layer computes|differ|for which there is no layer",
    ),
    "transpose": (node("Transpose x"), SERIES, {}, "Transpose with perm None"),
    "steps first": (node("Transpose x", perm=[1, 0, 2]), SERIES, {}, "first axis is not a batch"),
    "batch last": (
        node("Transpose x", perm=[2, 0, 1]),
        SERIES,
        {},
        r"Transpose with perm \[2, 0, 1\]",
    ),
    "flat in part": (node("Flatten x", axis=2), IMAGES, {}, "Flatten with axis 2"),
    "samples in one": (node("Reshape x to"), IMAGES, {"to": [8, 72], "rows": 2}, "mixes samples"),
    "samples in a row": (node("Reshape x to"), IMAGES, {"to": [-1]}, r"a reshape to \[-1\]"),
    "any number": (node("Reshape x to"), IMAGES, {"to": [5, 36]}, r"a reshape to \[5, 36\]"),
    "zeros as they stand": (
        node("Reshape x to", allowzero=1),
        IMAGES,
        {"to": [-1, 144]},
        "Reshape with allowzero 1",
    ),
    "integers": (
        [node("Cast x -> i", to=7), node("Cast i", to=1)],
        ROWS,
        {},
        "a cast to integers that are not indices",
    ),
    "columns of a table": (
        [node("Cast x -> i", to=7), node("Gather W i", axis=1)],
        np.zeros((2, 2), np.float32),
        {},
        "Gather with axis 1",
    ),
    "an entry": (node("Gather x n", axis=1), SERIES, {"n": 1}, "an entry at 1 along axis 1, which"),
    "the last of something": (
        [node("Tanh x -> h"), node("Gather h n", axis=1)],
        SERIES,
        {"n": -1},
        "an entry at -1 along axis 1, which no layer selects",
    ),
    "a clip to less": (node("Clip x zero five"), ROWS, {}, r"a clip to \(0\.0, 5\.0\)"),
    "a clip from above": (node("Clip x - six"), ROWS, {}, r"a clip to \(None, 6\.0\)"),
    "a clip of 10": (node("Clip x"), ROWS, {"opset": 10}, r"a clip to \(-?[^)]*\)"),
    "softplus over less": (node("Div x six"), ROWS, {}, "the operator Div, for which there is no"),
    "another quotient": (
        [node("Softplus x -> s"), node("Div s six")],
        ROWS,
        {},
        "the operator Div, for which there is no layer",
    ),
    "selu of another size": (node("Selu x", gamma=2.0), ROWS, {}, "Selu with gamma 2.0"),
    "hard sigmoid": (node("HardSigmoid x", alpha=0.25), ROWS, {}, "HardSigmoid with alpha 0.25"),
    "another hard sigmoid": (
        node("HardSigmoid x", alpha=1 / 6, beta=0.75),
        ROWS,
        {},
        "HardSigmoid with beta 0.75",
    ),
    "softmax of samples": (node("Softmax x", axis=0), ROWS, {}, "Softmax with axis 0"),
    "batch norm in training": (
        node("BatchNormalization x S S S S -> y m v", training_mode=1),
        IMAGES,
        {"S": PER_CHANNEL**2},
        "BatchNormalization with training_mode 1",
    ),
    "convolution of volumes": (node("Conv x ones"), VOLUME, {}, "Conv along 3 axes, of at most 2"),
    "pooling of volumes": (
        node("MaxPool x", kernel_shape=[2, 2, 2]),
        VOLUME,
        {},
        "MaxPool along 3 axes, of at most 2",
    ),
    "zeros below": (node("Conv x K", auto_pad="SAME_LOWER"), IMAGES, {}, "Conv with auto_pad SAME_LOWER"),
    "transposed, uneven": (
        node("ConvTranspose x U", **pads(0, 0, 1, 0)),
        IMAGES,
        {},
        r"ConvTranspose with pads \[0, 0, 1, 0\]",
    ),
    "transposed, of equal size": (
        node("ConvTranspose x U", auto_pad="SAME_UPPER"),
        IMAGES,
        {},
        "ConvTranspose with auto_pad SAME_UPPER",
    ),
    "transposed, of a size": (
        node("ConvTranspose x U", output_shape=[7, 7]),
        IMAGES,
        {},
        r"ConvTranspose with output_shape \[7, 7\]",
    ),
    "pooling to the end": (
        node("MaxPool x", kernel_shape=[4, 4], strides=[4, 4], ceil_mode=1),
        IMAGES,
        {},
        "MaxPool with ceil_mode 1",
    ),
    "pooling with gaps": (
        node("MaxPool x", kernel_shape=[2, 2], dilations=[2, 1]),
        IMAGES,
        {},
        r"MaxPool with dilations \[2, 1\]",
    ),
    "a mirror": (
        node("Pad x pads", mode="reflect"),
        SERIES,
        {"pads": [0, 0, 1, 0, 0, 0]},
        "Pad with mode reflect",
    ),
    "ones of 10": (
        node("Pad x", value=1.0, **pads(0, 0, 1, 0, 0, 0)),
        SERIES,
        {"opset": 10},
        "Pad with value 1.0",
    ),
    "sixes": (node("Pad x pads six"), SERIES, {"pads": [0, 0, 1, 0, 0, 0]}, "Pad with 6.0"),
    "some axes": (
        node("Pad x pads - axes"),
        SERIES,
        {"pads": [1, 0], "axes": [2], "opset": 18},
        "Pad along some axes only",
    ),
    "more samples": (
        node("Pad x pads"),
        SERIES,
        {"pads": [0, 0, 0, 1, 0, 0]},
        r"Pad with \[0, 0, 0, 1, 0, 0\], along more",
    ),
    "more channels": (
        node("Pad x pads"),
        SERIES,
        {"pads": [0, 1, 0, 0, 0, 0]},
        r"Pad with \[0, 1, 0, 0, 0, 0\], along more",
    ),
    "less": (node("Pad x pads"), SERIES, {"pads": [0, 0, -1, 0, 0, 0]}, r"Pad with \[0, 0, -1, 0"),
    "zeros for rows": (node("Pad x pads"), ROWS, {"pads": [0, 0, 0, 0]}, r"Pad with \[0, 0, 0, 0\]"),
    "in between": (
        node("Resize x - by", mode="linear"),
        IMAGES,
        {"by": np.array([1, 1, 2, 2], np.float32)},
        "Resize of another kind than nearest",
    ),
    "larger series": (
        node("Resize x - by", **NEAREST),
        SERIES,
        {"by": np.array([1, 1, 2], np.float32)},
        "Resize of another kind than nearest, of images",
    ),
    "by a half": (
        node("Resize x - by", **NEAREST),
        IMAGES,
        {"by": np.array([1, 1, 1.5, 1], np.float32)},
        r"Resize from \(3, 4, 6, 6\) to \(3, 4, 9, 6\)",
    ),
    "means that stay": (
        node("ReduceMean x", axes=[2, 3]),
        IMAGES,
        {},
        r"a mean over the axes \[2, 3\] of 4",
    ),
    "means of channels": (
        node("ReduceMean x", axes=[1], keepdims=0),
        IMAGES,
        {},
        r"a mean over the axes \[1\] of 4",
    ),
    "a kernel that is computed": (node("MatMul x x"), numbers(3, 3), {"rows": 3}, "'x', which is computed"),
    "a squeeze": (node("Squeeze x ends"), numbers(2, 1, 3), {"ends": [1]}, "a squeeze of anything but"),
    "no known operator": (node("Sin x"), ROWS, {}, "node 'y': got the operator Sin, for which there"),
    "an output of several": (
        node("Split x -> z y", axis=-1),
        HALVES,
        {"opset": 13},
        "node 'z': got the operator Split, for which",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_computes_is_refused(name: str, tmp_path: Path) -> None:
    nodes, x, given, said = REFUSED[name]
    with pytest.raises(mt.ModelFileError, match=said):
        read(tmp_path, nodes, x, x.ndim, **given)
