"""Arguments for the generated calls: good ones by name, and wrong or odd ones for any of them."""

from __future__ import annotations

import contextlib
import datetime
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt

DATA = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS = np.arange(6) % 3

ODD: list[Callable[[], Any]] = [
    *(lambda v=v: v for v in (None, True, False, 0, 1, -1, 2, 3, 3.5, -0.5, 1e308, 1e-320, 1j)),
    *(lambda v=v: v for v in (math.nan, math.inf, -math.inf, 10**9, -(10**9), 10**400, ...)),
    *(lambda v=v: v for v in ("", "relu", "loss", "no such", "\0", "a/b", b"ab", "elu(", "{x}")),
    *(
        lambda v=v: v
        for v in ((), (1, 2), (2, -1), (0,), slice(2), range(3), int, mt.ReLU, mt.Adam)
    ),
    lambda: [],
    lambda: [1, 2],
    lambda: [[1], [2, 3]],
    lambda: [None],
    lambda: ["relu", 3],
    lambda: {},
    lambda: {"a": 1},
    lambda: {0: 1.0},
    lambda: {1, 2},
    lambda: iter([1]),
    object,
    lambda: lambda *a, **k: None,
    lambda: lambda *a, **k: "text",
    lambda: len,
    lambda: np.float32(0.5),
    lambda: np.int64(2),
    lambda: np.array(3),
    lambda: np.zeros(0),
    lambda: np.zeros((0, 4)),
    lambda: np.ones((2, 3)),
    lambda: np.full((2, 4), np.nan),
    lambda: np.full((2, 4), 1e300),
    lambda: np.ones((2, 4), complex),
    lambda: np.array(["a", "b"]),
    lambda: np.array([None, 1]),
    lambda: np.arange(6),
    lambda: mt.Dense(2),
    lambda: model(),  # noqa: PLW0108  # defined below
    *(mt.ReLU, mt.SGD, mt.MeanSquaredError),
    *(lambda v=v: v for v in (Path("a/b"), Path("no such"), "\ud800", "Zoë", "1", "x" * 5000)),
    *(lambda v=v: v for v in (bytearray(b"ab"), complex(math.nan), 2**53 + 1, -(2**63), 2**64)),
    *(lambda v=v: v for v in (["a", "b"], [["a"], ["b"]], ("a",), [1, "a"], [True, False], [""])),
    lambda: [1, None],
    lambda: [math.nan, 1],
    lambda: [[1, 2], [3, 4]],
    lambda: [[[1]]],
    lambda: {"x": DATA},
    *(lambda v=v: v for v in ((DATA, LABELS), [DATA, DATA], (DATA, np.full(6, 4)), (1, 2, 3, 4))),
    *(
        lambda v=v: v
        for v in (np, datetime.date(2024, 1, 2), NotImplemented, {1: 2, 2: 1}, 1 << 70)
    ),
    lambda: np.ma.masked_less(DATA, 0),
    lambda: np.ma.array([1, 2, 3], mask=[False, True, False]),
    lambda: np.array(math.nan),
    lambda: np.array([[DATA, None]], dtype=object),
    lambda: np.array([b"a", b"b"]),
    lambda: np.zeros(3, "f4,i2"),
    lambda: np.zeros(6, "M8[s]"),
    lambda: np.full(6, 2**63, np.uint64),
    lambda: np.full(6, -1),
    lambda: np.full(6, 10**9),
    lambda: np.ones((6, 4, 1, 1)),
    lambda: np.ones((4, 6)).T,
    lambda: np.ones((6, 8), np.float16)[:, ::2],
    lambda: DATA.astype(">f8"),
    lambda: np.broadcast_to(np.float32(1), (6, 4)),
    lambda: np.ones((6, 4), bool),
    lambda: np.full((6, 4), 1e-320),
    lambda: np.zeros((6, 0)),
    lambda: np.bool_(True),
    lambda: np.str_("relu"),
    lambda: np.longdouble(2),
    lambda: np.float16(math.inf),
    lambda: np.random.default_rng(0),
    lambda: np.random.RandomState(0),
    lambda: np.dtype("f8"),
    lambda: memoryview(b"ab"),
    lambda: (row for row in DATA),
    lambda: zip(DATA, LABELS, strict=True),
    lambda: map(str, [1]),
    lambda: graph(),  # noqa: PLW0108
    lambda: mt.Checkpoint("file.npz"),
    lambda: mt.schedules.cosine(0.1, 5),
    lambda: mt.EarlyStopping("loss"),
    lambda: mt.Accuracy(),  # noqa: PLW0108
    lambda: Uneven(),  # noqa: PLW0108
    lambda: Raises(),  # noqa: PLW0108
]
"""Wrong and odd values for arguments; each call makes them anew."""


