"""What is known of a wrong gradient: both Jacobians, and what a formula may hold.

The claimed Jacobian is what backward returns for a dy of zeros and a single one; the true one comes
from central differences.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.gradcheck.numeric import root_mean_square
from minitorch_np.gradcheck.wording import (
    BATCHES,
    EXACT,
    Quantity,
    constant_ratio,
    same,
)

MOST_ENTRIES, MOST_PAIRS = 1_000, 300_000
"""Gradients are measured of arrays up to so many entries, Jacobians of so many pairs."""

STEP = 1e-3
"""Of the central differences, over the array's size; half of it for a second opinion."""


class Evidence:
    """The two gradients of one array, and the two Jacobians (outputs, entries) behind them.

    `known` entries have a slope; `wrong` ones differ.
    """

    def __init__(self, target: Any, claim: Any, tensor: Any) -> None:
        self.target, self.name, self.u = target, tensor.name, claim.u
        self.array: Array = target.arrays[self.name]
        self.owner = self.name
        self.y: Array = target.value()
        self.analytic = np.asarray(target.gradients(self.u)[self.name], dtype=np.float64)
        self.jacobian, self.known = self.measure(range(self.array.size))
        self.known = self.known.reshape(self.array.shape)
        self.numeric = (self.u.reshape(-1) @ self.jacobian).reshape(self.array.shape)
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

    def measure(self, places: Any) -> tuple[Array, AnyArray]:
        """d y / d each of some entries, a column for each, and whether two steps agree."""
        columns, flat = [], self.array.reshape(-1)
        good, h = [], STEP * root_mean_square(self.array)
        here = self.target.value().reshape(-1)
        for place in places:
            at = float(flat[place])
            moved = []
            try:
                for k in (-4, -2, -1, 1, 2, 4):
                    flat[place] = at + k * h / 2
                    moved.append(self.target.value().reshape(-1))
            finally:
                flat[place] = at
            a, b, c, d, e, f = moved
            coarse = (8 * (e - b) - (f - a)) / (12 * h)
            fine = (8 * (d - c) - (e - b)) / (6 * h)
            columns.append(fine)
            size = max(float(np.abs(fine).max(initial=0.0)), 1e-9)
            bend = (4 * (d + c) - 6 * here - e - b) / h  # right minus left slope: a corner?
            off = np.abs(np.stack([coarse - fine, 1e-4 * bend]))
            good.append(float(off.max(initial=0.0)) <= 1e-6 * size)
        return np.array(columns).T, np.array(good, bool)

    def _claimed(self) -> Array | None:
        """The analytic Jacobian; None if it is too large, or if backward is not linear in dy."""
        outputs = self.u.size
        if outputs * self.array.size > MOST_PAIRS or outputs > MOST_ENTRIES:
            return None
        rows = []
        for place in range(outputs):
            dy = np.zeros(self.u.shape)
            dy.flat[place] = 1.0
            rows.append(np.array(self.target.gradients(dy)[self.name], np.float64).reshape(-1))
        found = np.array(rows)
        total = (self.u.reshape(-1) @ found).reshape(self.array.shape)
        if not same(total, self.analytic, self.scale):
            return None
        found[:, ~self.known.reshape(-1)] = 0.0
        self.jacobian[:, ~self.known.reshape(-1)] = 0.0
        return found

    def fits(self, candidate: AnyArray) -> bool:
        """Whether a candidate is the analytic gradient, in every entry that is known."""
        shape = candidate.shape == self.analytic.shape
        return shape and same(candidate[self.known], self.analytic[self.known], self.scale)

    def ratio(self) -> float | None:
        """c, if the one Jacobian is c times the other; of gradients, if there are no Jacobians."""
        if self.claimed is not None:
            scale = float(np.abs(self.claimed).max() + np.abs(self.jacobian).max())
            return constant_ratio(self.claimed, self.jacobian, scale)
        if self.known.sum() < 3:
            return None
        return constant_ratio(self.analytic[self.known], self.numeric[self.known], self.scale)


def numbers_of(target: Any, name: str) -> list[tuple[str, float]]:
    """Numbers that a formula may have forgotten or had too often."""
    first = next(iter(target.arrays))
    shapes = {first: target.arrays[first].shape, name: target.arrays[name].shape}
    if hasattr(target, "x"):
        shapes = {"x": np.shape(target.x), **shapes}
    shapes["y"] = target.value().shape
    found: list[tuple[str, float]] = []
    for count in range(1, 5):
        for owner, shape in shapes.items():
            for axes in itertools.combinations(range(len(shape)), count):
                size = float(np.prod([shape[k] for k in axes]))
                sample = axes[0] == 0 and owner in BATCHES
                if any(shape[k] == 1 for k in axes) or (sample and owner == "y" and count == 1):
                    continue
                which = f"axis {axes[0]}" if count == 1 else f"axes {', '.join(map(str, axes))}"
                word = f"the size of {which} of {owner}"
                found.append(
                    ("m, the number of samples" if axes == (0,) and sample else word, size)
                )
    for other, array in target.arrays.items():
        if array.size == 1:
            found.insert(0, (other, float(array.reshape(-1)[0])))
    for key, value in target.constants().items():
        found.insert(0, (key, float(value)))
    return found


def _quantities(target: Any, y: Array) -> list[Quantity]:
    """Arrays that a formula may have forgotten, or may hold wrongly."""
    found = [Quantity(name, array.copy()) for name, array in target.arrays.items()]
    found.append(Quantity("y", y))
    if hasattr(target, "x"):
        found.append(Quantity("x", np.asarray(target.x)))
    targets = getattr(target, "targets", None)
    if targets is not None:
        found.append(Quantity("targets", np.asarray(targets)))
        scores = target.arrays["scores"]
        if np.shape(targets) == scores.shape:
            found.append(Quantity("(scores - targets)", scores - targets))
        if np.ndim(targets) == 1 and scores.ndim == 2 and np.asarray(targets).dtype.kind in "iu":
            found.append(Quantity("one_hot(targets)", np.eye(scores.shape[1])[targets]))
    weight = getattr(target, "sample_weight", None)
    if weight is not None:
        found.append(Quantity("sample_weight", np.asarray(weight)))
    for owner in ("layer", "loss"):
        for key, value in getattr(getattr(target, owner, None), "__dict__", {}).items():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                found.append(Quantity(key, value.copy()))
    with contextlib.suppress(Exception):
        forward = target.forward
        cache = forward(target.arrays["scores"].copy())[1] if targets is not None else forward()[1]
        found += _flat(cache, "cache")
    m = len(y)
    found += [
        Quantity(f"{q.name}[0]", np.broadcast_to(q.array[:1], q.array.shape))
        for q in found
        if q.array.ndim > 1 and len(q.array) == m and q.name not in target.arrays
    ]
    unique: list[Quantity] = []
    for quantity in found:
        array = quantity.array
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all() or array.size < 2:
            continue
        if any(q.array.shape == array.shape and (q.array == array).all() for q in unique):
            continue
        unique.append(Quantity(quantity.name, array.astype(float)))
    return unique


def _flat(cache: Any, name: str) -> list[Quantity]:
    """All arrays in nested tuples, lists and dictionaries."""
    if isinstance(cache, np.ndarray):
        return [Quantity(name, cache.copy())]
    items: Any = ()
    if isinstance(cache, dict):
        items = cache.items()
    elif isinstance(cache, (tuple, list)):
        items = enumerate(cache)
    return [q for key, value in items for q in _flat(value, f"{name}[{key!r}]")][:24]
