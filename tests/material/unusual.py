"""Correct layers that are unusual but keep the contract: in how they are made and built.

Constructors of all kinds, configurations, shapes that are refused, parameters of unusual shapes and
sizes. Layers of layers or with two modes, and unusual functions, are in two other modules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.gradcheck import Case
from tests.material.unusual_functions import FUNCTIONS
from tests.material.unusual_parts import PARTS


class Scaled(mt.Layer):
    """y = k x: the layer that the following make in different ways."""

    k: Any = 2.0

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return x * x.dtype.type(self.k), None

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return dy * dy.dtype.type(self.k), {}


class Required(Scaled):
    def __init__(self, k: float) -> None:
        self.k = k


class KeywordOnly(Scaled):
    def __init__(self, *, k: float, note: str = "none") -> None:
        self.k, self.note = k, note


class OtherName(Scaled):
    """Keeps its argument under another name, and says so."""

    def __init__(self, factor: float = 3.0) -> None:
        self.k = factor

    def config(self) -> dict[str, Any]:
        return {"factor": self.k}


class OtherNameUnsaid(Scaled):
    """Keeps its argument under another name: it can be trained and checked, but not saved."""

    def __init__(self, factor: float = 3.0) -> None:
        self.k = factor


class HiddenByProperty(Scaled):
    def __init__(self, rate: float = 0.25) -> None:
        self._rate = rate

    @property
    def k(self) -> Any:
        return 1 / self._rate

    def config(self) -> dict[str, Any]:
        return {"rate": self._rate}


class Slots(Scaled):
    __slots__ = ("gain",)

    def __init__(self, gain: float = 1.5) -> None:
        self.gain = gain
        self.k = gain

    def config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class Polynomial(mt.Layer):
    """y = the sum of x^p over the powers given, `Polynomial(1, 3)`."""

    def __init__(self, *powers: int) -> None:
        self.powers = powers

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return np.stack([x**p for p in self.powers]).sum(axis=0), x

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return dy * np.stack([p * cache ** (p - 1) for p in self.powers]).sum(axis=0), {}


@dataclass
class DataClass(Scaled):
    """Equal to others of the same fields, and so not hashable."""

    k: float = 1.25
    labels: list[str] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class DataClassLayer(Scaled):
    k: float = 0.75


class ImagesOnly(Scaled):
    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        if len(input_shape) != 3:
            raise mt.ShapeError(f"expected images (channels, height, width), got {input_shape}")
        return input_shape


class EvenOnly(mt.Layer):
    """The two halves of the features, multiplied."""

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        if len(input_shape) != 1 or input_shape[0] % 2:
            raise mt.ShapeError(f"expected an even number of features, got {input_shape}")
        return (input_shape[0] // 2,)

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        a, b = np.split(x, 2, axis=1)
        return a * b, (a, b)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        a, b = cache
        return np.concatenate([dy * b, dy * a], axis=1), {}


class AtLeastSeven(Scaled):
    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        if input_shape[-1] < 7:
            raise mt.ShapeError(f"expected at least 7 features, got {input_shape}")
        return input_shape


class OneShape(Scaled):
    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        if input_shape != (4, 3):
            raise mt.ShapeError(f"expected samples of shape (4, 3), got {input_shape}")
        return input_shape


class Affine(mt.Layer):
    """y = w x + b, feature by feature; `make` says what w and b begin as."""

    parameter_names = ("w", "b")

    def __init__(self, make: Any = None) -> None:
        self.make = make or (lambda shape, rng: rng.normal(size=shape))

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.w = np.asarray(self.make(input_shape, rng)).astype(dtype)
        self.b = np.asarray(self.make(input_shape, rng)).astype(dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return self.w * x + self.b, x

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return self.w * dy, {"w": (dy * cache).sum(axis=0), "b": dy.sum(axis=0)}


class ScalarGain(mt.Layer):
    """One parameter of shape ()."""

    parameter_names = ("gain",)

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.gain = np.array(rng.normal(), dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return np.tanh(self.gain * x), x

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        dz = dy * (1 - np.tanh(self.gain * cache) ** 2)
        return self.gain * dz, {"gain": np.asarray((dz * cache).sum())}


class Unused(Affine):
    """b is a parameter that nothing depends on."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return self.w * x, x

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return self.w * dy, {"w": (dy * cache).sum(axis=0), "b": np.zeros_like(self.b)}


class AboveTen(mt.Layer):
    """y = x + w max(x - 10, 0): w counts for large x only."""

    parameter_names = ("w",)

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.w = rng.normal(size=input_shape).astype(dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return x + self.w * np.maximum(x - 10, 0), x

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        dw = (dy * np.maximum(cache - 10, 0)).sum(axis=0)
        return dy * (1 + self.w * (cache > 10)), {"w": dw}


class NoDx(Affine):
    """Returns None for dx where it need not compute it."""

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, cache)
        return (dx if need_dx else None), gradients


def zeros(shape: Any, rng: Any) -> Any:
    return np.zeros(shape)


def sized(size: float) -> Any:
    return lambda shape, rng: size * rng.normal(size=shape)


CORRECT: list[Callable[[], Any]] = [
    lambda: Required(2.5),
    lambda: Required(-1),
    lambda: KeywordOnly(k=0.5),
    lambda: KeywordOnly(k=0.5, note="kept"),
    OtherName,
    OtherNameUnsaid,
    HiddenByProperty,
    Slots,
    lambda: Polynomial(1, 3),
    lambda: Polynomial(2),
    DataClass,
    DataClassLayer,
    ImagesOnly,
    lambda: Case(ImagesOnly(), (2, 3, 3)),
    EvenOnly,
    lambda: Case(EvenOnly(), (6,)),
    AtLeastSeven,
    lambda: Case(AtLeastSeven(), (9,)),
    lambda: Case(OneShape(), (4, 3)),
    Affine,
    lambda: Affine(zeros),
    lambda: Affine(lambda shape, rng: np.full(shape, 0.5)),
    lambda: Affine(lambda shape, rng: rng.integers(-3, 4, shape)),
    lambda: Affine(sized(1e8)),
    lambda: Affine(sized(1e-8)),
    lambda: Case(Affine(), (1,), samples=1),
    lambda: Case(Affine(), (2, 1, 3), samples=2),
    ScalarGain,
    Unused,
    AboveTen,
    lambda: Case(AboveTen(), (4,), samples=6, scale=8.0),
    NoDx,
    lambda: Case(Scaled(), (5,), scale=1e6),
    lambda: Required(1e12),
    lambda: Required(1e-12),
    *PARTS,
    *FUNCTIONS,
]
