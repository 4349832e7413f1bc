"""Small inputs for a learner's functions, made from a seed.

A task lists one maker for each argument, such as `numbers("units", "m")`. A case determines the
sizes and the kind of the numbers: random, small whole numbers as an example, and those for which a
wrong formula often seems right or a right one fails: zeros, ones, ties, large numbers, a single
sample, equal sizes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Generator

Sizes = dict[str, int]
Maker = Callable[[Generator, Sizes, str], Any]
"""(rng, sizes, kind) -> one argument."""

TINY, RANDOM, SQUARE, ONE = "tiny", "random", "square", "one sample"
ZEROS, ONES, TIES, LARGE = "zeros", "ones", "ties", "large"


class Case(NamedTuple):
    """The description of a case: a kind, the sizes, a seed."""

    kind: str
    sizes: Sizes
    seed: int


NAMES = ("m", "classes", "units", "inputs", "steps", "width")


def _sizes(*values: int) -> Sizes:
    return dict(zip(NAMES, values, strict=True))


_SMALL = _sizes(3, 3, 2, 4, 3, 2)
CASES = (
    Case(TINY, _sizes(1, 2, 1, 1, 2, 1), 0),
    Case(TINY, _sizes(2, 2, 1, 2, 2, 2), 1),
    Case(TINY, _sizes(2, 3, 2, 2, 3, 2), 2),
    Case(RANDOM, _sizes(4, 6, 5, 3, 4, 3), 3),
    Case(RANDOM, _sizes(7, 3, 2, 4, 5, 2), 4),
    Case(RANDOM, _sizes(3, 4, 6, 5, 6, 4), 5),
    Case(SQUARE, _sizes(4, 4, 4, 4, 4, 4), 6),
    Case(SQUARE, _sizes(3, 3, 3, 3, 3, 3), 7),
    Case(RANDOM, _sizes(6, 5, 3, 2, 3, 5), 13),
    Case(SQUARE, _sizes(5, 5, 5, 5, 5, 5), 14),
    Case(SQUARE, _sizes(2, 2, 2, 2, 2, 2), 15),
    Case(ONE, _sizes(1, 4, 3, 5, 2, 3), 8),
    Case(ZEROS, _SMALL, 9),
    Case(ONES, _SMALL, 10),
    Case(TIES, _SMALL, 11),
    Case(LARGE, _SMALL, 12),
)
"""All cases, the smallest first: the first one on which a function is wrong is shown."""


def generator(name: str, case: Case) -> Generator:
    """A generator that gives the same numbers for the same task and case."""
    return np.random.default_rng([zlib.crc32(name.encode()), case.seed])


def numbers(*dims: str | int, positive: bool = False) -> Maker:
    """An array of numbers of both signs; `dims` are names of sizes, or sizes."""

    def make(rng: Generator, sizes: Sizes, kind: str) -> AnyArray:
        shape = [sizes[d] if isinstance(d, str) else d for d in dims]
        if kind == ZEROS:
            return np.zeros(shape)
        if kind == ONES:
            return np.ones(shape)
        if kind == TIES:
            found = rng.integers(-1, 2, shape).astype(float)
        elif kind == TINY:
            found = rng.integers(1, 4, shape) * rng.choice([-1.0, 1.0], shape)
        elif kind == LARGE:
            found = rng.uniform(800, 2000, shape) * rng.choice([-1.0, 1.0], shape)
            found.reshape(-1, shape[-1])[:, -1] *= -np.sign(found.reshape(-1, shape[-1])[:, -1])
        else:
            found = rng.normal(size=shape)
        return np.asarray(np.abs(found) if positive else found)

    return make


def labels(count: str = "m", classes: str | int = "classes") -> Maker:
    """Class numbers, (count,)."""

    def make(rng: Generator, sizes: Sizes, kind: str) -> AnyArray:
        most = sizes[classes] if isinstance(classes, str) else classes
        if kind == RANDOM:  # one class does not occur
            most = max(most - 1, 2)
        if kind in (ZEROS, ONES):
            return np.full(sizes[count], 0 if kind == ZEROS else 1)
        return np.asarray(rng.integers(0, most, sizes[count]))

    return make


def one_hot(classes: str = "classes", count: str = "m") -> Maker:
    """A 1 in each column, (classes, count)."""

    def make(rng: Generator, sizes: Sizes, kind: str) -> AnyArray:
        found = labels(count, classes)(rng, sizes, kind)
        return np.where(np.arange(sizes[classes])[:, None] == found, 1.0, 0.0)

    return make


def shares(classes: str = "classes", *count: str) -> Maker:
    """Probabilities: columns of positive numbers that add up to 1, (classes, *count)."""

    def make(rng: Generator, sizes: Sizes, kind: str) -> AnyArray:
        shape = [sizes[classes], *(sizes[c] for c in count)]
        if kind in (ZEROS, ONES, TIES):
            return np.full(shape, 1 / sizes[classes])
        if kind == TINY:
            parts = rng.permuted(np.broadcast_to(_falling(shape), shape), axis=0)
            return np.asarray(parts)
        found = np.exp((3.0 if kind == LARGE else 1.0) * rng.normal(size=shape).clip(-1.5, 1.5))
        return np.asarray(found / found.sum(axis=0))

    return make


def _falling(shape: list[int]) -> AnyArray:
    """0.8, 0.2 or 0.6, 0.3, 0.1: probabilities that are easy to read."""
    parts = np.array([0.8, 0.2] if shape[0] == 2 else [0.6, 0.3, 0.1])
    return parts.reshape(-1, *[1] * (len(shape) - 1))


def pixels(count: str, features: str) -> Maker:
    """Whole numbers from 0 to 255 in bytes, (count, features), as images are stored."""

    def make(rng: Generator, sizes: Sizes, kind: str) -> AnyArray:
        shape = (sizes[count], sizes[features])
        if kind in (ZEROS, ONES):
            return np.full(shape, 0 if kind == ZEROS else 255, np.uint8)
        choice = [0, 51, 102, 204, 255] if kind == TINY else np.arange(256)
        return np.asarray(rng.choice(np.array(choice, np.uint8), shape))

    return make


def among(*values: Any) -> Maker:
    """One of the values, another for each case."""
    return lambda rng, sizes, kind: values[int(rng.integers(len(values)))]


def size(name: str) -> Maker:
    """One of the sizes itself, as a number."""
    return lambda rng, sizes, kind: sizes[name]


def seed() -> Maker:
    """A new generator of random numbers."""
    return lambda rng, sizes, kind: np.random.default_rng(int(rng.integers(2**31)))
