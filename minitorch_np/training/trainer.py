"""The training loop: forward, loss, backward, update, and again.

A `Trainer` brings together a model, a loss that says how wrong it is, and an optimizer that moves
its parameters. `fit` does the notes' three parts for each batch: forward propagation, back
propagation, update of all parameters. It checks the data before it trains on any of it, and stops
as soon as a loss is not a finite number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    Seed,
    all_finite,
    as_batch,
    as_generator,
    require_finite,
)
from minitorch_np.errors import ConfigurationError, DataError, NotBuiltError, ShapeError
from minitorch_np.layers import Sequential
from minitorch_np.layers.vector import ParameterVector
from minitorch_np.losses import Loss
from minitorch_np.optimizers import Optimizer
from minitorch_np.training.batches import Batches
from minitorch_np.training.callbacks import Callback
from minitorch_np.training.divergence import divergence
from minitorch_np.training.history import History
from minitorch_np.training.metrics import Metric

KEEP_EVERY = 50
"""After how many steps the parameters are put aside, in case that training diverges. At every step
it would cost 2 % of the time, and bring back parameters that are already on their way to infinity.
"""

T = TypeVar("T")

EVALUATION_ROWS = 1024
"""How many samples are evaluated at a time: enough to be fast, few enough for little memory."""


class Trainer:
    """Trains `model` on `loss` with `optimizer`, and measures `metrics`.

    `seed` (a number or a Generator) fixes the order of the samples, and whatever layers draw at
    random. Raises NotBuiltError for a model without `input_shape`, ConfigurationError for a model
    whose outputs are not what the loss is made for (a softmax under SoftmaxCrossEntropy).
    """

    def __init__(
        self,
        model: Sequential,
        loss: Loss,
        optimizer: Optimizer,
        *,
        metrics: Sequence[Metric] = (),
        seed: Seed = None,
    ) -> None:
        _require_instance("model", model, Sequential)
        _require_instance("loss", loss, Loss)
        _require_instance("optimizer", optimizer, Optimizer)
        if not model.built:
            raise NotBuiltError(
                f"Trainer: expected a built model, got {type(model).__name__} without shapes: "
                "give it input_shape=..., or call model.build(input_shape, rng=..., dtype=...)"
            )
        loss.check_model(model)
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = _require_all("metrics", metrics, Metric)
        names = ["loss", *(metric.name for metric in self.metrics)]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"metrics: expected different names, got {names}")
        self.rng = as_generator(seed)

    def fit(
        self,
        x: object,
        y: object,
        *,
        epochs: int = 1,
        batch_size: int | None = 64,
        validation_data: tuple[object, object] | None = None,
        shuffle: bool = True,
        callbacks: Iterable[Callback] = (),
    ) -> History:
        """Train on samples x (n, *input_shape) and targets y for `epochs` rounds.

        `batch_size=None` takes all samples in each step, as the notes do. Returns this call's
        history: "loss" and metrics, and with `validation_data=(x, y)` the same with "val_".

        Raises ShapeError and DataError for data that can't be trained on, before anything is
        changed. Raises DivergenceError, naming the layer, when the loss turns infinite or NaN; the
        model then has parameters of at most KEEP_EVERY steps before, whose loss was finite.
        """
        _require_count("epochs", epochs)
        if batch_size is not None:
            _require_count("batch_size", batch_size)
        hooks = _require_all("callbacks", callbacks, Callback)
        samples, targets = self._checked(x, y, "fit")
        if hooks:  # which might write something down before the bad sample is met
            require_finite(samples, "fit: x")
        held_out = None
        if validation_data is not None:
            if len(validation_data) != 2:
                raise ConfigurationError(
                    f"validation_data: expected a pair (x, y), got {len(validation_data)} things"
                )
            held_out = self._checked(*validation_data, place="validation_data")
            require_finite(held_out[0], "validation_data: x")
        batches = Batches(samples, targets, batch_size, shuffle=shuffle, place="fit: x")
        vector = ParameterVector(self.model)
        before = vector.values.copy()
        try:
            return self._run(epochs, batches, held_out, vector, hooks)
        except DataError:  # a NaN in x is met on the way: take back what was learned before it
            vector.values[:] = before
            raise

    def _run(
        self,
        epochs: int,
        batches: Batches,
        held_out: tuple[Array, AnyArray] | None,
        vector: ParameterVector,
        hooks: tuple[Callback, ...],
    ) -> History:
        history = History()
        good = vector.values.copy()
        for hook in hooks:
            hook.on_train_begin(self, epochs, len(batches))
        for epoch in range(epochs):
            for hook in hooks:
                hook.on_epoch_begin(self, epoch)
            numbers = self._train_epoch(batches, hooks, vector, good)
            if held_out:
                measured = self._measure(*held_out, place="validation_data")
                if not math.isfinite(measured["loss"]):
                    when = f"the validation after epoch {epoch + 1}"
                    x, y = held_out[0][:EVALUATION_ROWS], held_out[1][:EVALUATION_ROWS]
                    raise divergence(self.model, self.loss, x, y, when, good, vector.values)
                numbers |= {f"val_{name}": number for name, number in measured.items()}
            history.append(numbers)
            for hook in hooks:
                hook.on_epoch_end(self, epoch, numbers)
        for hook in hooks:
            hook.on_train_end(self)
        return history

    def evaluate(self, x: object, y: object) -> dict[str, float]:
        """Mean loss and metrics on samples x and targets y, by name. Raises as `fit`."""
        return self._measure(*self._checked(x, y, "evaluate"), place="evaluate")

    def _train_epoch(
        self, batches: Batches, hooks: tuple[Callback, ...], vector: ParameterVector, good: Array
    ) -> dict[str, float]:
        """One round over the data; `good` keeps parameters whose loss was finite."""
        model, loss, rng = self.model, self.loss, self.rng
        forward, step, parameters = model.forward, self.optimizer.step, vector.values
        totals = _Totals(self.metrics)

        def when(number: int) -> str:
            return f"step {number + 1} of the epoch"

        batch_hooks = [h for h in hooks if type(h).on_batch_end is not Callback.on_batch_end]
        # Overflow on the way to a divergence is reported by the divergence, not by warnings.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for number, (x, y) in enumerate(batches.epoch(rng)):
                scores, cache = forward(x, train=True, rng=rng)
                value, loss_cache = loss.forward(scores, y)
                if not math.isfinite(value):
                    raise divergence(model, loss, x, y, when(number), good, parameters)
                if number % KEEP_EVERY == 0:
                    good[:] = parameters
                step(parameters, vector.backward(loss.backward(loss_cache), cache))
                totals.add(value, scores, y)
                for hook in batch_hooks:
                    hook.on_batch_end(self, number, value)
            if not all_finite(parameters):
                raise divergence(model, loss, x, y, f"{when(number)}, the last", good, parameters)
        return totals.means()

    def _measure(self, x: Array, y: AnyArray, place: str) -> dict[str, float]:
        batches = Batches(x, y, EVALUATION_ROWS, shuffle=False, place=f"{place}: x")
        totals = _Totals(self.metrics)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for rows, targets in batches.epoch(self.rng):
                scores, _ = self.model.forward(rows)
                totals.add(self.loss.forward(scores, targets)[0], scores, targets)
        return totals.means()

    def _checked(self, x: object, y: object, place: str) -> tuple[Array, AnyArray]:
        """x and y as arrays, or the error that says why they can't be used."""
        samples, targets = as_batch(x, self.model.dtype, f"{place}: x"), np.asarray(y)
        if targets.ndim == 0 or len(samples) != len(targets):
            raise ShapeError(
                f"{place}: expected one target for each of the {len(samples)} samples, "
                f"got targets of shape {targets.shape}"
            )
        self.model.check_input(samples)
        return samples, self.loss.prepare(targets, self.model.output_shape)


