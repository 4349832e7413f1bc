"""Layers whose mistakes are not in a formula: in what they keep, change, share, draw and return.

Each class is correct. Most of its bugs give the right gradient at the first look, in the usual
call, and break a promise of `minitorch_np.core.layer`: nothing of a call is kept on the layer,
nothing that is handed in is changed, what is returned is fresh, dtypes stay, randomness comes from
the generator that is handed in. The rest depend on how large, how many or in which mode. Here are
those of one dense layer; layers with two modes and with layers inside are in modules of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np  # noqa: F401 - the planted code uses it

import minitorch_np as mt
from tests.material.specimens import one, several
from tests.material.stateful_modes import MODES
from tests.material.stateful_parts import PARTS
from tests.planting import Bug, Specimen

STASH: dict[str, Any] = {}
"""What some of the bugs keep between calls."""


class PlainLinear(mt.Layer):
    """y = x W + b."""

    parameter_names = ("weight", "bias")

    def __init__(self, units: int = 3) -> None:
        self.units = units

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.weight = rng.normal(size=(input_shape[0], self.units)).astype(dtype)
        self.bias = rng.normal(size=self.units).astype(dtype)
        return (self.units,)

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        y = x @ self.weight + self.bias
        return y, x

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        x = cache
        dw = x.T @ dy
        db = dy.sum(axis=0)
        dx = dy @ self.weight.T if need_dx else None
        return dx, {"weight": dw, "bias": db}


Y, X, DW, DB = "return y, x", "x = cache", "dw = x.T @ dy", "db = dy.sum(axis=0)"
DX, RETURN = "dy @ self.weight.T if need_dx", 'return dx, {"weight": dw, "bias": db}'
FORWARD, BUILT = "y = x @ self.weight + self.bias", "return (self.units,)"
LINE = "\n        "


def kept_at(place: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """x kept in a place of the layer's between forward and backward, the cache not used."""
    return (Y, f"{place} = x{LINE}return y, None"), (X, f"x = {place}")


def buffered(name: str, value: str, shape: str, dtype: str = "dy.dtype") -> str:
    """`name` = `value`, in an array that is made once for each shape and used again."""
    fresh = f"np.empty({shape}, {dtype})"
    found = (
        f'self.__dict__.setdefault("kept", {{}}).setdefault(({name!r}, {shape}, {dtype}), {fresh})'
    )
    return f"{name} = {found}{LINE}{name}[...] = {value}"


KEPT = one(
    PlainLinear,
    several(
        PlainLinear,
        "x is kept on the layer, where the next forward overwrites it",
        *kept_at("self.x"),
    ),
    several(
        PlainLinear,
        "x is kept on the class, where another layer overwrites it",
        *kept_at("type(self).x"),
    ),
    several(PlainLinear, "x is kept in a global of the module", *kept_at('STASH["x"]')),
    several(
        PlainLinear,
        "x is kept on a stack: backward takes the latest forward's",
        (Y, f'self.__dict__.setdefault("stack", []).append(x){LINE}return y, None'),
        (X, "x = self.stack[-1]"),
    ),
    several(
        PlainLinear,
        "x is taken off a stack: a second backward of the same forward fails",
        (Y, f'self.__dict__.setdefault("stack", []).append(x){LINE}return y, None'),
        (X, "x = self.stack.pop()"),
    ),
    several(
        PlainLinear,
        "the weight's transpose is kept from build, and old after a step",
        ("self.weight.T", "self.turned"),
        (BUILT, f"self.turned = self.weight.T.copy(){LINE}{BUILT}"),
    ),
    several(
        PlainLinear,
        "the weight is kept on the class by build: another layer's after its build",
        (BUILT, f"type(self).latest = self.weight{LINE}{BUILT}"),
        ("self.weight.T", "self.latest.T"),
    ),
    Bug(
        "the weight is kept from the first backward, and old after a step",
        DX,
        'dy @ self.__dict__.setdefault("turned", self.weight.T.copy()) if need_dx',
    ),
    Bug(
        "dx is remembered by dy alone, and old after a step",
        DX,
        'self.__dict__.setdefault("memo", {}).setdefault(dy.tobytes(), dy @ '
        "self.weight.T).copy() if need_dx",
    ),
    Bug(
        "outputs are remembered by x alone, and old after a step",
        FORWARD,
        f'memo = self.__dict__.setdefault("memo", {{}}){LINE}y = memo.setdefault(x.tobytes(), x @ '
        f"self.weight + self.bias).copy()",
    ),
    Bug(
        "the weight's gradient adds up over calls and is never set to zero",
        DW,
        f'dw = self.__dict__.get("total", 0) + x.T @ dy{LINE}self.total = dw',
    ),
    Bug(
        "the bias's gradient is kept from the first call",
        DB,
        'db = self.__dict__.setdefault("db", dy.sum(axis=0)).copy()',
    ),
    Bug(
        "the bias's gradient is a running average of the calls",
        DB,
        f'db = dy.sum(axis=0){LINE}self.db = db = 0.9 * self.__dict__.get("db", db) + 0.1 * db',
    ),
    Bug(
        "the gradients are zero after ten calls",
        DW,
        f'self.calls = self.__dict__.get("calls", 0) + 1{LINE}dw = (x.T @ dy) * (self.calls <= 10)',
    ),
    Bug(
        "outputs are written into one array: the next call changes them",
        FORWARD,
        buffered("y", "x @ self.weight + self.bias", "(len(x), self.units)", "x.dtype"),
    ),
    Bug(
        "dx is written into one array: the next call changes it",
        f"dx = {DX} else None",
        buffered("dx", "dy @ self.weight.T", "x.shape"),
    ),
    Bug(
        "the weight's gradient is written into one array: the next call changes it",
        DW,
        buffered("dw", "x.T @ dy", "self.weight.shape"),
    ),
    several(
        PlainLinear,
        "the cache is one array on the layer: the next forward changes it",
        (
            Y,
            f'kept = self.__dict__.setdefault("kept", {{}}).setdefault(x.shape, '
            f"np.empty_like(x)){LINE}kept[...] = x{LINE}return y, kept",
        ),
    ),
    Bug(
        "the first batch's size is kept: later batches are cut to it",
        DB,
        'db = dy[: self.__dict__.setdefault("m", len(dy))].sum(axis=0)',
    ),
)

