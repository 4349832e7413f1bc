"""One call of `fit`: where it stands, and the loop that moves it on.

For each batch there are the notes' three parts, forward propagation, back propagation, update of
all parameters. Everything that the rest of the run depends on is an attribute, so that a checkpoint
can write it down and put it back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_np.arrays import AnyArray, Array, all_finite
from minitorch_np.layers.vector import ParameterVector
from minitorch_np.training.batches import Batches, Samples
from minitorch_np.training.callbacks import Callback
from minitorch_np.training.divergence import divergence
from minitorch_np.training.fingerprint import fingerprint
from minitorch_np.training.history import History
from minitorch_np.training.snapshot import Snapshot
from minitorch_np.training.totals import GradientSum, Totals

if TYPE_CHECKING:
    from minitorch_np.training.checkpoint import Checkpoint
    from minitorch_np.training.trainer import Trainer

KEEP_EVERY = 50
"""After how many steps the parameters are put aside, in case that training diverges. At every step
it would cost 2 % of the time, and bring back parameters that are already on their way to infinity.
"""

LITTLE = 2**16
"""Up to how many bytes a step's outputs are freed before the next step begins. To free much more
at once is worse than to keep it: the C library hands it back to the system, page by page.
"""

EVALUATION_ROWS = 256
"""How many samples are evaluated at a time: enough to be fast, few enough for little memory."""


class Run:
    """Training of `trainer`'s model on batches, with what is held out for validation.

    - `epoch` and `batch` are how many are done, of `epochs` and of the batches of this epoch;
    - `totals` are this epoch's so far, `history` those of the epochs before;
    - `epoch_began` is the state of the generator from which this epoch's order was drawn.
    """

    def __init__(
        self,
        trainer: Trainer,
        batches: Batches,
        held_out: Samples | None,
        epochs: int,
        hooks: tuple[Callback, ...],
        checkpoint: Checkpoint | None,
    ) -> None:
        self.trainer, self.batches, self.held_out = trainer, batches, held_out
        self.epochs, self.hooks, self.checkpoint = epochs, hooks, checkpoint
        self._gather()
        self.fingerprint = fingerprint(self) if checkpoint else {}
        self.epoch = self.batch = 0
        self.history, self.totals = History(), Totals(trainer, batches.samples)
        self.epoch_began: Any = None

    def _gather(self) -> None:
        """Make one vector of all parameters that learn."""
        trainer = self.trainer
        self.vector = ParameterVector(trainer.model)
        trainer.optimizer.bind(self.vector)
        self.good = Snapshot(trainer.model, self.vector, trainer.optimizer)
        self.since = 0

    @property
    def columns(self) -> list[str]:
        """The names of the numbers that each epoch gives."""
        names = ["loss", *(metric.name for metric in self.trainer.metrics)]
        return names + ([f"val_{name}" for name in names] if self.held_out else [])

    def go(self) -> History:
        """All epochs that are left."""
        trainer = self.trainer
        if self.checkpoint:
            self.checkpoint.begin(self)
        for hook in self.hooks:
            hook.on_train_begin(trainer, self.epochs, len(self.batches))
        if self.checkpoint:
            self.checkpoint.begin_callbacks(self)
        # An epoch that was begun is ended, also where it is the one that was to be the last.
        while self.epoch < self.epochs and (self.batch or not trainer.stop_training):
            for hook in self.hooks:
                hook.on_epoch_begin(trainer, self.epoch)
            if not self.vector.holds():  # a callback has replaced, frozen or freed some
                self._gather()
            numbers = self._train_epoch() | self._validate()
            for hook in self.hooks:
                hook.on_epoch_end(trainer, self.epoch, numbers)
            self.history.append(numbers)
            self.epoch, self.batch = self.epoch + 1, 0
            if self.checkpoint:
                self.checkpoint.save(self)
        for hook in self.hooks:
            hook.on_train_end(trainer)
        return self.history

    def _train_epoch(self) -> dict[str, float]:
        """One round over the data, or what is left of it."""
        trainer, vector = self.trainer, self.vector
        model, loss, rng = trainer.model, trainer.loss, trainer.rng
        forward, backward, step = model.forward, model.backward, trainer.optimizer.step
        parameters, gradients = vector.values, vector.gradients
        order = self._begin_epoch()
        totals = self.totals
        pieces = self.batches.micro_size < self.batches.size
        gradient_sum = GradientSum(parameters) if pieces else None
        on_batch_end = self._batch_hooks()
        little = self._outputs_bytes() <= LITTLE
        # Overflow on the way to a divergence is reported by the divergence, not by warnings.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for x, y, given, complete in self.batches.epoch(order, rng, self.batch):
                scores, cache = forward(x, train=True, rng=rng)
                value, loss_cache = (
                    loss.forward(scores, y) if given is None else loss.forward(scores, y, given)
                )
                if not math.isfinite(value):
                    raise self._divergence(x, y, f"step {self.batch + 1} of the epoch")
                _, found = backward(loss.backward(loss_cache), cache, need_dx=False)
                vector.collect(found)
                weight = totals.add(value, scores, y, given)
                if little:  # freed now, it is what the next step gets, still in cache
                    del scores, cache, loss_cache, found
                if gradient_sum is not None:
                    gradient_sum.add(gradients, value, weight)
                    if not complete:
                        continue
                    value = gradient_sum.take(gradients)
                self.since += 1
                if self.since > KEEP_EVERY:
                    self.good.take()
                    self.since = 0
                step(parameters, gradients)
                self.batch += 1
                for hook in on_batch_end:
                    hook(trainer, self.batch - 1, value)
            if not all_finite(parameters):
                raise self._divergence(x, y, f"step {self.batch} of the epoch, the last")
        return totals.means()

    def _outputs_bytes(self) -> int:
        """How much memory the outputs of all layers take, for one piece of a batch."""
        model = self.trainer.model
        # A layer that another one only borrows a function from need not be built.
        sizes = [math.prod(layer.output_shape) for layer in model.walk() if layer.built]
        return sum(sizes) * self.batches.micro_size * model.dtype.itemsize

    def _begin_epoch(self) -> AnyArray | None:
        """The epoch's order: a new one, or in the middle of an epoch that which it began with."""
        generator = self.trainer.rng.bit_generator
        if not self.batch:
            self.totals = Totals(self.trainer, self.batches.samples)
            self.epoch_began = generator.state
            return self.batches.order(self.trainer.rng)
        now, generator.state = generator.state, self.epoch_began
        order = self.batches.order(self.trainer.rng)
        generator.state = now
        return order

    def _batch_hooks(self) -> list[Any]:
        """What is called after a step; a hook that is not overridden is not."""
        base = Callback.on_batch_end
        hooks: list[Any] = [h.on_batch_end for h in self.hooks if type(h).on_batch_end is not base]
        checkpoint = self.checkpoint
        if checkpoint and checkpoint.every:
            hooks.append(lambda *step: checkpoint.after_step(self))
        return hooks

    def _validate(self) -> dict[str, float]:
        if self.held_out is None:
            return {}
        measured = measure(self.trainer, self.held_out, "validation_data")
        if not math.isfinite(measured["loss"]):
            x, y, _ = self.held_out.rows(slice(EVALUATION_ROWS))
            raise self._divergence(x, y, f"the validation after epoch {self.epoch + 1}")
        return {f"val_{name}": number for name, number in measured.items()}

    def _divergence(self, x: Array, y: AnyArray, when: str) -> Exception:
        return divergence(self.trainer.model, self.trainer.loss, x, y, when, self.good)


def measure(trainer: Trainer, samples: Samples, place: str) -> dict[str, float]:
    """The mean loss and the metrics of a trainer's model on samples, by name."""
    batches = Batches(samples, EVALUATION_ROWS, shuffle=False, place=f"{place}: x")
    totals, loss = Totals(trainer, samples), trainer.loss
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for x, y, given, _ in batches.epoch(None, trainer.rng):
            scores = trainer.model.forward(x)[0]  # nothing is kept for a backward
            found = loss.forward(scores, y) if given is None else loss.forward(scores, y, given)
            totals.add(found[0], scores, y, given)
    return totals.means()
