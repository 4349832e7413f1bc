"""Attention with padding, learned queries and additive scores; SPECIMENS lists all attention."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from minitorch_np.numerics import softmax
from tests.material import positions, self_attention
from tests.planting import Bug, Specimen


class PaddedAttention(mt.Layer):
    """Steps from `length` on are padding: nobody looks at them, and their outputs are zero."""

    def __init__(self, length: int = 3, scale: float = 1.0) -> None:
        self.length, self.scale = length, scale

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        keep = np.arange(x.shape[1]) < self.length
        scores = self.scale * np.einsum("mqd,mkd->mqk", x, x)
        e = np.exp(scores - scores.max(axis=-1, keepdims=True)) * keep
        p = e / e.sum(axis=-1, keepdims=True)
        return (p @ x) * keep[:, None], (x, p, keep)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, p, keep = cache
        dy = dy * keep[:, None]
        dp = np.einsum("mqd,mkd->mqk", dy, x)
        ds = self.scale * p * (dp - np.einsum("mqk,mqk->mq", dp, p)[..., None])
        by_value = np.einsum("mqk,mqd->mkd", p, dy)
        by_query = np.einsum("mqk,mkd->mqd", ds, x)
        by_key = np.einsum("mqk,mqd->mkd", ds, x)
        return by_value + by_query + by_key, {}


class LearnedQueries(mt.Layer):
    """Cross attention of a few learned queries, as in a Perceiver: (m, steps, d) to (m, n, d)."""

    parameter_names = ("queries", "wk")

    def __init__(self, n: int = 2) -> None:
        self.n = n

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        d = input_shape[1]
        self.queries = rng.normal(size=(self.n, d)).astype(dtype)
        self.wk = np.eye(d, dtype=dtype)
        return (self.n, d)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        k = x @ self.wk
        p = softmax(self.queries @ k.transpose(0, 2, 1))
        return p @ x, (x, k, p)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, k, p = cache
        dp = dy @ x.transpose(0, 2, 1)
        ds = p * (dp - (dp * p).sum(-1, keepdims=True))
        dqueries = (ds @ k).sum(axis=0)
        dk = ds.transpose(0, 2, 1) @ self.queries
        dx = p.transpose(0, 2, 1) @ dy + dk @ self.wk.T
        return dx, {"queries": dqueries, "wk": np.einsum("mti,mtj->ij", x, dk)}


class AdditiveAttention(mt.Layer):
    """Bahdanau's: the steps' mean, weighted by softmax(v' tanh(W x + b))."""

    parameter_names = ("weight", "bias", "v")

    def __init__(self, units: int = 4) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        d = input_shape[1]
        self.weight = rng.normal(0, 0.6, (d, self.units)).astype(dtype)
        self.bias = np.zeros(self.units, dtype)
        self.v = rng.normal(size=self.units).astype(dtype)
        return (d,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        u = np.tanh(x @ self.weight + self.bias)
        a = softmax(u @ self.v)
        return np.einsum("mt,mtd->md", a, x), {"x": x, "u": u, "a": a}

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, u, a = cache["x"], cache["u"], cache["a"]
        da = np.einsum("md,mtd->mt", dy, x)
        de = a * (da - np.sum(a * da, axis=1, keepdims=True))
        dz = de[:, :, None] * self.v * (1 - u**2)
        dx = a[:, :, None] * dy[:, None, :] + dz @ self.weight.T
        return dx, {
            "weight": np.einsum("mtd,mtu->du", x, dz),
            "bias": dz.sum(axis=(0, 1)),
            "v": np.einsum("mt,mtu->u", de, u),
        }


class AttentionPooling(mt.Layer):
    """One learned query; a loop over the samples, as one writes it first."""

    parameter_names = ("query",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.query = rng.uniform(-1, 1, input_shape[1]).astype(dtype)
        return (input_shape[1],)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        a = np.stack([softmax(sample @ self.query) for sample in x])
        return np.stack([w @ sample for w, sample in zip(a, x, strict=True)]), (x, a)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, a = cache
        dx, dquery = np.empty_like(x), np.zeros_like(self.query)
        for i in range(len(x)):
            da = x[i] @ dy[i]
            de = a[i] * (da - a[i] @ da)
            dquery += de @ x[i]
            dx[i] = np.outer(a[i], dy[i]) + np.outer(de, self.query)
        return dx, {"query": dquery}


SPECIMENS: list[Specimen] = [
    Specimen(
        PaddedAttention,
        lambda cls: Case(cls(3, scale=0.5), (5, 2), 3),
        (
            Bug(
                "the padding mask is not applied to dy",
                "dy = dy * keep[:, None]",
                "dy = dy + 0",
            ),
            Bug(
                "the mask is applied to dy in place: the caller's array is changed",
                "dy = dy * keep[:, None]",
                "dy *= keep[:, None]",
            ),
            Bug("the gradient lacks the path through the keys", " + by_key", ""),
            Bug("the query and key paths' sum lacks the scale", "ds = self.scale * p", "ds = p"),
            Bug(
                "padding is cut off at both places: the last real step gets no gradient",
                "return by_value + by_query + by_key, {}",
                "dx = by_value + by_query + by_key\n"
                "        dx[:, self.length - 1 :] = 0\n"
                "        return dx, {}",
            ),
        ),
    ),
    Specimen(
        LearnedQueries,
        lambda cls: Case(cls(), (4, 3), 3),
        (
            Bug(
                "the queries' gradient is averaged over the batch: right for m = 1",
                "(ds @ k).sum(axis=0)",
                "(ds @ k).mean(axis=0)",
            ),
            Bug("the queries' gradient is of sample 0", "(ds @ k).sum(axis=0)", "(ds @ k)[0]"),
            Bug(
                "dx skips the key weights: right while they are the identity",
                "+ dk @ self.wk.T",
                "+ dk",
            ),
            Bug(
                "the queries' gradient uses x, not the keys: right while wk is the identity",
                "(ds @ k).sum(axis=0)",
                "(ds @ x).sum(axis=0)",
            ),
        ),
    ),
    Specimen(
        AdditiveAttention,
        lambda cls: Case(cls(), (4, 3), 3),
        (
            Bug("tanh' is taken as 1 - u, not 1 - u^2", "(1 - u**2)", "(1 - u)"),
            Bug(
                "the bias's gradient is not summed over the steps but has the first",
                "dz.sum(axis=(0, 1))",
                "dz[:, 0].sum(axis=0)",
            ),
            Bug("dx lacks the path through the scores", " + dz @ self.weight.T", ""),
            Bug(
                "dx lacks the path through the weighted mean",
                "dx = a[:, :, None] * dy[:, None, :] + dz",
                "dx = dz",
            ),
            Bug(
                "softmax's sum in backward runs over the batch: its axis is 0",
                "np.sum(a * da, axis=1, keepdims=True)",
                "np.sum(a * da, axis=0, keepdims=True)",
            ),
        ),
    ),
    Specimen(
        AttentionPooling,
        lambda cls: Case(cls(), (5, 2), 4),
        (
            Bug(
                "the query's gradient is overwritten for each sample: the last one's remains",
                "dquery += de @ x[i]",
                "dquery = de @ x[i]",
            ),
            Bug(
                "the loop leaves out the last sample's part of the query's gradient",
                "dquery += de @ x[i]",
                "dquery += de @ x[i] * (i < len(x) - 1)",
            ),
            Bug(
                "all samples are weighted as sample 0 is",
                "np.outer(a[i], dy[i])",
                "np.outer(a[0], dy[i])",
            ),
            Bug(
                "the query's gradient is clipped inside the layer",
                '{"query": dquery}',
                '{"query": np.clip(dquery, -0.1, 0.1)}',
            ),
        ),
    ),
    *self_attention.SPECIMENS,
    *positions.SPECIMENS,
]
