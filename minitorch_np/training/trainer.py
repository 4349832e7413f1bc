"""Training: the public interface.

A `Trainer` brings together a model, a loss that says how wrong it is, and an optimizer that moves
its parameters. `fit` checks the data before it trains on any of it, runs the `Loop` an epoch at a
time, and calls the callbacks in between; `step` makes a single update; `evaluate` measures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from minitorch_np.arrays import (
    Seed,
    as_batch,
    as_generator,
    as_rows,
    as_targets,
    require_finite,
)
from minitorch_np.errors import (
    ConfigurationError,
    DataError,
    DivergenceError,
    ModelFileError,
    ShapeError,
)
from minitorch_np.layers import Sequential
from minitorch_np.losses import Loss, check_weights
from minitorch_np.optimizers import Optimizer
from minitorch_np.signature import Described, Explained, explained
from minitorch_np.training.batches import Batches, Samples, Transform
from minitorch_np.training.checkpoint import Checkpoint
from minitorch_np.training.divergence import first_not_finite
from minitorch_np.training.fingerprint import fingerprint
from minitorch_np.training.history import History
from minitorch_np.training.loop import AfterStep, Loop, measure
from minitorch_np.training.metrics import Metric
from minitorch_np.training.step import propagate
from minitorch_np.validation import flag, instance, instances, is_number, require, whole


class Callback(Described):
    """The contract of all callbacks. The hooks are Keras'; each does nothing until overridden."""

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        """Before the first epoch; `batches` is the number of steps per epoch."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Before epoch number `epoch`, counted from 0."""

    def on_batch_end(self, trainer: Trainer, batch: int, loss: float) -> None:
        """After a step, with the batch's mean loss as it was before the step."""

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        """After an epoch and its validation, with what goes into the history; may add to it."""

    def on_train_end(self, trainer: Trainer) -> None:
        """After the last epoch; not called where training was stopped by an error."""

    def state_dict(self) -> dict[str, Any]:
        """What it remembers of the run, for a checkpoint: numbers, texts, arrays, lists and
        dictionaries of these.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set that again, in a run that is resumed: after on_train_begin, before anything else."""


