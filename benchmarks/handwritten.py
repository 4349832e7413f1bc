"""The bar to stay under: the notes' network as a specialist would write it by hand.

No layers, no classes: float32 NumPy, one gather a batch into a buffer that is used again, work in
place where that is safe, no gradient for the pixels, and the loss of each batch, since a person
wants to see it. Nobody should have to write this; it is here to be measured against.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class NotesByHand:
    """784-hidden-10, ReLU, softmax cross-entropy, SGD; one method that trains for an epoch."""

    def __init__(self, w1: Array, b1: Array, w2: Array, b2: Array) -> None:
        self.w1, self.b1, self.w2, self.b2 = w1, b1, w2, b2

    def epoch(
        self, x: Array, labels: Array, batch_size: int, rate: float, rng: np.random.Generator
    ) -> float:
        """Train on all of x once, in a random order; the mean loss of the batches."""
        w1, b1, w2, b2 = self.w1, self.b1, self.w2, self.b2
        one_hot = np.eye(10, dtype=x.dtype)
        ones, column = np.ones(batch_size, x.dtype), np.ones((10, 1), x.dtype)
        order = rng.permutation(len(x))
        buffer = np.empty((batch_size, x.shape[1]), x.dtype)
        total = 0.0
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            m = len(rows)
            xb = x.take(rows, 0, buffer[:m], "clip")
            y = one_hot.take(labels.take(rows), 0)
            a1 = xb.dot(w1.T)
            a1 += b1
            np.maximum(a1, 0, out=a1)
            z2 = a1.dot(w2.T)
            z2 += b2
            z2 -= np.maximum.reduce(z2.T.copy(), axis=0)[:, np.newaxis]
            a2 = np.exp(z2)
            sums = a2.dot(column)
            total += float(np.add.reduce(np.log(sums), axis=None) - np.vdot(y, z2))
            a2 /= sums
            a2 -= y
            a2 *= rate / m
            dz1 = a2.dot(w2)
            dz1 *= a1 > 0
            w2 -= a2.T.dot(a1)
            b2 -= ones[:m].dot(a2)
            w1 -= dz1.T.dot(xb)
            b1 -= ones[:m].dot(dz1)
        return total / len(x)