CHANGED = one(
    PlainLinear,
    Bug(
        "takes a step in backward: the weight is changed",
        RETURN,
        f"self.weight -= 0.01 * dw{LINE}{RETURN}",
    ),
    Bug(
        "the weight is scaled to norm 1 in backward",
        RETURN,
        f"self.weight /= np.linalg.norm(self.weight){LINE}{RETURN}",
    ),
    Bug(
        "the bias is centered in place after backward",
        RETURN,
        f"self.bias -= self.bias.mean(){LINE}{RETURN}",
    ),
    Bug(
        "dy is divided by the batch in place after its use", RETURN, f"dy /= len(dy){LINE}{RETURN}"
    ),
    Bug("the cached x is set to zero, to be used once only", RETURN, f"x[...] = 0{LINE}{RETURN}"),
    Bug("a weight decay is added to the gradient", DW, "dw = x.T @ dy + 0.01 * self.weight"),
    Bug(
        "the weight's array is replaced by another in forward",
        FORWARD,
        f"{FORWARD}{LINE}self.weight = self.weight.copy()",
    ),
)

TYPES = one(
    PlainLinear,
    Bug(
        "the weight's gradient is float64 for float32",
        DW,
        "dw = np.zeros(self.weight.shape) + x.T @ dy",
    ),
    Bug(
        "the bias's gradient is summed in float64 and stays so",
        DB,
        "db = dy.sum(axis=0, dtype=np.float64)",
    ),
    Bug("dx is float64 for float32", DX, "dy @ self.weight.T.astype(np.float64) if need_dx"),
    Bug(
        "dx goes through float32",
        DX,
        "(dy @ self.weight.T).astype(np.float32).astype(dy.dtype) if need_dx",
    ),
    Bug(
        "dy is taken in float32, as weights are in training",
        X,
        f"x = cache{LINE}dy = dy.astype(np.float32).astype(dy.dtype)",
    ),
    Bug(
        "x is cached in float16 to save memory", Y, "return y, x.astype(np.float16).astype(x.dtype)"
    ),
    Bug("the output is float64 for float32", Y, "return y.astype(np.float64), x"),
    Bug("the gradient is rounded to 4 places", DB, "db = dy.sum(axis=0).round(4)"),
)