class _Totals:
    """Sums over batches of different sizes, and the means that they come to."""

    def __init__(self, metrics: tuple[Metric, ...]) -> None:
        self.metrics = metrics
        self.counts: list[AnyArray | int] = [0] * len(metrics)
        self.loss, self.samples = 0.0, 0

    def add(self, loss: float, scores: Array, targets: AnyArray) -> None:
        m = len(scores)
        self.loss += loss * m
        self.samples += m
        for place, metric in enumerate(self.metrics):
            self.counts[place] = self.counts[place] + metric.count(scores, targets)

    def means(self) -> dict[str, float]:
        pairs = zip(self.metrics, self.counts, strict=True)
        values = {metric.name: metric.value(np.asarray(counts)) for metric, counts in pairs}
        return {"loss": self.loss / self.samples, **values}


def _require_instance(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        hint = ": write parentheses after its name" if isinstance(value, type) else ""
        raise ConfigurationError(
            f"{name}: expected a {kind.__name__} of minitorch_np, got {value!r}{hint}"
        )


def _require_all(name: str, values: Iterable[T], kind: Any) -> tuple[T, ...]:
    if isinstance(values, (str, kind)) or not isinstance(values, Iterable):
        raise ConfigurationError(f"{name}: expected a list, got {values!r}: write [...] around it")
    for value in (found := tuple(values)):
        _require_instance(name, value, kind)
    return found


def _require_count(name: str, number: int) -> None:
    if not isinstance(number, (int, np.integer)) or number < 1:
        raise ConfigurationError(f"fit: expected {name} to be at least 1, got {number!r}")
