"""The reference: networks as a specialist would write them by hand.

No layers, no classes for them: float32 NumPy, one gather per batch into a reused buffer, in-place
operations where that is safe, no gradient for the pixels, and the loss of each batch, as a user
wants to see it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from benchmarks.work import Array, Task, initial_parameters


class ByHand(ABC):
    """The common part: the data, and a round of epochs."""

    def __init__(self, task: Task, x: Array, y: Array) -> None:
        self.task, self.x, self.y = task, x, y
        self.rng = np.random.default_rng(0)

    def train(self) -> float:
        for _ in range(self.task.repeats):
            loss = self.epoch()
        return loss

    @abstractmethod
    def epoch(self) -> float:
        """Train on all of x once, in a random order; the mean loss of the batches."""

    @abstractmethod
    def predict(self, x: Array) -> Array:
        """The scores of samples."""


class TwoLayersByHand(ByHand):
    """inputs-hidden-classes, ReLU, softmax cross-entropy, SGD, and nothing else."""

    def __init__(self, task: Task, x: Array, y: Array, sizes: tuple[int, ...]) -> None:
        super().__init__(task, x, y)
        (self.w1, self.b1), (self.w2, self.b2) = initial_parameters(sizes)

    def epoch(self) -> float:
        x, labels, w1, b1, w2, b2 = self.x, self.y, self.w1, self.b1, self.w2, self.b2
        batch_size, rate = self.task.batch or len(x), self.task.rate
        one_hot = np.eye(len(w2), dtype=x.dtype)
        ones, column = np.ones(batch_size, x.dtype), np.ones((len(w2), 1), x.dtype)
        whole = batch_size == len(x)  # the order of what is added up does not matter
        order = np.arange(len(x)) if whole else self.rng.permutation(len(x))
        buffer = x if whole else np.empty((batch_size, x.shape[1]), x.dtype)
        total = 0.0
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            m = len(rows)
            xb = x if whole else x.take(rows, 0, buffer[:m], "clip")
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

    def predict(self, x: Array) -> Array:
        a = x.dot(self.w1.T)
        a += self.b1
        np.maximum(a, 0, out=a)
        z: Array = a.dot(self.w2.T)
        z += self.b2
        return z


class ManyLayersByHand(ByHand):
    """The same for any number of layers, with SGD or Adam (Kingma and Ba 2014)."""

    def __init__(self, task: Task, x: Array, y: Array, sizes: tuple[int, ...]) -> None:
        super().__init__(task, x, y)
        pairs = initial_parameters(sizes)
        self.weights, self.biases = [w for w, _ in pairs], [b for _, b in pairs]
        self.memory = {
            id(p): (np.zeros_like(p), np.zeros_like(p), np.empty_like(p))
            for p in self.weights + self.biases
        }
        self.steps = 0
        self.update = self._adam if task.optimizer == "adam" else self._sgd

    def epoch(self) -> float:
        x, labels, weights, biases = self.x, self.y, self.weights, self.biases
        batch_size, classes = self.task.batch or len(x), len(biases[-1])
        one_hot = np.eye(classes, dtype=x.dtype)
        ones, column = np.ones(batch_size, x.dtype), np.ones((classes, 1), x.dtype)
        order = self.rng.permutation(len(x))
        buffer = np.empty((batch_size, x.shape[1]), x.dtype)
        total = 0.0
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            m = len(rows)
            a = x.take(rows, 0, buffer[:m], "clip")
            y = one_hot.take(labels.take(rows), 0)
            inputs = [a]
            for w, b in zip(weights[:-1], biases[:-1], strict=True):
                a = a.dot(w.T)
                a += b
                np.maximum(a, 0, out=a)
                inputs.append(a)
            z = a.dot(weights[-1].T)
            z += biases[-1]
            z -= np.maximum.reduce(z.T.copy(), axis=0)[:, np.newaxis]
            dz = np.exp(z)
            sums = dz.dot(column)
            total += float(np.add.reduce(np.log(sums), axis=None) - np.vdot(y, z))
            dz /= sums
            dz -= y
            dz /= m
            self.steps += 1
            for n in range(len(weights) - 1, -1, -1):
                dw, db = dz.T.dot(inputs[n]), ones[:m].dot(dz)
                if n:
                    dz = dz.dot(weights[n])
                    dz *= inputs[n] > 0
                self.update(weights[n], dw)
                self.update(biases[n], db)
        return total / len(x)

    def _sgd(self, parameter: Array, gradient: Array) -> None:
        gradient *= self.task.rate
        parameter -= gradient

    def _adam(self, parameter: Array, gradient: Array) -> None:
        mean, squares, scratch = self.memory[id(parameter)]
        mean *= 0.9
        np.multiply(gradient, 0.1, out=scratch)
        mean += scratch
        squares *= 0.999
        gradient *= gradient
        gradient *= 0.001
        squares += gradient
        np.sqrt(squares, out=scratch)
        scratch /= math.sqrt(1 - 0.999**self.steps)
        scratch += 1e-8
        np.divide(mean, scratch, out=scratch)
        scratch *= self.task.rate / (1 - 0.9**self.steps)
        parameter -= scratch

    def predict(self, x: Array) -> Array:
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = x.dot(w.T)
            x += b
            np.maximum(x, 0, out=x)
        z: Array = x.dot(self.weights[-1].T)
        z += self.biases[-1]
        return z


def contestant(task: Task, x: Array, y: Array) -> ByHand | None:
    """A dense network written by hand, or None."""
    if isinstance(task.sizes, str):
        return None
    two = len(task.sizes) == 3 and task.optimizer == "sgd"
    return (TwoLayersByHand if two else ManyLayersByHand)(task, x, y, task.sizes)
