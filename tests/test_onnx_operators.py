"""Operators of ONNX one at a time: the layers that they are read as, and what these compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minitorch_np.arrays import AnyArray
from tests.onnx_by_hand import (
    CHANNELS,
    HALVES,
    IMAGES,
    PER_CHANNEL,
    ROWS,
    SERIES,
    C,
    V,
    W,
    node,
    normal,
    require_read,
    sigmoid,
    softmax,
)

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
    "dropout of 11": (
        node("Dropout x", ratio=0.25),
        ROWS,
        {"opset": 11},
        "Dropout(rate=0.25)",
        ROWS,
    ),
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
    "leaky relu": (
        node("LeakyRelu x"),
        ROWS,
        {},
        "LeakyReLU()",
        np.where(ROWS > 0, ROWS, ROWS / 100),
    ),
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
}


@pytest.mark.parametrize("name", READ)
def test_an_operator_is_read_as_these_layers(name: str, tmp_path: Path) -> None:
    require_read(READ[name], tmp_path)
