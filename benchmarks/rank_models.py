"""The networks whose steps are timed on several ranks, and a step of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt

BATCH = 512
"""Samples, or sequences, in a step of all ranks together."""

CONTEXT, VOCABULARY = 32, 65
"""The GPT's context and the number of different tokens."""


class Work(NamedTuple):
    """A network and its optimizer."""

    name: str
    make: Callable[[], mt.Sequential]
    optimizer: str

    def samples(self, n: int) -> tuple[Any, Any]:
        """Inputs and targets."""
        rng = np.random.default_rng(0)
        if "GPT" in self.name:
            tokens = rng.integers(0, VOCABULARY, (n, CONTEXT + 1))
            return tokens[:, :-1], tokens[:, 1:]
        return rng.random((n, 784), np.float32), rng.integers(0, 10, n)


WORKS = (
    Work("784-10-10, SGD", lambda: mt.notes_network(seed=0), "sgd(0.1)"),
    Work("784-512-512-10, Adam", lambda: mt.mlp([784, 512, 512, 10], seed=0), "adam"),
    Work(
        f"GPT, 4 layers of 128, {CONTEXT} tokens, Adam",
        lambda: mt.gpt(VOCABULARY, CONTEXT, seed=0),
        "adam",
    ),
)


def steps(work: Work, batch: int, communicator: Any = None, seconds: float = 1.0) -> list[float]:
    """The seconds of each step with batches of this size, measured for about this time."""
    trainer = mt.Trainer(
        work.make(), "softmax_cross_entropy", work.optimizer, seed=0, communicator=communicator
    )
    x, y = work.samples(batch)
    begun = time.perf_counter()
    for _ in range(2):
        trainer.step(x, y)
    count = int(seconds / ((time.perf_counter() - begun) / 2))
    if communicator is not None:
        count = communicator.bcast(count)
    count = min(max(count, 4), max(4, 20_000 // batch))
    x, y = work.samples(count * batch)
    times: list[float] = []

    class Watch(mt.Callback):
        """Records the time of each step."""

        def on_batch_end(self, trainer: Any, batch: int, loss: float) -> None:
            times.append(time.perf_counter())

    trainer.fit(x, y, epochs=2, batch_size=batch, callbacks=[Watch()], verbose=False)
    return np.diff(times[count:]).tolist()
