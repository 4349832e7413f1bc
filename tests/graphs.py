"""Graphs for tests: two inputs and two outputs, a chain of layers, a layer that multiplies."""

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, DType, Generator


class Multiply(mt.Layer):
    """y = a * b: a user-defined layer of two inputs."""

    several_inputs = True

    def build(self, input_shape: Any, *, rng: Generator, dtype: DType) -> Any:
        return input_shape[0]

    def forward(self, x: Any, *, train: bool = False, rng: Generator | None = None) -> Any:
        a, b = x
        return a * b, x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        a, b = cache
        return (dy * b, dy * a), {}

    @classmethod
    def gradcheck_cases(cls) -> list[Any]:
        from minitorch_np.gradcheck.case import Case

        return [Case(cls(), ((3,), (3,)))]


def two_by_two(seed: int = 0, dtype: Any = np.float64) -> mt.Graph:
    a, b = mt.Input(8, "a"), mt.Input(3, "b")
    h = mt.Concatenate()(mt.Dense(4)(a), b)
    price, kind = mt.Dense(1).named("price")(h), mt.Dense(5).named("kind")(mt.Tanh()(h))
    return mt.Graph([a, b], [price, kind], seed=seed, dtype=dtype)


def data(m: int = 20) -> tuple[tuple[Array, Array], tuple[Array, Any]]:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(m, 8)), rng.normal(size=(m, 3))
    return (a, b), (a[:, :1] + b[:, 1:2], rng.integers(5, size=m))


def trainer(graph: mt.Graph, **options: Any) -> mt.Trainer:
    losses = ["mse", "softmax_cross_entropy"]
    return mt.Trainer(graph, losses, "adam(0.01)", seed=0, **options)


def chain() -> list[mt.Layer]:
    return [mt.Dense(6), mt.BatchNorm(), mt.ReLU(), mt.Dropout(0.3), mt.Dense(3)]


def as_graph(layers: list[mt.Layer]) -> mt.Graph:
    start = mt.Input(5)
    h: Any = start
    for layer in layers:
        h = layer(h)
    return mt.Graph(start, h, seed=4)
