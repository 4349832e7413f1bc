"""Correct layers that compute unusual functions: kinks, steps, linear algebra, other shapes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.gradcheck import Case


class Plain(mt.Layer):
    """A layer without parameters, as a function f(x) and its vector-Jacobian product."""

    @abstractmethod
    def f(self, x: Any) -> Any:
        """The outputs."""

    @abstractmethod
    def vjp(self, dy: Any, x: Any) -> Any:
        """The gradient with respect to x."""

    def shape(self, shape: Any) -> Any:
        return shape

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        return self.shape(input_shape)

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return self.f(x), x

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return self.vjp(dy, cache), {}


class ByEntry(mt.Activation):
    """An activation made of two functions."""

    def __init__(self, g: Any, slope: Any) -> None:
        self.g, self.slope = g, slope

    def value(self, z: Any) -> Any:
        return self.g(z)

    def derivative(self, z: Any, a: Any) -> Any:
        return self.slope(z)


def zero(z: Any) -> Any:
    return np.zeros_like(z)


ENTRIES: list[tuple[Any, Any]] = [
    (lambda z: np.full_like(z, 3.0), zero),  # a constant
    (lambda z: 0 * z, zero),
    (lambda z: z.copy(), np.ones_like),  # the identity
    (np.sign, zero),
    (np.floor, zero),
    (np.round, zero),
    (lambda z: (z > 0.5).astype(z.dtype), zero),
    (np.abs, np.sign),
    (lambda z: np.maximum(z, 0) ** 2, lambda z: 2 * np.maximum(z, 0)),
    (lambda z: z * np.abs(z), lambda z: 2 * np.abs(z)),
    (lambda z: np.abs(z) ** 1.5, lambda z: 1.5 * np.sqrt(np.abs(z)) * np.sign(z)),
    (lambda z: np.sqrt(np.abs(z) + 0.1), lambda z: np.sign(z) / (2 * np.sqrt(np.abs(z) + 0.1))),
    (lambda z: np.logaddexp(0, z), lambda z: 1 / (1 + np.exp(-z))),
    (lambda z: np.clip(z, -0.5, 0.8), lambda z: ((z > -0.5) & (z < 0.8)).astype(z.dtype)),
    (lambda z: np.mod(z, 1.5), np.ones_like),
    (lambda z: np.trunc(z) + z, np.ones_like),
    (lambda z: z**3 - z, lambda z: 3 * z * z - 1),
    (lambda z: np.exp(-z * z), lambda z: -2 * z * np.exp(-z * z)),
    (lambda z: np.sin(5 * z), lambda z: 5 * np.cos(5 * z)),
    (lambda z: 1e12 * z * z, lambda z: 2e12 * z),
    (lambda z: 1e-12 * z * z, lambda z: 2e-12 * z),
    (lambda z: 1e3 + np.tanh(z) * 10, lambda z: 10 * (1 - np.tanh(z) ** 2)),
]


class Sort(Plain):
    def f(self, x: Any) -> Any:
        return np.sort(x, axis=-1)

    def vjp(self, dy: Any, x: Any) -> Any:
        dx = np.empty_like(dy)
        np.put_along_axis(dx, np.argsort(x, axis=-1), dy, axis=-1)
        return dx


class Cumsum(Plain):
    def f(self, x: Any) -> Any:
        return np.cumsum(x, axis=-1)

    def vjp(self, dy: Any, x: Any) -> Any:
        return np.cumsum(dy[..., ::-1], axis=-1)[..., ::-1].copy()


class Cumprod(Plain):
    """Samples are vectors. No division: right for zeros as well."""

    def f(self, x: Any) -> Any:
        return np.cumprod(x, axis=1)

    def vjp(self, dy: Any, x: Any) -> Any:
        dx, n = np.zeros_like(x), x.shape[1]
        for i in range(n):
            for j in range(i, n):
                dx[:, i] += dy[:, j] * np.delete(x[:, : j + 1], i, axis=1).prod(axis=1)
        return dx

    def shape(self, shape: Any) -> Any:
        if len(shape) != 1:
            raise mt.ShapeError(f"expected vectors, got {shape}")
        return shape


class OneHotMax(Plain):
    """1 at the largest feature, else 0: piecewise constant."""

    def f(self, x: Any) -> Any:
        return (x == x.max(axis=-1, keepdims=True)).astype(x.dtype)

    def vjp(self, dy: Any, x: Any) -> Any:
        return np.zeros_like(x)


class PerSample(Plain):
    """A number for each sample: the output's shape is ()."""

    def shape(self, shape: Any) -> Any:
        if len(shape) != 1:
            raise mt.ShapeError(f"expected vectors, got {shape}")
        return ()


