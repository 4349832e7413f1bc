"""Attacks on the files of models and runs, as in `attack_kinds`: model files, checkpoints, the
settings of a resumed run, weights of other libraries, and ONNX files.
"""

from __future__ import annotations

import functools
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt
from benchmarks.damage import archive_damaged, bytes_damaged, edited
from benchmarks.settings import OTHER_RUNS, OTHER_SETTINGS, run_with, two_ended
from minitorch_np.arrays import Generator, parts


@functools.cache
def models() -> list[bytes]:
    """Files of models of several kinds of layers."""
    shared = mt.Dense(4)
    chain: list[Any] = [
        shared,
        mt.BatchNorm(),
        mt.ELU(0.5),
        shared,
        mt.Residual(mt.Dense(4), "relu"),
    ]
    block = mt.TransformerBlock(2)
    series: list[Any] = [
        mt.Masking(),
        mt.Bidirectional(mt.LSTM(3, return_sequences=True)),
        block,
        "gelu",
        mt.Dense(3),
    ]
    made: list[Any] = [
        mt.Sequential(*chain, mt.Dense(3), input_shape=4, seed=0),
        mt.Sequential(*series, input_shape=(5, 4), seed=0),
        mt.gpt(5, 6, layers=1, heads=1, width=4, seed=0),
        mt.Sequential(
            mt.Conv2D(2, 3), mt.GroupNorm(1), mt.MaxPool2D(2), mt.Flatten(), mt.PReLU(),
            mt.Dense(3), input_shape=(1, 6, 6), seed=0,
        ),
        two_ended(),
    ]  # fmt: skip
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for one in made:
            one.save(Path(folder) / "m.npz")
            found.append((Path(folder) / "m.npz").read_bytes())
    return found


@functools.cache
def runs() -> list[tuple[Callable[..., Any], bytes, dict[str, Any]]]:
    """Runs of several kinds: what makes one, its file after two epochs, its end after three."""
    found = []
    every: list[Callable[..., Any]] = [functools.partial(run_with, {}), *OTHER_RUNS]
    for make in every:
        with tempfile.TemporaryDirectory() as name:
            make(Path(name) / "run.npz", epochs=2)
            straight = make(Path(name) / "none.npz", epochs=3).state_dict()
            found.append((make, (Path(name) / "run.npz").read_bytes(), straight))
    return found


def attack_model(folder: Path, rng: Generator) -> Iterator[str]:
    """A saved model."""
    path = folder / "m.npz"
    which = int(rng.integers(len(models())))
    path.write_bytes(models()[which])
    archive_damaged(path, "architecture", rng)
    cls = mt.Graph if which == len(models()) - 1 else mt.Sequential
    yield ""
    found = cls.load(path)
    shapes = [(2, *shape) for shape in parts(found.input_shape)]
    if sum(map(math.prod, shapes)) < 10_000:  # a file may say so of a layer without parameters
        x = [np.ones(shape) for shape in shapes]
        found.predict(tuple(x) if x[1:] else x[0])


def attack_checkpoint(folder: Path, rng: Generator) -> Iterator[str]:
    """A run that is gone on with."""
    path = folder / "run.npz"
    make, content, straight = runs()[rng.integers(len(runs()))]
    path.write_bytes(content)
    archive_damaged(path, "checked_state", rng)
    yield ""
    found = make(path, epochs=3, resume=True).state_dict()
    same = all(np.array_equal(array, found[name]) for name, array in straight.items())
    forged = path.with_suffix(".forged").exists()
    yield "" if same or forged else "silent: another end"


def attack_settings(folder: Path, rng: Generator) -> Iterator[str]:
    """A run whose checkpoint is gone on with under other settings."""
    names = list(OTHER_SETTINGS)
    name = names[rng.integers(len(names))]
    first, other = OTHER_SETTINGS[name](rng), OTHER_SETTINGS[name](rng)
    run_with(first[1], folder / "run.npz", epochs=2)
    yield ""
    try:
        run_with(other[1], folder / "run.npz", epochs=3, resume=True)
    except mt.ConfigurationError as error:
        if first[0] != other[0]:
            raise
        yield f"refused without a reason: {name}: {error}"
    yield "" if first[0] == other[0] else f"silent: {name} {first[0]}, then {other[0]}"


def model_of_dense() -> mt.Sequential:
    """A small one."""
    return mt.Sequential(mt.Dense(4), "relu", mt.Dense(3), input_shape=4, seed=0)


