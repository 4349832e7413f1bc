"""One run of one configuration from one seed, wherever it happens.

A task is a dictionary of numbers and texts, so that it can be sent to another process or machine,
and so is its result. The data is not sent: the task names a folder with arrays, which every process
maps into its memory, so that however many processes there are it is there once.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, Array, as_batch, as_targets
from minitorch_np.data import Digits, load_mnist
from minitorch_np.errors import ConfigurationError
from minitorch_np.experiments.configuration import Configuration
from minitorch_np.experiments.diagnostics import Diagnostics
from minitorch_np.layers import Sequential
from minitorch_np.losses import SoftmaxCrossEntropy
from minitorch_np.training import Accuracy, Callback, History, Trainer

Data: TypeAlias = "Digits | tuple[object, object, object, object] | None"
"""Digits; arrays to train on and to test with, (x, y, xt, yt); or None for the digits here."""

ARRAYS = ("x", "y", "xt", "yt")
"""Inputs and labels to train on, and to test with."""

TUNING_SHARE = 0.2
"""How much of the training data a learning rate is chosen on."""


def as_arrays(data: Data) -> tuple[Array, AnyArray, Array, AnyArray]:
    """(x, y, xt, yt), whatever they came as."""
    if data is None:
        data = load_mnist()
    if isinstance(data, Digits):
        train, test = data
        return train.features(), train.labels, test.features(), test.labels
    if not isinstance(data, tuple) or len(data) != 4:
        raise ConfigurationError("compare: expected data as Digits or as (x, y, x_test, y_test)")
    x, y, xt, yt = data
    rows = as_batch(x, np.float32, "compare: x"), as_batch(xt, np.float32, "compare: x_test")
    labels = as_targets(y, "compare: y"), as_targets(yt, "compare: y_test")
    return rows[0], labels[0], rows[1], labels[1]


def write_data(folder: str, arrays: tuple[Array, AnyArray, Array, AnyArray]) -> None:
    """Put the arrays where tasks find them."""
    for name, array in zip(ARRAYS, arrays, strict=True):
        np.save(os.path.join(folder, f"{name}.npy"), array)


@functools.lru_cache(maxsize=2)
def read_data(folder: str) -> tuple[Any, ...]:
    """The arrays, mapped into memory rather than read."""
    return tuple(np.load(os.path.join(folder, f"{name}.npy"), mmap_mode="r") for name in ARRAYS)


class Reseed(Callback):
    """Draws each epoch's order from (seed, epoch): the same for all configurations of a seed,
    whatever their layers have drawn in the epoch before."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        trainer.rng.bit_generator.state = np.random.default_rng(
            [self.seed, epoch]
        ).bit_generator.state


def run_task(task: dict[str, Any]) -> dict[str, Any]:
    """Train and test; returns the task's name, seed, rate and what was measured.

    With `tuning`, a part of the training data stands for the test data, which is not looked at. A
    run that fails returns what it failed with, as text under "error".
    """
    configuration = Configuration.decoded(task["configuration"])
    configuration = configuration._replace(learning_rate=task["rate"])
    result = {name: task[name] for name in ("name", "seed", "rate", "tuning")}
    try:
        return result | _measured(configuration, task)
    except Exception as error:  # a run that fails must not lose the others
        return result | {"error": f"{type(error).__name__}: {error}"}


def train(
    configuration: Configuration,
    seed: int,
    arrays: tuple[Array, AnyArray, Array, AnyArray],
    callbacks: Sequence[Callback] = (),
) -> tuple[Sequential, History]:
    """The network that this configuration becomes from this seed, and how it came to be. From the
    same arrays it is the same network each time.
    """
    x, y, xt, yt = arrays
    model = configuration.model(x.shape[1:], seed)
    trainer = Trainer(
        model,
        SoftmaxCrossEntropy(),
        configuration.make_optimizer(),
        metrics=[Accuracy()],
        seed=seed,
    )
    history = trainer.fit(
        x,
        y,
        epochs=configuration.epochs,
        batch_size=configuration.batch_size,
        validation_data=(xt, yt),
        callbacks=[Reseed(seed), *callbacks],
    )
    return model, history


def _measured(configuration: Configuration, task: dict[str, Any]) -> dict[str, Any]:
    seed = task["seed"]
    x, y, xt, yt = read_data(task["data"])
    if task["tuning"]:
        order = np.random.default_rng([seed, 1]).permutation(len(x))
        kept = len(x) - round(TUNING_SHARE * len(x))
        x, y, xt, yt = x[order[:kept]], y[order[:kept]], x[order[kept:]], y[order[kept:]]
    diagnostics = Diagnostics(x, y)
    start = time.perf_counter()
    callbacks = [] if task["tuning"] else [diagnostics]
    _, history = train(configuration, seed, (x, y, xt, yt), callbacks)
    seconds = time.perf_counter() - start
    curves = {name.replace("val_", "test_"): column for name, column in history.items()}
    return {
        "accuracy": curves["test_accuracy"][-1],
        "loss": curves["test_loss"][-1],
        "seconds": seconds,
        "steps": -(-len(x) // configuration.batch_size) * configuration.epochs,
        "curves": curves,
        "health": [[each._asdict() for each in d.layers] for d in diagnostics.epochs],
        "words": diagnostics.words,
    }
