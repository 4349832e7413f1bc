"""Simple recurrences, and mistakes on the way back in time; SPECIMENS lists all recurrences."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from tests.material import filters, gates
from tests.planting import Bug, Specimen


class LastState(mt.Layer):
    """h = tanh(x W + h U + b), from h = 0; returns the last h."""

    parameter_names = ("w", "u", "b")

    def __init__(self, units: int) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.w = rng.normal(0, 0.5, (input_shape[1], self.units)).astype(dtype)
        self.u = rng.normal(0, 0.5, (self.units, self.units)).astype(dtype)
        self.b = np.zeros(self.units, dtype)
        return (self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        hs = [np.zeros((len(x), self.units), x.dtype)]
        for t in range(x.shape[1]):
            hs.append(np.tanh(x[:, t] @ self.w + hs[-1] @ self.u + self.b))
        return hs[-1].copy(), (x, hs)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, hs = cache
        dw, du, db = np.zeros_like(self.w), np.zeros_like(self.u), np.zeros_like(self.b)
        dx = np.zeros_like(x)
        dh = dy
        for t in reversed(range(x.shape[1])):
            dz = dh * (1 - hs[t + 1] ** 2)
            dw += x[:, t].T @ dz
            du += hs[t].T @ dz
            db += dz.sum(axis=0)
            dx[:, t] = dz @ self.w.T
            dh = dz @ self.u.T
        return dx, {"w": dw, "u": du, "b": db}


class AllStates(mt.Layer):
    """The same with a learned first state; returns all states in one array."""

    parameter_names = ("kernel", "recurrent", "start")

    def __init__(self, units: int = 3) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        steps, features = input_shape
        self.kernel = rng.normal(0, 0.6, (features, self.units)).astype(dtype)
        self.recurrent = np.linalg.qr(rng.normal(size=(self.units, self.units)))[0].astype(dtype)
        self.start = np.zeros(self.units, dtype)
        return (steps, self.units)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        m, steps, _ = x.shape
        h = np.empty((m, steps + 1, self.units), x.dtype)
        h[:, 0] = self.start
        for t in range(steps):
            h[:, t + 1] = np.tanh(x[:, t] @ self.kernel + h[:, t] @ self.recurrent)
        return h[:, 1:].copy(), (x, h)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, h = cache
        dz = np.empty_like(dy)
        carried = np.zeros_like(dy[:, 0])
        for t in range(dy.shape[1] - 1, -1, -1):
            dh = dy[:, t] + carried
            dz[:, t] = (1 - h[:, t + 1] ** 2) * dh
            carried = dz[:, t] @ self.recurrent.T
        return dz @ self.kernel.T, {
            "kernel": np.einsum("mti,mtj->ij", x, dz),
            "recurrent": np.einsum("mti,mtj->ij", h[:, :-1], dz),
            "start": carried.sum(axis=0),
        }


class Bidirectional(mt.Layer):
    """Two LastState, one over the steps in order, one in reverse; (m, steps, d) to (m, 2 units)."""

    def __init__(self, units: int = 2) -> None:
        self.ahead, self.back = LastState(units), LastState(units)
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.ahead.build(input_shape, rng=rng, dtype=dtype)
        self.back.build(input_shape, rng=rng, dtype=dtype)
        return (2 * self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        a, ca = self.ahead.forward(x)
        b, cb = self.back.forward(x[:, ::-1])
        return np.hstack([a, b]), (ca, cb)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        ca, cb = cache
        da, ga = self.ahead.backward(dy[:, : self.units], ca)
        db, gb = self.back.backward(dy[:, self.units :], cb)
        grads = {f"ahead.{name}": g for name, g in ga.items()}
        grads.update({f"back.{name}": g for name, g in gb.items()})
        return da + db[:, ::-1], grads


class Unrolled(mt.Layer):
    """One cell applied `times` times to the same input: h = tanh(x + h U), from h = 0."""

    parameter_names = ("u",)

    def __init__(self, times: int = 3) -> None:
        self.times = times

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.u = rng.normal(0, 0.5, 2 * input_shape).astype(dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        states = [np.zeros_like(x)]
        for _ in range(self.times):
            states.append(np.tanh(x + states[-1] @ self.u))
        return states[-1].copy(), states

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        du, dx, dh = np.zeros_like(self.u), np.zeros_like(dy), dy
        for before, after in zip(cache[-2::-1], cache[:0:-1], strict=True):
            dz = dh * (1 - after**2)
            dx += dz
            du += before.T @ dz
            dh = dz @ self.u.T
        return dx, {"u": du}


SPECIMENS: list[Specimen] = [
    Specimen(
        LastState,
        lambda cls: Case(cls(2), (4, 3), 3),
        (
            Bug(
                "the first time step is missing",
                "reversed(range(x.shape[1]))",
                "range(x.shape[1] - 1, 0, -1)",
            ),
            Bug(
                "the last time step is missing",
                "reversed(range(x.shape[1]))",
                "reversed(range(x.shape[1] - 1))",
            ),
            Bug(
                "the way back is truncated after two steps: right for short sequences",
                "reversed(range(x.shape[1]))",
                "list(reversed(range(x.shape[1])))[:2]",
            ),
            Bug(
                "the recurrent path is not propagated",
                "dh = dz @ self.u.T",
                "dh = np.zeros_like(dz)",
            ),
            Bug("the recurrent path skips tanh'", "dh = dz @ self.u.T", "dh = dh @ self.u.T"),
            Bug("the recurrent path uses u untransposed", "dh = dz @ self.u.T", "dh = dz @ self.u"),
            Bug(
                "u's gradient uses the step's own state, not the one before",
                "hs[t].T @ dz",
                "hs[t + 1].T @ dz",
            ),
            Bug("tanh' is taken at the state before", "1 - hs[t + 1] ** 2", "1 - hs[t] ** 2"),
            Bug("b's gradient is not summed over time", "db += dz.sum", "db = dz.sum"),
            Bug(
                "the states are kept in one list on the layer: a second forward overwrites them",
                "hs = [np.zeros((len(x), self.units), x.dtype)]",
                'hs: Any = vars(self).setdefault("states", [])\n'
                "        hs[:] = [np.zeros((len(x), self.units), x.dtype)]",
            ),
            Bug(
                "the states are kept in float32 on the way back",
                "x, hs = cache",
                "x, hs = cache[0], [h.astype(np.float32) for h in cache[1]]",
            ),
        ),
    ),
    Specimen(
        AllStates,
        lambda cls: Case(cls(), (5, 2), 3),
        (
            Bug(
                "dh is overwritten by each output's gradient",
                "dh = dy[:, t] + carried",
                "dh = dy[:, t]",
            ),
            Bug(
                "the outputs before the last get no gradient of their own",
                "dh = dy[:, t] + carried",
                "dh = dy[:, t] if t == dy.shape[1] - 1 else carried",
            ),
            Bug(
                "the first state's gradient is forgotten",
                "carried.sum(axis=0)",
                "np.zeros_like(self.start)",
            ),
            Bug(
                "the first state's gradient is averaged over the batch",
                "carried.sum(axis=0)",
                "carried.mean(axis=0)",
            ),
            Bug(
                "the recurrent gradient pairs each step with its own state",
                "h[:, :-1], dz",
                "h[:, 1:], dz",
            ),
            Bug(
                "the recurrent gradient leaves out the first state: right while it is zero",
                '"recurrent": np.einsum("mti,mtj->ij", h[:, :-1], dz)',
                '"recurrent": np.einsum("mti,mtj->ij", h[:, 1:-1], dz[:, 1:])',
            ),
            Bug(
                "the recurrent weights are those of the first backward: wrong once they move",
                "dz[:, t] @ self.recurrent.T",
                'dz[:, t] @ vars(self).setdefault("kept", self.recurrent.copy()).T',
            ),
        ),
    ),
    Specimen(
        Bidirectional,
        lambda cls: Case(cls(), (3, 2), 3),
        (
            Bug("the reversed direction's dx is not turned round again", "db[:, ::-1]", "db"),
            Bug(
                "the reversed direction's path is missing in dx",
                "return da + db[:, ::-1], grads",
                "return da, grads",
            ),
            Bug(
                "both directions get the first half of dy",
                "dy[:, self.units :], cb",
                "dy[:, : self.units], cb",
            ),
            Bug(
                "the caches of the two directions are exchanged", "ca, cb = cache", "cb, ca = cache"
            ),
        ),
    ),
    Specimen(
        Unrolled,
        lambda cls: Case(cls(), (3,), 4),
        (
            Bug(
                "x's gradient has the last application only",
                "dx += dz",
                "dx = dz if not dx.any() else dx",
            ),
            Bug("x's gradient has the first application only", "dx += dz", "dx = dz"),
            Bug(
                "the weight's gradient is of the last application",
                "du += before.T @ dz",
                "du = du if du.any() else before.T @ dz",
            ),
            Bug(
                "one application is missing on the way back",
                "cache[-2::-1], cache[:0:-1]",
                "cache[-2:0:-1], cache[:1:-1]",
            ),
        ),
    ),
    *gates.SPECIMENS,
    *filters.SPECIMENS,
]
