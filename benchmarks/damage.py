"""Files damaged in their bytes, in what they say, and in what they ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minitorch_np.arrays import Generator
from minitorch_np.io import arrays as states

NAMED = ("payload", "antigravity", "this", "test.__main__", "turtledemo", "lib2to3.pgen2.driver")
"""Modules that files name."""


def bytes_damaged(content: bytes, rng: Generator) -> bytes:
    """Cut off, or with bytes changed, put in, taken out or repeated."""
    data, way = bytearray(content), rng.integers(5)
    place = int(rng.integers(len(data)))
    length = int(rng.integers(1, 40))
    if way == 0:
        return bytes(data[:place])
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(max(len(data), 1)))
        if way == 1:
            data[place : place + 1] = bytes([int(rng.integers(256))])
        elif way == 2:
            data[place:place] = rng.bytes(length)
        elif way == 3:
            del data[place : place + length]
        else:
            data[place:place] = data[place : place + 400 * length]
    return bytes(data)


def hostile_value(rng: Generator) -> Any:
    """Something that does not belong into a JSON text, or too much of it."""
    values: list[Any] = [
        *(None, True, -1, 0, 2, 15000, 10**9, 2**63, 10**400, 1e308, float("nan"), float("inf")),
        *("", "x", "relu", "\x1b[2J", "x" * 10**5, "\ud800", [], {}, [[]], [None] * 10**5),
        *({"same_as": 0}, {"same_as": -1}, {"same_as": 10**6}, {"tuple": 3}, {"__array__": 0}),
        *({"tuple": [{"same_as": 0}] * 2000}, {"__array__": 10**6}, {"__array__": [0]}),
        {"class": "Dense", "module": "minitorch_np.layers.dense", "config": {"units": 15000}},
        {"class": "system", "module": "os", "config": {}},
    ]
    if rng.random() < 0.2:
        name = NAMED[rng.integers(len(NAMED))]
        return {"class": "Layer", "module": name, "config": {}}
    if rng.random() < 0.05:
        return nested(int(rng.integers(2, 3000)))
    return values[rng.integers(len(values))]


def nested(depth: int) -> Any:
    """Containers in containers, or layers that stand twice at each depth."""
    value: Any = {"class": "ReLU", "module": "minitorch_np.layers.activations", "config": {}}
    for level in range(min(depth, 60)):
        layers = [value, {"same_as": level}]
        value = {"class": "Sequential", "module": "minitorch_np.core", "config": {"layers": layers}}
    for _ in range(depth - 60 if depth < 150 else 0):
        value = [value]
    return value


def edited(value: Any, rng: Generator) -> Any:
    """A JSON value with one entry, somewhere inside, replaced, dropped or added."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.8:
        copy: Any = dict(value) if isinstance(value, dict) else list(value)
        keys: list[Any] = list(copy) if isinstance(copy, dict) else list(range(len(copy)))
        key = keys[rng.integers(len(keys))]
        if rng.random() < 0.1:
            del copy[key]
        else:
            copy[key] = edited(copy[key], rng)
        return copy
    if isinstance(value, (int, float)) and rng.random() < 0.4:
        return value + int(rng.integers(1, 5))
    return hostile_value(rng)


def array_damaged(rng: Generator) -> Any:
    """An array that no parameter is."""
    many = int(rng.integers(1, 3000)) if rng.random() < 0.1 else 1
    made: list[Callable[[], Any]] = [
        lambda: np.zeros((many, 5000), np.float32),
        lambda: np.zeros((5000, many)),
        lambda: np.array("x" * int(rng.integers(10**6))),
        lambda: np.array([b"a", b"b"]),
        lambda: np.zeros((0, 2**40), np.int8),
        lambda: np.zeros(3, "f4,i2"),
        lambda: np.full((4, 5), np.nan),
        lambda: np.ones((5, 4), complex),
        lambda: np.ones((4, 5), bool),
        lambda: np.array("[" * 10**6),
        lambda: np.zeros((1,) * 32),
    ]
    return made[rng.integers(len(made))]()


def archive_damaged(path: Path, text_name: str, rng: Generator) -> None:
    """Edit an .npz: its bytes, its text, or its arrays."""
    way = rng.integers(4)
    if way == 0:
        path.write_bytes(bytes_damaged(path.read_bytes(), rng))
        return
    with np.load(path) as archive:
        arrays = dict(archive)
    names = list(arrays)
    if way == 3:
        arrays[names[rng.integers(len(names))]] = array_damaged(rng)
    elif rng.random() < 0.1:
        del arrays[names[rng.integers(len(names))]]
    else:
        text = json.dumps(edited(json.loads(str(arrays[text_name])), rng))
        arrays[text_name] = np.array(text)
    forged = "checksum" in arrays and rng.random() < 0.5
    if forged:
        del arrays["checksum"]
        arrays["checksum"] = np.array(states._checksum(arrays))
    save: Any = np.savez_compressed if rng.random() < 0.2 else np.savez
    save(path, **arrays)
    if forged:
        path.with_suffix(".forged").touch()
