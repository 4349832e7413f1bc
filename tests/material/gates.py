"""Recurrences with gates, and the mistakes that are made in their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from tests.planting import Bug, Specimen


def sigmoid(z: Array) -> Array:
    a: Array = 1 / (1 + np.exp(-z))
    return a


class LSTM(mt.Layer):
    """All hidden states of an LSTM; gates in PyTorch's order i, f, g, o, forget bias 1."""

    parameter_names = ("w", "u", "b")

    def __init__(self, units: int = 2) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        n = self.units
        self.w = rng.normal(0, 0.5, (input_shape[1], 4 * n)).astype(dtype)
        self.u = rng.normal(0, 0.5, (n, 4 * n)).astype(dtype)
        self.b = np.zeros(4 * n, dtype)
        self.b[n : 2 * n] = 1
        return (input_shape[0], n)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        h = c = np.zeros((len(x), self.units), x.dtype)
        ys, steps = [], []
        for xt in x.swapaxes(0, 1):
            i, f, g, o = np.split(xt @ self.w + h @ self.u + self.b, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            c_new = f * c + i * g
            steps.append((xt, h, c, i, f, g, o, np.tanh(c_new)))
            c = c_new
            h = o * np.tanh(c)
            ys.append(h)
        return np.stack(ys, axis=1), steps

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        grads = {name: np.zeros_like(getattr(self, name)) for name in self.parameter_names}
        dh = dc = np.zeros_like(dy[:, 0])
        dxs = []
        for t in reversed(range(len(cache))):
            xt, h, c, i, f, g, o, tanh_c = cache[t]
            dh = dh + dy[:, t]
            dc = dc + dh * o * (1 - tanh_c**2)
            di = dc * g * i * (1 - i)
            df = dc * c * f * (1 - f)
            dg = dc * i * (1 - g**2)
            do = dh * tanh_c * o * (1 - o)
            dz = np.concatenate([di, df, dg, do], axis=1)
            grads["w"] += xt.T @ dz
            grads["u"] += h.T @ dz
            grads["b"] += dz.sum(axis=0)
            dxs.append(dz @ self.w.T)
            dh = dz @ self.u.T
            dc = dc * f
        return np.stack(dxs[::-1], axis=1), grads


class GRU(mt.Layer):
    """h = (1 - z) n + z h, n = tanh(x W + r (h U)): PyTorch's, without biases; the last state."""

    parameter_names = ("wz", "wr", "wn", "uz", "ur", "un")

    def __init__(self, units: int = 3) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        for name in self.parameter_names:
            rows = input_shape[1] if name[0] == "w" else self.units
            setattr(self, name, rng.normal(0, 0.6, (rows, self.units)).astype(dtype))
        return (self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        p = vars(self)
        h, tape = np.zeros((len(x), self.units), x.dtype), []
        for t in range(x.shape[1]):
            z = sigmoid(x[:, t] @ p["wz"] + h @ p["uz"])
            r = sigmoid(x[:, t] @ p["wr"] + h @ p["ur"])
            s = h @ p["un"]
            n = np.tanh(x[:, t] @ p["wn"] + r * s)
            tape.append((h, z, r, s, n))
            h = (1 - z) * n + z * h
        return h, (x, tape)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, tape = cache
        p, dx, dh = vars(self), np.zeros_like(x), dy
        g = {name: np.zeros_like(p[name]) for name in self.parameter_names}
        for t in range(x.shape[1])[::-1]:
            h, z, r, s, n = tape[t]
            dn = dh * (1 - z) * (1 - n * n)
            dz = dh * (h - n) * z * (1 - z)
            dr = dn * s * r * (1 - r)
            for gate, d, du in (("z", dz, dz), ("r", dr, dr), ("n", dn, dn * r)):
                g["w" + gate] += x[:, t].T @ d
                g["u" + gate] += h.T @ du
                dx[:, t] += d @ p["w" + gate].T
            dh = dh * z + dz @ p["uz"].T + dr @ p["ur"].T + (dn * r) @ p["un"].T
        return dx, g


class PeepholeLSTM(mt.Layer):
    """An LSTM whose gates see the cell (Gers 2000): i and f the old one, o the new one."""

    parameter_names = ("w", "u", "peep")

    def __init__(self, units: int = 2) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        n = self.units
        self.w = rng.normal(0, 0.5, (4, input_shape[1], n)).astype(dtype)
        self.u = rng.normal(0, 0.5, (4, n, n)).astype(dtype)
        self.peep = rng.normal(0, 0.5, (3, n)).astype(dtype)
        return (n,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        h = c = np.zeros((len(x), self.units), x.dtype)
        cache = []
        for t in range(x.shape[1]):
            zi, zf, zg, zo = x[:, t] @ self.w + h @ self.u
            i, f = sigmoid(zi + self.peep[0] * c), sigmoid(zf + self.peep[1] * c)
            g = np.tanh(zg)
            new = f * c + i * g
            o = sigmoid(zo + self.peep[2] * new)
            cache.append((x[:, t], h, c, i, f, g, o, new))
            h, c = o * np.tanh(new), new
        return h, cache

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dw, du, dpeep = np.zeros_like(self.w), np.zeros_like(self.u), np.zeros_like(self.peep)
        dx = np.empty((len(dy), len(cache), self.w.shape[1]), dy.dtype)
        dh, dc = dy, np.zeros_like(dy)
        for t, (xt, h, c, i, f, g, o, new) in reversed(list(enumerate(cache))):
            tanh = np.tanh(new)
            do = dh * tanh * o * (1 - o)
            dnew = dc + dh * o * (1 - tanh**2) + do * self.peep[2]
            di = dnew * g * i * (1 - i)
            df = dnew * c * f * (1 - f)
            dg = dnew * i * (1 - g**2)
            dz = np.stack([di, df, dg, do])
            dw += xt.T @ dz
            du += h.T @ dz
            dpeep += np.stack([di * c, df * c, do * new]).sum(axis=1)
            dx[:, t] = np.einsum("kmn,kdn->md", dz, self.w)
            dh = np.einsum("kmn,kdn->md", dz, self.u)
            dc = dnew * f + di * self.peep[0] + df * self.peep[1]
        return dx, {"w": dw, "u": du, "peep": dpeep}


class MinimalGatedUnit(mt.Layer):
    """f = sigmoid(x Wf + h Uf), h = (1 - f) h + f tanh(x Wh + (f h) Uh): the last state."""

    parameter_names = ("wf", "uf", "wh", "uh", "bf")

    def __init__(self, units: int = 2) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        n = self.units
        self.wf, self.wh = rng.normal(0, 0.7, (2, input_shape[1], n)).astype(dtype)
        self.uf, self.uh = rng.normal(0, 0.7, (2, n, n)).astype(dtype)
        self.bf = np.zeros(n, dtype)
        return (n,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        h = np.zeros((len(x), self.units), x.dtype)
        tape = []
        for t in range(x.shape[1]):
            f = sigmoid(x[:, t] @ self.wf + h @ self.uf + self.bf)
            n = np.tanh(x[:, t] @ self.wh + (f * h) @ self.uh)
            tape.append((h, f, n))
            h = (1 - f) * h + f * n
        return h, (x, tape)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, tape = cache
        g = {name: np.zeros_like(getattr(self, name)) for name in self.parameter_names}
        dx = np.zeros_like(x)
        dh = dy
        for t in range(len(tape) - 1, -1, -1):
            h, f, n = tape[t]
            dn = dh * f * (1 - n**2)
            dfh = dn @ self.uh.T
            df = (dh * (n - h) + dfh * h) * f * (1 - f)
            g["wf"] += x[:, t].T @ df
            g["uf"] += h.T @ df
            g["bf"] += df.sum(axis=0)
            g["wh"] += x[:, t].T @ dn
            g["uh"] += (f * h).T @ dn
            dx[:, t] = df @ self.wf.T + dn @ self.wh.T
            dh = dh * (1 - f) + dfh * f + df @ self.uf.T
        return dx, g


SPECIMENS: list[Specimen] = [
    Specimen(
        LSTM,
        lambda cls: Case(cls(), (3, 3), 2),
        (
            Bug(
                "the gradient through h to the step before is missing: it flows through c only",
                "dh = dz @ self.u.T",
                "dh = np.zeros_like(dh)",
            ),
            Bug(
                "the cell's gradient is not handed to the step before",
                "dc = dc * f",
                "dc = np.zeros_like(dc)",
            ),
            Bug(
                "the cell's gradient passes the forget gate as if it were open",
                "dc = dc * f",
                "dc = dc",
            ),
            Bug(
                "dc is overwritten at each step instead of added to",
                "dc = dc + dh * o",
                "dc = dh * o",
            ),
            Bug(
                "the output's path into the cell skips tanh'", "dh * o * (1 - tanh_c**2)", "dh * o"
            ),
            Bug(
                "the input gate's derivative is tanh'",
                "di = dc * g * i * (1 - i)",
                "di = dc * g * (1 - i**2)",
            ),
            Bug(
                "the candidate's derivative is sigmoid's",
                "dg = dc * i * (1 - g**2)",
                "dg = dc * i * g * (1 - g)",
            ),
            Bug(
                "the forget gate is multiplied by the new cell",
                "df = dc * c * f",
                "df = dc * (f * c + i * g) * f",
            ),
            Bug("the output gate's path is missing", "do = dh * tanh_c", "do = 0 * tanh_c"),
            Bug(
                "the candidate's and the output gate's gradients are packed in the wrong order",
                "[di, df, dg, do]",
                "[di, df, do, dg]",
            ),
            Bug(
                "the forget gate's bias gets no gradient",
                'grads["b"] += dz.sum(axis=0)',
                'grads["b"] += np.concatenate([di, 0 * df, dg, do], axis=1).sum(axis=0)',
            ),
            Bug(
                "dx is in the order of the loop: the last step first",
                "np.stack(dxs[::-1], axis=1)",
                "np.stack(dxs, axis=1)",
            ),
        ),
    ),
    Specimen(
        GRU,
        lambda cls: Case(cls(), (3, 2), 3),
        (
            Bug("the reset gate's path into h is missing", ' + dr @ p["ur"].T', ""),
            Bug("the direct path z h is missing", "dh = dh * z + dz", "dh = dz"),
            Bug("the direct path takes 1 - z for z", "dh = dh * z + dz", "dh = dh * (1 - z) + dz"),
            Bug("the update gate's sign is wrong", "(h - n) * z", "(n - h) * z"),
            Bug(
                "the candidate's recurrent gradient lacks the reset gate",
                '("n", dn, dn * r)',
                '("n", dn, dn)',
            ),
            Bug(
                "the candidate's path into h lacks the reset gate",
                '(dn * r) @ p["un"].T',
                'dn @ p["un"].T',
            ),
            Bug("dx has the last of the gates only", "dx[:, t] += d @", "dx[:, t] = d @"),
        ),
    ),
    Specimen(
        PeepholeLSTM,
        lambda cls: Case(cls(), (3, 2), 3),
        (
            Bug(
                "the output gate's peephole is missing in the cell's gradient",
                " + do * self.peep[2]",
                "",
            ),
            Bug(
                "the forget gate's peephole is missing in the old cell's gradient",
                " + df * self.peep[1]",
                "",
            ),
            Bug("the output gate's peephole is paired with the old cell", "do * new]", "do * c]"),
            Bug(
                "the cell's gradient from the later steps is overwritten",
                "dnew = dc + dh * o",
                "dnew = dh * o",
            ),
        ),
    ),
    Specimen(
        MinimalGatedUnit,
        lambda cls: Case(cls(), (3, 3), 2),
        (
            Bug(
                "the gate's path through the candidate is missing",
                "(dh * (n - h) + dfh * h)",
                "(dh * (n - h))",
            ),
            Bug(
                "the gate's derivative is tanh'", "dfh * h) * f * (1 - f)", "dfh * h) * (1 - f**2)"
            ),
            Bug("the state's path through the gate is missing", " + df @ self.uf.T", ""),
            Bug("the state's path through the candidate lacks the gate", "dfh * f +", "dfh +"),
            Bug("uh's gradient uses the state without the gate", "(f * h).T @ dn", "h.T @ dn"),
        ),
    ),
]
