"""Training: the public interface.

A `Trainer` combines a model, a loss that measures its error, and an optimizer that updates its
parameters. `fit` checks the data before training, runs the `Loop` an epoch at a time, and calls the
callbacks in between; `step` makes a single update; `evaluate` measures loss and metrics.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from minitorch_np.arrays import Seed, as_generator, checksum, require_finite
from minitorch_np.core.prediction import Model
from minitorch_np.errors import (
    ConfigurationError,
    DataError,
    DivergenceError,
    ModelFileError,
    ShapeError,
)
from minitorch_np.losses import Loss, SeveralLosses
from minitorch_np.names import by_name
from minitorch_np.optimizers import Optimizer
from minitorch_np.signature import Explained, explained
from minitorch_np.training.batches import Samples, Transform
from minitorch_np.training.callback import Callback, Progress, progress
from minitorch_np.training.checkpoint import Checkpoint
from minitorch_np.training.divergence import first_not_finite
from minitorch_np.training.feeds import (
    as_reading,
    fitted,
    held_out_of,
    make_batches,
    open_data,
)
from minitorch_np.training.fingerprint import fingerprint, versions
from minitorch_np.training.history import History
from minitorch_np.training.inputs import as_samples, check_arguments, check_samples
from minitorch_np.training.labels import as_names, checked_names, names_in, numbered
from minitorch_np.training.loop import AfterStep, Loop, evaluation_rows, measure
from minitorch_np.training.outputs import as_loss, as_metrics
from minitorch_np.training.ranks import Alone, Ranks, ranks_of
from minitorch_np.training.stateful import carried
from minitorch_np.validation import flag, instances, is_number, is_whole, require


class Trainer(metaclass=Explained):
    """Trains `model` on `loss` with `optimizer`, and measures `metrics`.

    Loss, optimizer and metrics may be names, as in `Trainer(model, "softmax_cross_entropy",
    "adam(0.001)", metrics=["accuracy"])`. A Graph with several outputs has a loss for each, in a
    list or by the outputs' names, and metrics likewise.

    - `loss_weights`: the weights of several losses in their sum; 1 by default;
    - `seed` (a number or a Generator) fixes the order of the samples and everything that layers
      draw at random;
    - `classes`: the names of classes 0, 1, ...; targets may then be names. By default, the names
      are taken from the first targets that are strings, in sorted order. `trainer.classes[k]` is
      the name of class k;
    - `communicator`, such as mpi4py's MPI.COMM_WORLD: `fit` and `step` are called in each of its
      processes, with the same arguments, and each computes its part of every batch. Start them with
      `mpiexec -n 4 python -m mpi4py script.py`. Only the first writes files and shows progress.

    A callback that sets `stop_training` to True ends `fit` after the current epoch. `run` is the
    state of the current `fit`.

    Raises NotBuiltError for a model without `input_shape`, ConfigurationError for a model whose
    outputs do not suit the loss (a softmax under SoftmaxCrossEntropy), or for a metric that has no
    meaning with the loss.
    """

    def __init__(
        self,
        model: Model,
        loss: Loss | str | Sequence[Loss | str] | Mapping[str, Loss | str],
        optimizer: Optimizer | str,
        *,
        loss_weights: Sequence[float] | Mapping[str, float] | None = None,
        metrics: Sequence[Any] | Mapping[str, Sequence[Any]] = (),
        seed: Seed = None,
        classes: Sequence[str] | None = None,
        communicator: Any = None,
    ) -> None:
        expected = "model to be a Sequential or a Graph"
        require(isinstance(model, Model), "Trainer", expected, model)
        loss = as_loss(model, loss, loss_weights)
        optimizer = by_name(Optimizer, optimizer, "Trainer: optimizer")
        model.require_built()
        loss.check_model(model)
        if loss.exclusive_classes is not None:
            model.exclusive_classes = loss.exclusive_classes
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = as_metrics(model, loss, metrics)
        for metric in self.metrics:
            metric.begin(model)
            metric.check_loss(loss, model)
        names = ["loss", *(metric.name for metric in self.metrics)]
        require(len(set(names)) == len(names), "metrics", "different names", names)
        self.rng, self.seed = as_generator(seed), int(seed) if is_whole(seed) else None
        self.classes = checked_names(classes)
        self.stop_training = False
        self.ranks = ranks_of(communicator, model, loss)

    run: Loop

    def __repr__(self) -> str:
        parts = [f"{self.model.label}", repr(self.loss), repr(self.optimizer)]
        parts += [f"metrics={list(self.metrics)}"] if self.metrics else []
        parts += [f"classes={list(self.classes)}"] if self.classes else []
        return f"Trainer({', '.join(parts)})"

    @explained
    def fit(
        self,
        x: object,
        y: object = None,
        *,
        epochs: int = 1,
        batch_size: int | None = 64,
        micro_batch_size: int | None = None,
        sample_weight: object = None,
        validation_data: Sequence[object] | None = None,
        validation_split: float = 0.0,
        steps_per_epoch: int | None = None,
        shuffle: bool = True,
        stateful: bool = False,
        shuffle_window: int | None = None,
        scale: float | None = None,
        prefetch: int = 2,
        transform: Transform | None = None,
        callbacks: Iterable[Callback] = (),
        checkpoint: Checkpoint | None = None,
        verbose: bool | int | None = None,
    ) -> History:
        """Train on samples x (n, *input_shape) and targets y for `epochs` rounds.

        y has the form that the loss expects; class numbers may also be (n, 1), or class names. For
        a Graph with several inputs or outputs, x or y is a tuple or a dictionary by name.

        x and y need not be in memory. np.memmap, arrays with `shape`, `dtype` and slices, such as
        those of h5py, Zarr and Dask, and map-style data sets are read a batch at a time; omit y if
        a data set yields samples (x, y). For an iterable of batches (x, y), such as a generator
        function or a DataLoader, also omit y.

        - `batch_size=None` takes all samples in each step, as the notes do;
        - `micro_batch_size` processes a batch in pieces of that many samples and adds up their
          gradients. The step is the same, except with layers that couple samples. It needs less
          memory, and for large batches it is faster, since a piece fits into the processor's cache;
        - `sample_weight` (n,): the weight of each sample in the loss;
        - `validation_data=(x, y)` or `(x, y, sample_weight)` is measured after each epoch;
        - `validation_split` holds out the last fraction of the samples for that instead;
        - `stateful` starts each batch from the recurrent layers' state after the previous one, row
          by row, and each epoch from zeros (truncated back-propagation); it needs shuffle=False and
          batches of one size, as TextWindows.streams gives them;
        - `steps_per_epoch`: the number of an iterable's batches per epoch; by default its length;
        - `shuffle_window`: the number of samples of a chunked store that are kept in memory to be
          shuffled, by default 32 MB; the order of the chunks is random too;
        - `scale`: a factor for the inputs, such as 1/255;
        - `prefetch`: the number of blocks of a source that a thread reads ahead; 0 for none;
        - `transform(batch, rng)` changes each batch of inputs before the step;
        - `checkpoint` saves the run during training, and resumes a saved one;
        - `verbose` prints a line per epoch and shows a progress bar. None (the default) does so in
          a terminal or a notebook, unless a callback such as Progress does it already.

        Returns the history: "loss" and the metrics, and with validation the same names after
        "val_". Warns if the inputs are far from size 1, which makes training slow or unstable.

        Raises ConfigurationError for arguments that are invalid or do not go together. Raises
        ShapeError and DataError for data that can't be trained on; the model is then unchanged.
        Raises DivergenceError, naming the layer, if the loss becomes infinite or NaN; the model
        then has its parameters from at most loop.KEEP_EVERY steps earlier.
        """
        with self._alone("fit") as ranks:
            check_arguments(epochs, batch_size, micro_batch_size, transform, checkpoint)
            hooks = instances("fit", "callbacks", callbacks, Callback)
            reading = as_reading("fit", scale, prefetch, shuffle_window, steps_per_epoch)
            data = open_data(self, (x, y, sample_weight), "fit", reading.steps)
            divided = not is_number(validation_split) or validation_split  # if wrong, refused below
            early = hooks or checkpoint or divided or ranks.size > 1
            if isinstance(data, Samples) and early:
                require_finite(data.x, "fit: x")  # before anything is written
            data, held_out = held_out_of(self, data, validation_data, validation_split, reading)
            batches = make_batches(
                self,
                data,
                "fit",
                reading,
                batch_size,
                shuffle=flag("fit", "shuffle", shuffle),
                micro_size=micro_batch_size,
                transform=transform,
            )
            check_samples(self.model, self.loss, batches.looked_at(), micro_batch_size)
            ranks.check_samples(self.loss, batches)
            self.loss = fitted(self, data, batches)
            given = self.model, self.loss, self.optimizer, self.metrics, self.rng
            self.run = Loop(*given, batches, held_out, ranks)
            self.run.carried = carried(self.model, batches, stateful, shuffle, ranks.size)
            return self._run(epochs, hooks, checkpoint, progress(verbose, hooks))

    def _run(
        self,
        epochs: int,
        hooks: Sequence[Callback],
        checkpoint: Checkpoint | None,
        shown: Sequence[Progress],
    ) -> History:
        """Train, and clean up at the end; bad data restores the model to its initial state."""
        try:
            return self._run_epochs(epochs, hooks, checkpoint, shown)
        except (DataError, ShapeError, ConfigurationError, ModelFileError):
            # A NaN in x, or targets that a metric refuses, are found during training: roll back.
            self.run.start.restore()
            raise
        except DivergenceError:  # on any rank
            self.run.good.restore()
            raise
        finally:
            for each in shown:
                each.close()

    def _run_epochs(
        self,
        epochs: int,
        hooks: Sequence[Callback],
        checkpoint: Checkpoint | None,
        shown: Sequence[Callback],
    ) -> History:
        """Run the remaining epochs and call the hooks; those in `shown` only display progress."""
        loop, ranks, remembered = self.run, self.run.ranks, list[Mapping[str, Any]]()
        self.stop_training = False

        def load(state: Mapping[str, Any]) -> None:
            loop.load_state_dict(state)
            self.stop_training = state["stopped"]
            remembered.extend(state["callbacks"])

        def save() -> None:
            assert checkpoint is not None
            callbacks = [hook.state_dict() for hook in hooks]
            own = {"stopped": self.stop_training, "callbacks": callbacks}
            state = loop.state_dict() | own  # on all ranks: the sums are merged
            if not ranks.rank:
                checkpoint.save(identity, state)

        identity = self._identity(epochs, hooks, checkpoint)
        if checkpoint:
            ranks.first_reads(load, partial(checkpoint.begin, identity, epochs))
        called = ranks.called([*hooks, *shown])
        for hook in called:
            hook.on_train_begin(self, epochs, loop.steps)
        for hook, state in zip(hooks, remembered, strict=False):
            if ranks.called([hook]):
                hook.load_state_dict(state)
        after_step = self._after_step(called)
        if checkpoint and (every := checkpoint.every):
            after_step.append(lambda batch, loss: None if (batch + 1) % every else save())
        # A resumed epoch is completed even if training was to stop after it.
        while loop.epoch < epochs and (loop.batch or not self.stop_training):
            for hook in called:
                hook.on_epoch_begin(self, loop.epoch)
            numbers = loop.train_epoch(after_step) | loop.validate()
            for hook in called:
                hook.on_epoch_end(self, loop.epoch, numbers)
            loop.end_epoch(numbers)
            ranks.agree(self._state)
            self.stop_training = ranks.any(self.stop_training)
            if checkpoint:
                save()
        for hook in called:
            hook.on_train_end(self)
        return loop.history

    def _identity(
        self, epochs: int, hooks: Sequence[Callback], checkpoint: Checkpoint | None
    ) -> dict[str, Any]:
        """Identifies this run, for a checkpoint or to compare ranks; else an empty dictionary."""
        ranks = self.run.ranks
        if not checkpoint and ranks.size == 1:
            return {}
        identity = {**fingerprint(self.run, hooks), "seed": self.seed}
        begun = {"versions": versions(), "epochs": epochs, "every": checkpoint and checkpoint.every}
        ranks.agree(lambda: begun | identity | self._state())
        return identity

    def _state(self) -> dict[str, Any]:
        """The state that must be equal on all ranks."""
        memory = sorted(self.optimizer.state_dict().items())
        arrays = [value for _, value in memory if isinstance(value, np.ndarray)]
        generator = repr(self.rng.bit_generator.state).encode()
        return {
            "parameters (their seed)": checksum(self.model.state_dict().values()),
            "optimizer": (self.optimizer.steps, checksum(arrays)),
            "generator (its seed)": checksum([np.frombuffer(generator, np.uint8)]),
        }

    def _after_step(self, hooks: Sequence[Callback]) -> list[AfterStep]:
        """The hooks to call after a step: those that override `on_batch_end`."""
        base = Callback.on_batch_end
        return [
            partial(hook.on_batch_end, self)
            for hook in hooks
            if type(hook).on_batch_end is not base
        ]

    def checked(self, x: object, y: object, sample_weight: object, place: str) -> Samples:
        """The samples as arrays. Raises ShapeError or DataError if they can't be used."""
        x, y = self.model.inputs_of(x, f"{place}: x"), self.model.targets_of(y, f"{place}: y")
        y = self.numbers_of(y, place)
        return as_samples(self.model, self.loss, x, y, sample_weight, place)

    def numbers_of(self, y: Any, place: str, *, all_known: bool = True) -> Any:
        """Class names as class numbers; other targets as they are.

        Raises ConfigurationError if `classes` is not set and not all targets are known.
        """
        names = None if isinstance(self.loss, SeveralLosses) else as_names(y)
        if names is None:
            return y
        if self.classes is None and not all_known:
            raise ConfigurationError(
                f"{place}: y: expected Trainer(..., classes=[...]) for class names that are read "
                f"a batch at a time, got {str(names.flat[0])!r}"
            )
        shape = self.model.output_shape
        self.classes = self.classes or names_in(names, self.loss, shape, place)
        return numbered(names, self.classes, place)

    @contextmanager
    def _alone(self, place: str) -> Iterator[Alone]:
        """Yield the ranks that train together. Raises ConfigurationError while `fit` or `step` runs
        in another thread.
        """
        me, before = threading.get_ident(), vars(self).get("_thread")
        if vars(self).setdefault("_thread", me) != me:  # atomic
            raise ConfigurationError(
                f"{place}: expected one thread at a time, but this trainer is training in another: "
                "make a Trainer, with a model and an optimizer, for each thread"
            )
        if before is not None:  # a step in a callback of this thread's fit
            yield Alone()
            return
        try:
            if isinstance(self.ranks, Ranks):
                with self.ranks:
                    yield self.ranks
            else:
                yield self.ranks
        finally:
            vars(self).pop("_thread")

    def step(self, x: object, y: object, sample_weight: object = None) -> float:
        """Make one update on the batch x (m, *input_shape), y; returns the mean loss before it.

        Raises as `fit`; if the loss is not finite, no parameter is changed.
        """
        quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        with self._alone("step") as ranks, quiet:
            samples = self.checked(x, y, sample_weight, "step")
            require_finite(samples.x, "step: x")
            samples = ranks.part(self.loss, samples)
            value, _, gradients = ranks.propagate(self.model, self.loss, *samples, self.rng)
            if not math.isfinite(value):
                place = first_not_finite(self.model, self.loss, samples.x, samples.y)
                raise DivergenceError(
                    f"step: expected a finite loss, got {value}: {place or 'it is not finite'}; no "
                    "parameter was changed; try a smaller learning rate"
                )
            value, gradients = ranks.reduced(self.loss, samples, value, gradients)
            self.optimizer.step(self.model, gradients)
        return value

    @explained
    def evaluate(
        self,
        x: object,
        y: object = None,
        sample_weight: object = None,
        *,
        scale: float | None = None,
        prefetch: int = 2,
    ) -> dict[str, float]:
        """Mean loss and metrics on samples x and targets y, by name.

        Arguments and errors as in `fit`; an iterable is read to its end. With several ranks, each
        that calls it measures all samples.
        """
        data = open_data(self, (x, y, sample_weight), "evaluate")
        reading = as_reading("evaluate", scale, prefetch)
        batches = make_batches(self, data, "evaluate", reading, evaluation_rows(self.model))
        return measure(self.model, self.loss, self.metrics, batches)
