"""Runs that differ in one setting, on which the result depends: each is another run.

`OTHER_SETTINGS` has for each setting a function that draws one of its values: what identifies it,
and the arguments of `run_with` that have it.
"""

from __future__ import annotations

import tempfile
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
    dtype, shape = given.pop("dtype", np.float32), given.pop("input_shape", 4)
    model = given.pop("model", None) or mt.Sequential(
        *layers, input_shape=shape, seed=0, dtype=dtype
    )
    loss, optimizer = given.pop("loss", mt.SoftmaxCrossEntropy()), given.pop("optimizer", mt.Adam())
    about = {name: given.pop(name) for name in ("metrics", "loss_weights") if name in given}
    trainer = mt.Trainer(model, loss, optimizer, seed=0, **about)
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


def frozen(k: int) -> list[Any]:
    """A model with a layer that is not trained, or none."""
    layer = mt.Dense(4)
    layer.trainable = not k
    return [layer, "tanh", mt.Dense(3)]


def scaled(k: int) -> list[Any]:
    """A model with a class of one's own, whose code is another."""
    return [mt.Dense(3), type("Scaled", (Scaled,), {"factor": 1.0 + k, "__module__": "__main__"})()]


def two_ended(units: int = 4) -> mt.Graph:
    """A graph with two inputs and two outputs."""
    one, other = mt.Input(4, name="one"), mt.Input(4, name="other")
    both = mt.Concatenate()(mt.Dense(units)(one), mt.Dense(2)(other))
    ends = [mt.Dense(3).named("classes")(both), mt.Dense(1).named("number")(both)]
    return mt.Graph([one, other], ends, seed=0)


def several(k: int = 0, **given: Any) -> dict[str, Any]:
    """A run with two inputs and two losses."""
    y = Y, X[:, :1].copy()
    losses = ["softmax_cross_entropy", ["mean_squared_error", "huber"][k % 2]]
    return {"model": two_ended(), "loss": losses, "x": (X, X), "y": y, **given}


TOKENS = np.arange(2400).reshape(240, 10) ** 2 % 7


def of_sequences(k: int = 0, **given: Any) -> dict[str, Any]:
    """A run on sequences."""
    layers = [mt.Embedding(7, 3), mt.LSTM(4 + k, return_sequences=True), mt.Dense(7)]
    tokens = {"x": TOKENS, "y": np.roll(TOKENS, -1, axis=1), "input_shape": 10}
    return {"layers": layers, "batch_size": 40, **tokens, **given}


class Samples:
    """A data set that gives one sample at a time."""

    def __init__(self, factor: float = 1.0, count: int = 600) -> None:
        self.factor, self.count = factor, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> Any:
        return X[place] * np.float32(self.factor), Y[place]


def batches(shift: int = 0) -> Callable[[int], Any]:
    """A function that makes the batches of an epoch."""

    def made(epoch: int) -> Any:
        for rows in np.array_split(np.random.default_rng([epoch, shift]).permutation(600), 5):
            yield X[rows], Y[rows]

    return made


def mapped(path: Path, k: int = 0) -> np.ndarray[Any, Any]:
    """Inputs in a file, with one entry of the last row changed."""
    x = X.copy()
    x[-1, 0] += k
    file = path.with_name(f"x{k}.npy")
    np.save(file, x)
    return np.asanyarray(np.load(file, mmap_mode="r"))


def _run_of(make: Callable[[Path], dict[str, Any]]) -> Callable[..., Any]:
    def run(path: Path, *, epochs: int, resume: bool = False) -> Any:
        return run_with(make(path), path, epochs=epochs, resume=resume)

    return run


_FOLDER = tempfile.TemporaryDirectory(prefix="minitorch_np_")
PLACE: Path = Path(_FOLDER.name) / "run"
"""Where files with data are put."""

OTHER_RUNS: list[Callable[..., Any]] = [
    _run_of(lambda path: of_sequences(stateful=True, shuffle=False)),
    _run_of(lambda path: several(metrics={"classes": ["accuracy"], "number": []})),
    _run_of(lambda path: {"x": batches(), "y": None, "steps_per_epoch": 5}),
    _run_of(lambda path: {"x": mapped(path), "shuffle_window": 400, "scale": 0.5}),
    _run_of(lambda path: {"x": Samples(), "y": None, "batch_size": 100}),
    _run_of(
        lambda path: {
            "callbacks": [mt.ReduceLROnPlateau("loss", patience=1), mt.EarlyStopping("loss", 5)],
            "layers": [mt.Dropout(0.2), mt.Dense(4), mt.BatchNorm(), "tanh", mt.Dense(3)],
            "transform": mt.data.Shift(1, image_shape=(2, 2)),
        }
    ),
]
"""Runs of sequences with a state, with several losses, of sources, with callbacks."""

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
    "scale": _drawn(3, lambda k: {"scale": [None, 0.5, 2.0][k]}),
    "stateful": _drawn(2, lambda k: of_sequences(stateful=bool(k), shuffle=False)),
    "units": _drawn(3, of_sequences),
    "several": _drawn(2, several),
    "loss weights": _drawn(3, lambda k: several(loss_weights=[1.0, 1.0 + k])),
    "second input": _drawn(3, lambda k: several(x=(X, changed(k * 7 - 1)["x"]))),
    "second target": _drawn(3, lambda k: several(y=(Y, X[:, k : k + 1].copy()))),
    "iterable": _drawn(3, lambda k: {"x": batches(k), "y": None, "steps_per_epoch": 5}),
    "steps": _drawn(3, lambda k: {"x": batches(), "y": None, "steps_per_epoch": 3 + k}),
    "a data set": _drawn(3, lambda k: {"x": Samples(count=600 + k), "y": None, "batch_size": 100}),
    "memory map": _drawn(3, lambda k: {"x": mapped(PLACE, k)}),
    "window": _drawn(3, lambda k: {"x": mapped(PLACE), "shuffle_window": 200 + 100 * k}),
    "plateau": _drawn(
        3, lambda k: {"callbacks": [mt.ReduceLROnPlateau("loss", factor=0.1 + k / 5, patience=1)]}
    ),
    "clipping": _drawn(3, lambda k: {"optimizer": mt.Adam(clip_norm=1.0 + k)}),
    "lion": _drawn(3, lambda k: {"optimizer": mt.Lion(0.001, beta2=0.9 + k / 100)}),
    "ignored": _drawn(3, lambda k: {"loss": mt.SoftmaxCrossEntropy(ignore_index=-1 - k)}),
    "class weights": _drawn(
        3, lambda k: {"loss": mt.SoftmaxCrossEntropy(class_weights={1: 1.0 + k})}
    ),
    "validation share": _drawn(3, lambda k: {"validation_split": 0.1 + k / 10}),
    "masking": _drawn(
        2,
        lambda k: {
            "x": np.stack([X[:400]] * 3, axis=1),
            "y": Y[:400],
            "input_shape": (3, 4),
            "layers": [mt.Masking(float(k)), mt.GRU(3), mt.Dense(3)],
        },
    ),
    "attention": _drawn(
        2,
        lambda k: {
            "x": np.stack([X[:400]] * 3, axis=1),
            "y": Y[:400],
            "input_shape": (3, 4),
            "layers": [mt.MultiHeadAttention(2, causal=bool(k)), mt.Flatten(), mt.Dense(3)],
        },
    ),
    "frozen": _drawn(2, lambda k: {"layers": frozen(k)}),
}
