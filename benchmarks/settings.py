"""Runs that differ in one setting, on which the result depends: each is another run.

`OTHER_SETTINGS` has for each setting a function that draws one of its values: what identifies it,
and the arguments of `run_with` that have it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator
from minitorch_np.layers import Layer

X = np.random.default_rng(0).normal(size=(2500, 4)).astype(np.float32)
Y = np.arange(2500) % 3


class Scaled(mt.Identity):
    """Of one's own, with a setting that its constructor does not know."""

    factor = 1.0

    def forward(self, x: Array, *, train: bool = False, rng: Any = None) -> Any:
        return self.factor * x, None

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        return self.factor * dy, {}


class Noise:
    """A transform of one's own."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def __call__(self, x: Array, rng: Generator) -> Array:
        return x + self._scale * rng.normal(size=x.shape)


def run_with(given: dict[str, Any], path: Path, *, epochs: int, resume: bool = False) -> Any:
    """A small run with other settings than usual, and the model that it ends with."""
    given = {"x": X, "y": Y, "batch_size": 500, "checkpoint": None, **given}
    layers = given.pop("layers", [mt.Dense(4), "tanh", mt.Dense(3)])
    dtype = given.pop("dtype", np.float32)
    model = mt.Sequential(*layers, input_shape=4, seed=0, dtype=dtype)
    loss, optimizer = given.pop("loss", mt.SoftmaxCrossEntropy()), given.pop("optimizer", mt.Adam())
    trainer = mt.Trainer(model, loss, optimizer, metrics=given.pop("metrics", ()), seed=0)
    given["checkpoint"] = mt.Checkpoint(path, resume=resume or not path.exists())
    trainer.fit(epochs=epochs, **given)
    return model


def changed(place: int) -> dict[str, Any]:
    """The data with one entry changed in its last bit, or none."""
    x = X.copy()
    if place >= 0:
        x[place, place % 4] = np.nextafter(x[place, place % 4], np.float32(9))
    return {"x": x}


def transform_of(k: int) -> Callable[[Array, Generator], Array]:
    """A function that encloses a value, or whose constant or code is another."""
    if k < 4:
        return lambda x, rng: x + k
    return [lambda x, rng: x + 7, lambda x, rng: x + 8, lambda x, rng: x - 7][k - 4]


def spared(k: int) -> Callable[[Layer, str], bool]:
    """What weight decay leaves out."""
    return [lambda layer, name: name == "bias", lambda layer, name: name == "weight"][k]


def scaled(k: int) -> list[Any]:
    """A model with a class of one's own, whose code is another."""
    return [mt.Dense(3), type("Scaled", (Scaled,), {"factor": 1.0 + k, "__module__": "__main__"})()]


SCHEDULES: list[Callable[[int], Any]] = [
    lambda k: mt.schedules.cosine(0.01 + k, 50),
    lambda k: mt.schedules.exponential(0.01, 0.9 + k / 100),
    lambda k: mt.schedules.warmup(k + 1, mt.schedules.cosine(0.01, 50)),
    lambda k: lambda step: 0.01 * (k + 1),
]


def _drawn(count: int, make: Callable[[int], dict[str, Any]]) -> Callable[[Generator], Any]:
    def draw(rng: Generator) -> tuple[int, dict[str, Any]]:
        k = int(rng.integers(count))
        return k, make(k)

    return draw


OTHER_SETTINGS: dict[str, Callable[[Generator], tuple[int, dict[str, Any]]]] = {
    "a sample": _drawn(9, lambda k: changed((k - 1) * 307 + 1 if k else -1)),
    "a target": _drawn(3, lambda k: {"y": np.roll(Y, k)}),
    "weights": _drawn(3, lambda k: {"sample_weight": np.linspace(1, 1 + k, len(X))}),
    "validation": _drawn(3, lambda k: {"validation_data": (X[k:500], Y[k:500])}),
    "schedule": _drawn(8, lambda k: {"optimizer": mt.SGD(SCHEDULES[k % 4](k // 4))}),
    "optimizer": _drawn(3, lambda k: {"optimizer": mt.Adam(beta1=0.5 + k / 10)}),
    "decay": _drawn(2, lambda k: {"optimizer": mt.AdamW(spare=spared(k))}),
    "shift": _drawn(4, lambda k: {"transform": mt.data.Shift(k, image_shape=(2, 2))}),
    "composed": _drawn(
        3, lambda k: {"transform": mt.data.Compose(mt.data.Shift(1), mt.data.Rotate(k))}
    ),
    "lambda": _drawn(7, lambda k: {"transform": transform_of(k)}),
    "own transform": _drawn(3, lambda k: {"transform": Noise(k / 10)}),
    "patience": _drawn(
        3, lambda k: {"callbacks": [mt.EarlyStopping("loss", patience=k + 5, min_delta=0.0)]}
    ),
    "delta": _drawn(3, lambda k: {"callbacks": [mt.EarlyStopping("loss", 5, min_delta=k / 9)]}),
    "batch size": _drawn(3, lambda k: {"batch_size": 400 + k}),
    "micro-batch": _drawn(3, lambda k: {"micro_batch_size": 100 + k}),
    "shuffle": _drawn(2, lambda k: {"shuffle": bool(k)}),
    "loss": _drawn(3, lambda k: {"loss": mt.SoftmaxCrossEntropy(label_smoothing=k / 10)}),
    "metrics": _drawn(2, lambda k: {"metrics": [mt.TopKAccuracy(1 + k)]}),
    "dropout": _drawn(3, lambda k: {"layers": [mt.Dropout(k / 10), mt.Dense(3)]}),
    "dtype": _drawn(2, lambda k: {"dtype": [np.float32, np.float64][k]}),
    "own layer": _drawn(3, lambda k: {"layers": scaled(k)}),
}
