"""Embeddings of words and positions; SPECIMENS lists all lookups, and the package's layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from tests.material import library, lookups
from tests.planting import Bug, Specimen


class EmbeddingBag(mt.Layer):
    """The sum or the mean of the rows looked up: (m, words) to (m, dimensions)."""

    parameter_names = ("table",)

    def __init__(self, words: int, dimensions: int, mode: str = "mean") -> None:
        self.words, self.dimensions, self.mode = words, dimensions, mode
        self.index_limit = words

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.table = rng.normal(size=(self.words, self.dimensions)).astype(dtype)
        return (self.dimensions,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        index = x.astype(int)
        y = self.table[index].sum(axis=1)
        if self.mode == "mean":
            y /= x.shape[1]
        return y, index

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        if self.mode == "mean":
            dy = dy / cache.shape[1]
        dtable = np.zeros_like(self.table)
        for row, words in zip(dy, cache, strict=True):
            for word in words:
                dtable[word] += row
        return np.zeros(cache.shape, dy.dtype), {"table": dtable}


class PaddedEmbedding(mt.Layer):
    """Word `padding` looks up zeros, whatever its row in the table says."""

    parameter_names = ("table",)

    def __init__(self, words: int, dimensions: int, padding: int = 0) -> None:
        self.words, self.dimensions, self.padding = words, dimensions, padding
        self.index_limit = words

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.table = rng.normal(0, 0.5, (self.words, self.dimensions)).astype(dtype)
        return (*input_shape, self.dimensions)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        word = x.astype(np.int64)
        real = word != self.padding
        return self.table[word] * real[..., None], (word, real)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        word, real = cache
        dtable = np.zeros_like(self.table)
        np.add.at(dtable, word[real], dy[real])
        return np.zeros(word.shape, dy.dtype), {"table": dtable}


class TiedWords(mt.Layer):
    """The table is used twice: tanh of the words' mean, then its product with each row."""

    parameter_names = ("table",)

    def __init__(self, words: int, dimensions: int) -> None:
        self.words, self.dimensions, self.index_limit = words, dimensions, words

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.table = rng.normal(size=(self.words, self.dimensions)).astype(dtype)
        return (self.words,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        words = x.astype(int)
        h = np.tanh(self.table[words].mean(axis=1))
        return h @ self.table.T, (words, h)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        words, h = cache
        dtable = dy.T @ h
        dz = (dy @ self.table) * (1 - h**2) / words.shape[1]
        np.add.at(dtable, words, dz[:, None, :])
        return np.zeros(words.shape, dy.dtype), {"table": dtable}


class LearnedPositions(mt.Layer):
    """sqrt(d) x plus a learned row for each step; the first `steps` of a longer table."""

    parameter_names = ("table",)

    def __init__(self, longest: int = 6) -> None:
        self.longest = longest

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.table = np.zeros((self.longest, input_shape[1]), dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return math.sqrt(x.shape[2]) * x + self.table[: x.shape[1]], None

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dtable = np.zeros_like(self.table)
        dtable[: dy.shape[1]] = dy.sum(axis=0)
        return math.sqrt(dy.shape[2]) * dy, {"table": dtable}


class SinusoidalEmbedding(mt.Layer):
    """Words scaled by sqrt(d), plus the sines and cosines of Vaswani et al., times a gain."""

    parameter_names = ("table", "gain")

    def __init__(self, words: int, dimensions: int = 4) -> None:
        self.words, self.dimensions, self.index_limit = words, dimensions, words

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        d = self.dimensions
        angle = np.arange(input_shape[0])[:, None] / 10000 ** (np.arange(0, d, 2) / d)
        self.waves = np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(dtype)
        self.table = rng.normal(0, d**-0.5, (self.words, d)).astype(dtype)
        self.gain = np.ones(1, dtype)
        return (input_shape[0], d)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        index = x.astype(int)
        return self.dimensions**0.5 * self.table[index] + self.gain * self.waves, index

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        one_hot = np.eye(self.words, dtype=dy.dtype)[cache]
        dtable = self.dimensions**0.5 * np.einsum("mtw,mtd->wd", one_hot, dy)
        dgain = np.array([np.sum(dy * self.waves)])
        return np.zeros(cache.shape, dy.dtype), {"table": dtable, "gain": dgain}


SPECIMENS: list[Specimen] = [
    Specimen(
        EmbeddingBag,
        lambda cls: Case(cls(4, 2), (3,), 3),
        (
            Bug("the mean is not divided in backward", "dy = dy / cache.shape[1]", "pass"),
            Bug(
                "the mean is divided by the batch's size: right where it is the bag's",
                "dy = dy / cache.shape[1]",
                "dy = dy / len(cache)",
            ),
            Bug(
                "the mean is divided in the caller's dy",
                "dy = dy / cache.shape[1]",
                "dy /= cache.shape[1]",
            ),
            Bug(
                "a word that occurs twice in a bag counts once",
                "for word in words:",
                "for word in set(words):",
            ),
        ),
    ),
    Specimen(
        EmbeddingBag,
        lambda cls: Case(cls(5, 3, mode="sum"), (4,), 2),
        (
            Bug(
                "the sum is divided too, as if it were a mean",
                'if self.mode == "mean":\n            dy = dy /',
                "if self.mode:\n            dy = dy /",
            ),
            Bug(
                "all bags get the gradient of the first",
                "dtable[word] += row",
                "dtable[word] += dy[0]",
            ),
            Bug(
                "each word's gradient is overwritten by the last bag's",
                "dtable[word] += row",
                "dtable[word] = row",
            ),
        ),
    ),
    Specimen(
        PaddedEmbedding,
        lambda cls: Case(cls(4, 2), (3,), 4),
        (
            Bug(
                "the padding row gets a gradient",
                "np.add.at(dtable, word[real], dy[real])",
                "np.add.at(dtable, word, dy)",
            ),
            Bug(
                "the padding mask is inverted in backward",
                "word[real], dy[real]",
                "word[~real], dy[~real]",
            ),
        ),
    ),
    Specimen(
        PaddedEmbedding,
        lambda cls: Case(cls(4, 2, padding=3), (2, 3), 3),
        (
            Bug(
                "backward takes row 0 for padding, whatever `padding` says",
                "word, real = cache",
                "word, real = cache[0], cache[0] != 0",
            ),
            Bug(
                "words that occur twice lose all places but the last",
                "np.add.at(dtable, word[real], dy[real])",
                "dtable[word[real]] = dy[real]",
            ),
        ),
    ),
    Specimen(
        TiedWords,
        lambda cls: Case(cls(5, 3), (3,), 2),
        (
            Bug(
                "the table's gradient has its use as output only",
                "np.add.at(dtable, words, dz[:, None, :])",
                "pass",
            ),
            Bug(
                "the table's gradient has its use as input only",
                "dtable = dy.T @ h",
                "dtable = np.zeros_like(self.table)",
            ),
            Bug("the mean over the words is not divided", " / words.shape[1]", ""),
            Bug(
                "the second use overwrites the first one's gradient",
                "np.add.at(dtable, words, dz[:, None, :])",
                "dtable[words] = dz[:, None, :]",
            ),
        ),
    ),
    Specimen(
        LearnedPositions,
        lambda cls: Case(cls(), (4, 3), 3),
        (
            Bug(
                "the scale sqrt(d) is forgotten in backward",
                "return math.sqrt(dy.shape[2]) * dy, {",
                "return dy.copy(), {",
            ),
            Bug(
                "the positions' gradient is averaged over the batch",
                "dy.sum(axis=0)",
                "dy.mean(axis=0)",
            ),
            Bug("the positions' gradient is of sample 0", "dy.sum(axis=0)", "dy[0]"),
            Bug(
                "the positions are summed over the steps: each row gets all",
                "dy.sum(axis=0)",
                "dy.sum(axis=(0, 1))",
            ),
            Bug(
                "a float64 scalar makes dx of a float32 model float64",
                "return math.sqrt(dy",
                "return np.sqrt(dy",
            ),
        ),
    ),
    Specimen(
        LearnedPositions,
        lambda cls: Case(cls(4), (4, 2), 2),
        (
            Bug(
                "the last step's row gets no gradient",
                "dtable[: dy.shape[1]] = dy.sum(axis=0)",
                "dtable[: dy.shape[1] - 1] = dy.sum(axis=0)[:-1]",
            ),
            Bug(
                "the positions are counted from the end",
                "dtable[: dy.shape[1]] =",
                "dtable[: dy.shape[1]][::-1] =",
            ),
        ),
    ),
    Specimen(
        SinusoidalEmbedding,
        lambda cls: Case(cls(4), (3,), 3),
        (
            Bug(
                "the scale sqrt(d) is forgotten in backward",
                "dtable = self.dimensions**0.5 * np",
                "dtable = np",
            ),
            Bug(
                "the scale is d, not sqrt(d)",
                "dtable = self.dimensions**0.5 * np",
                "dtable = self.dimensions * np",
            ),
            Bug(
                "the gain's gradient is of sample 0",
                "np.sum(dy * self.waves)",
                "np.sum(dy[0] * self.waves)",
            ),
            Bug("the gain's gradient forgets the waves", "np.sum(dy * self.waves)", "np.sum(dy)"),
        ),
    ),
    *lookups.SPECIMENS,
    *library.SPECIMENS,
]
