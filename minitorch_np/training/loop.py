"""The training loop: epochs, batches and the state of a run.

A `Loop` trains a model on batches, an epoch at a time. Everything that the rest of the run depends
on is in its `state_dict`, so that a run resumed from a checkpoint gives the same result, bit for
bit, as an uninterrupted one. The loop calls no hooks: the trainer does that between epochs, and
passes `train_epoch` the functions to call after each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import Generator, all_finite, count, keep_freed_memory
from minitorch_np.core.prediction import Model
from minitorch_np.errors import DivergenceError
from minitorch_np.losses import Loss
from minitorch_np.optimizers import Optimizer
from minitorch_np.training.batches import Batches
from minitorch_np.training.divergence import divergence
from minitorch_np.training.history import History
from minitorch_np.training.metric import Metric
from minitorch_np.training.ranks import Alone
from minitorch_np.training.snapshot import Snapshot

KEEP_EVERY = 50
"""The number of steps between snapshots, which are restored if training diverges. A snapshot at
every step would cost 2 % of the time, and hold parameters that already grow without bound."""

EVALUATION_ROWS, EVALUATION_NUMBERS = 256, 2**25
"""The number of samples evaluated at a time, enough to be fast; fewer if the outputs of all layers
would hold more numbers than the second (128 MB in float32)."""

AfterStep: TypeAlias = Callable[[int, float], None]
"""Called after a step with the batch's number and its mean loss."""


