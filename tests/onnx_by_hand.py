"""Small ONNX graphs, written by hand, and what their operators compute."""

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
    signs = RNG.choice([-1, 1], shape)
    return np.asarray(RNG.uniform(0.5, 1.5, shape) * signs, np.float32)


W, C, V = numbers(3, 2), numbers(2), numbers(3)
ROWS, IMAGES, SERIES = numbers(4, 3), numbers(2, 4, 6, 6), numbers(4, 3, 2)
KERNEL, UP = numbers(2, 4, 3, 3), numbers(4, 2, 2, 2)
PER_CHANNEL, HALVES = numbers(4), numbers(4, 6)
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
    return np.asarray(np.einsum("mcijkl,fckl->mfij", cut[:, :, ::s, ::t, ::a, ::b], w))


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


def require_read(case: Any, folder: Path) -> None:
    """Nodes that are read, with x, as these layers, whose outputs are the expected ones."""
    nodes, x, given, layers, expected = case
    model = read(folder, nodes, x, np.ndim(expected), **given)
    assert " ".join(" ".join(map(repr, model)).split()) == layers
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-5)
