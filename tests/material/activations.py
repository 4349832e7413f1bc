"""Activations, gates and distances as users write them, many with parameters that are learned."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from tests.material.elementwise import bell, normal_cdf
from tests.material.specimens import one, sigmoid
from tests.planting import Bug


class SquaredReLU(mt.Activation):
    """y = max(z, 0)^2."""

    def value(self, z: Array) -> Any:
        return np.maximum(z, 0) ** 2

    def derivative(self, z: Array, a: Array) -> Any:
        return 2 * np.maximum(z, 0)


class SoftShrink(mt.Activation):
    """Moved towards 0 by `limit`, and 0 where |z| is smaller."""

    def __init__(self, limit: float = 0.5) -> None:
        self.limit = limit

    def value(self, z: Array) -> Any:
        return z - np.clip(z, -self.limit, self.limit)

    def derivative(self, z: Array, a: Array) -> Any:
        return np.abs(z) > self.limit


class HardTanh(mt.Activation):
    """z clipped to [-limit, limit]."""

    def __init__(self, limit: float = 1.5) -> None:
        self.limit = limit

    def value(self, z: Array) -> Any:
        return np.clip(z, -self.limit, self.limit)

    def derivative(self, z: Array, a: Array) -> Any:
        return (np.abs(z) < self.limit).astype(z.dtype)


class CELU(mt.Activation):
    """z for z > 0, else alpha (exp(z / alpha) - 1)."""

    def __init__(self, alpha: float = 0.7) -> None:
        self.alpha = alpha

    def value(self, z: Array) -> Any:
        return np.maximum(z, 0) + self.alpha * np.expm1(np.minimum(z, 0) / self.alpha)

    def derivative(self, z: Array, a: Array) -> Any:
        return np.exp(np.minimum(z, 0) / self.alpha)


class GELU(mt.Activation):
    """z times the normal distribution's Phi(z)."""

    def value(self, z: Array) -> Any:
        return z * normal_cdf(z).astype(z.dtype)

    def derivative(self, z: Array, a: Array) -> Any:
        return normal_cdf(z).astype(z.dtype) + z * bell(z)


class Mish(mt.Activation):
    """z tanh(log(1 + exp(z)))."""

    def value(self, z: Array) -> Any:
        return z * np.tanh(np.logaddexp(0, z))

    def derivative(self, z: Array, a: Array) -> Any:
        t = np.tanh(np.logaddexp(0, z))
        return t + z * (1 - t * t) * sigmoid(z)


class LogSigmoid(mt.Activation):
    """-log(1 + exp(-z))."""

    def value(self, z: Array) -> Any:
        return -np.logaddexp(0, -z)

    def derivative(self, z: Array, a: Array) -> Any:
        return sigmoid(-z)


