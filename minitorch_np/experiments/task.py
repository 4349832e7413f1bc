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
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.experiments.configuration import Configuration
from minitorch_np.experiments.diagnostics import Diagnostics
from minitorch_np.layers import Sequential
from minitorch_np.losses import SoftmaxCrossEntropy
from minitorch_np.training import Accuracy, Callback, History, Trainer

ARRAYS = ("x", "y", "xt", "yt")
"""Inputs and labels to train on, and to test with."""

TUNING_SHARE = 0.2
"""How much of the training data a learning rate is chosen on."""


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
