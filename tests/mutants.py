"""Gradients made wrong, one at a time, to see whether the check finds it and says what it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, count
from minitorch_np.gradcheck.packed import pack, unpack

# A mutation takes the right gradient and the number of samples; it returns a wrong one.
MUTATIONS: dict[str, Callable[[Array, int], Array]] = {
    "negated": lambda g, m: -g,
    "doubled": lambda g, m: 2 * g,
    "halved": lambda g, m: g / 2,
    "zero": lambda g, m: np.zeros_like(g),
    "times m": lambda g, m: g * m,
    "over m": lambda g, m: g / m,
    "off by 1e-6": lambda g, m: g * (1 + 1e-6),
    "off by 0.1 %": lambda g, m: g * 1.001,
    "constant added": lambda g, m: g + 1e-3,
    "absolute": lambda g, m: np.abs(g),
    "negatives cut": lambda g, m: np.maximum(g, 0),
    "flipped": lambda g, m: np.flip(g, 0).copy(),
    "flipped along the last axis": lambda g, m: np.flip(g, -1).copy(),
    "rolled": lambda g, m: np.roll(g, 1, -1),
    "transposed": lambda g, m: g.T.reshape(g.shape).copy(),
    "last row dropped": lambda g, m: _with_row(g, -1, 0.0),
    "only the last row": lambda g, m: g - _with_row(g, -1, 0.0),
    "first row doubled": lambda g, m: _with_row(g, 0, 2.0),
    "one entry 1 % off": lambda g, m: _one_entry(g),
    "mean taken off": lambda g, m: g - g.mean(axis=0, keepdims=True),
    "averaged": lambda g, m: np.broadcast_to(g.mean(axis=-1, keepdims=True), g.shape).copy(),
    "in float32": lambda g, m: g.astype(np.float32).astype(g.dtype),
}


def _with_row(g: Array, row: int, factor: float) -> Array:
    changed = g.copy()
    changed[row] *= factor
    return changed


def _one_entry(g: Array) -> Array:
    changed = g.copy()
    place = np.unravel_index(int(np.argmax(np.abs(g))), g.shape)
    changed[place] *= 1.01
    return changed


def mutant_of(obj: Any, tensor: str, mutation: Callable[[Array, int], Array]) -> Any:
    """An object like `obj`, of which one gradient has been through the mutation."""
    cls = type(obj)
    if isinstance(obj, mt.Loss):

        def loss_backward(self: Any, cache: Any) -> Any:
            right = cls.backward(self, cache)
            return mutation(right, len(right))

        mutant = copy.copy(obj)
        mutant.__class__ = type(f"Mutant{cls.__name__}", (cls,), {"backward": loss_backward})
        return mutant

    def backward(self: Any, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = cls.backward(self, dy, cache, need_dx=True)
        m = count(dy)
        if tensor == "x":
            mutated = mutation(pack(dx), m)
            dx = unpack(mutated, self.input_shape) if isinstance(dx, tuple) else mutated
        elif tensor in gradients:  # not every case has every parameter
            gradients = {**gradients, tensor: mutation(gradients[tensor], m)}
        return dx, gradients

    overrides = {
        "backward": backward,
        "__init__": cls.__init__,
    }
    made = type(f"Mutant{cls.__name__}", (cls,), overrides)
    return made.from_config(obj.config())  # type: ignore[attr-defined]
