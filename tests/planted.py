"""Bugs that people write, planted one at a time, each with what the report has to say of it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array


class DenseBug(mt.Dense):
    """A dense layer whose gradients pass through `spoil`; training takes the same ones."""

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, cache)
        return self.spoil(dx, gradients, dy, cache)

    def spoil(self, dx: Any, g: Any, dy: Array, x: Array) -> Any:
        raise NotImplementedError


def dense(spoil: Any) -> Any:
    """A Dense(4) with a bug."""
    return type("BuggyDense", (DenseBug,), {"spoil": lambda self, *a: spoil(self, *a)})(4)


def act(base: Any, *arguments: Any, **methods: Any) -> Any:
    """An activation with methods replaced."""
    body = dict(methods)
    body["__init__"] = base.__init__
    return type(f"Buggy{base.__name__}", (base,), body)(*arguments)


def loss_bug(base: Any, spoil: Any) -> Any:
    """A loss whose gradient passes through `spoil(gradient, cache)`."""

    def backward(self: Any, cache: Any) -> Any:
        return spoil(base.backward(self, cache), cache)

    return type(f"Buggy{base.__name__}", (base,), {"backward": backward})()


class Remembers(mt.Sigmoid):
    """Keeps its cache on the class."""

    kept: ClassVar[list[Any]] = []

    def forward(self, x: Array, *, train: bool = False, rng: Any = None) -> Any:
        y, cache = super().forward(x)
        Remembers.kept[:] = [cache]
        return y, None

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        return super().backward(dy, Remembers.kept[0])


class Accumulates(mt.Dense):
    """Adds to the gradients of the call before."""

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Any:
        dx, g = super().backward(dy, cache)
        self.total = getattr(self, "total", 0) + g["weight"]
        return dx, {**g, "weight": self.total}


class ChangesDy(mt.ReLU):
    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dy *= cache[0] > 0
        return dy, {}


class ChangesX(mt.ReLU):
    def forward(self, x: Array, *, train: bool = False, rng: Any = None) -> Any:
        np.maximum(x, 0, out=x)
        return x, (x, x)


class Buffer(mt.Sigmoid):
    """Returns the same array each time."""

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dx, _ = super().backward(dy, cache)
        assert dx is not None
        if getattr(self, "buffer", np.zeros(0)).shape != dx.shape:
            self.buffer = np.empty_like(dx)
        self.buffer[...] = dx
        return self.buffer, {}


class Noisy(mt.Sigmoid):
    def __init__(self) -> None:
        self.rng = np.random.default_rng(1)

    def config(self) -> dict[str, Any]:
        return {}

    def forward(self, x: Array, *, train: bool = False, rng: Any = None) -> Any:
        return super().forward(x + 1e-9 * self.rng.normal(size=x.shape))


class Center(mt.Layer):
    """y = x - mean over the batch: couples samples, without saying so where `honest` is False."""

    def __init__(self, honest: bool, constant: bool) -> None:
        self.honest, self.constant = honest, constant
        self.couples_samples = honest

    def forward(self, x: Array, *, train: bool = False, rng: Any = None) -> Any:
        return x - x.mean(axis=0), None

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        return dy.copy() if self.constant else dy - dy.mean(axis=0), {}


class Sine(mt.Activation):
    def __init__(self, how: str) -> None:
        self.how = how

    def value(self, z: Array) -> Array:
        return np.sin(z)

    def derivative(self, z: Array, a: Array) -> Array:
        return {
            "degrees": np.cos(np.degrees(z)),
            "of a": np.cos(a),
            "root": np.sqrt(1 - a**2),
            "float32": np.cos(z.astype(np.float32)).astype(z.dtype),
        }[self.how]


class NoBias(mt.Dense):
    """Leaves the bias's gradient out."""

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Any:
        dx, g = super().backward(dy, cache)
        return dx, {"weight": g["weight"]}


class Widens(mt.Sigmoid):
    def value(self, z: Array) -> Array:
        return super().value(z.astype(np.float64))


def step_soft(self: Any, dy: Array, cache: Array, *, need_dx: bool = True) -> Any:
    """Softmax's Jacobian taken for diagonal."""
    return dy * cache * (1 - cache), {}


SCE, CE = mt.SoftmaxCrossEntropy, mt.CrossEntropy

