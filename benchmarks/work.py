"""The tasks of the contestants: network, batch size and quantity to measure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy.typing as npt

import minitorch_np as mt

Array = npt.NDArray[Any]

LENET5 = "LeNet-5"


@dataclass(frozen=True)
class Task:
    """One row of the results.

    - `sizes` are the units of each layer of a dense network with ReLU and softmax cross-entropy, or
      LENET5; `optimizer` is "sgd" or "adam", at the learning rate `rate`;
    - `batch` samples make a step, or are predicted at a time; None is all;
    - `samples` is the most samples of the data to use; None is all;
    - `measure` is the quantity: seconds of training (`repeats` epochs a round), seconds of
      prediction (`repeats` calls a round), or MiB of memory in training.
    """

    name: str
    sizes: tuple[int, ...] | str = (784, 10, 10)
    optimizer: str = "sgd"
    rate: float = 0.1
    batch: int | None = 64
    samples: int | None = None
    repeats: int = 1
    measure: Literal["training", "prediction", "memory"] = "training"

    def steps(self, samples: int) -> int:
        """The number of steps, or calls, in a round."""
        if self.measure == "prediction":
            return self.repeats
        return self.repeats * -(-samples // (self.batch or samples))


class Contestant(Protocol):
    """An implementation of a task, built for the task and its data in memory."""

    def train(self) -> float:
        """`task.repeats` epochs in batches of a random order; the mean loss of the last."""

    def predict(self, x: Array) -> Array:
        """The scores of samples, (m, classes)."""


NOTES = Task("784-10-10, SGD, batch 64", repeats=5)
MLP = Task("784-512-512-10, Adam, batch 128", (784, 512, 512, 10), "adam", 0.001, 128, 12_800)
FULL = replace(NOTES, name="784-10-10, SGD, full batch", batch=None, repeats=10)

TASKS = [
    replace(NOTES, name="784-10-10, SGD, batch 1", batch=1, rate=0.01, samples=2_000, repeats=1),
    NOTES,
    FULL,
    Task("784-128-10, SGD, batch 128", (784, 128, 10), batch=128),
    MLP,
    Task("LeNet-5, Adam, batch 64", LENET5, "adam", 0.002, 64, samples=1_920),
    Task("784-10-10, prediction of 1", batch=1, repeats=1_000, measure="prediction"),
    Task("784-10-10, prediction of 10,000", batch=10_000, repeats=5, measure="prediction"),
    replace(NOTES, name="784-10-10, batch 64, memory", repeats=1, measure="memory"),
    replace(FULL, name="784-10-10, full batch, memory", repeats=1, measure="memory"),
]

LIMITS = [
    (NOTES.name, "by_hand", 1.10),
    (MLP.name, "by_hand", 1.05),
    (FULL.name, "by_hand", 1.0),
    (NOTES.name, "floor", 2.0),
    (MLP.name, "floor", 1.35),
    (NOTES.name, "torch_eager", 0.35),
    (MLP.name, "torch_eager", 0.85),
    (NOTES.name, "scikit", 0.5),
    (MLP.name, "scikit", 0.75),
    (NOTES.name, "jax_jit", 1.0),
]
"""Limits for the ratio of this framework's time to that of another, on one thread."""

LIBRARIES = ("numpy", "minitorch_np", "torch", "sklearn.neural_network", "jax")
"""The libraries whose import is timed, each in a process of its own."""

IMPORTS = "import"
"""The name of that in the results."""

GROWTH = {
    "width": [
        Task(f"width {n}", (784, n, 10), samples=1_600, repeats=3)
        for n in (16, 64, 256, 1024, 2048)
    ],
    "depth": [
        Task(f"depth {n}", (784, *[128] * n, 10), rate=0.02, samples=1_600, repeats=3)
        for n in (1, 2, 4, 8, 16)
    ],
    "batch": [
        Task(f"batch {n}", batch=n, rate=0.01, samples=max(500, min(32 * n, 60_000)), repeats=3)
        for n in (1, 8, 64, 512, 4_096, 60_000)
    ],
}
"""Cost as the work grows: hidden units, hidden layers of 128, samples in a batch."""

GROWING = ("by_hand", "framework", "torch_eager")
"""The contestants measured there."""


def initial_parameters(sizes: tuple[int, ...]) -> list[tuple[Array, Array]]:
    """Weights (units, inputs) and biases (units,) of a dense network, float32: the same for all."""
    arrays = list(mt.mlp(sizes, seed=0).state_dict().values())
    return list(zip(arrays[::2], arrays[1::2], strict=True))
