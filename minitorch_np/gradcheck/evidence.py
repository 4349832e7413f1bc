"""Evidence on a wrong gradient: both Jacobians, and the numbers and arrays of its formula.

The true Jacobian d y[o] / d x[i] comes from central differences. The claimed one is what backward
returns for each dy that is 1 in one place and 0 elsewhere. Their differences show which outputs and
which entries a mistake affects; a gradient shows only sums over the outputs.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.gradcheck.numeric import root_mean_square
from minitorch_np.gradcheck.wording import BATCHES, EXACT, Numbers, Quantities, constant_ratio, same

MOST_ENTRIES, MOST_PAIRS = 1_000, 300_000
"""The largest number of entries of an array, and of pairs of a Jacobian, that are measured."""

STEP = 1e-3
"""The step of the central differences, over the array's size; half of it verifies the result."""


class Evidence:
    """The two gradients of one array, and the two Jacobians (outputs, entries) behind them.

    `known` entries have a slope; `wrong` ones differ.
    """

    def __init__(self, target: Any, claim: Any, tensor: Any) -> None:
        self.target, self.name, self.u = target, tensor.name, claim.u
        self.array: Array = target.arrays[self.name]
        self.y: Array = target.value()
        self.analytic = np.asarray(target.gradients(self.u)[self.name], dtype=np.float64)
        self.jacobian, self.known = slopes(target, self.array, range(self.array.size))
        self.known = self.known.reshape(self.array.shape)
        self.numeric = self.gradient(self.jacobian)
        if tensor.left.shape == self.array.shape and tensor.left.size:
            mean = (tensor.left + tensor.right) / 2
            size = EXACT * np.abs(mean).max(initial=0.0)
            self.known &= np.abs(mean - self.numeric) <= size
            self.known &= np.abs(tensor.left - tensor.right) <= size
        self.scale = float(np.abs(self.numeric[self.known]).max(initial=0.0))
        self.scale += float(np.abs(self.analytic[self.known]).max(initial=0.0))
        self.residue = np.where(self.known, self.analytic - self.numeric, 0.0)
        self.wrong = np.abs(self.residue) > EXACT * self.scale
        self.numbers = numbers_of(target, self.name)
        self.claimed = self._claimed()
        self.quantities = _quantities(target, self.y)

    def gradient(self, jacobian: Array, dy: Array | None = None) -> Array:
        """The gradient for dy (by default u) according to a Jacobian."""
        return ((self.u if dy is None else dy).reshape(-1) @ jacobian).reshape(self.array.shape)

    def _claimed(self) -> Array | None:
        """The analytic Jacobian; None if it is too large, or if backward is not linear in dy."""
        outputs = self.u.size
        if outputs * self.array.size > MOST_PAIRS or outputs > MOST_ENTRIES:
            return None
        found = np.empty((outputs, self.array.size))
        for row, one in zip(found, np.eye(outputs), strict=True):
            row[:] = self.target.gradients(one.reshape(self.u.shape))[self.name].reshape(-1)
        if not same(self.gradient(found), self.analytic, self.scale):
            return None
        found[:, ~self.known.reshape(-1)] = 0.0
        self.jacobian[:, ~self.known.reshape(-1)] = 0.0
        return found

    def fits(self, candidate: AnyArray) -> bool:
        """Whether a candidate is the analytic gradient where both are known (else it is nan)."""
        if candidate.shape != self.analytic.shape:
            return False
        use = self.known & np.isfinite(candidate)
        enough = 2 * use.sum() > self.known.sum()
        return enough and same(candidate[use], self.analytic[use], self.scale)

    def ratio(self) -> float | None:
        """c, if the one Jacobian is c times the other; of gradients, if there are no Jacobians."""
        if self.claimed is not None:
            scale = float(np.abs(self.claimed).max() + np.abs(self.jacobian).max())
            return constant_ratio(self.claimed, self.jacobian, scale)
        if self.known.sum() < 3:
            return None
        return constant_ratio(self.analytic[self.known], self.numeric[self.known], self.scale)


