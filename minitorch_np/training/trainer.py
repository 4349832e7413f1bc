"""Training, as one asks for it.

A `Trainer` brings together a model, a loss that says how wrong it is, and an optimizer that moves
its parameters. `fit` checks the data before it trains on any of it, and hands it to a `Run`, which
is the loop; `evaluate` measures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from minitorch_np.arrays import Seed, as_batch, as_generator, as_targets, require_finite
from minitorch_np.errors import ConfigurationError, DataError, NotBuiltError, ShapeError
from minitorch_np.layers import Sequential
from minitorch_np.losses import Loss, check_weights
from minitorch_np.optimizers import Optimizer
from minitorch_np.training.batches import Batches, Samples, Transform
from minitorch_np.training.callbacks import Callback
from minitorch_np.training.checkpoint import Checkpoint
from minitorch_np.training.history import History
from minitorch_np.training.metrics import Metric
from minitorch_np.training.run import Run, measure
from minitorch_np.training.snapshot import Snapshot

T = TypeVar("T")


class Trainer:
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
        _require_instance("model", model, Sequential)
        _require_instance("loss", loss, Loss)
        _require_instance("optimizer", optimizer, Optimizer)
        if not model.built:
            raise NotBuiltError(
                f"Trainer: expected a built model, got {type(model).__name__} without shapes: "
                "give it input_shape=..., or call model.initialize(input_shape, rng=..., dtype=...)"
            )
        loss.check_model(model)
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = _require_all("metrics", metrics, Metric)
        for metric in self.metrics:
            metric.begin(model)
        names = ["loss", *(metric.name for metric in self.metrics)]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"metrics: expected different names, got {names}")
        self.rng = as_generator(seed)
        self.stop_training = False

    run: Run

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
        model then has parameters of at most run.KEEP_EVERY steps before, whose loss was finite.
        """
        _check_arguments(epochs, batch_size, micro_batch_size, transform, checkpoint)
        hooks = _require_all("callbacks", callbacks, Callback)
        samples = self._checked(x, y, sample_weight, "fit")
        if (
            hooks or checkpoint or validation_split
        ):  # which might write something down before the bad sample is met
            require_finite(samples.x, "fit: x")
        samples, held_out = self._held_out(samples, validation_data, validation_split)
        batches = Batches(
            samples,
            batch_size,
            shuffle=shuffle,
            place="fit: x",
            micro_size=micro_batch_size,
            transform=transform,
        )
        self.stop_training = False
        self.run = Run(self, batches, held_out, epochs, hooks, checkpoint)
        before = Snapshot(self.model, self.run.vector, self.optimizer)
        try:
            return self.run.go()
        except (DataError, ShapeError, ConfigurationError):
            # A NaN in x, or a metric that can't be counted, is met on the way: take all of it back.
            before.restore()
            raise

    def evaluate(self, x: object, y: object, sample_weight: object = None) -> dict[str, float]:
        """Mean loss and metrics on samples x and targets y, by name. Raises as `fit`."""
        return measure(self, self._checked(x, y, sample_weight, "evaluate"), "evaluate")

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
        if not isinstance(share, (int, float, np.number)):
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
        rows = as_batch(x, self.model.dtype, f"{place}: x")
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
    epochs: int,
    batch_size: int | None,
    micro_batch_size: int | None,
    transform: Transform | None,
    checkpoint: Checkpoint | None,
) -> None:
    """Raise ConfigurationError for arguments of `fit` that have no meaning."""
    _require_count("epochs", epochs)
    for name, size in {"batch_size": batch_size, "micro_batch_size": micro_batch_size}.items():
        if size is not None:
            _require_count(name, size)
    if checkpoint is not None:
        _require_instance("checkpoint", checkpoint, Checkpoint)
    if transform is not None and not callable(transform):
        raise ConfigurationError(
            f"transform: expected a function of a batch and a generator, got {transform!r}"
        )


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
