"""Small layers whose bugs are in arrays that are shared or changed, and layers made of layers."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from tests.material.specimens import one, several
from tests.planting import Bug, Specimen

LINE = "\n        "


class Hyperbolic(mt.Layer):
    """y = tanh(x)."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        y = np.tanh(x)
        return y, (x, y.copy())

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        x, y = cache
        return dy * (1 - y * y), {}


class Shift(mt.Layer):
    """y = x + a + b, with two parameters that have the same gradient."""

    parameter_names = ("a", "b")

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.a = rng.normal(size=input_shape).astype(dtype)
        self.b = rng.normal(size=input_shape).astype(dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return x + self.a + self.b, None

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        g = dy.sum(axis=0)
        return dy.copy(), {"a": g, "b": g.copy()}


class Flip(mt.Layer):
    """The features in reverse order."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return x[:, ::-1].copy(), None

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return dy[:, ::-1].copy(), {}


class Gate(mt.Layer):
    """y = p * x + q * x^2: two parameters of one shape."""

    parameter_names = ("p", "q")

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.p = rng.normal(size=input_shape).astype(dtype)
        self.q = rng.normal(size=input_shape).astype(dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return self.p * x + self.q * x**2, x

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        x = cache
        dp, dq = (dy * x).sum(axis=0), (dy * x**2).sum(axis=0)
        dx = dy * (self.p + 2 * self.q * x)
        return dx, {"p": dp, "q": dq}


class Pair(mt.Layer):
    """Two gates one after the other, each with its parameters."""

    def __init__(self) -> None:
        self.left, self.right = Gate(), Gate()

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        middle = self.left.build_once(input_shape, rng=rng, dtype=dtype)
        return self.right.build_once(middle, rng=rng, dtype=dtype)

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        h, first = self.left.forward(x, train=train, rng=rng)
        y, second = self.right.forward(np.tanh(h), train=train, rng=rng)
        return y, (first, second, h)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        first, second, h = cache
        dh, right = self.right.backward(dy, second)
        dx, left = self.left.backward(dh * (1 - np.tanh(h) ** 2), first)
        named = {f"left.{name}": g for name, g in left.items()}
        return dx, named | {f"right.{name}": g for name, g in right.items()}


class Twice(mt.Layer):
    """One gate, used twice: g(tanh(g(x)))."""

    def __init__(self) -> None:
        self.gate = Gate()

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        return self.gate.build_once(input_shape, rng=rng, dtype=dtype)

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        h, first = self.gate.forward(x, train=train, rng=rng)
        y, second = self.gate.forward(np.tanh(h), train=train, rng=rng)
        return y, (first, second, h)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        first, second, h = cache
        dh, late = self.gate.backward(dy, second)
        dx, early = self.gate.backward(dh * (1 - np.tanh(h) ** 2), first)
        return dx, {f"gate.{name}": early[name] + late[name] for name in early}


MINUS, STEP = "return dy * (1 - y * y), {}", "dh * (1 - np.tanh(h) ** 2)"

PARTS: list[Specimen] = [
    one(
        Hyperbolic,
        Bug("x is changed in place by forward", "y = np.tanh(x)", "y = np.tanh(x, out=x).copy()"),
        Bug(
            "x is made of float32 on the way",
            "y = np.tanh(x)",
            "y = np.tanh(x.astype(np.float32)).astype(x.dtype)",
        ),
        Bug("dy is multiplied in place", MINUS, f"dy *= 1 - y * y{LINE}return dy, {{}}"),
        Bug(
            "the cache is changed in backward: a second one is wrong",
            MINUS,
            f"np.multiply(y, y, out=y){LINE}return dy * (1 - y), {{}}",
        ),
        Bug(
            "dx is written into the cached x: a second backward, and the caller's x, are wrong",
            MINUS,
            f"x[...] = dy * (1 - y * y){LINE}return x.copy(), {{}}",
        ),
        Bug(
            "the slope is kept on the layer by the shape of x",
            MINUS,
            'return dy * self.__dict__.setdefault("slopes", {}).setdefault(x.shape, 1 - y * y), {}',
        ),
        Bug(
            "a slope below 1e-2 is cut to zero",
            MINUS,
            f"slope = 1 - y * y{LINE}return dy * np.where(slope < 1e-2, 0, slope), {{}}",
        ),
        scale=2.0,
        samples=8,
    ),
    one(
        Shift,
        Bug("the two gradients are one array", '"b": g.copy()', '"b": g'),
        Bug("the gradients are rows of dy, not sums", "g = dy.sum(axis=0)", "g = dy[0].copy()"),
        Bug(
            "the gradients are views of one array that all calls use",
            "g = dy.sum(axis=0)",
            f'g = self.__dict__.setdefault("g", np.empty_like(self.a)){LINE}dy.sum(axis=0, out=g)',
        ),
        Bug(
            "the parameters' own memory is handed out as gradient",
            "g = dy.sum(axis=0)",
            f"g = self.a{LINE}dy.sum(axis=0, out=g)",
        ),
    ),
    one(
        Flip,
        Bug("the samples are reversed, not the features", "dy[:, ::-1]", "dy[::-1]"),
        Bug("nothing is reversed on the way back", "dy[:, ::-1]", "dy"),
    ),
    one(
        Gate,
        Bug(
            "the names of the two gradients are swapped, which no shape shows",
            '{"p": dp, "q": dq}',
            '{"p": dq, "q": dp}',
        ),
        Bug("both parameters get the first one's gradient", '"q": dq', '"q": dp.copy()'),
        Bug("q has no gradient", ', "q": dq', ""),
        several(
            Gate,
            "p is kept from build, and old after a step",
            (
                "        return input_shape",
                "        self.first = self.p.copy()\n        return input_shape",
            ),
            ("dy * (self.p", "dy * (self.first"),
        ),
        several(
            Gate,
            "p is kept on the class by build, where a twin's replaces it",
            (
                "        return input_shape",
                "        type(self).shared = self.p\n        return input_shape",
            ),
            ("dy * (self.p", "dy * (self.shared"),
        ),
        Bug("2 q x is summed over the batch", "2 * self.q * x)", "2 * self.q * x.sum(axis=0))"),
        Bug(
            "one sample's gradient is not summed: (1, n)",
            "dp, dq = (dy * x).sum(axis=0), ",
            "dp, dq = (dy * x).sum(axis=0) if len(dy) > 1 else dy * x, ",
        ),
    ),
    one(
        Pair,
        Bug("the parts' names lack the prefix", 'f"left.{name}"', "name"),
        Bug(
            "left and right are swapped in the names",
            'f"left.{name}": g for name, g in left.items()}',
            'f"left.{name}": g for name, g in right.items()}',
        ),
        Bug(
            "the right part's gradients are missing",
            'named | {f"right.{name}": g for name, g in right.items()}',
            "named",
        ),
        Bug(
            "both parts get the same gradients, the same arrays",
            "in right.items()}",
            "in left.items()}",
        ),
        Bug("the step between the parts has no derivative", STEP, "dh"),
        Bug(
            "the first part's cache is used for both",
            "self.right.backward(dy, second)",
            "self.right.backward(dy, first)",
        ),
        several(
            Pair,
            "the caches are kept on the layer",
            ("return y, (first, second, h)", f"self.kept = first, second, h{LINE}return y, None"),
            ("first, second, h = cache", "first, second, h = self.kept"),
        ),
    ),
    one(
        Twice,
        Bug("only the first use counts", "early[name] + late[name]", "early[name]"),
        Bug("only the second use counts", "early[name] + late[name]", "late[name]"),
        Bug(
            "the two uses are averaged",
            "early[name] + late[name]",
            "(early[name] + late[name]) / 2",
        ),
        Bug(
            "one cache for both uses",
            "self.gate.backward(dy, second)",
            "self.gate.backward(dy, first)",
        ),
    ),
    one(
        mt.Embedding,
        Bug(
            "a row that is looked up twice is set, not added up",
            "add_at(gradient, cache.reshape(-1), dy.reshape(-1, self.dimensions))",
            "gradient[cache.reshape(-1)] = dy.reshape(-1, self.dimensions)",
        ),
        Bug(
            "+= with repeated rows adds one of them only",
            "add_at(gradient, cache.reshape(-1), dy.reshape(-1, self.dimensions))",
            "gradient[cache.reshape(-1)] += dy.reshape(-1, self.dimensions)",
        ),
        Bug(
            "the gradient is float64 for float32",
            "(self.vocabulary, self.dimensions), dy.dtype)",
            "(self.vocabulary, self.dimensions))",
        ),
        Bug(
            "the gradient has the rows that were looked up only",
            '{"weight": gradient}',
            '{"weight": gradient[np.unique(cache)]}',
        ),
        shape=(4,),
        make=lambda cls: cls(12, 3),
    ),
]