class Uneven:
    """A data set whose samples have different shapes."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, place: int) -> Any:
        if not 0 <= place < 6:
            raise IndexError
        return np.ones(4 + place // 4, np.float32), 1


class Raises:
    """A source of which nothing can be read."""

    shape, dtype = (6, 4), np.dtype("f4")

    def __len__(self) -> int:
        return 6

    def __getitem__(self, place: Any) -> Any:
        raise OSError("not there any more")


def model() -> mt.Sequential:
    """A small classifier."""
    return mt.Sequential(mt.Dense(3), "relu", mt.Dense(3), input_shape=4, seed=0)


def trainer() -> mt.Trainer:
    """What trains it."""
    return mt.Trainer(model(), mt.SoftmaxCrossEntropy(), mt.SGD(0.01), seed=0)


def graph() -> mt.Graph:
    """Two inputs and two outputs."""
    one, other = mt.Input(4, name="one"), mt.Input(4, name="other")
    both = mt.Concatenate()(mt.Dense(3)(one), mt.Dense(2)(other))
    outputs = [mt.Dense(3).named("a")(both), mt.Dense(1).named("b")(both)]
    return mt.Graph([one, other], outputs, seed=0)


def graph_trainer() -> mt.Trainer:
    """What trains it."""
    losses = ["softmax_cross_entropy", "mean_squared_error"]
    return mt.Trainer(graph(), losses, mt.SGD(0.01), seed=0)


def recurrent() -> mt.Sequential:
    """A model of sequences of tokens, padded with 0."""
    layers = [mt.Embedding(5, 3, padding_id=0), mt.LSTM(4, return_sequences=True), mt.Dense(5)]
    return mt.Sequential(*layers, input_shape=6, seed=0)


def recurrent_trainer() -> mt.Trainer:
    """What trains it."""
    return mt.Trainer(recurrent(), "softmax_cross_entropy", mt.SGD(0.01), seed=0)


def points() -> mt.Sequential:
    """A classifier of points in the plane."""
    return mt.Sequential(mt.Dense(3), "tanh", mt.Dense(3), input_shape=2, seed=0)


def trained() -> mt.History:
    """The history of a short run."""
    return trainer().fit(DATA, LABELS, epochs=2, validation_data=(DATA, LABELS), verbose=False)


TOKENS = np.arange(36).reshape(6, 6) % 5
PLANE = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)


def digits() -> mt.data.Images:
    """A few pictures."""
    return mt.data.Images(np.zeros((6, 8, 8), np.uint8), LABELS)


def optimizer_state() -> dict[str, Any]:
    """What an optimizer remembers."""
    used_before = trainer()
    used_before.optimizer = mt.Adam()
    used_before.step(DATA, LABELS)
    return used_before.optimizer.state_dict()


GOOD: dict[str, Callable[[], Any]] = {
    "x": lambda: DATA,
    "y": lambda: LABELS,
    "model": model,
    "obj": model,
    "loss": mt.SoftmaxCrossEntropy,
    "optimizer": mt.SGD,
    "trainer": trainer,
    "layers": lambda: [mt.Dense(3), "relu"],
    "path": lambda: "file.npz",
    "state": lambda: model().state_dict(),
    "name": lambda: "some",
    "input_shape": lambda: 4,
    "rng": lambda: np.random.default_rng(0),
    "dtype": lambda: np.float32,
    "units": lambda: 3,
    "filters": lambda: 2,
    "kernel_size": lambda: 3,
    "vocabulary": lambda: 5,
    "dimensions": lambda: 2,
    "shape": lambda: (2, 2),
    "rate": lambda: 0.1,
    "steps": lambda: 10,
    "groups": lambda: 2,
    "rows": lambda: np.arange(3),
    "every": lambda: 2,
    "factor": lambda: 0.5,
    "start": lambda: 0.1,
    "end": lambda: 0.2,
    "then": lambda: 0.1,
    "parts": lambda: [(2, 0.1), (3, 0.2)],
    "sizes": lambda: [4, 3, 3],
    "labels": lambda: LABELS,
    "predicted": lambda: LABELS,
    "images": lambda: np.zeros((6, 8, 8), np.uint8),
    "image": lambda: np.zeros((8, 8), np.uint8),
    "image_shape": lambda: (8, 8),
    "array": lambda: np.zeros((2, 3), np.uint8),
    "transforms": lambda: [],
    "degrees": lambda: 5.0,
    "pixels": lambda: 1,
    "data": lambda: (DATA, LABELS, DATA, LABELS),
    "configurations": lambda: [
        mt.Configuration(name, [mt.Dense(3), name, mt.Dense(3)], 0.1) for name in ("relu", "tanh")
    ],
    "seeds": lambda: 2,
    "epochs": lambda: 1,
    "learning_rate": lambda: 0.1,
    "vector": lambda: {name: np.ones_like(p) for name, p in model().state_dict().items()},
    "f": lambda: np.sin,
    "df": lambda: np.cos,
    "inputs": lambda: [np.ones(3)],
    "train": digits,
    "test": digits,
    "step": lambda: 3,
    "optional": lambda: None,
    "monitor": lambda: "loss",
    "samples": lambda: 6,
    "sample_weight": lambda: np.ones(6),
    "place": lambda: 0,
    "initializer": lambda: "zeros",
}
"""A good value for each argument, by its name."""

_INPUT = mt.Input(4)
GRAPH = [_INPUT], [mt.Dense(3)(_INPUT)]
"""Inputs and outputs."""

OWN: dict[str, Callable[[], Any]] = {
    "Animation.draw": lambda: lambda model: mt.plot_weights(model, (2, 2)),
    "Animation.path": lambda: "a.svg",
    "compare.loss": lambda: "softmax_cross_entropy",
    "from_onnx.path": lambda: "file.onnx",
    "generate.model": lambda: mt.char_rnn(5, 6, 3),
    "generate.prompt": lambda: [1, 2],
    "playground.data": lambda: (np.tile(PLANE, (2, 1)), np.tile(LABELS, 2)),
    "playground.path": lambda: "a.html",
    "page.model": lambda: mt.Sequential(mt.Dense(3), input_shape=64, seed=0),
    "page.path": lambda: "a.html",
    "plot_activations.layers": lambda: ["relu"],
    "plot_confusion.classes": lambda: ["a", "b", "c"],
    "unet.input_shape": lambda: (1, 8, 8),
    "unet.depth": lambda: 2,
    "unet.width": lambda: 4,
    "resnet.width": lambda: 2,
    "resnet.input_shape": lambda: (1, 8, 8),
    "gpt.width": lambda: 8,
    "char_rnn.units": lambda: 8,
    "Trainer.classes": lambda: ["a", "b", "c"],
    "plot_boundary.model": points,
    "plot_boundary.x": lambda: PLANE,
    "plot_calibration.probabilities": lambda: np.full((6, 3), 1 / 3),
    **{
        f"{name}.image_shape": lambda: (2, 2)
        for name in ("plot_errors", "plot_saliency", "plot_weights", "Shift", "Rotate")
    },
    "Bidirectional.layer": lambda: mt.GRU(3),
    "Bidirectional.return_sequences": lambda: True,
    "Graph.inputs": lambda: GRAPH[0],
    "Graph.outputs": lambda: GRAPH[1],
    "Graph.outputs.x": lambda: (DATA, DATA),
    "GraphTrainer.evaluate.x": lambda: (DATA, DATA),
    "GraphTrainer.evaluate.y": lambda: (LABELS, np.ones((6, 1), np.float32)),
    "RecurrentTrainer.evaluate.x": lambda: TOKENS,
    "RecurrentTrainer.evaluate.y": lambda: TOKENS,
    "History.best.name": lambda: "loss",
    "History.append.numbers": lambda: {"loss": 1.0, "val_loss": 2.0},
    "History.__getitem__.name": lambda: "loss",
    "saliency.classes": lambda: 1,
    "plot_saliency.classes": lambda: 1,
    "load_mnist.path": lambda: None,
    "Unembedding.embedding": lambda: mt.Embedding(5, 3),
    "SeveralLosses.losses": lambda: [mt.MeanSquaredError()],
    **{f"{name}.monitor": lambda: "loss" for name in ("EarlyStopping", "ReduceLROnPlateau")},
    "EarlyStopping.patience": lambda: 2,
    "Residual.path": lambda: [mt.Dense(4)],
    "CharTokenizer.characters": lambda: "abc",
    "CharTokenizer.encode.text": lambda: "abc",
    "CharTokenizer.decode.ids": lambda: [0, 1],
    "TextWindows.ids": lambda: np.arange(40) % 5,
    "TextWindows.steps": lambda: 5,
    "pad_sequences.sequences": lambda: [[1, 2], [3]],
    "convert_csv.path": lambda: "file.csv",
    "convert_csv.out": lambda: "new.npy",
    "load_converted.path": lambda: "file.npy",
    "load_csv.path": lambda: "file.csv",
    "load_dataframe.source": lambda: "table.csv",
    "load_dataframe.target": lambda: "kind",
    "load_idx.path": lambda: "file.idx",
    "load_image.path": lambda: "file.png",
    "load_text.path": lambda: "file.txt",
    "load_mnist.folder": lambda: None,
    "save_idx.path": lambda: "new.idx",
    "to_onnx.path": lambda: "new.onnx",
    "Sequential.to_onnx.path": lambda: "new.onnx",
    "Sequential.save_weights.path": lambda: "new.safetensors",
    "Sequential.load_weights.path": lambda: "file.safetensors",
    "Graph.predict.x": lambda: (DATA, DATA),
    "Graph.load_state_dict.state": lambda: graph().state_dict(),
    "Graph.initialize.input_shape": lambda: ((4,), (4,)),
    "GraphTrainer.fit.x": lambda: (DATA, DATA),
    "GraphTrainer.fit.y": lambda: (LABELS, np.ones((6, 1), np.float32)),
    "RecurrentTrainer.fit.x": lambda: TOKENS,
    "RecurrentTrainer.fit.y": lambda: TOKENS,
    "RecurrentTrainer.fit.batch_size": lambda: 3,
    "RecurrentTrainer.fit.shuffle": lambda: False,
    "Adam.load_state_dict.state": optimizer_state,
    "Images.split.share": lambda: 0.5,
    "Trace.loss_name": lambda: "some",
}
"""Good values for the arguments of one callable."""

GOOD |= {
    "heads": lambda: 1,
    "context": lambda: 6,
    "depth": lambda: 8,
    "classes": lambda: 3,
    "length": lambda: 3,
    "n": lambda: 3,
    "outputs": lambda: [],
    "losses": lambda: [mt.MeanSquaredError()],
    "share": lambda: 0.5,
}


def make_files() -> None:
    """In this folder, a good file of each kind."""
    model().save("file.npz")
    Path("file.csv").write_text("label,a,b,c,d\n1,2,3,4,5\n0,5,6,7,8\n")
    Path("table.csv").write_text("size,kind\n1.5,a\n2.5,b\n3.5,a\n")
    np.save("file.npy", np.zeros((6, 64), np.uint8))
    np.save("file.labels.npy", LABELS.astype(np.uint8))
    mt.data.save_idx("file.idx", np.zeros((2, 3), np.uint8))
    Path("file.txt").write_text("a text to learn, a text to learn")
    for make in (
        _picture,
        lambda: model().to_onnx("file.onnx"),
        lambda: model().save_weights("file.safetensors"),
    ):
        with contextlib.suppress(ImportError, mt.MissingExtraError):
            make()


def _picture() -> None:
    from PIL import Image

    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save("file.png")
