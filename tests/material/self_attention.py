"""Self-attention in its usual forms, and the mistakes that are made in its derivative."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from minitorch_np.numerics import softmax
from tests.planting import Bug, Specimen


class SelfAttention(mt.Layer):
    """softmax(q k' / sqrt(d)) v, with q, k and v linear in x: (m, steps, features)."""

    parameter_names = ("wq", "wk", "wv")

    def __init__(self, size: int = 3) -> None:
        self.size = size

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        steps, features = input_shape
        self.wq, self.wk, self.wv = rng.normal(0, 0.7, (3, features, self.size)).astype(dtype)
        return (steps, self.size)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        q, k, v = x @ self.wq, x @ self.wk, x @ self.wv
        p = softmax(q @ k.swapaxes(1, 2) / math.sqrt(self.size))
        return p @ v, (x, q, k, v, p)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, q, k, v, p = cache
        dv = p.swapaxes(1, 2) @ dy
        dp = dy @ v.swapaxes(1, 2)
        ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
        ds *= self.size**-0.5
        dq = ds @ k
        dk = ds.swapaxes(1, 2) @ q
        dx = dq @ self.wq.T + dk @ self.wk.T + dv @ self.wv.T
        over = ((0, 1), (0, 1))
        return dx, {
            "wq": np.tensordot(x, dq, over),
            "wk": np.tensordot(x, dk, over),
            "wv": np.tensordot(x, dv, over),
        }


class MultiHeadAttention(mt.Layer):
    """Packed projections, heads, and an output projection with a bias."""

    parameter_names = ("in_proj", "out_proj", "out_bias")

    def __init__(self, heads: int = 2) -> None:
        self.heads = heads

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        _, d = input_shape
        self.in_proj = rng.normal(0, d**-0.5, (d, 3 * d)).astype(dtype)
        self.out_proj = rng.normal(0, d**-0.5, (d, d)).astype(dtype)
        self.out_bias = np.zeros(d, dtype)
        return input_shape

    def _split(self, a: Array) -> Array:
        m, t, d = a.shape
        return a.reshape(m, t, self.heads, d // self.heads).transpose(0, 2, 1, 3)

    def _merge(self, a: Array) -> Array:
        m, h, t, d = a.shape
        return a.transpose(0, 2, 1, 3).reshape(m, t, h * d)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        q, k, v = (self._split(a) for a in np.split(x @ self.in_proj, 3, axis=-1))
        p = softmax(np.einsum("mhqd,mhkd->mhqk", q, k) / math.sqrt(q.shape[-1]))
        merged = self._merge(np.einsum("mhqk,mhkd->mhqd", p, v))
        return merged @ self.out_proj + self.out_bias, (x, q, k, v, p, merged)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, q, k, v, p, merged = cache
        do = self._split(dy @ self.out_proj.T)
        dp = np.einsum("mhqd,mhkd->mhqk", do, v)
        dv = np.einsum("mhqk,mhqd->mhkd", p, do)
        ds = p * (dp - np.sum(dp * p, axis=3, keepdims=True)) / math.sqrt(q.shape[-1])
        dq = np.einsum("mhqk,mhkd->mhqd", ds, k)
        dk = np.einsum("mhqk,mhqd->mhkd", ds, q)
        dqkv = np.concatenate([self._merge(dq), self._merge(dk), self._merge(dv)], axis=-1)
        grads = {
            "in_proj": np.einsum("mti,mtj->ij", x, dqkv),
            "out_proj": np.einsum("mti,mtj->ij", merged, dy),
            "out_bias": dy.sum(axis=(0, 1)),
        }
        return dqkv @ self.in_proj.T, grads


class CausalAttention(mt.Layer):
    """No step looks ahead. The weights are computed anew in backward, to save memory."""

    parameter_names = ("wq", "wk")

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        d = input_shape[-1]
        self.wq = rng.normal(0, 1 / math.sqrt(d), (d, d)).astype(dtype)
        self.wk = rng.normal(0, 1 / math.sqrt(d), (d, d)).astype(dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        scores = (x @ self.wq) @ (x @ self.wk).swapaxes(1, 2)
        scores[:, ~np.tri(x.shape[1], dtype=bool)] = -np.inf
        return softmax(scores) @ x, x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x = cache
        q, k = x @ self.wq, x @ self.wk
        seen = np.tri(x.shape[1], dtype=bool)
        p = softmax(np.where(seen, q @ k.swapaxes(1, 2), -np.inf))
        dp = dy @ x.swapaxes(1, 2)
        ds = p * (dp - (p * dp).sum(-1, keepdims=True))
        dq, dk = ds @ k, ds.swapaxes(1, 2) @ q
        dx = p.swapaxes(1, 2) @ dy
        dx += dq @ self.wq.T
        dx += dk @ self.wk.T
        flat = x.reshape(-1, x.shape[-1])
        return dx, {
            "wq": flat.T @ dq.reshape(flat.shape),
            "wk": flat.T @ dk.reshape(flat.shape),
        }


class GroupedQueryAttention(mt.Layer):
    """Several query heads share each head of keys and values."""

    parameter_names = ("wq", "wk", "wv")

    def __init__(self, heads: int = 4, groups: int = 2, size: int = 2) -> None:
        self.heads, self.groups, self.size = heads, groups, size

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        t, d = input_shape
        self.wq = rng.normal(0, 0.5, (d, self.heads, self.size)).astype(dtype)
        self.wk = rng.normal(0, 0.5, (d, self.groups, self.size)).astype(dtype)
        self.wv = rng.normal(0, 0.5, (d, self.groups, self.size)).astype(dtype)
        return (t, self.heads * self.size)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        shared = self.heads // self.groups
        q = np.einsum("mti,ihd->mhtd", x, self.wq)
        k = np.repeat(np.einsum("mti,igd->mgtd", x, self.wk), shared, axis=1)
        v = np.repeat(np.einsum("mti,igd->mgtd", x, self.wv), shared, axis=1)
        p = softmax(q @ k.swapaxes(2, 3) * self.size**-0.5)
        y = np.einsum("mhqk,mhkd->mqhd", p, v)
        return y.reshape(*x.shape[:2], -1), (x, q, k, v, p)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, q, k, v, p = cache
        m, t, _ = x.shape
        dy = dy.reshape(m, t, self.heads, self.size).transpose(0, 2, 1, 3)
        dp = dy @ v.swapaxes(2, 3)
        ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True)) * self.size**-0.5
        dq = ds @ k
        grouped = (m, self.groups, self.heads // self.groups, t, self.size)
        dk = (ds.swapaxes(2, 3) @ q).reshape(grouped).sum(axis=2)
        dv = (p.swapaxes(2, 3) @ dy).reshape(grouped).sum(axis=2)
        dx = np.einsum("mhtd,ihd->mti", dq, self.wq)
        dx += np.einsum("mgtd,igd->mti", dk, self.wk) + np.einsum("mgtd,igd->mti", dv, self.wv)
        pairs = (("wq", dq), ("wk", dk), ("wv", dv))
        return dx, {name: np.einsum("mti,mhtd->ihd", x, d) for name, d in pairs}


SPECIMENS: list[Specimen] = [
    Specimen(
        SelfAttention,
        lambda cls: Case(cls(), (4, 5), 3),
        (
            Bug("the scale 1/sqrt(d) is forgotten in backward", "ds *= self.size**-0.5", "pass"),
            Bug(
                "softmax's Jacobian is taken as diagonal: p (1 - p) dp",
                "ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))",
                "ds = p * (1 - p) * dp",
            ),
            Bug(
                "softmax's sum in backward runs over the queries, not the keys",
                "(dp * p).sum(axis=-1,",
                "(dp * p).sum(axis=1,",
            ),
            Bug(
                "the gradient of wq is that of wk",
                '"wq": np.tensordot(x, dq',
                '"wq": np.tensordot(x, dk',
            ),
            Bug("dx lacks the path through the values", " + dv @ self.wv.T", ""),
            Bug("dx lacks the path through the keys", " + dk @ self.wk.T", ""),
            Bug(
                "dk uses the scores' gradient untransposed",
                "dk = ds.swapaxes(1, 2) @ q",
                "dk = ds @ q",
            ),
            Bug(
                "backward changes the cached attention weights in place",
                "ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))",
                "ds = p\n        ds *= dp - (dp * p).sum(axis=-1, keepdims=True)",
            ),
            Bug(
                "a float64 scalar makes the gradients of a float32 model float64",
                "ds *= self.size**-0.5",
                "ds = ds / np.sqrt(self.size)",
            ),
        ),
    ),
    Specimen(
        MultiHeadAttention,
        lambda cls: Case(cls(), (3, 4), 2),
        (
            Bug(
                "the heads of dq are merged without the transpose",
                "[self._merge(dq)",
                "[dq.reshape(x.shape)",
            ),
            Bug(
                "dy is cut into heads along the wrong axis",
                "do = self._split(dy @ self.out_proj.T)",
                "do = (dy @ self.out_proj.T).reshape(q.shape)",
            ),
            Bug(
                "the gradients of the packed projection are in the order k, q, v",
                "[self._merge(dq), self._merge(dk)",
                "[self._merge(dk), self._merge(dq)",
            ),
            Bug(
                "the scale in backward is of all features, not of one head's: right for one head",
                "keepdims=True)) / math.sqrt(q.shape[-1])",
                "keepdims=True)) / math.sqrt(x.shape[-1])",
            ),
            Bug(
                "dy is multiplied by the output weights untransposed",
                "self._split(dy @ self.out_proj.T)",
                "self._split(dy @ self.out_proj)",
            ),
            Bug(
                "the bias's gradient has the last step only",
                "dy.sum(axis=(0, 1))",
                "dy[:, -1].sum(axis=0)",
            ),
            Bug(
                "the output weights' gradient uses the layer's input, not the merged heads",
                'x, dqkv),\n            "out_proj": np.einsum("mti,mtj->ij", merged, dy)',
                'x, dqkv),\n            "out_proj": np.einsum("mti,mtj->ij", x, dy)',
            ),
        ),
    ),
    Specimen(
        CausalAttention,
        lambda cls: Case(cls(), (4, 3), 3),
        (
            Bug(
                "the weights computed anew in backward lack the causal mask",
                "np.where(seen, q @ k.swapaxes(1, 2), -np.inf)",
                "q @ k.swapaxes(1, 2)",
            ),
            Bug(
                "the mask is strict in backward: a step does not see itself, except the first",
                "seen = np.tri(x.shape[1], dtype=bool)",
                "seen = np.tri(x.shape[1], k=-1, dtype=bool)\n        seen[0, 0] = True",
            ),
            Bug("dx lacks the path through the queries", "dx += dq @ self.wq.T", "pass"),
            Bug(
                "dx lacks the direct path, x as the values",
                "dx = p.swapaxes(1, 2) @ dy",
                "dx = np.zeros_like(x)",
            ),
            Bug(
                "dx is overwritten by the keys' part instead of added to",
                "dx += dk @ self.wk.T",
                "dx = dk @ self.wk.T",
            ),
        ),
    ),
    Specimen(
        GroupedQueryAttention,
        lambda cls: Case(cls(), (3, 4), 2),
        (
            Bug(
                "dk is averaged over the query heads of a group, not summed",
                "(ds.swapaxes(2, 3) @ q).reshape(grouped).sum(axis=2)",
                "(ds.swapaxes(2, 3) @ q).reshape(grouped).mean(axis=2)",
            ),
            Bug(
                "dv has the first query head of each group only",
                "(p.swapaxes(2, 3) @ dy).reshape(grouped).sum(axis=2)",
                "(p.swapaxes(2, 3) @ dy).reshape(grouped)[:, :, 0]",
            ),
            Bug(
                "heads are assigned to groups in tiled order in backward, repeated in forward",
                "(ds.swapaxes(2, 3) @ q).reshape(grouped).sum(axis=2)",
                "sum(np.split(ds.swapaxes(2, 3) @ q, self.heads // self.groups, axis=1))",
            ),
        ),
    ),
]
