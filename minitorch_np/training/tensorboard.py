"""Logs runs for TensorBoard (extra `tensorboard`): `tensorboard --logdir runs`."""

from __future__ import annotations

import copy
from contextlib import closing
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, StrPath, all_finite
from minitorch_np.errors import ConfigurationError, optional
from minitorch_np.training.callback import Callback
from minitorch_np.training.metrics import F1
from minitorch_np.training.step import propagate
from minitorch_np.training.totals import Totals
from minitorch_np.training.trainer import Trainer
from minitorch_np.validation import path as checked_path
from minitorch_np.validation import whole

MOST_CLASSES = 100
"""The largest number of classes for which a confusion matrix is written: a larger table is not
readable."""


class TensorBoardLogger(Callback):
    """Writes each epoch, counted from 0, to the folder `path` in TensorBoard's format.

    - scalars: the epoch's numbers under their names in the history, and "learning_rate";
    - histograms, every `histograms` epochs (0 for none): each parameter, as "weights/0.weight", and
      its gradient, as "gradients/0.weight", on the first samples of the training data;
    - text: the confusion matrix of the validation data, if the model is a classifier.

    A resumed run continues in the same folder; give each new run a folder of its own. The logger
    does not change the training. Raises MissingExtraError without tensorboardX, when the run
    begins.
    """

    only_first_rank = True

    def __init__(self, path: StrPath, histograms: int = 1) -> None:
        self.path = checked_path(self, "path", path)
        self.histograms = whole(self, "histograms", histograms, 0)

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        library = optional("tensorboardX", "tensorboard", "TensorBoardLogger")
        # Epochs that a killed run has logged and that are now repeated are purged. File names
        # contain the time in seconds, and are read in that order.
        done = trainer.run.epoch
        suffix = f".{done:06}"
        self._writer = library.SummaryWriter(
            self.path, purge_step=done or None, filename_suffix=suffix
        )

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        rate = {"learning_rate": trainer.optimizer.last_rate}
        for name, number in (rate | numbers).items():
            self._writer.add_scalar(name, number, epoch)
        if self.histograms and epoch % self.histograms == 0:
            for name, array in _arrays(trainer).items():
                if all_finite(array):  # TensorBoard can't show the others
                    self._writer.add_histogram(name, array, epoch)
        matrix = _confusion(trainer)
        if matrix is not None:
            table = _markdown(matrix, trainer.classes)
            self._writer.add_text("confusion_matrix", table, epoch)
        self._writer.flush()

    def on_train_end(self, trainer: Trainer) -> None:
        self._writer.close()


def _arrays(trainer: Trainer) -> dict[str, AnyArray]:
    """The parameters and their gradients; the model is not changed."""
    model = copy.deepcopy(trainer.model)  # a training step updates running statistics
    x, y, weights = trainer.run.batches.first
    rng = np.random.default_rng(0)  # for dropout
    with np.errstate(all="ignore"):
        x = trainer.run.batches.converted(x)
        _, _, gradients = propagate(model, trainer.loss, x, y, weights, rng)
    weights_by_name = {f"weights/{name}": a for name, a in model.named_parameters().items()}
    return weights_by_name | {f"gradients/{name}": a for name, a in gradients.items()}


def _confusion(trainer: Trainer) -> AnyArray | None:
    """The confusion matrix of the validation data; None if the model is not a classifier."""
    model, loss, batches = trainer.model, trainer.loss, trainer.run.held_out
    if batches is None or loss.exclusive_classes is None or model.output_shape[-1] > MOST_CLASSES:
        return None
    metric = F1()
    metric.begin(model)
    try:
        metric.check_loss(loss, model)
    except ConfigurationError:
        return None
    totals = Totals(loss, [metric], batches.first)
    with closing(batches.epoch(None, None)) as epoch:
        for x, y, weights, _ in epoch:
            totals.count(model.forward(x)[0], y, weights)
    counts = np.asarray(totals.counts[0])
    return counts if counts.ndim == 2 else None  # with several labels there is one for each


def _markdown(matrix: AnyArray, classes: Any) -> str:
    """The matrix as a Markdown table: true classes in rows, predicted ones in columns."""
    names = [str(n) for n in range(len(matrix))] if not classes else list(classes)
    rows = [["true \\ predicted", *names], ["---"] * (len(matrix) + 1)]
    rows += [[name, *map(str, row)] for name, row in zip(names, matrix.tolist(), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