# (name, the object, what the report must contain)
PLANTED: list[tuple[str, Any, str]] = [
    ("dW over m", dense(lambda s, dx, g, dy, x: (dx, {**g, "weight": g["weight"] / len(x)})), "number of samples"),
    ("dW times m", dense(lambda s, dx, g, dy, x: (dx, {**g, "weight": g["weight"] * len(x)})), "number of samples"),
    ("db over m", dense(lambda s, dx, g, dy, x: (dx, {**g, "bias": dy.mean(axis=0)})), "number of samples"),
    ("db absolute", dense(lambda s, dx, g, dy, x: (dx, {**g, "bias": np.abs(dy).sum(axis=0)})), "from linear|absolute|sign"),
    ("db summed over all", dense(lambda s, dx, g, dy, x: (dx, {**g, "bias": np.full(4, dy.sum())})), "along axis 0 each entry has the sum of all"),
    ("db of the last sample", dense(lambda s, dx, g, dy, x: (dx, {**g, "bias": dy[-1].copy()})), "dbias|d/dbias"),
    ("dW transposed", dense(lambda s, dx, g, dy, x: (dx, {**g, "weight": (x.T @ dy).reshape(4, -1)})), "axes 0 and 1 of weight are exchanged"),
    ("dW negated", dense(lambda s, dx, g, dy, x: (dx, {**g, "weight": -g["weight"]})), "sign is wrong"),
    ("dW with decay", dense(lambda s, dx, g, dy, x: (dx, {**g, "weight": g["weight"] + 0.01 * s.weight})), "d/dweight|linear"),
    ("dW zero", dense(lambda s, dx, g, dy, x: (dx, {**g, "weight": 0 * g["weight"]})), "it is zero"),
    ("dW of positive dy", dense(lambda s, dx, g, dy, x: (dx, {**g, "weight": np.maximum(dy, 0).T @ x})), "linear: dweight.*does it use dy's sign"),
    ("dW in float32", dense(lambda s, dx, g, dy, x: (dx, {**g, "weight": g["weight"].astype(np.float32).astype(np.float64)})), "float32"),
    ("dx halved", dense(lambda s, dx, g, dy, x: (dx / 2, g)), r"numeric \* 0.5|/ 2"),
    ("dx without the last sample", dense(lambda s, dx, g, dy, x: (dx * (np.arange(len(x)) < len(x) - 1)[:, None], g)), "sample"),
    ("dx of W squared", dense(lambda s, dx, g, dy, x: (dy @ s.weight**2, g)), "d/dx"),
    ("dx shuffled", dense(lambda s, dx, g, dy, x: (dx[:, ::-1].copy(), g)), "reversed along axis 1"),
    ("one entry of dW 1 % off", dense(lambda s, dx, g, dy, x: (dx, {**g, "weight": g["weight"] * (1 + 0.01 * (np.arange(g["weight"].size) == 7).reshape(g["weight"].shape))})), "wrong at index 1 of axis 0 of weight and at index 1 of axis 1 of weight: right elsewhere"),
    ("no gradient for the bias", NoBias(4), "bias"),
    ("accumulates", Accumulates(4), "accumulates|linear|differs"),
    ("cache on the class", Remembers(), "cache is kept"),
    ("changes dy", ChangesDy(), "changed in place: dy"),
    ("changes x", ChangesX(), "changed in place"),
    ("one buffer for all calls", Buffer(), "changed by a later call"),
    ("noise of its own", Noisy(), "random|differ"),
    ("couples samples in secret", Center(False, False), "row 0 alone"),
    ("the mean taken for a constant", Center(True, True), "d/dx"),
    ("ReLU's mask from dy", act(mt.ReLU, backward=lambda s, dy, c, *, need_dx=True: (dy * (dy > 0), {})), "linear|mask|sign"),
    ("ReLU's mask reversed", act(mt.ReLU, derivative=lambda s, z, a: (z < 0) * 1.0), "d/dx"),
    ("ReLU without a mask", act(mt.ReLU, derivative=lambda s, z, a: np.ones_like(z)), "d/dx"),
    ("leaky slope 1 % off", act(mt.LeakyReLU, 0.3, derivative=lambda s, z, a: np.where(z > 0, 1, 0.303)), r"wrong only where x < 0: analytic = numeric \* 1\.01"),
    ("leaky slope forgotten", act(mt.LeakyReLU, 0.3, derivative=lambda s, z, a: (z > 0) * 1.0), "inputs below 0|d/dx"),
    ("ELU's alpha forgotten", act(mt.ELU, 1.7, derivative=lambda s, z, a: np.where(z > 0, 1, a / s.alpha + 1)), r"wrong only where x < 0: analytic = numeric / 1\.7, where 1\.7 is alpha: that factor is missing"),
    ("ELU's + alpha forgotten", act(mt.ELU, 1.7, derivative=lambda s, z, a: np.where(z > 0, 1, a)), "d/dx"),
    ("Sigmoid's derivative of z", act(mt.Sigmoid, derivative=lambda s, z, a: z * (1 - z)), "d/dx"),
    ("Sigmoid's square forgotten", act(mt.Sigmoid, derivative=lambda s, z, a: 1 - a), "d/dx"),
    ("Softmax's Jacobian diagonal", act(mt.Softmax, backward=step_soft), "d/dx"),
    ("Softmax over the batch", act(mt.Softmax, backward=lambda s, dy, p, *, need_dx=True: (p * (dy - (dy * p).sum(axis=0)), {})), "d/dx"),
    ("sine of degrees", Sine("degrees"), "d/dx"),
    ("cosine of the output", Sine("of a"), "d/dx"),
    ("the root loses a sign", Sine("root"), "d/dx"),
    ("a cosine in float32", Sine("float32"), "float32"),
    ("float64 out of float32", Widens(), "float32 in, but y is float64"),
    ("loss without 1/m", loss_bug(SCE, lambda g, c: g * len(g)), "number of samples"),
    ("loss without Y", loss_bug(SCE, lambda g, c: c[0] / len(g)), "scores"),
    ("loss 1e-6 off", loss_bug(SCE, lambda g, c: g * (1 + 1e-6)), r"analytic = numeric \* 1\.000001"),
    ("loss over m twice", loss_bug(CE, lambda g, c: g / len(g)), "number of samples"),
    ("loss negated", loss_bug(CE, lambda g, c: -g), "sign is wrong"),
]  # fmt: skip