class Loop:
    """Training of `model` on `batches`, measured on `held_out` after each epoch.

    - `epoch` counts the completed epochs, `batch` the steps of the current one;
    - `totals` are the sums of the current epoch, `history` the numbers of earlier epochs;
    - `epoch_began` is the generator's state from which this epoch's order was drawn;
    - `start` is the snapshot taken before training;
    - `carried` wraps the model in stateful training, where a batch starts from the state of the
      previous one.
    """

    def __init__(
        self,
        model: Model,
        loss: Loss,
        optimizer: Optimizer,
        metrics: Sequence[Metric],
        rng: Generator,
        batches: Batches,
        held_out: Batches | None,
        ranks: Alone | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer, self.metrics = model, loss, optimizer, metrics
        self.rng, self.batches, self.held_out = rng, batches, held_out
        self.ranks = ranks or Alone()
        for parts in (batches, held_out):
            if parts is not None:
                parts.cut, parts.own = self.ranks.cut, self.ranks.own
        keep_freed_memory()
        self.start = self.good = Snapshot(model, optimizer)
        self.epoch = self.batch = self.since = 0
        self.epoch_began: Any = None
        self.carried: Any = None  # a Carried, used instead of the model
        self.steps = len(batches)  # raises for an iterable of unknown length
        self.history = History()
        self.totals = self.ranks.totals(loss, metrics, batches.first)

    @property
    def columns(self) -> list[str]:
        """The names of the numbers that each epoch adds to the history."""
        names = ["loss", *(metric.name for metric in self.metrics)]
        return names + ([f"val_{name}" for name in names] if self.held_out is not None else [])

    def train_epoch(self, after_step: Sequence[AfterStep] = ()) -> dict[str, float]:
        """Train on the data once, or on the rest of it; returns the mean loss and the metrics.

        Raises DivergenceError for a loss or parameters that are not finite, after restoring the
        last snapshot.
        """
        model, loss, optimizer, rng = self.model, self.loss, self.optimizer, self.rng
        order, trained = self._begin_epoch(), self.carried or model
        totals, rows = self.totals, count if isinstance(self.batches.first.x, tuple) else len
        propagate, several = self.ranks.propagate, self.ranks.size > 1
        in_pieces = several or self.batches.micro_size < self.batches.size
        pieces = self.ranks.accumulator() if in_pieces else None
        # Overflow leads to a DivergenceError; NumPy's warnings would only repeat it.
        quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        with quiet, closing(self.batches.epoch(order, rng, self.batch)) as epoch:
            for x, y, weights, complete in epoch:
                value, scores, gradients = propagate(trained, loss, x, y, weights, rng)
                if not math.isfinite(value):
                    raise self._divergence(x, y, f"step {self.batch + 1} of the epoch")
                weight = rows(x) if totals.even else totals.weigh(y, weights)
                totals.loss += value * weight
                totals.weight += weight
                if totals.metrics:
                    totals.count(scores, y, weights)
                if pieces is not None:
                    pieces.add(value, gradients, weight)
                    if not complete:
                        continue
                    value, gradients = pieces.take()
                self.since += 1
                if self.since > KEEP_EVERY:
                    self.good, self.since = Snapshot(model, optimizer), 0
                optimizer.step(model, gradients)
                self.batch += 1
                del scores, gradients  # freed now, so the next step reuses memory that is in cache
                for call in after_step:
                    call(self.batch - 1, value)
            if not all(map(all_finite, model.named_parameters().values())):
                raise self._divergence(x, y, f"step {self.batch} of the epoch, the last")
        return totals.merged().means()

    def validate(self) -> dict[str, float]:
        """The mean loss and the metrics on the validation data, with "val_" before their names.

        Raises DivergenceError for a loss that is not finite.
        """
        if self.held_out is None:
            return {}
        given = self.model, self.loss, self.metrics, self.held_out
        measured = measure(*given, self.ranks)
        if not math.isfinite(measured["loss"]):
            x, y, _ = self.held_out.first
            x = self.held_out.converted(x)
            raise self._divergence(x, y, f"the validation after epoch {self.epoch + 1}")
        return {f"val_{name}": number for name, number in measured.items()}

    def end_epoch(self, numbers: Mapping[str, float]) -> None:
        """Add an epoch's numbers to the history and advance to the next epoch."""
        self.history.append(numbers)
        self.epoch, self.batch = self.epoch + 1, 0
        self.totals = self.ranks.totals(self.loss, self.metrics, self.batches.first)

    def _begin_epoch(self) -> Any:
        """The order of the epoch's samples: new, or of a resumed epoch the order it began with."""
        generator = self.rng.bit_generator
        if not self.batch:
            self.epoch_began = generator.state
            if self.carried:
                self.carried.state = None
            return self.batches.order(self.rng, self.epoch)
        now, generator.state = generator.state, self.epoch_began
        order = self.batches.order(self.rng, self.epoch)
        generator.state = now
        return order

    def _divergence(self, x: Any, y: Any, when: str) -> DivergenceError:
        return divergence(self.model, self.loss, x, y, when, self.good)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, as numbers, strings, arrays and lists."""
        totals = self.totals.merged()
        return {
            "model": self.model.state_dict(),
            "frozen": [layer.frozen for layer in self.model.walk()],
            "optimizer": self.optimizer.state_dict(),
            "generator": self.rng.bit_generator.state,
            "epoch_began": self.epoch_began,
            "epoch": self.epoch,
            "batch": self.batch,
            "seen": self.batches.seen,
            "loss": totals.loss,
            "weight": totals.weight,
            "counts": list(totals.counts),
            "history": self.history.history,
            "carried": self.carried and self.carried.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of another loop over the same data."""
        self.model.load_state_dict(state["model"])
        if "frozen" in state:
            for layer, frozen in zip(self.model.walk(), state["frozen"], strict=True):
                layer.frozen = frozen
        self.optimizer.load_state_dict(state["optimizer"])
        self.optimizer.bind(self.model)
        self.rng.bit_generator.state = state["generator"]
        self.epoch_began, self.epoch, self.batch = (
            state[name] for name in ("epoch_began", "epoch", "batch")
        )
        self.batches.seen = state.get("seen", 0)  # not in older files
        self.totals.restore(state)
        self.history.restore(state["history"])
        if self.carried:
            self.carried.state = state["carried"]
        self.good = Snapshot(self.model, self.optimizer)


def measure(
    model: Model,
    loss: Loss,
    metrics: Sequence[Metric],
    batches: Batches,
    ranks: Alone | None = None,
) -> dict[str, float]:
    """The mean loss and the metrics of a model on batches, which several ranks share."""
    totals = (ranks or Alone()).totals(loss, metrics, batches.first)
    quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
    with quiet, closing(batches.epoch(None, None)) as epoch:
        for x, y, weights, _ in epoch:
            scores = model.forward(x)[0]  # no cache is kept for a backward
            given = () if weights is None else (weights,)
            weight = totals.weigh(y, weights)
            totals.loss += loss.forward(scores, y, *given)[0] * weight
            totals.weight += weight
            totals.count(scores, y, weights)
    return totals.merged().means()


def evaluation_rows(model: Model) -> int:
    """The number of samples to evaluate at a time with this model."""
    inner = [layer for layer in model.walk() if layer.built and not layer.sublayers()]
    numbers = sum(math.prod(layer.output_shape) for layer in inner)
    return max(1, min(EVALUATION_ROWS, EVALUATION_NUMBERS // max(1, numbers)))
