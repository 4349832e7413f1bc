"""A learning-rate finder: one short run shows which rates make the loss fall.

The rate grows from step to step while the loss is recorded. At first the loss hardly moves, then
it falls, and finally it explodes. A good rate is where it falls fastest, but at most a tenth of the
rate at which the loss is lowest. Afterwards the model, the optimizer and the random generator are
restored.

Source: Smith 2015, "Cyclical learning rates for training neural networks", arXiv:1506.01186.
"""

from __future__ import annotations

import itertools
import math
from collections import abc
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minitorch_np.arrays import Array, Generator
from minitorch_np.figures import COLOURS, WIDTH, Figure, new_figure
from minitorch_np.losses import Loss
from minitorch_np.signature import explained
from minitorch_np.training.batches import Batches
from minitorch_np.training.feeds import as_reading, fitted, make_batches, open_data
from minitorch_np.training.snapshot import Snapshot
from minitorch_np.training.step import propagate
from minitorch_np.training.trainer import Trainer
from minitorch_np.validation import number, require, whole

Batch: TypeAlias = tuple[Any, Any, Array | None]
"""Inputs, targets, weights."""

SMOOTH = 0.9
"""The weight of the past in the moving average of the loss."""

EXPLODED = 4.0
"""The search ends when the smoothed loss is this many times its minimum."""

SKIPPED = 0.1
"""The fraction of steps to skip at the start, where the average covers few batches."""


class RateSearch(NamedTuple):
    """The learning rates tried, the smoothed loss at each, and the suggested rate.

    The suggestion is NaN if the loss never fell.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float

    def plot(self) -> Figure:
        """A matplotlib Figure of the losses over the rates, and the suggestion.

        Raises MissingExtraError without matplotlib.
        """
        figure = new_figure(WIDTH, 3.2)
        axes = figure.add_subplot()
        axes.plot(self.rates, self.losses, "-", color=COLOURS[0])
        if not math.isnan(self.suggestion):
            axes.axvline(self.suggestion, ls="--", color=COLOURS[1])
            axes.set_title(f"suggested learning rate: {self.suggestion:.2g}", fontsize="medium")
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss (smoothed)")
        low, first = min(self.losses), self.losses[0]
        axes.set_ylim(low - 0.1 * (first - low or 1), first + 0.5 * (first - low or 1))
        axes.grid(alpha=0.3)
        return figure

    def __repr__(self) -> str:
        return f"RateSearch({len(self.rates)} rates, suggestion={self.suggestion:.3g})"


@explained
def find_learning_rate(
    trainer: Trainer,
    x: object,
    y: object = None,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    batch_size: int = 64,
    scale: float | None = None,
) -> RateSearch:
    """Find a learning rate in up to `steps` steps, with rates that grow from `low` to `high`.

    They grow geometrically, and the search ends early if the loss explodes. Afterwards the model,
    the optimizer and the generator are as before. x, y and `scale` are as in `fit`. Raises
    ConfigurationError for numbers out of range, ShapeError and DataError as `fit` does.
    """
    place = "find_learning_rate"
    number(place, "low", low, above=0)
    number(place, "high", high, above=low)
    whole(place, "steps", steps, 10)
    require(isinstance(trainer, Trainer), place, "a Trainer", trainer)
    size, reading = whole(place, "batch_size", batch_size), as_reading(place, scale)
    data = open_data(trainer, (x, y, None), place)
    batches = make_batches(trainer, data, place, reading, size, shuffle=True)
    loss = fitted(trainer, data, batches)
    optimizer, generator = trainer.optimizer, trainer.rng.bit_generator
    kept, state, rate = Snapshot(trainer.model, optimizer), generator.state, optimizer.learning_rate
    try:
        stream = closing(_endless(batches, trainer.rng))
        with np.errstate(all="ignore"), stream as endless:
            rates, losses = _run(trainer, loss, endless, np.geomspace(low, high, steps))
    finally:
        optimizer.learning_rate = rate
        kept.restore()
        generator.state = state
    return RateSearch(rates, losses, _suggestion(np.array(rates), np.array(losses)))


def _run(
    trainer: Trainer, loss: Loss, batches: Iterator[Batch], rates: Array
) -> tuple[list[float], list[float]]:
    """The rates that were tried, and the smoothed loss before each step."""
    model, optimizer, losses, mean = trainer.model, trainer.optimizer, list[float](), 0.0
    for step, rate in enumerate(rates.tolist()):
        value, _, gradients = propagate(model, loss, *next(batches), trainer.rng)
        mean = SMOOTH * mean + (1 - SMOOTH) * value
        smoothed = mean / (1 - SMOOTH ** (step + 1))  # unbiased, as in Adam
        if not math.isfinite(value) or smoothed > EXPLODED * min([*losses, abs(smoothed)]):
            break
        losses.append(smoothed)
        optimizer.learning_rate = rate
        optimizer.step(model, gradients)
    return rates[: len(losses)].tolist(), losses


def _endless(batches: Batches, rng: Generator) -> abc.Generator[Batch, None, None]:
    """Batch after batch, epoch after epoch."""
    for epoch in itertools.count():
        with closing(batches.epoch(batches.order(rng, epoch), rng)) as pieces:
            for x, y, weights, _ in pieces:
                yield x, y, weights


def _suggestion(rates: Array, losses: Array) -> float:
    """Where the loss falls fastest over log(rate), but at most a tenth of where it is lowest."""
    first = int(SKIPPED * len(losses))
    falling = losses[first : int(losses.argmin()) + 1] if len(losses) else losses
    if len(falling) < 3 or not falling[-1] < falling[0]:
        return math.nan
    slopes = np.gradient(falling, np.log(rates[first : first + len(falling)]))
    return float(min(rates[first + int(slopes.argmin())], rates[losses.argmin()] / 10))
