"""One run of one configuration from one seed.

A task and its result are dictionaries of numbers and strings, so that they can be sent to another
process or machine.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, Array, as_batch, as_targets, require_finite
from minitorch_np.data import Digits, load_mnist
from minitorch_np.errors import ConfigurationError, DataError, DivergenceError, ShapeError
from minitorch_np.experiments.configuration import Configuration
from minitorch_np.experiments.diagnostics import Diagnostics, Finding, lost_classes
from minitorch_np.experiments.measure import ACCURACY, EXPLAINED, Measure, measure_for
from minitorch_np.layers import Sequential
from minitorch_np.losses import MeanSquaredError, SoftmaxCrossEntropy
from minitorch_np.training import Callback, History, Trainer

Data: TypeAlias = Digits | tuple[object, object, object, object] | None
"""Digits; training and test arrays, (x, y, xt, yt); or None for the digits of this package."""

Arrays: TypeAlias = tuple[Array, AnyArray, Array, AnyArray]
"""Inputs and targets for training, and for testing."""

FILES = ("x", "y", "xt", "yt")
"""The names of their files."""

TUNING_SHARE = 0.2
"""The fraction of the training data on which a learning rate is chosen."""

SPLIT, RESAMPLE = 1, 2
"""Numbers of further random streams of a seed."""


def as_arrays(data: Data) -> Arrays:
    """The data as arrays (x, y, xt, yt). Raises ConfigurationError or ShapeError for other data."""
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
    if rows[0].shape[1:] != rows[1].shape[1:]:
        raise ShapeError(
            "compare: expected samples of one shape to train on and to test with, got "
            f"{rows[0].shape[1:]} and {rows[1].shape[1:]}"
        )
    return rows[0], labels[0], rows[1], labels[1]


def output_count(arrays: Arrays, measure: Measure) -> int:
    """The number of outputs for these targets: the number of classes, or for regression, of numbers
    per sample.

    Raises ShapeError and DataError for samples and targets that can't be trained on.
    """
    x, y, xt, yt = arrays
    if min(map(len, arrays)) < 2:
        raise DataError("compare: expected two or more samples to train on and to test with")
    loss = SoftmaxCrossEntropy() if measure == ACCURACY else MeanSquaredError()
    columns = y.shape[1] if y.ndim == 2 else 1
    if y.ndim == 1 and measure == ACCURACY:
        columns = max(2, *(int(class_numbers(each).max()) + 1 for each in (y, yt)))
    for rows, targets, place in ((x, y, "compare: x"), (xt, yt, "compare: x_test")):
        if len(rows) != len(targets):
            raise ShapeError(f"{place}: expected {len(targets)} rows, as labels, got {len(rows)}")
        require_finite(rows, place)
        loss.prepare(targets, (columns,))
    if measure == ACCURACY and not np.ptp(numbers := class_numbers(y)):
        raise DataError(
            "compare: expected training labels of two or more classes, got only class "
            f"{numbers[0]}: there is nothing to tell it from; add samples of other classes"
        )
    if measure == EXPLAINED and not np.ptp(yt, axis=0).all():
        raise DataError("compare: expected test targets that differ, got the same for all samples")
    return columns


def class_numbers(labels: AnyArray) -> AnyArray:
    """Labels as class numbers (m,), converted if they are one-hot."""
    return labels.argmax(axis=1) if labels.ndim == 2 else labels


def write_data(folder: str, arrays: Arrays) -> None:
    """Write the arrays to a folder."""
    for name, array in zip(FILES, arrays, strict=True):
        np.save(os.path.join(folder, f"{name}.npy"), array)


@functools.lru_cache(maxsize=2)
def read_data(folder: str) -> Any:
    """The arrays in a folder, memory-mapped, so that all processes share them."""
    paths = [os.path.join(folder, f"{name}.npy") for name in FILES]
    return tuple(np.asarray(np.load(path, mmap_mode="r")) for path in paths)


def run_task_in(folder: str, task: dict[str, Any]) -> dict[str, Any]:
    """`run_task` with the data in a folder, for processes with a common file system."""
    return run_task(task, read_data(folder))


def run_task_on(
    x: Array, y: AnyArray, xt: Array, yt: AnyArray, task: dict[str, Any]
) -> dict[str, Any]:
    """`run_task` with the data in the worker's memory."""
    return run_task(task, (x, y, xt, yt))


