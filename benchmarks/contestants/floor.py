"""The least work of a step: one gather of a batch, and its matrix products.

It does not learn anything. All other time of a step is overhead.
"""

from __future__ import annotations

import numpy as np

from benchmarks.work import Array, Task, initial_parameters


class Floor:
    """The products of forward and backward, each into preallocated memory."""

    def __init__(self, task: Task, x: Array, y: Array, sizes: tuple[int, ...]) -> None:
        self.task, self.x = task, x
        self.weights = [weight for weight, _ in initial_parameters(sizes)]
        self.rows = task.batch or len(x)
        self.rng = np.random.default_rng(0)

    def train(self) -> float:
        x, m, weights = self.x, self.rows, self.weights
        batch = np.zeros((m, x.shape[1]), x.dtype)
        outputs = [np.ones((m, len(weight)), x.dtype) for weight in weights]
        inputs = [batch, *[np.zeros_like(output) for output in outputs[:-1]]]
        gradients = [np.zeros_like(weight) for weight in weights]
        for _ in range(self.task.repeats):
            order = self.rng.permutation(len(x))
            for start in range(0, len(x) - m + 1, m):
                if m < len(x):
                    x.take(order[start : start + m], 0, batch, "clip")
                else:
                    inputs[0] = x
                for before, weight, after in zip(inputs, weights, outputs, strict=True):
                    before.dot(weight.T, after)
                for n in range(len(weights) - 1, -1, -1):
                    outputs[n].T.dot(inputs[n], gradients[n])
                    if n:
                        outputs[n].dot(weights[n], inputs[n])
        return float("nan")

    def predict(self, x: Array) -> Array:
        for weight in self.weights:
            x = x.dot(weight.T)
        return x


def contestant(task: Task, x: Array, y: Array) -> Floor | None:
    """The least work for a dense network, or None."""
    return None if isinstance(task.sizes, str) else Floor(task, x, y, task.sizes)