class PReLU(mt.Layer):
    """x for x > 0, else slope x, with one slope per channel of (channels, length)."""

    parameter_names = ("slope",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.slope = np.full((input_shape[0], 1), 0.25, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return np.where(x > 0, x, self.slope * x), x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        low = np.minimum(cache, 0)
        dx = dy * np.where(cache > 0, 1, self.slope).astype(dy.dtype)
        return dx, {"slope": (dy * low).sum(axis=(0, 2))[:, None]}


class LearnedSwish(mt.Layer):
    """x sigmoid(beta x), with one beta for all."""

    parameter_names = ("beta",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.beta = np.ones(1, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        s = sigmoid(self.beta * x)
        return x * s, (x, s)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, s = cache
        d = x * s * (1 - s)
        return dy * (s + self.beta * d), {"beta": np.array([(dy * d * x).sum()])}


class Snake(mt.Layer):
    """x + sin(a x)^2 / a, with one a per feature."""

    parameter_names = ("a",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.a = np.ones(input_shape, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return x + np.sin(self.a * x) ** 2 / self.a, x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, a = cache, self.a
        wave = np.sin(2 * a * x)
        da = dy * (x * wave / a - np.sin(a * x) ** 2 / a**2)
        return dy * (1 + wave), {"a": da.sum(axis=0)}


class Affine(mt.Layer):
    """scale x + shift, feature by feature."""

    parameter_names = ("scale", "shift")

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.scale, self.shift = np.ones(input_shape, dtype), np.zeros(input_shape, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return x * self.scale + self.shift, x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        return dy * self.scale, {"scale": (dy * cache).sum(axis=0), "shift": dy.sum(axis=0)}


class Polynomial(mt.Layer):
    """a x + b x^2 + c x^3, feature by feature; b and c begin at 0."""

    parameter_names = ("a", "b", "c")

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.a = np.ones(input_shape, dtype)
        self.b, self.c = np.zeros(input_shape, dtype), np.zeros(input_shape, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return x * (self.a + x * (self.b + x * self.c)), x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        powers = (("a", 1), ("b", 2), ("c", 3))
        dx = dy * (self.a + 2 * self.b * cache + 3 * self.c * cache**2)
        return dx, {name: (dy * cache**p).sum(axis=0) for name, p in powers}


class GLU(mt.Layer):
    """a sigmoid(b), for the two halves a and b of the last axis."""

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        return (*input_shape[:-1], input_shape[-1] // 2)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        a, b = np.split(x, 2, axis=-1)
        return a * sigmoid(b), (a, sigmoid(b))

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        a, s = cache
        return np.concatenate([dy * s, dy * a * s * (1 - s)], axis=-1), {}


class GEGLU(GLU):
    """a gelu(b), for the two halves a and b of the last axis."""

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        a, b = np.split(x, 2, axis=-1)
        phi = normal_cdf(b).astype(x.dtype)
        return a * b * phi, (a, b, phi)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        a, b, phi = cache
        return np.concatenate([dy * b * phi, dy * a * (phi + b * bell(b))], axis=-1), {}


class Bilinear(mt.Layer):
    """y_k = a' W_k b, for the two halves a and b of a sample."""

    parameter_names = ("w",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        half = input_shape[0] // 2
        self.w = rng.normal(0, 0.5, (3, half, half)).astype(dtype)
        return (3,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        a, b = np.split(x, 2, axis=1)
        return np.einsum("mi,kij,mj->mk", a, self.w, b), (a, b)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        a, b = cache
        da = np.einsum("mk,kij,mj->mi", dy, self.w, b)
        db = np.einsum("mk,kij,mi->mj", dy, self.w, a)
        return np.hstack([da, db]), {"w": np.einsum("mk,mi,mj->kij", dy, a, b)}


class Maxout(mt.Layer):
    """The largest of three affine functions, for each of two units."""

    parameter_names = ("w", "b")

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.w = rng.normal(0, 0.5, (3, 2, *input_shape)).astype(dtype)
        self.b = np.zeros((3, 2), dtype)
        return (2,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        z = np.einsum("pud,md->mpu", self.w, x) + self.b
        return z.max(axis=1), (x, z.argmax(axis=1))

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, k = cache
        dz = (k[:, None] == np.arange(3)[:, None]) * dy[:, None]
        dw = np.einsum("mpu,md->pud", dz, x)
        return np.einsum("mpu,pud->md", dz, self.w), {"w": dw, "b": dz.sum(axis=0)}


class Prototypes(mt.Layer):
    """What compares a sample with each of three learned rows, and has a scale for each."""

    parameter_names = ("rows", "scale")

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.rows = rng.normal(0, 0.5, (3, *input_shape)).astype(dtype)
        self.scale = np.ones(3, dtype)
        return (3,)


class Cosine(Prototypes):
    """y_k = scale_k cos(x, row_k)."""

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        nx, nr = (np.sqrt((a * a).sum(axis=1, keepdims=True) + 1e-12) for a in (x, self.rows))
        u, v = x / nx, self.rows / nr
        return self.scale * (u @ v.T), (u, v, nx, nr)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        u, v, nx, nr = cache
        dc = self.scale * dy
        du, dv = dc @ v, dc.T @ u
        dx = (du - u * (du * u).sum(axis=1, keepdims=True)) / nx
        drows = (dv - v * (dv * v).sum(axis=1, keepdims=True)) / nr
        return dx, {"rows": drows, "scale": (dy * (u @ v.T)).sum(axis=0)}


class RBF(Prototypes):
    """y_k = exp(-scale_k^2 |x - row_k|^2 / 2)."""

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        d = x[:, None] - self.rows
        q = (d * d).sum(axis=2)
        y = np.exp(-0.5 * self.scale**2 * q)
        return y, (d, q, y)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        d, q, y = cache
        dd = -(dy * y * self.scale**2)[:, :, None] * d
        dscale = -(dy * y * q * self.scale).sum(axis=0)
        return dd.sum(axis=1), {"rows": -dd.sum(axis=0), "scale": dscale}


class L2Distance(Prototypes):
    """y_k = scale_k |x - row_k|."""

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        d = x[:, None] - self.rows
        length = np.sqrt((d * d).sum(axis=2))
        return self.scale * length, (d, length)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        d, length = cache
        safe = np.where(length == 0, 1, length).astype(dy.dtype)
        dd = (dy * self.scale / safe)[:, :, None] * d
        return dd.sum(axis=1), {"rows": -dd.sum(axis=0), "scale": (dy * length).sum(axis=0)}


BUGS: list[tuple[type[Any], str, str, str]] = [
    (SquaredReLU, "the factor 2 is missing", "2 * np.maximum", "np.maximum"),
    (SquaredReLU, "negative numbers get a gradient too", "2 * np.maximum(z, 0)", "2 * z"),
    (SquaredReLU, "the output in the input's place", "2 * np.maximum(z, 0)", "2 * a"),
    (SoftShrink, "the mask is the other way round", "np.abs(z) > self", "np.abs(z) < self"),
    (SoftShrink, "negative numbers get no gradient", "np.abs(z) > self", "z > self"),
    (SoftShrink, "the limit is taken of the output", "np.abs(z) > self", "np.abs(a) > self"),
    (HardTanh, "the limit is always 1", "(np.abs(z) < self.limit)", "(np.abs(z) < 1)"),
    (HardTanh, "what is below the lower limit gets a gradient", "(np.abs(z) <", "(z <"),
    (HardTanh, "all get a gradient", "(np.abs(z) < self.limit)", "(z == z)"),
    (CELU, "alpha is a factor, as in ELU", "return np.exp(", "return self.alpha * np.exp("),
    (CELU, "no alpha in exp", "exp(np.minimum(z, 0) / self.alpha)", "exp(np.minimum(z, 0))"),
    (CELU, "the exponent is clipped", "np.exp(np.minimum(z, 0)", "np.exp(np.clip(z, -0.5, 0)"),
    (GELU, "z Phi' is missing", " + z * bell(z)", ""),
    (GELU, "Phi' without its factor z", " + z * bell(z)", " + bell(z)"),
    (GELU, "float64 for float32", "(z).astype(z.dtype) +", "(z) +"),
    (GELU, "Phi' is not divided by sqrt(2 pi)", "z * bell(z)", "z * np.exp(-z * z / 2)"),
    (Mish, "the derivative of tanh is missing", "(1 - t * t) * ", ""),
    (Mish, "the derivative of softplus is missing", " * sigmoid(z)", ""),
    (Mish, "the product rule's second term is missing", "t + z * (1 - t * t) * sigmoid(z)", "t"),
    (LogSigmoid, "the sign in the sigmoid", "sigmoid(-z)", "sigmoid(z)"),
    (LogSigmoid, "the sigmoid's own derivative", "sigmoid(-z)", "sigmoid(z) * sigmoid(-z)"),
    (LogSigmoid, "1 - output, as if that were a sigmoid", "return sigmoid(-z)", "return 1 - a"),
    (PReLU, "the channels' sums are added", "(axis=(0, 2))[:, None]", "() + 0 * self.slope"),
    (PReLU, "the slope learns from what is positive too", "np.minimum(cache, 0)", "cache"),
    (PReLU, "what is positive gets the slope too", "cache > 0, 1, self", "cache > 9, 1, self"),
    (PReLU, "the slope in dx is always its first one", "0, 1, self.slope", "0, 1, 0.25"),
    (LearnedSwish, "beta is missing in dx", "s + self.beta * d", "s + d"),
    (LearnedSwish, "beta is squared", "s + self.beta * d", "s + self.beta**2 * d"),
    (LearnedSwish, "x is missing for beta", "(dy * d * x)", "(dy * d)"),
    (LearnedSwish, "the first cache is kept", "= cache", "= vars(self).setdefault('c', cache)"),
    (LearnedSwish, "beta's gradient is a mean", "* x).sum()", "* x).sum(axis=0).mean()"),
    (Snake, "a is missing in the sine", "wave = np.sin(2 * a * x)", "wave = np.sin(2 * x)"),
    (Snake, "the quotient rule's second term is missing", " - np.sin(a * x) ** 2 / a**2", ""),
    (Snake, "not divided by a squared", "** 2 / a**2", "** 2 / a"),
    (Snake, "x is that of the first call", "= cache, ", "= vars(self).setdefault('x', cache), "),
    (Affine, "dx is not scaled", "return dy * self.scale,", "return dy.copy(),"),
    (Affine, "dx is scaled twice", "return dy * self.scale,", "return dy * self.scale**2,"),
    (Affine, "dx is divided by the scale", "return dy * self.scale,", "return dy / self.scale,"),
    (Affine, "the shift's gradient is scaled", "dy.sum(axis=0)}", "(dy * self.scale).sum(axis=0)}"),
    (Affine, "dy is scaled in place", "return dy * self.scale,", "dy *= self.scale; return dy,"),
    (Polynomial, "the factor 2 is missing", "2 * self.b", "self.b"),
    (Polynomial, "c's term has the factor 2", "3 * self.c", "2 * self.c"),
    (Polynomial, "c learns from the square", '("c", 3)', '("c", 2)'),
    (Polynomial, "a alone is in dx", " + 2 * self.b * cache + 3 * self.c * cache**2", ""),
    (GLU, "the gate's gradient is without a", "dy * a * s", "dy * s"),
    (GLU, "s is overwritten with dy s", "[dy * s,", "[np.multiply(dy, s, out=s),"),
    (GLU, "the sigmoid's derivative lacks 1 - s", " * (1 - s)", ""),
    (GLU, "the halves are swapped", "a, s = cache", "s, a = cache"),
    (GEGLU, "the gate's derivative is Phi alone", "(phi + b * bell(b))", "phi"),
    (GEGLU, "the gate is Phi, without b, for a", "[dy * b * phi", "[dy * phi"),
    (GEGLU, "the halves are swapped", "a, b, phi = cache", "b, a, phi = cache"),
    (Bilinear, "W is transposed for b", '"mk,kij,mi->mj"', '"mk,kji,mi->mj"'),
    (Bilinear, "W is transposed for a", '"mk,kij,mj->mi"', '"mk,kji,mj->mi"'),
    (Bilinear, "a and b are swapped for W", "dy, a, b)", "dy, b, a)"),
    (Bilinear, "the units are reversed in da", 'j->mi", dy,', 'j->mi", dy[:, ::-1],'),
    (Maxout, "all pieces learn", "(k[:, None] == np.arange(3)[:, None])", "np.ones((1, 3, 1)) / 3"),
    (Maxout, "the last piece never learns", "np.arange(3)[:", "np.array([0, 1, 1])[:"),
    (Maxout, "b's gradient is a mean", "dz.sum(axis=0)", "dz.mean(axis=0)"),
    (Maxout, "the choice is made without b", "z.argmax(axis=1)", "(z - self.b).argmax(axis=1)"),
    (Cosine, "x's norm is a constant", " - u * (du * u).sum(axis=1, keepdims=True)", ""),
    (Cosine, "the rows' norm is a constant", " - v * (dv * v).sum(axis=1, keepdims=True)", ""),
    (Cosine, "the scale is missing", "dc = self.scale * dy", "dc = dy"),
    (Cosine, "the scale learns from what is scaled", "(dy * (u", "(dc * (u"),
    (RBF, "the scale is not squared", "self.scale**2)[", "self.scale)["),
    (RBF, "the rows' sign", '"rows": -dd', '"rows": dd'),
    (RBF, "the scale learns from the distance", "q * self", "np.sqrt(q) * self"),
    (RBF, "the scale's own factor is missing", "y * q * self.scale", "y * q"),
    (RBF, "the cache is that of the first call", "= cache", "= vars(self).setdefault('c', cache)"),
    (L2Distance, "not divided by the distance", "self.scale / safe", "self.scale"),
    (L2Distance, "divided by its square", "self.scale / safe", "self.scale / safe**2"),
    (L2Distance, "the rows' sign", '"rows": -dd', '"rows": dd'),
    (L2Distance, "the scale is missing in dx", "dy * self.scale / safe", "dy / safe"),
]

SHAPES = {PReLU: (3, 2), GLU: (2, 6)}

SPECIMENS = [
    one(cls, *(Bug(*bug) for owner, *bug in BUGS if owner is cls), shape=SHAPES.get(cls, (4,)))
    for cls in dict.fromkeys(owner for owner, *_ in BUGS)
]