def slopes(target: Any, array: Array, places: Any) -> tuple[Array, AnyArray]:
    """d y / d each of some entries, a column for each, and whether two steps agree."""
    columns, good, flat = [], [], array.reshape(-1)
    h, here = STEP * root_mean_square(array), target.value().reshape(-1)
    for place in places:
        at, moved = float(flat[place]), []
        try:
            for k in (-4, -2, -1, 1, 2, 4):
                flat[place] = at + k * h / 2
                moved.append(target.value().reshape(-1))
        finally:
            flat[place] = at
        a, b, c, d, e, f = moved
        coarse = (8 * (e - b) - (f - a)) / (12 * h)
        fine = (8 * (d - c) - (e - b)) / (6 * h)
        columns.append(fine)
        bend = (4 * (d + c) - 6 * here - e - b) / h  # right minus left slope: a corner?
        off = np.abs(np.stack([coarse - fine, 1e-4 * bend])).max(initial=0.0)
        good.append(float(off) <= 1e-6 * max(float(np.abs(fine).max(initial=0.0)), 1e-9))
    return np.array(columns).T, np.array(good, bool)


def numbers_of(target: Any, name: str) -> Numbers:
    """Numbers that may be missing from a formula, or be a factor too much."""
    found: Numbers = [(key, float(value)) for key, value in target.constants().items()]
    found += [(n, float(a.reshape(-1)[0])) for n, a in target.arrays.items() if a.size == 1]
    first = next(iter(target.arrays))
    shapes = {"x": np.shape(target.x)} if hasattr(target, "x") else {}
    shapes |= {n: target.arrays[n].shape for n in (first, name)} | {"y": target.value().shape}
    for count, (owner, shape) in itertools.product(range(1, 5), shapes.items()):
        for axes in itertools.combinations(range(len(shape)), count):
            samples = axes == (0,) and owner in BATCHES
            if any(shape[k] == 1 for k in axes) or (samples and owner == "y"):
                continue
            which = f"{'axis' if count == 1 else 'axes'} {', '.join(map(str, axes))}"
            word = "m, the number of samples" if samples else f"the size of {which} of {owner}"
            found.append((word, float(np.prod([shape[k] for k in axes]))))
    return found


def _quantities(target: Any, y: Array) -> Quantities:
    """Arrays that may be missing from a formula, or be used wrongly in it."""
    unique: Quantities = []
    for name, value in _arrays_of(target, y):
        array = np.asarray(value)
        if array.dtype.kind not in "fiub" or array.size < 2 or not np.isfinite(array).all():
            continue
        if not any(np.array_equal(array, other) for _, other in unique):
            unique.append((name, array.astype(float)))
    return unique


def _arrays_of(target: Any, y: Array) -> Iterator[tuple[str, Any]]:
    yield from target.arrays.items()
    yield "y", y
    targets = getattr(target, "targets", None)
    for name in ("x", "targets", "sample_weight"):
        if getattr(target, name, None) is not None:
            yield name, getattr(target, name)
    if targets is not None:
        scores = target.arrays["scores"]
        if np.shape(targets) == scores.shape:
            yield "(scores - targets)", scores - targets
        elif scores.ndim == 2 and np.asarray(targets).dtype.kind in "iu":
            yield "one_hot(targets)", np.eye(scores.shape[1])[targets]
    owner = getattr(target, "layer", getattr(target, "loss", None))
    for key, value in getattr(owner, "__dict__", {}).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            yield key, value
    with contextlib.suppress(Exception):
        scores = () if targets is None else (target.arrays["scores"].copy(),)
        yield from _flat(target.forward(*scores)[1], "cache")


def _flat(cache: Any, name: str) -> list[tuple[str, Any]]:
    """All arrays in nested tuples, lists and dictionaries."""
    if isinstance(cache, np.ndarray):
        return [(name, cache)]
    items: Any = cache.items() if isinstance(cache, dict) else ()
    if isinstance(cache, (tuple, list)):
        items = enumerate(cache)
    return [found for key, value in items for found in _flat(value, f"{name}[{key!r}]")][:24]