SIZES = one(
    PlainLinear,
    Bug("dy is clipped to -1 and 1", X, f"x = cache{LINE}dy = np.clip(dy, -1, 1)"),
    Bug("dy is clipped to -5 and 5", X, f"x = cache{LINE}dy = np.clip(dy, -5, 5)"),
    Bug(
        "dy of more than 10 is taken for an error and set to zero",
        X,
        f"x = cache{LINE}dy = np.where(np.abs(dy) > 10, 0, dy)",
    ),
    Bug(
        "dy below 1e-3 is set to zero", X, f"x = cache{LINE}dy = np.where(np.abs(dy) < 1e-3, 0, dy)"
    ),
    Bug("only the sign of dy is used for dx", DX, "np.sign(dy) @ self.weight.T if need_dx"),
    Bug("dy is divided by its norm", X, f"x = cache{LINE}dy = dy / np.linalg.norm(dy)"),
    Bug(
        "the weight's gradient is clipped to norm 1",
        DW,
        f"{DW}{LINE}dw = dw / max(1, np.linalg.norm(dw))",
    ),
    Bug(
        "dx is clipped to norm 100",
        f"dx = {DX} else None",
        f"dx = dy @ self.weight.T{LINE}dx = dx * min(1, 100 / np.linalg.norm(dx))",
    ),
    Bug("the weight's gradient is averaged over the batch", DW, "dw = x.T @ dy / len(dy)"),
    Bug("the bias's gradient is averaged over the batch", DB, "db = dy.mean(axis=0)"),
    Bug("only the first 8 samples count for the bias", DB, "db = dy[:8].sum(axis=0)"),
    Bug("the batch axis of one sample is squeezed away", X, "x = np.squeeze(cache)"),
    Bug(
        "one sample is taken for a batch that is averaged with its neighbour: doubled",
        DB,
        "db = dy.sum(axis=0) * (1 + (len(dy) == 1))",
    ),
    Bug(
        "dy that is not contiguous is read in the order of memory",
        X,
        f'x = cache{LINE}dy = dy.ravel(order="K").reshape(dy.shape)',
    ),
    Bug(
        "x that is not contiguous is cached in the order of memory",
        Y,
        'return y, x.ravel(order="K").reshape(x.shape)',
    ),
    Bug(
        "without dx the parameters get no gradients",
        RETURN,
        'return dx, {"weight": dw, "bias": db} if need_dx else {}',
    ),
    Bug(
        "without dx the weight's gradient is zero",
        DW,
        "dw = x.T @ dy if need_dx else np.zeros_like(self.weight)",
    ),
    Bug("frozen, dx is zero as well", DX, "dy @ self.weight.T * self.trainable if need_dx"),
)

NAMES = one(
    PlainLinear,
    Bug("the bias's gradient is (1, n)", DB, "db = dy.sum(axis=0, keepdims=True)"),
    Bug("the bias's gradient is not summed over the batch", DB, "db = dy.copy()"),
    Bug("the bias's gradient is one number for all", DB, "db = dy.sum()"),
    Bug("the names of the gradients are swapped", RETURN, 'return dx, {"weight": db, "bias": dw}'),
    Bug("the gradient of the bias is missing", RETURN, 'return dx, {"weight": dw}'),
    Bug(
        "a gradient of no parameter: scale",
        RETURN,
        'return dx, {"weight": dw, "bias": db, "scale": db.copy()}',
    ),
    Bug("a gradient's name is misspelt: weights", RETURN, 'return dx, {"weights": dw, "bias": db}'),
    Bug("a gradient's name is dweight", RETURN, 'return dx, {"dweight": dw, "bias": db}'),
    Bug("the weight's gradient is transposed", DW, "dw = dy.T @ x"),
    Bug("the weight's gradient is flat", DW, "dw = (x.T @ dy).ravel()"),
    Bug("the gradients are a list", RETURN, "return dx, [dw, db]"),
    Bug("three results, not dx and a dictionary", RETURN, "return dx, dw, db"),
    Bug(
        "dx and the gradients are in the wrong order",
        RETURN,
        'return {"weight": dw, "bias": db}, dx',
    ),
    Bug("the bias's gradient is None", RETURN, 'return dx, {"weight": dw, "bias": None}'),
    Bug("dx is left out", RETURN, 'return None, {"weight": dw, "bias": db}'),
    Bug(
        "bias is not named as a parameter, but has a gradient",
        'parameter_names = ("weight", "bias")',
        'parameter_names = ("weight",)',
    ),
)

SQUARE = one(
    PlainLinear,
    Bug("the weight's gradient is transposed, which no shape shows", DW, "dw = dy.T @ x"),
    Bug(
        "the weight is not transposed for dx, which no shape shows", "self.weight.T", "self.weight"
    ),
    Bug(
        "the bias's gradient is summed over the features, which no shape shows",
        DB,
        "db = dy.sum(axis=1)[: self.units]",
    ),
    shape=(3,),
    samples=3,
)

DRAWN = one(
    PlainLinear,
    Bug(
        "build draws from np.random, not from rng",
        "rng.normal(size=self.units)",
        "np.random.normal(size=self.units)",
    ),
    Bug(
        "a generator of its own adds noise to dx",
        DX,
        "dy @ self.weight.T * np.random.default_rng().normal(1, 0.1) if need_dx",
    ),
    Bug("np.random is seeded anew in each forward", FORWARD, f"np.random.seed(0){LINE}{FORWARD}"),
    Bug(
        "dropout is left on in backward: half of dx is zero",
        DX,
        "dy @ self.weight.T * (np.random.random(x.shape) < 0.5) if need_dx",
    ),
)

SPECIMENS: list[Specimen] = [
    *(KEPT, CHANGED, TYPES, SIZES, NAMES, SQUARE, DRAWN),
    *MODES,
    *PARTS,
]
