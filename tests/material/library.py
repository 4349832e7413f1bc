"""The package's own simple layers, with mistakes planted in their source."""

from __future__ import annotations

import minitorch_np as mt
from minitorch_np.gradcheck import Case
from tests.planting import Bug, Specimen

LOST = "add_at(gradient, cache.reshape(-1), dy.reshape(-1, self.dimensions))"


SPECIMENS: list[Specimen] = [
    Specimen(
        mt.Embedding,
        lambda cls: Case(cls(4, 3), (5,), 3),
        (
            Bug(
                "words that occur twice lose all places but the last", LOST, "gradient[cache] = dy"
            ),
            Bug(
                "words that occur twice are added once, by += with an index",
                LOST,
                "gradient[cache] += dy",
            ),
            Bug(
                "the last word of the vocabulary gets no gradient",
                LOST,
                LOST + "\n        gradient[-1] = 0",
            ),
            Bug(
                "the gradient is divided by how often a word occurs",
                LOST,
                LOST
                + "\n        times = np.bincount(cache.reshape(-1), minlength=self.vocabulary)"
                + "\n        gradient /= np.maximum(times, 1)[:, None]",
            ),
        ),
    ),
    Specimen(
        mt.Dense,
        lambda cls: Case(cls(2), (5,), 4),
        (
            Bug(
                "backward's bias gradient is of sample 0",
                "= ones(len(dy), dy.dtype).dot(dy)\n",
                "= dy[0].copy()\n",
            ),
            Bug(
                "the cache is a copy in float32",
                "return y, x\n",
                'return y, x.astype("float32")\n',
            ),
            Bug(
                "dx is divided by the batch's size: right for m = 1",
                "(dy.dot(self.weight) if need_dx",
                "(dy.dot(self.weight) / len(dy) if need_dx",
            ),
        ),
    ),
    Specimen(
        mt.Dense,
        lambda cls: Case(cls(3, weight_initializer="he_normal"), (3,), 4),
        (
            Bug(
                "dx uses the weights untransposed: only a square layer runs",
                "(dy.dot(self.weight) if need_dx",
                "(dy.dot(self.weight.T) if need_dx",
            ),
            Bug(
                "the weight gradient is transposed: only a square layer runs",
                '{"weight": dy.T.dot(cache)}',
                '{"weight": cache.T.dot(dy)}',
            ),
            Bug(
                "the bias gradient is summed over the units",
                "= ones(len(dy), dy.dtype).dot(dy)\n",
                "= dy.sum(axis=1)[: self.units]\n",
            ),
        ),
    ),
    Specimen(
        mt.Softmax,
        lambda cls: Case(cls(), (4,), 3),
        (
            Bug(
                "the Jacobian is taken as diagonal",
                "p * (dy - np.add.reduce(dy * p, axis=-1, keepdims=True))",
                "p * (1 - p) * dy",
            ),
            Bug(
                "the sum in backward runs over the batch",
                "np.add.reduce(dy * p, axis=-1,",
                "np.add.reduce(dy * p, axis=0,",
            ),
            Bug("the sum lacks p", "np.add.reduce(dy * p, axis", "np.add.reduce(dy, axis"),
            Bug(
                "the mean is taken off, not the sum",
                "np.add.reduce(dy * p, axis=-1,",
                "np.mean(dy * p, axis=-1,",
            ),
            Bug(
                "backward writes into its cache, the output",
                "return p * (dy - np.add.reduce(dy * p, axis=-1, keepdims=True)), {}",
                "p *= dy - np.add.reduce(dy * p, axis=-1, keepdims=True)\n        return p, {}",
            ),
        ),
    ),
    Specimen(
        mt.Softmax,
        lambda cls: Case(cls(), (3, 4), 2),
        (
            Bug(
                "the sum in backward runs over axis 1: right for flat samples only",
                "np.add.reduce(dy * p, axis=-1,",
                "np.add.reduce(dy * p, axis=1,",
            ),
        ),
    ),
    Specimen(
        mt.LogSoftmax,
        lambda cls: Case(cls(), (4,), 3),
        (
            Bug(
                "the sum is weighted by p, as in Softmax",
                "np.add.reduce(dy, axis=-1",
                "np.add.reduce(dy * np.exp(cache), axis=-1",
            ),
            Bug("p is taken for its logarithm", "dy - np.exp(cache) *", "dy - cache *"),
        ),
    ),
    Specimen(
        mt.Concatenate,
        lambda cls: Case(cls(mt.Dense(2), mt.Dense(3)), (4,), 3),
        (
            Bug(
                "every branch's piece of dy begins at 0",
                "along[piece]",
                "along[: piece.stop - piece.start]",
            ),
        ),
    ),
    Specimen(
        mt.Concatenate,
        lambda cls: Case(cls("tanh", mt.Sigmoid(), axis=-1), (3, 2), 2),
        (
            Bug(
                "the pieces of dy go to the branches in reverse order",
                "for piece in self._pieces]",
                "for piece in self._pieces[::-1]]",
            ),
        ),
    ),
    Specimen(
        mt.Add,
        lambda cls: Case(cls(mt.Dense(2), mt.Dense(2), "identity"), (2,), 3),
        (
            Bug(
                "dy is shared out among the branches, as if they were averaged",
                "return [dy] * self._joined",
                "return [dy / self._joined] * self._joined",
            ),
            Bug(
                "the last branch is left out on the way back",
                "return [dy] * self._joined",
                "return [dy] * (self._joined - 1) + [0 * dy]",
            ),
        ),
    ),
]
