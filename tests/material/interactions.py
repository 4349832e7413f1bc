"""Layers that multiply or share: experts, bilinear forms, crosses, twins."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from minitorch_np.numerics import softmax
from tests.planting import Bug, Specimen


class MixtureOfExperts(mt.Layer):
    """y = sum over e of softmax(x G)_e (x W_e)."""

    parameter_names = ("gate", "experts")

    def __init__(self, experts: int, units: int) -> None:
        self.count, self.units = experts, units

    def config(self) -> dict[str, Any]:
        return {"experts": self.count, "units": self.units}

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        (d,) = input_shape
        self.gate = rng.normal(0, 0.3, (d, self.count)).astype(dtype)
        self.experts = rng.normal(0, d**-0.5, (self.count, d, self.units)).astype(dtype)
        return (self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        g = softmax(x @ self.gate)
        out = np.einsum("mi,eio->meo", x, self.experts)
        return np.einsum("me,meo->mo", g, out), (x, g, out)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, g, out = cache
        dg = np.einsum("mo,meo->me", dy, out)
        ds = g * (dg - (g * dg).sum(axis=1, keepdims=True))
        dout = g[:, :, None] * dy[:, None, :]
        dx = ds @ self.gate.T + np.einsum("meo,eio->mi", dout, self.experts)
        return dx, {"gate": x.T @ ds, "experts": np.einsum("mi,meo->eio", x, dout)}


class FiLM(mt.Layer):
    """The last `conditions` features scale and shift the others: y = (1 + c G) x + c B."""

    parameter_names = ("scale", "shift")

    def __init__(self, conditions: int = 2) -> None:
        self.conditions = conditions

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        features = input_shape[0] - self.conditions
        self.scale, self.shift = np.zeros((2, self.conditions, features), dtype)
        return (features,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        h, c = x[:, : -self.conditions], x[:, -self.conditions :]
        return (1 + c @ self.scale) * h + c @ self.shift, (h, c)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        h, c = cache
        dscale = dy * h
        dh = dy * (1 + c @ self.scale)
        dc = dscale @ self.scale.T + dy @ self.shift.T
        return np.hstack([dh, dc]), {"scale": c.T @ dscale, "shift": c.T @ dy}


class Bilinear(mt.Layer):
    """y_k = a' W_k b + bias_k, for the two halves a and b of a sample."""

    parameter_names = ("weight", "bias")

    def __init__(self, units: int = 3) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        half = input_shape[0] // 2
        self.weight = rng.normal(0, 0.5, (self.units, half, half)).astype(dtype)
        self.bias = np.zeros(self.units, dtype)
        return (self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        a, b = np.split(x, 2, axis=1)
        return np.einsum("mi,kij,mj->mk", a, self.weight, b) + self.bias, (a, b)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        a, b = cache
        da = np.einsum("mk,kij,mj->mi", dy, self.weight, b)
        db = np.einsum("mk,kij,mi->mj", dy, self.weight, a)
        dweight = np.einsum("mk,mi,mj->kij", dy, a, b)
        return np.concatenate([da, db], axis=1), {"weight": dweight, "bias": dy.sum(axis=0)}


class FactorizationMachine(mt.Layer):
    """y = b + x w + sum over pairs of (v_i v_j) x_i x_j, by Rendle's formula."""

    parameter_names = ("b", "w", "v")

    def __init__(self, factors: int = 2) -> None:
        self.factors = factors

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.b, self.w = np.zeros(1, dtype), np.zeros(input_shape, dtype)
        self.v = rng.normal(0, 0.5, (*input_shape, self.factors)).astype(dtype)
        return (1,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        s = x @ self.v
        pairs = 0.5 * (s**2 - x**2 @ self.v**2).sum(axis=1)
        return (self.b + x @ self.w + pairs)[:, None], (x, s)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, s = cache
        dx = dy * (self.w + s @ self.v.T - x * (self.v**2).sum(axis=1))
        dv = x.T @ (dy * s) - (x**2).T @ dy * self.v
        return dx, {"b": dy.sum(axis=0), "w": (dy * x).sum(axis=0), "v": dv}


class CrossLayer(mt.Layer):
    """Deep & Cross: x_(l+1) = x0 (x_l w_l) + b_l + x_l, for `depth` layers."""

    parameter_names = ("w", "b")

    def __init__(self, depth: int = 2) -> None:
        self.depth = depth

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.w = rng.normal(0, 0.5, (self.depth, *input_shape)).astype(dtype)
        self.b = np.zeros_like(self.w)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        xs = [x]
        for w, b in zip(self.w, self.b, strict=True):
            xs.append(x * (xs[-1] @ w)[:, None] + b + xs[-1])
        return xs[-1].copy(), xs

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dw, db = np.zeros_like(self.w), np.zeros_like(self.b)
        x0, dx0, d = cache[0], np.zeros_like(dy), dy
        for n in reversed(range(self.depth)):
            inner = (d * x0).sum(axis=1)
            dw[n] = inner @ cache[n]
            db[n] = d.sum(axis=0)
            dx0 += d * (cache[n] @ self.w[n])[:, None]
            d = d + inner[:, None] * self.w[n]
        return dx0 + d, {"w": dw, "b": db}


class Siamese(mt.Layer):
    """The distance of two halves under one set of weights: y = (tanh(a W) - tanh(b W))^2."""

    parameter_names = ("weight",)

    def __init__(self, units: int = 3) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.weight = rng.normal(0, 0.7, (input_shape[0] // 2, self.units)).astype(dtype)
        return (self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        a, b = np.split(x, 2, axis=1)
        u, v = np.tanh(a @ self.weight), np.tanh(b @ self.weight)
        return (u - v) ** 2, (a, b, u, v)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        a, b, u, v = cache
        grads = {"weight": np.zeros_like(self.weight)}
        dxs = []
        for x, h, sign in ((a, u, 1), (b, v, -1)):
            dz = 2 * sign * (u - v) * dy * (1 - h**2)
            grads["weight"] += x.T @ dz
            dxs.append(dz @ self.weight.T)
        return np.concatenate(dxs, axis=1), grads


class Parallel(mt.Layer):
    """One Dense used twice, on x and on its square, and the results added."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.shared = mt.Dense(units)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        return self.shared.build(input_shape, rng=rng, dtype=dtype)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        one, cache1 = self.shared.forward(x)
        two, cache2 = self.shared.forward(x * x)
        return one + two, (x, cache1, cache2)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, cache1, cache2 = cache
        d1, g1 = self.shared.backward(dy, cache1)
        d2, g2 = self.shared.backward(dy, cache2)
        return d1 + 2 * x * d2, {f"shared.{name}": g1[name] + g2[name] for name in g1}


SPECIMENS: list[Specimen] = [
    Specimen(
        MixtureOfExperts,
        lambda cls: Case(cls(3, 2), (4,), 3),
        (
            Bug("the gate's path is missing in dx", "dx = ds @ self.gate.T + np", "dx = np"),
            Bug(
                "the gate's softmax is taken as diagonal",
                "ds = g * (dg - (g * dg).sum(axis=1, keepdims=True))",
                "ds = g * (1 - g) * dg",
            ),
            Bug(
                "the experts are weighted by the mean gate of the batch",
                "dout = g[:, :, None] *",
                "dout = g.mean(axis=0)[:, None] *",
            ),
            Bug(
                "the experts' gradients are not weighted by the gate",
                "dout = g[:, :, None] * dy",
                "dout = np.ones_like(g)[:, :, None] * dy",
            ),
            Bug(
                "the gate's weights are those of sample 0",
                "dout = g[:, :, None] *",
                "dout = g[:1, :, None] *",
            ),
        ),
    ),
    Specimen(
        FiLM,
        lambda cls: Case(cls(), (5,), 4),
        (
            Bug(
                "the conditions get no gradient: right while the weights are 0",
                "dc = dscale @ self.scale.T + dy @ self.shift.T",
                "dc = np.zeros_like(c)",
            ),
            Bug(
                "the scale counts as 1: right while its weights are 0",
                "dh = dy * (1 + c @ self.scale)",
                "dh = dy",
            ),
            Bug("the 1 of 1 + scale is forgotten", "dh = dy * (1 + c @", "dh = dy * (c @"),
            Bug(
                "the two parts of dx are in the wrong order",
                "np.hstack([dh, dc])",
                "np.hstack([dc, dh])",
            ),
            Bug(
                "the scale's gradient forgets what it scales",
                '"scale": c.T @ dscale',
                '"scale": c.T @ dy',
            ),
        ),
    ),
    Specimen(
        Bilinear,
        lambda cls: Case(cls(), (4,), 3),
        (
            Bug(
                "the second half's gradient uses the weight transposed: right if it is symmetric",
                "mk,kij,mi->mj",
                "mk,kji,mi->mj",
            ),
            Bug("the weight's gradient is transposed", "mk,mi,mj->kij", "mk,mi,mj->kji"),
            Bug(
                "the second half gets no gradient",
                "np.concatenate([da, db], axis=1)",
                "np.concatenate([da, 0 * db], axis=1)",
            ),
            Bug(
                "the bias's gradient is the last sample's: right for m = 1",
                "dy.sum(axis=0)",
                "dy[-1].copy()",
            ),
        ),
    ),
    Specimen(
        FactorizationMachine,
        lambda cls: Case(cls(), (4,), 3),
        (
            Bug("dx lacks the square's part", " - x * (self.v**2).sum(axis=1)", ""),
            Bug("dv lacks the square's part", " - (x**2).T @ dy * self.v", ""),
            Bug(
                "the pairs are counted twice: the factor 1/2 is forgotten",
                "self.w + s @ self.v.T - x * (self.v**2).sum(axis=1)",
                "self.w + 2 * (s @ self.v.T - x * (self.v**2).sum(axis=1))",
            ),
            Bug("dx lacks the linear part: right while w is 0", "dy * (self.w + s @", "dy * (s @"),
        ),
    ),
    Specimen(
        CrossLayer,
        lambda cls: Case(cls(), (3,), 3),
        (
            Bug("the path through x0 is missing", "return dx0 + d, {", "return d, {"),
            Bug("x0's gradient has the first layer only", "dx0 += d *", "dx0 = d *"),
            Bug(
                "the shortcut is forgotten on the way back",
                "d = d + inner[:, None]",
                "d = inner[:, None]",
            ),
            Bug(
                "x0 is taken for each layer's input",
                "dw[n] = inner @ cache[n]",
                "dw[n] = inner @ cache[0]",
            ),
        ),
    ),
    Specimen(
        CrossLayer,
        lambda cls: Case(cls(1), (4,), 2),
        (
            Bug(
                "the inputs are popped off the cache: a second backward fails",
                "x0, dx0, d = cache[0],",
                "cache.pop()\n        x0, dx0, d = cache[0],",
            ),
            Bug("the gradient of b is of sample 0", "db[n] = d.sum(axis=0)", "db[n] = d[0]"),
        ),
    ),
    Specimen(
        Siamese,
        lambda cls: Case(cls(), (4,), 3),
        (
            Bug(
                "the shared weights have the last branch's gradient only",
                'grads["weight"] += x',
                'grads["weight"] = x',
            ),
            Bug("the second branch's sign is forgotten", "2 * sign * (u", "2 * (u"),
            Bug(
                "the layer descends on its weights itself, and then uses the new ones",
                "dxs.append(dz @",
                'self.weight -= 0.1 * grads["weight"]\n            dxs.append(dz @',
            ),
            Bug("the factor 2 of the square is forgotten", "2 * sign * (u", "sign * (u"),
            Bug("tanh' of both branches is taken at the first", "(1 - h**2)", "(1 - u**2)"),
            Bug(
                "the gradients are kept on the layer and grow with each call",
                'grads = {"weight": np.zeros_like(self.weight)}',
                'grads = vars(self).setdefault("grads", {"weight": np.zeros_like(self.weight)})',
            ),
        ),
    ),
    Specimen(
        Parallel,
        lambda cls: Case(cls(2), (3,), 3),
        (
            Bug(
                "the second use's gradient replaces the first one's",
                "g1[name] + g2[name] for",
                "g2[name] for",
            ),
            Bug("the derivative of the square is forgotten", "d1 + 2 * x * d2", "d1 + d2"),
            Bug("one cache is used for both", "dy, cache2)", "dy, cache1)"),
            Bug("the second use is missing in dx", "return d1 + 2 * x * d2, {", "return d1, {"),
        ),
    ),
]