class Trainer(metaclass=Explained):
    """Trains `model` on `loss` with `optimizer`, and measures `metrics`.

    `seed` (a number or a Generator) fixes the order of the samples, and whatever layers draw at
    random. A callback that sets `stop_training` to True ends `fit` after the epoch; while it runs,
    `run` is where it stands. Raises NotBuiltError for a model without `input_shape`,
    ConfigurationError for a model whose outputs are not what the loss is made for (a softmax under
    SoftmaxCrossEntropy).
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
        instance("Trainer", "model", model, Sequential)
        instance("Trainer", "loss", loss, Loss)
        instance("Trainer", "optimizer", optimizer, Optimizer)
        model.require_built()
        loss.check_model(model)
        if loss.exclusive_classes is not None:
            model.exclusive_classes = loss.exclusive_classes
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = instances("Trainer", "metrics", metrics, Metric)
        for metric in self.metrics:
            metric.begin(model)
        names = ["loss", *(metric.name for metric in self.metrics)]
        require(len(set(names)) == len(names), "metrics", "different names", names)
        self.rng = as_generator(seed)
        self.stop_training = False

    run: Loop

    @explained
    def fit(
        self,
        x: object,
        y: object,
        *,
        epochs: int = 1,
        batch_size: int | None = 64,
        micro_batch_size: int | None = None,
        sample_weight: object = None,
        validation_data: Sequence[object] | None = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        transform: Transform | None = None,
        callbacks: Iterable[Callback] = (),
        checkpoint: Checkpoint | None = None,
    ) -> History:
        """Train on samples x (n, *input_shape) and targets y for `epochs` rounds.

        - `batch_size=None` takes all samples in each step, as the notes do;
        - `micro_batch_size`: so many of a batch's samples are in memory at a time, and their
          gradients are added up. The step is the same, but for layers that couple samples, and of
          a large batch it is faster, since a piece stays in the processor's cache;
        - `sample_weight` (n,): how much each counts in the loss;
        - `validation_data=(x, y)` or `(x, y, sample_weight)` is measured after each epoch, or, with
          `validation_split`, the last so large part of the samples, which is then not trained on;
        - `transform(batch, rng)` changes each batch of inputs before it is trained on;
        - `checkpoint` writes the run down as it goes, and goes on with one that was.

        Returns the history: "loss" and metrics, and where there is validation the same with "val_".

        Raises ShapeError and DataError for data that can't be trained on, before anything is
        changed. Raises DivergenceError, naming the layer, when the loss turns infinite or NaN; the
        model then has the parameters of at most loop.KEEP_EVERY steps before.
        """
        _check_arguments(epochs, batch_size, micro_batch_size, transform, checkpoint)
        hooks = instances("fit", "callbacks", callbacks, Callback)
        samples = self._checked(x, y, sample_weight, "fit")
        if hooks or checkpoint or validation_split:  # before they write anything down
            require_finite(samples.x, "fit: x")
        samples, held_out = self._held_out(samples, validation_data, validation_split)
        batches = Batches(
            samples,
            batch_size,
            shuffle=flag("fit", "shuffle", shuffle),
            place="fit: x",
            dtype=self.model.dtype,
            micro_size=micro_batch_size,
            transform=transform,
        )
        self.stop_training = False
        self.run = Loop(
            self.model, self.loss, self.optimizer, self.metrics, self.rng, batches, held_out
        )
        try:
            return self._run(epochs, hooks, checkpoint)
        except (DataError, ShapeError, ConfigurationError, ModelFileError):
            # A NaN in x, or a metric that can't be counted, is met on the way: take all of it back.
            self.run.start.restore()
            raise

    def _run(
        self, epochs: int, hooks: Sequence[Callback], checkpoint: Checkpoint | None
    ) -> History:
        """All epochs that are left, and the hooks around them."""
        loop, remembered = self.run, list[Mapping[str, Any]]()

        def load(state: Mapping[str, Any]) -> None:
            loop.load_state_dict(state)
            self.stop_training = state["stopped"]
            remembered.extend(state["callbacks"])

        def save() -> None:
            assert checkpoint is not None
            callbacks = [hook.state_dict() for hook in hooks]
            own = {"stopped": self.stop_training, "callbacks": callbacks}
            checkpoint.save(identity, loop.state_dict() | own)

        identity = fingerprint(loop, hooks) if checkpoint else {}
        if checkpoint:
            checkpoint.begin(identity, epochs, load)
        for hook in hooks:
            hook.on_train_begin(self, epochs, len(loop.batches))
        for hook, state in zip(hooks, remembered, strict=False):
            hook.load_state_dict(state)
        after_step = self._after_step(hooks)
        if checkpoint and checkpoint.every:
            every = checkpoint.every
            after_step.append(lambda batch, loss: None if (batch + 1) % every else save())
        # An epoch that was begun is ended, also where it is the one that was to be the last.
        while loop.epoch < epochs and (loop.batch or not self.stop_training):
            for hook in hooks:
                hook.on_epoch_begin(self, loop.epoch)
            numbers = loop.train_epoch(after_step) | loop.validate()
            for hook in hooks:
                hook.on_epoch_end(self, loop.epoch, numbers)
            loop.end_epoch(numbers)
            if checkpoint:
                save()
        for hook in hooks:
            hook.on_train_end(self)
        return loop.history

    def _after_step(self, hooks: Sequence[Callback]) -> list[AfterStep]:
        """What is called after a step: hooks that are overridden."""
        base = Callback.on_batch_end
        return [
            partial(hook.on_batch_end, self)
            for hook in hooks
            if type(hook).on_batch_end is not base
        ]

    def step(self, x: object, y: object, sample_weight: object = None) -> float:
        """One update on the batch x (m, *input_shape), y; returns the mean loss before it.

        Raises as `fit`; where the loss is not finite, no parameter is changed.
        """
        samples = self._checked(x, y, sample_weight, "step")
        require_finite(samples.x, "step: x")
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value, _, gradients = propagate(self.model, self.loss, *samples, self.rng)
            if not math.isfinite(value):
                place = first_not_finite(self.model, self.loss, samples.x, samples.y)
                raise DivergenceError(
                    f"step: expected a finite loss, got {value}: {place or 'it is not finite'}; no "
                    "parameter was changed; try a smaller learning rate"
                )
            self.optimizer.step(self.model, gradients)
        return value

    def evaluate(self, x: object, y: object, sample_weight: object = None) -> dict[str, float]:
        """Mean loss and metrics on samples x and targets y, by name. Raises as `fit`."""
        samples = self._checked(x, y, sample_weight, "evaluate")
        return measure(self.model, self.loss, self.metrics, samples, "evaluate")

    def _held_out(
        self, samples: Samples, data: Sequence[object] | None, share: float
    ) -> tuple[Samples, Samples | None]:
        """What to train on and what to validate with."""
        if data is not None:
            things = len(data) if isinstance(data, (tuple, list)) else type(data).__name__
            if things not in (2, 3) or share:
                raise ConfigurationError(
                    "validation_data: expected (x, y) or (x, y, sample_weight), and no "
                    f"validation_split beside it, got {things}"
                    + (" things" if isinstance(things, int) else "")
                )
            given = data[2] if len(data) == 3 else None
            held_out = self._checked(data[0], data[1], given, "validation_data")
            require_finite(held_out.x, "validation_data: x")
            return samples, held_out
        if not is_number(share):
            raise ConfigurationError(
                f"validation_split: expected a part between 0 and 1, got {share!r}"
            )
        if not share:
            return samples, None
        kept = len(samples.x) - round(len(samples.x) * share) if 0 < share < 1 else 0
        if not 0 < kept < len(samples.x):
            raise ConfigurationError(
                "validation_split: expected a part between 0 and 1 that leaves samples on both "
                f"sides, got {share!r} of {len(samples.x)}"
            )
        return samples.rows(slice(kept)), samples.rows(slice(kept, None))

    def _checked(self, x: object, y: object, sample_weight: object, place: str) -> Samples:
        """The samples as arrays, or the error that says why they can't be used."""
        rows = as_rows(x, f"{place}: x")
        if place == "step" or rows.dtype.kind == "f":  # whole numbers: a batch at a time
            rows = as_batch(rows, self.model.dtype, f"{place}: x")
        targets = as_targets(y, f"{place}: y")
        if targets.ndim == 0 or len(rows) != len(targets):
            raise ShapeError(
                f"{place}: expected one target for each of the {len(rows)} samples, "
                f"got targets of shape {targets.shape}"
            )
        self.model.check_input(rows)
        prepared = self.loss.prepare(targets, self.model.output_shape)
        weights = None if sample_weight is None else check_weights(sample_weight, len(rows))
        return Samples(rows, prepared, weights)


def _check_arguments(
    epochs: object, batch_size: object, micro_size: object, transform: object, checkpoint: object
) -> None:
    """Raise ConfigurationError for arguments of `fit` that have no meaning."""
    whole("fit", "epochs", epochs)
    for name, size in {"batch_size": batch_size, "micro_batch_size": micro_size}.items():
        if size is not None:
            whole("fit", name, size)
    if checkpoint is not None:
        instance("fit", "checkpoint", checkpoint, Checkpoint)
    if transform is not None:
        expected = "a function of a batch and a generator"
        require(callable(transform), "transform", expected, transform)
