"""jax with one compiled function for a step: gather, gradients and update in one."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.work import Array, Task, initial_parameters


def scores(parameters: Any, x: Any) -> Any:
    """The outputs of dense layers with ReLU between them."""
    for w, b in parameters[:-1]:
        x = jnp.maximum(x @ w.T + b, 0)
    w, b = parameters[-1]
    return x @ w.T + b


def mean_loss(parameters: Any, x: Any, y: Any) -> Any:
    """Softmax cross-entropy."""
    logs = jax.nn.log_softmax(scores(parameters, x))
    return -jnp.mean(jnp.take_along_axis(logs, y[:, None], axis=1))


@functools.partial(jax.jit, donate_argnums=(0, 1), static_argnums=(5, 6))
def step(state: Any, total: Any, x: Any, y: Any, rows: Any, adam: bool, rate: float) -> Any:
    """The state after one step, and the total of the losses with this one."""
    parameters, mean, squares, count = state
    if rows is not None:
        x, y = x[rows], y[rows]
    loss, gradients = jax.value_and_grad(mean_loss)(parameters, x, y)
    count = count + 1
    if adam:
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
        squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, gradients)
        size, root = rate / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
        parameters = jax.tree.map(
            lambda p, m, v: p - size * m / (jnp.sqrt(v) / root + 1e-8), parameters, mean, squares
        )
    else:
        parameters = jax.tree.map(lambda p, g: p - rate * g, parameters, gradients)
    return (parameters, mean, squares, count), total + loss * len(y)


class JaxJit:
    """The compiled step, called from a loop over a random order."""

    def __init__(self, task: Task, x: Array, y: Array, sizes: tuple[int, ...]) -> None:
        self.task, self.x, self.y = task, jnp.asarray(x), jnp.asarray(y)
        parameters = [(jnp.asarray(w), jnp.asarray(b)) for w, b in initial_parameters(sizes)]
        adam = task.optimizer == "adam"
        zeros = jax.tree.map(jnp.zeros_like, parameters) if adam else None
        more = jax.tree.map(jnp.zeros_like, parameters) if adam else None
        self.state: Any = (parameters, zeros, more, 0)
        self.scores = jax.jit(scores)
        self.rng = np.random.default_rng(0)

    def train(self) -> float:
        task, n = self.task, len(self.x)
        batch = task.batch or n
        for _ in range(task.repeats):
            order, total = self.rng.permutation(n), jnp.zeros(())
            for start in range(0, n, batch):
                rows = None if batch == n else order[start : start + batch]
                self.state, total = step(
                    self.state, total, self.x, self.y, rows, task.optimizer == "adam", task.rate
                )
        return float(total) / n

    def predict(self, x: Array) -> Array:
        return np.asarray(self.scores(self.state[0], x))


def contestant(task: Task, x: Array, y: Array) -> JaxJit | None:
    """jax at dense networks."""
    return None if isinstance(task.sizes, str) else JaxJit(task, x, y, task.sizes)