def attack_weights(folder: Path, rng: Generator) -> Iterator[str]:
    """Weights in a safetensors file: bytes, or the header, which is JSON after its length."""
    model, path = model_of_dense(), folder / "w.safetensors"
    model.save_weights(path)
    content, before = path.read_bytes(), model.state_dict()
    if rng.random() < 0.5:
        size = int.from_bytes(content[:8], "little")
        head = json.dumps(edited(json.loads(content[8 : 8 + size]), rng)).encode()
        length = len(head) if rng.random() < 0.9 else int(rng.integers(2**62))
        content = length.to_bytes(8, "little") + head + content[8 + size :]
    else:
        content = bytes_damaged(content, rng)
    path.write_bytes(content)
    yield ""
    try:
        model.load_weights(path)
    except mt.MinitorchError:
        after = model.state_dict()
        same = all(np.array_equal(array, after[name]) for name, array in before.items())
        if not same:
            yield "refused, and yet some parameters are others"
        raise
    yield "" if model.predict(np.zeros((2, 4))).shape == (2, 3) else "another shape"


@functools.cache
def graphs() -> list[bytes]:
    """ONNX files of models."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        for layers, shape in (
            ([mt.Dense(4), mt.BatchNorm(), "gelu", mt.Residual(mt.Dense(4)), mt.Dense(3)], 4),
            ([mt.Conv2D(2, 3), "relu", mt.MaxPool2D(2), mt.Flatten(), mt.Dense(3)], (1, 6, 6)),
            ([mt.LSTM(3, return_sequences=True), mt.LayerNorm(), mt.GRU(3), mt.Dense(2)], (5, 4)),
            ([mt.TransformerBlock(2), mt.Dense(2)], (5, 4)),
        ):
            mt.Sequential(*layers, input_shape=shape, seed=0).to_onnx(path)
            found.append(path.read_bytes())
    return found


def attack_onnx(folder: Path, rng: Generator) -> Iterator[str]:
    """An ONNX file, damaged in its bytes or in its graph."""
    import onnx

    content = graphs()[rng.integers(len(graphs()))]
    if rng.random() < 0.4:
        content = bytes_damaged(content, rng)
    else:
        proto = onnx.load_from_string(content)
        for _ in range(int(rng.integers(1, 4))):
            graph_edited(proto, rng)
        content = proto.SerializeToString()
    (folder / "m.onnx").write_bytes(content)
    yield ""
    mt.from_onnx(folder / "m.onnx")


HUGE = (0, -1, 2, 7, 10**5, 2**31, 2**62)
"""Sizes that do not fit."""


def graph_edited(proto: Any, rng: Generator) -> None:
    """One thing in a graph made another."""
    graph = proto.graph
    node = graph.node[rng.integers(len(graph.node))]
    tensor = graph.initializer[rng.integers(len(graph.initializer))]
    size = HUGE[rng.integers(len(HUGE))]
    names = [each.name for each in graph.initializer] + [n for m in graph.node for n in m.output]
    dims = graph.input[0].type.tensor_type.shape.dim
    number = node.attribute[rng.integers(len(node.attribute))] if node.attribute else None
    operators = ["Relu", "Gemm", "Conv", "LSTM", "Loop", "Pad", "Tile", "Expand", "Resize", "x"]
    changes: list[Callable[[], object]] = [
        lambda: graph.node.remove(node),
        lambda: graph.initializer.remove(tensor),
        lambda: tensor.dims.__setitem__(0, size) if tensor.dims else tensor.dims.append(size),
        lambda: tensor.dims.append(size),
        lambda: setattr(tensor, "data_type", int(rng.integers(20))),
        lambda: setattr(tensor, "raw_data", rng.bytes(int(rng.integers(100)))),
        lambda: setattr(node, "op_type", str(rng.choice(operators))),
        lambda: node.input.__setitem__(0, str(rng.choice(names))),
        lambda: node.input.append(str(rng.choice(names))),
        lambda: node.output.__setitem__(0, str(rng.choice(names))),
        lambda: setattr(dims[rng.integers(len(dims))], "dim_value", size),
        lambda: graph.node.append(node),
        lambda: setattr(graph.output[0], "name", str(rng.choice(names))),
        lambda: setattr(number, "i", size) if number is not None else None,
        lambda: number.ints.append(size) if number is not None else None,
        lambda: node.attribute.remove(number) if number is not None else None,
    ]
    changes[rng.integers(len(changes))]()