class Median(PerSample):
    def f(self, x: Any) -> Any:
        return np.median(x, axis=1)

    def vjp(self, dy: Any, x: Any) -> Any:
        n, order, dx = x.shape[1], np.argsort(x, axis=1), np.zeros_like(x)
        for place in ((n - 1) // 2, n // 2):
            dx[np.arange(len(x)), order[:, place]] += dy / 2
        return dx


class Smallest(PerSample):
    def f(self, x: Any) -> Any:
        return x.min(axis=1)

    def vjp(self, dy: Any, x: Any) -> Any:
        dx = np.zeros_like(x)
        dx[np.arange(len(x)), x.argmin(axis=1)] = dy
        return dx


class Norm(PerSample):
    def f(self, x: Any) -> Any:
        return np.linalg.norm(x, axis=1)

    def vjp(self, dy: Any, x: Any) -> Any:
        n = np.linalg.norm(x, axis=1, keepdims=True)
        return dy[:, None] * x / np.where(n > 0, n, 1)


class LogSumExp(PerSample):
    def f(self, x: Any) -> Any:
        top = x.max(axis=1)
        return top + np.log(np.exp(x - top[:, None]).sum(axis=1))

    def vjp(self, dy: Any, x: Any) -> Any:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return dy[:, None] * e / e.sum(axis=1, keepdims=True)


class Matrices(Plain):
    """Samples are square matrices, moved by 4 I so that none is singular."""

    def shape(self, shape: Any) -> Any:
        if len(shape) != 2 or shape[0] != shape[1]:
            raise mt.ShapeError(f"expected square matrices, got {shape}")
        return shape

    def moved(self, x: Any) -> Any:
        return x + 4 * np.eye(x.shape[1], dtype=x.dtype)


class Inverse(Matrices):
    def f(self, x: Any) -> Any:
        return np.linalg.inv(self.moved(x))

    def vjp(self, dy: Any, x: Any) -> Any:
        turned = np.linalg.inv(self.moved(x)).swapaxes(1, 2)
        return -turned @ dy @ turned


class Determinant(Matrices):
    def shape(self, shape: Any) -> Any:
        super().shape(shape)
        return ()

    def f(self, x: Any) -> Any:
        return np.linalg.det(self.moved(x))

    def vjp(self, dy: Any, x: Any) -> Any:
        a = self.moved(x)
        return (dy * np.linalg.det(a))[:, None, None] * np.linalg.inv(a).swapaxes(1, 2)


class LargestEigenvalue(Matrices):
    """Of the symmetric part."""

    def shape(self, shape: Any) -> Any:
        super().shape(shape)
        return (1,)

    def f(self, x: Any) -> Any:
        return np.linalg.eigvalsh((x + x.swapaxes(1, 2)) / 2)[:, -1:]

    def vjp(self, dy: Any, x: Any) -> Any:
        v = np.linalg.eigh((x + x.swapaxes(1, 2)) / 2)[1][:, :, -1]
        return dy[:, :, None] * v[:, :, None] * v[:, None, :]


class Spectrum(Plain):
    """Magnitudes of the Fourier transform of the last axis."""

    def f(self, x: Any) -> Any:
        return np.abs(np.fft.fft(x)).astype(x.dtype)

    def vjp(self, dy: Any, x: Any) -> Any:
        z = np.fft.fft(x)
        return (np.fft.ifft(dy * z / np.abs(z)).real * x.shape[-1]).astype(dy.dtype)


class Gather(Plain):
    """Features by number, some of them twice."""

    def __init__(self, places: Any = (2, 0, 0, 3)) -> None:
        self.places = list(places)

    def shape(self, shape: Any) -> Any:
        if len(shape) != 1 or shape[0] <= max(self.places):
            raise mt.ShapeError(f"expected at least {max(self.places) + 1} features, got {shape}")
        return (len(self.places),)

    def f(self, x: Any) -> Any:
        return x[:, self.places]

    def vjp(self, dy: Any, x: Any) -> Any:
        dx = np.zeros_like(x)
        for n, place in enumerate(self.places):
            dx[:, place] += dy[:, n]
        return dx


class Outer(Plain):
    """Each sample's outer product with itself: more dimensions than came in."""

    def shape(self, shape: Any) -> Any:
        return (*shape, shape[-1])

    def f(self, x: Any) -> Any:
        return x[..., :, None] * x[..., None, :]

    def vjp(self, dy: Any, x: Any) -> Any:
        return ((dy + dy.swapaxes(-1, -2)) @ x[..., None])[..., 0]


class SumOut(Plain):
    """The sum over the last axis, and that axis is gone."""

    def shape(self, shape: Any) -> Any:
        return shape[:-1]

    def f(self, x: Any) -> Any:
        return x.sum(axis=-1)

    def vjp(self, dy: Any, x: Any) -> Any:
        return np.repeat(dy[..., None], x.shape[-1], axis=-1)


class Unfold(Plain):
    """Windows of two neighbours: (n,) to (n - 1, 2)."""

    def shape(self, shape: Any) -> Any:
        if len(shape) != 1 or shape[0] < 2:
            raise mt.ShapeError(f"expected at least two features, got {shape}")
        return (shape[0] - 1, 2)

    def f(self, x: Any) -> Any:
        return np.stack([x[:, :-1], x[:, 1:]], axis=2)

    def vjp(self, dy: Any, x: Any) -> Any:
        dx = np.zeros_like(x)
        dx[:, :-1] += dy[:, :, 0]
        dx[:, 1:] += dy[:, :, 1]
        return dx


class OneHot(Plain):
    """Whole numbers below 6 to rows of 6."""

    index_limit = 6

    def shape(self, shape: Any) -> Any:
        return (*shape, 6)

    def f(self, x: Any) -> Any:
        return (x[..., None] == np.arange(6)).astype(x.dtype)

    def vjp(self, dy: Any, x: Any) -> Any:
        return np.zeros_like(x)


class Maxout(Plain):
    """The larger of the two halves, feature by feature, of an even number of features."""

    def shape(self, shape: Any) -> Any:
        if len(shape) != 1 or shape[0] % 2:
            raise mt.ShapeError(f"expected an even number of features, got {shape}")
        return (shape[0] // 2,)

    def f(self, x: Any) -> Any:
        return np.maximum(*np.split(x, 2, axis=1))

    def vjp(self, dy: Any, x: Any) -> Any:
        a, b = np.split(x, 2, axis=1)
        return np.concatenate([dy * (a >= b), dy * (a < b)], axis=1)


def entry(n: int) -> Callable[[], Any]:
    return lambda: ByEntry(*ENTRIES[n])


FUNCTIONS: list[Callable[[], Any]] = [
    *(entry(n) for n in range(len(ENTRIES))),
    Sort,
    lambda: Case(Sort(), (2, 4)),
    Cumsum,
    Cumprod,
    OneHotMax,
    Median,
    lambda: Case(Median(), (6,)),
    Smallest,
    Norm,
    LogSumExp,
    lambda: Case(Inverse(), (3, 3)),
    lambda: Case(Determinant(), (3, 3)),
    lambda: Case(Determinant(), (2, 2), scale=0.1),
    lambda: Case(LargestEigenvalue(), (3, 3)),
    Spectrum,
    lambda: Case(Spectrum(), (2, 5)),
    Gather,
    lambda: Case(Gather([4, 3, 2, 1, 0]), (5,)),
    Outer,
    SumOut,
    lambda: Case(SumOut(), (2, 3)),
    Unfold,
    OneHot,
    Maxout,
    lambda: Case(Maxout(), (8,)),
]