class Reseed(Callback):
    """Seeds each epoch's order with (seed, epoch), so that it is the same for all configurations,
    independent of their layers' random draws."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        trainer.rng.bit_generator.state = np.random.default_rng(
            [self.seed, epoch]
        ).bit_generator.state


def run_task(task: dict[str, Any], arrays: Arrays) -> dict[str, Any]:
    """Train and test; returns the task's name, seed, rate and the measurements.

    With `tuning`, a part of the training data replaces the test data, which is not used. A failed
    run returns its error as text under "error".
    """
    result = {name: task[name] for name in ("name", "seed", "rate", "tuning")}
    measured = _tuning_run if task["tuning"] else _run
    try:
        configuration = Configuration.decoded(task["configuration"])
        configuration = configuration._replace(learning_rate=task["rate"])
        with np.errstate(all="ignore"):  # numbers that overflow end in a DivergenceError
            return result | measured(configuration, task["seed"], task["resample"], arrays)
    except Exception as error:  # a run that fails must not lose the others
        # A divergence would happen again; other errors are worth another try.
        again = not isinstance(error, DivergenceError)
        return result | {"error": f"{type(error).__name__}: {error}", "again": again}


def train(
    configuration: Configuration,
    seed: int,
    arrays: Arrays,
    callbacks: Sequence[Callback] = (),
    resample: bool = False,
    validate: bool = True,
) -> tuple[Sequential, History]:
    """Train a configuration from a seed; returns the network and its history. The same arguments
    give the same network each time.

    With `resample` it is trained on as many samples drawn with replacement.
    """
    x, y, xt, yt = arrays
    if resample:
        rows = np.random.default_rng([seed, RESAMPLE]).integers(len(x), size=len(x))
        x, y = x[rows], y[rows]
    model, loss = configuration.model(x.shape[1:], seed), configuration.make_loss()
    optimizer, metric = configuration.make_optimizer(), measure_for(loss).metric()
    trainer = Trainer(model, loss, optimizer, metrics=[metric], seed=seed)
    history = trainer.fit(
        x,
        y,
        epochs=configuration.epochs,
        batch_size=configuration.batch_size,
        validation_data=(xt, yt) if validate else None,
        callbacks=[Reseed(seed), *callbacks],
        verbose=False,
    )
    return model, history


def _tuning_run(
    configuration: Configuration, seed: int, resample: bool, arrays: Arrays
) -> dict[str, Any]:
    x, y, _, _ = arrays
    order = np.random.default_rng([seed, SPLIT]).permutation(len(x))
    kept = len(x) - max(1, round(TUNING_SHARE * len(x)))
    part = x[order[:kept]], y[order[:kept]], x[order[kept:]], y[order[kept:]]
    model, _ = train(configuration, seed, part, resample=resample, validate=False)
    measure = measure_for(configuration.make_loss())
    metric, scores = measure.metric(), model.predict(part[2])
    return {measure.key: metric.value(metric.count(scores, part[3]))}


def _run(configuration: Configuration, seed: int, resample: bool, arrays: Arrays) -> dict[str, Any]:
    x, y, xt, yt = arrays
    diagnostics = Diagnostics(x, y)
    start = time.perf_counter()
    model, history = train(configuration, seed, arrays, [diagnostics], resample)
    seconds = time.perf_counter() - start
    measure, lost = measure_for(configuration.make_loss()), list[int]()
    if measure == ACCURACY:
        lost = lost_classes(class_numbers(yt), model.predict_classes(xt))
    curves = {name.replace("val_", "test_"): column for name, column in history.items()}
    return {
        measure.key: curves[f"test_{measure.key}"][-1],
        "loss": curves["test_loss"][-1],
        "seconds": seconds,
        "steps": -(-len(x) // configuration.batch_size) * configuration.epochs,
        "curves": curves,
        "lost": lost,
        "findings": [each._asdict() for each in _with_lost(diagnostics, lost)],
    }


def _with_lost(diagnostics: Diagnostics, lost: list[int]) -> list[Finding]:
    """The findings, with the classes lost on the test data instead of the training data."""
    found = [each for each in diagnostics.findings if each.kind != "lost class"]
    if not lost:
        return found
    last, end = diagnostics.epochs[-1].layers[-1], len(diagnostics.epochs)
    since = {f.value: f.since for f in diagnostics.findings if f.kind == "lost class"}
    return found + [
        Finding(last.path, last.label, "lost class", each, since=since.get(each, end))
        for each in lost
    ]
