"""Lookups in several tables, in hashed ones, and of scaled rows."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from minitorch_np.numerics import softmax
from tests.planting import Bug, Specimen


class TokenTypes(mt.Layer):
    """Words, plus a row for each step, plus one of two types: before and from step `split` on."""

    parameter_names = ("words", "steps", "types")

    def __init__(self, vocabulary: int, dimensions: int, split: int = 2) -> None:
        self.vocabulary, self.dimensions, self.split = vocabulary, dimensions, split
        self.index_limit = vocabulary

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        sizes = (self.vocabulary, *input_shape, 2)
        tables = (rng.normal(size=(n, self.dimensions)).astype(dtype) for n in sizes)
        self.words, self.steps, self.types = tables
        return (*input_shape, self.dimensions)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        index = x.astype(int)
        kind = (np.arange(x.shape[1]) >= self.split).astype(int)
        return self.words[index] + self.steps + self.types[kind], (index, kind)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        index, kind = cache
        dsteps = dy.sum(axis=0)
        dtypes = np.stack([dsteps[kind == 0].sum(axis=0), dsteps[kind == 1].sum(axis=0)])
        dwords = np.zeros_like(self.words)
        np.add.at(dwords, index, dy)
        return np.zeros(index.shape, dy.dtype), {"words": dwords, "steps": dsteps, "types": dtypes}


class HashingEmbedding(mt.Layer):
    """Each word has two rows of a small table, by two hashes, and a weight for each of them."""

    parameter_names = ("table", "weight")

    def __init__(self, words: int, buckets: int = 3, dimensions: int = 2) -> None:
        self.words, self.buckets, self.dimensions = words, buckets, dimensions
        self.index_limit = words

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.table = rng.normal(size=(self.buckets, self.dimensions)).astype(dtype)
        self.weight = np.ones((self.words, 2), dtype)
        return (*input_shape, self.dimensions)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        word = x.astype(int)
        hashes = np.stack([word * 5 + 1, word * 7 // 2], axis=-1) % self.buckets
        return (self.weight[word][..., None] * self.table[hashes]).sum(axis=-2), (word, hashes)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        word, hashes = cache
        dtable, dweight = np.zeros_like(self.table), np.zeros_like(self.weight)
        for k in range(2):
            np.add.at(dtable, hashes[..., k], self.weight[word, k][..., None] * dy)
            np.add.at(dweight, (word, k), (self.table[hashes[..., k]] * dy).sum(axis=-1))
        return np.zeros(word.shape, dy.dtype), {"table": dtable, "weight": dweight}


class UnitEmbedding(mt.Layer):
    """Rows scaled to length 1 when they are looked up, then projected up, as in ALBERT."""

    parameter_names = ("table", "projection")

    def __init__(self, words: int, inner: int, dimensions: int) -> None:
        self.words, self.inner, self.dimensions, self.index_limit = words, inner, dimensions, words

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.table = rng.normal(size=(self.words, self.inner)).astype(dtype)
        self.projection = rng.normal(size=(self.inner, self.dimensions)).astype(dtype)
        return (*input_shape, self.dimensions)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        index = x.astype(int)
        length = np.linalg.norm(self.table, axis=1, keepdims=True)
        unit = self.table / length
        return unit[index] @ self.projection, (index, unit, length)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        index, unit, length = cache
        dunit = np.zeros_like(unit)
        np.add.at(dunit, index, dy @ self.projection.T)
        dtable = (dunit - unit * (dunit * unit).sum(axis=1, keepdims=True)) / length
        dprojection = np.tensordot(unit[index], dy, (range(index.ndim), range(index.ndim)))
        return np.zeros(index.shape, dy.dtype), {"table": dtable, "projection": dprojection}


class Columns(mt.Layer):
    """Categories in columns that share one table with offsets; softmax over each row's numbers."""

    parameter_names = ("table",)

    def __init__(self, categories: int, columns: int, dimensions: int = 3) -> None:
        self.categories, self.columns, self.dimensions = categories, columns, dimensions
        self.index_limit = categories

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        size = (self.categories * self.columns, self.dimensions)
        self.table = rng.normal(size=size).astype(dtype)
        return (self.columns * self.dimensions,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        rows = x.astype(int) + self.categories * np.arange(self.columns)
        p = softmax(self.table[rows])
        return p.reshape(len(x), -1), (rows, p)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        rows, p = cache
        dp = dy.reshape(p.shape)
        dz = p * (dp - (dp * p).sum(axis=2, keepdims=True))
        dtable = np.zeros_like(self.table)
        for column in range(self.columns):
            np.add.at(dtable, rows[:, column], dz[:, column])
        return np.zeros(rows.shape, dy.dtype), {"table": dtable}


SPECIMENS: list[Specimen] = [
    Specimen(
        TokenTypes,
        lambda cls: Case(cls(5, 2), (4,), 3),
        (
            Bug(
                "the type's gradient has one step only, not the sum over its steps",
                "dsteps[kind == 1].sum(axis=0)",
                "dsteps[kind == 1][0]",
            ),
            Bug(
                "the two types are exchanged",
                "np.stack([dsteps[kind == 0].sum(axis=0), dsteps[kind == 1].sum(axis=0)])",
                "np.stack([dsteps[kind == k].sum(axis=0) for k in (1, 0)])",
            ),
            Bug(
                "the second type starts one step late in backward",
                "index, kind = cache",
                "index, kind = cache[0], np.roll(cache[1], 1) * cache[1]",
            ),
            Bug(
                "the steps' gradient is averaged over the batch",
                "dsteps = dy.sum(axis=0)",
                "dsteps = dy.mean(axis=0)",
            ),
        ),
    ),
    Specimen(
        HashingEmbedding,
        lambda cls: Case(cls(6), (4,), 3),
        (
            Bug(
                "the two hashes are exchanged for the table: right for equal weights",
                "np.add.at(dtable, hashes[..., k],",
                "np.add.at(dtable, hashes[..., 1 - k],",
            ),
            Bug("the second hash is forgotten", "for k in range(2)", "for k in range(1)"),
            Bug(
                "words that collide lose all but one: += with an index",
                "np.add.at(dtable, hashes[..., k], self.weight[word, k][..., None] * dy)",
                "dtable[hashes[..., k]] += self.weight[word, k][..., None] * dy",
            ),
            Bug(
                "the words' weights are left out: right while they are 1",
                "self.weight[word, k][..., None] * dy",
                "dy",
            ),
        ),
    ),
    Specimen(
        UnitEmbedding,
        lambda cls: Case(cls(5, 3, 4), (3,), 2),
        (
            Bug(
                "the length counts as a constant",
                "(dunit - unit * (dunit * unit).sum(axis=1, keepdims=True))",
                "dunit",
            ),
            Bug(
                "the division by the length is forgotten",
                "keepdims=True)) / length",
                "keepdims=True))",
            ),
            Bug(
                "the projection's gradient uses the table, not the rows of length 1",
                "np.tensordot(unit[index], dy",
                "np.tensordot(self.table[index], dy",
            ),
        ),
    ),
    Specimen(
        Columns,
        lambda cls: Case(cls(3, 2), (2,), 5),
        (
            Bug(
                "the columns' offsets are forgotten in backward",
                "rows[:, column]",
                "rows[:, column] % self.categories",
            ),
            Bug(
                "softmax's sum runs over the columns",
                "(dp * p).sum(axis=2,",
                "(dp * p).sum(axis=1,",
            ),
            Bug(
                "the last column is left out",
                "for column in range(self.columns)",
                "for column in range(self.columns - 1)",
            ),
        ),
    ),
]
