"""Positions in attention, and what is built around it: blocks and feed-forward layers."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from minitorch_np.numerics import softmax
from tests.material.self_attention import SelfAttention
from tests.planting import Bug, Specimen


class Rotary(mt.Layer):
    """Each pair of features is turned by an angle that grows with the step (RoPE)."""

    def __init__(self, base: float = 100.0) -> None:
        self.base = base

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        steps, d = input_shape
        angle = np.outer(np.arange(steps), self.base ** (-np.arange(0, d, 2) / d))
        self.cos, self.sin = np.cos(angle).astype(dtype), np.sin(angle).astype(dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        y = np.empty_like(x)
        y[..., ::2] = x[..., ::2] * self.cos - x[..., 1::2] * self.sin
        y[..., 1::2] = x[..., ::2] * self.sin + x[..., 1::2] * self.cos
        return y, None

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        even, odd = dy[..., ::2], dy[..., 1::2]
        dx = np.empty_like(dy)
        dx[..., ::2] = even * self.cos + odd * self.sin
        dx[..., 1::2] = odd * self.cos - even * self.sin
        return dx, {}


class RotaryAttention(mt.Layer):
    """Attention whose queries and keys are turned by halves, with one weight for both."""

    parameter_names = ("weight",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        steps, d = input_shape
        self.weight = rng.normal(0, d**-0.5, (d, d)).astype(dtype)
        angle = np.outer(np.arange(steps), 0.3 ** np.arange(d // 2))
        self.turn = np.exp(1j * angle).astype(np.result_type(dtype, np.complex64))
        return input_shape

    def _rotate(self, a: Array, turn: Any) -> Array:
        half = a.shape[-1] // 2
        z = (a[..., :half] + 1j * a[..., half:]) * turn
        return np.concatenate([z.real, z.imag], axis=-1)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        q = self._rotate(x @ self.weight, self.turn)
        p = softmax(q @ q.swapaxes(1, 2))
        return p @ x, (x, q, p)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, q, p = cache
        dp = dy @ x.swapaxes(1, 2)
        ds = p * (dp - (dp * p).sum(-1, keepdims=True))
        dq = ds @ q + ds.swapaxes(1, 2) @ q
        dz = self._rotate(dq, self.turn.conj())
        dx = p.swapaxes(1, 2) @ dy + dz @ self.weight.T
        return dx, {"weight": np.einsum("mti,mtj->ij", x, dz)}


class ALiBi(mt.Layer):
    """Scores minus slope * distance, with a learned slope for each head; x is the values too."""

    parameter_names = ("slope",)

    def __init__(self, heads: int = 2) -> None:
        self.heads = heads

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        t = np.arange(input_shape[0])
        self.distance = abs(t[:, None] - t).astype(dtype)
        self.slope = (0.5 ** np.arange(1, self.heads + 1)).astype(dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        m, t, d = x.shape
        h = x.reshape(m, t, self.heads, -1).transpose(0, 2, 1, 3)
        p = softmax(h @ h.swapaxes(2, 3) - self.slope[:, None, None] * self.distance)
        return (p @ h).transpose(0, 2, 1, 3).reshape(x.shape), (h, p)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        h, p = cache
        m, t, d = dy.shape
        dh = dy.reshape(m, t, self.heads, -1).transpose(0, 2, 1, 3)
        dp = dh @ h.swapaxes(2, 3)
        ds = p * (dp - (dp * p).sum(-1, keepdims=True))
        dslope = -(ds * self.distance).sum(axis=(0, 2, 3))
        dx = p.swapaxes(2, 3) @ dh + (ds + ds.swapaxes(2, 3)) @ h
        return dx.transpose(0, 2, 1, 3).reshape(dy.shape), {"slope": dslope}


class RelativeBias(mt.Layer):
    """A learned number for each distance is added to the scores (T5)."""

    parameter_names = ("table",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        steps = np.arange(input_shape[0])
        self.index = steps[:, None] - steps + len(steps) - 1
        self.table = rng.normal(0, 0.1, 2 * len(steps) - 1).astype(dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        p = softmax(x @ x.swapaxes(1, 2) + self.table[self.index])
        return p @ x, (x, p)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, p = cache
        dp = dy @ x.swapaxes(1, 2)
        ds = p * (dp - np.einsum("mqk,mqk->mq", dp, p)[:, :, None])
        dtable = np.zeros_like(self.table)
        np.add.at(dtable, self.index, ds.sum(axis=0))
        dx = p.swapaxes(1, 2) @ dy
        dx += ds @ x
        dx += ds.swapaxes(1, 2) @ x
        return dx, {"table": dtable}


class LinearAttention(mt.Layer):
    """f(q) (sum f(k) v') / (f(q) sum f(k)), f(z) = elu(z) + 1, q = k = x, v = x W."""

    parameter_names = ("weight",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.weight = rng.normal(size=(input_shape[1], input_shape[1])).astype(dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        f = np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))
        v = x @ self.weight
        kv = f.swapaxes(1, 2) @ v
        norm = f @ f.sum(axis=1)[:, :, None]
        y = f @ kv / norm
        return y, (x, f, v, kv, norm, y)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, f, v, kv, norm, y = cache
        dtop = dy / norm
        dnorm = -(dtop * y).sum(axis=-1, keepdims=True)
        dkv = f.swapaxes(1, 2) @ dtop
        df = dtop @ kv.swapaxes(1, 2) + v @ dkv.swapaxes(1, 2)
        df += dnorm * f.sum(axis=1, keepdims=True)
        df += (dnorm * f).sum(axis=1, keepdims=True)
        dv = f @ dkv
        dx = df * np.minimum(f, 1) + dv @ self.weight.T
        return dx, {"weight": np.einsum("mti,mtj->ij", x, dv)}


class SwiGLU(mt.Layer):
    """(silu(x W) * (x V)) U, as in the feed-forward part of a Llama."""

    parameter_names = ("w", "v", "u")

    def __init__(self, hidden: int = 5) -> None:
        self.hidden = hidden

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        d = input_shape[-1]
        self.w, self.v = rng.normal(0, d**-0.5, (2, d, self.hidden)).astype(dtype)
        self.u = rng.normal(0, self.hidden**-0.5, (self.hidden, d)).astype(dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        a, b = x @ self.w, x @ self.v
        s = 1 / (1 + np.exp(-a))
        return (a * s * b) @ self.u, (x, a, b, s)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, a, b, s = cache
        dh = dy @ self.u.T
        da = dh * b * (s + a * s * (1 - s))
        db = dh * (a * s)
        over = ((0, 1), (0, 1))
        return da @ self.w.T + db @ self.v.T, {
            "w": np.tensordot(x, da, over),
            "v": np.tensordot(x, db, over),
            "u": np.tensordot(a * s * b, dy, over),
        }


class TransformerBlock(mt.Layer):
    """Pre-norm: h = x + attention(norm(x)), y = h + feedforward(norm(h))."""

    def __init__(self, size: int) -> None:
        self.norm1, self.norm2 = mt.LayerNorm(), mt.LayerNorm()
        self.attention = SelfAttention(size)
        self.feedforward = SwiGLU(2 * size)
        self.size = size

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        for layer in (self.norm1, self.attention, self.norm2, self.feedforward):
            layer.build(input_shape, rng=rng, dtype=dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        n1, c1 = self.norm1.forward(x, train=train)
        a, c2 = self.attention.forward(n1, train=train)
        h = x + a
        n2, c3 = self.norm2.forward(h, train=train)
        f, c4 = self.feedforward.forward(n2, train=train)
        return h + f, (c1, c2, c3, c4)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        c1, c2, c3, c4 = cache
        grads: dict[str, Array] = {}
        dh: Any
        dx: Any
        dn2, found = self.feedforward.backward(dy, c4)
        grads |= {f"feedforward.{k}": g for k, g in found.items()}
        dh, found = self.norm2.backward(dn2, c3)
        grads |= {f"norm2.{k}": g for k, g in found.items()}
        dh = dh + dy
        dn1, found = self.attention.backward(dh, c2)
        grads |= {f"attention.{k}": g for k, g in found.items()}
        dx, found = self.norm1.backward(dn1, c1)
        grads |= {f"norm1.{k}": g for k, g in found.items()}
        return dx + dh, grads


SPECIMENS: list[Specimen] = [
    Specimen(
        Rotary,
        lambda cls: Case(cls(), (4, 6), 3),
        (
            Bug(
                "the rotation has forward's sign in backward: right at step 0",
                "dx[..., ::2] = even * self.cos + odd * self.sin\n"
                "        dx[..., 1::2] = odd * self.cos - even * self.sin",
                "dx[..., ::2] = even * self.cos - odd * self.sin\n"
                "        dx[..., 1::2] = odd * self.cos + even * self.sin",
            ),
            Bug(
                "the features are paired by halves in backward, by neighbours in forward",
                "even, odd = dy[..., ::2], dy[..., 1::2]",
                "even, odd = np.split(dy, 2, axis=-1)",
            ),
            Bug(
                "backward turns the caller's dy in place, reading what it has written",
                "dx = np.empty_like(dy)",
                "dx = dy",
            ),
        ),
    ),
    Specimen(
        RotaryAttention,
        lambda cls: Case(cls(), (3, 4), 2),
        (
            Bug(
                "the rotation is not undone in backward", "self._rotate(dq, self.turn.conj())", "dq"
            ),
            Bug("the rotation's sign is forward's", "self.turn.conj()", "self.turn"),
            Bug(
                "the keys' path is missing: q stands on both sides of the product",
                "dq = ds @ q + ds.swapaxes(1, 2) @ q",
                "dq = ds @ q",
            ),
            Bug(
                "the two paths are taken as one twice, as if the scores' gradient were symmetric",
                "dq = ds @ q + ds.swapaxes(1, 2) @ q",
                "dq = 2 * ds @ q",
            ),
        ),
    ),
    Specimen(
        ALiBi,
        lambda cls: Case(cls(), (4, 4), 3),
        (
            Bug("the slope's gradient has the wrong sign", "dslope = -(ds", "dslope = (ds"),
            Bug(
                "the heads share the slope's gradient: it is summed over them",
                "(ds * self.distance).sum(axis=(0, 2, 3))",
                "(ds * self.distance).sum() * np.ones_like(self.slope)",
            ),
            Bug(
                "the heads of dx are merged without the transpose",
                "return dx.transpose(0, 2, 1, 3).reshape(dy.shape), {",
                "return dx.reshape(dy.shape), {",
            ),
            Bug(
                "the slope's gradient is of sample 0",
                "-(ds * self.distance).sum(axis=(0, 2, 3))",
                "-(ds * self.distance)[0].sum(axis=(1, 2))",
            ),
        ),
    ),
    Specimen(
        RelativeBias,
        lambda cls: Case(cls(), (4, 2), 3),
        (
            Bug(
                "places of the same distance do not add up: the last one's gradient remains",
                "np.add.at(dtable, self.index, ds.sum(axis=0))",
                "dtable[self.index] += ds.sum(axis=0)",
            ),
            Bug(
                "the distances are counted the other way round in backward",
                "np.add.at(dtable, self.index, ",
                "np.add.at(dtable, self.index.T, ",
            ),
            Bug(
                "the table's gradient is kept on the layer and grows with each call",
                "dtable = np.zeros_like(self.table)",
                'dtable = vars(self).setdefault("total", np.zeros_like(self.table))',
            ),
            Bug("the keys' path is missing", "dx += ds.swapaxes(1, 2) @ x", "pass"),
        ),
    ),
    Specimen(
        LinearAttention,
        lambda cls: Case(cls(), (4, 3), 2),
        (
            Bug(
                "the normalizer counts as a constant",
                "dnorm = -(dtop * y)",
                "dnorm = 0 * (dtop * y)",
            ),
            Bug(
                "the normalizer's path through the keys is missing",
                "df += (dnorm * f).sum(axis=1, keepdims=True)",
                "pass",
            ),
            Bug("the path through the keys is missing", " + v @ dkv.swapaxes(1, 2)", ""),
            Bug("elu' is taken as 1 for negative inputs too", "df * np.minimum(f, 1)", "df"),
        ),
    ),
    Specimen(
        SwiGLU,
        lambda cls: Case(cls(), (2, 3), 3),
        (
            Bug("silu' lacks a * sigmoid'", "(s + a * s * (1 - s))", "s"),
            Bug("sigmoid' in silu' is s, not s (1 - s)", "a * s * (1 - s)", "a * s"),
            Bug("the linear branch's path is missing in dx", " + db @ self.v.T", ""),
            Bug(
                "the linear branch is multiplied by the gate before silu",
                "db = dh * (a * s)",
                "db = dh * a",
            ),
            Bug(
                "one step's gradient only goes into w: the last",
                '"w": np.tensordot(x, da, over)',
                '"w": x[:, -1].T @ da[:, -1]',
            ),
        ),
    ),
    Specimen(
        TransformerBlock,
        lambda cls: Case(cls(3), (3, 3), 2),
        (
            Bug("the second shortcut is forgotten in backward", "dh = dh + dy", "pass"),
            Bug(
                "the first shortcut is forgotten in backward",
                "return dx + dh, grads",
                "return dx, grads",
            ),
            Bug(
                "the first shortcut gets dy, not the gradient behind the feed-forward part",
                "return dx + dh, grads",
                "return dx + dy, grads",
            ),
            Bug(
                "the attention gets dy, as if the feed-forward part were not there",
                "self.attention.backward(dh, c2)",
                "self.attention.backward(dy, c2)",
            ),
            Bug(
                "the gradients of the two norms are exchanged",
                'grads |= {f"norm1.{k}": g for k, g in found.items()}',
                'second = {f"norm1.{k}": grads[f"norm2.{k}"] for k in found}\n'
                '        grads |= {f"norm2.{k}": g for k, g in found.items()} | second',
            ),
        ),
    ),
]
