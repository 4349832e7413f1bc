"""Turns the data given to `fit`, `evaluate` and the like into batches.

Arrays in memory are checked once, as a whole: see `batches`. Sources and iterables are read,
converted and checked a group of batches at a time, by a thread that reads ahead. An invalid sample
is found when it is read, and the error names its row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, Array, as_rows, parts, require_finite
from minitorch_np.core.prediction import check_scale
from minitorch_np.errors import ConfigurationError
from minitorch_np.losses import Loss
from minitorch_np.sources.reading import as_source, converted, kind_of
from minitorch_np.sources.stores import ByIndex, Columns, InMemory, Part, Source
from minitorch_np.sources.stream import Stream
from minitorch_np.training.batches import Batches, Samples, Transform
from minitorch_np.training.inputs import as_answers, as_inputs, split, split_at
from minitorch_np.training.loop import evaluation_rows
from minitorch_np.training.read_batches import Checks, Reading, SourceBatches, StreamBatches
from minitorch_np.validation import is_number, number, whole

Opened: TypeAlias = Samples | Source | Stream
"""The data: arrays in memory, already checked, or something to read from."""


def as_reading(
    place: str, scale: object, prefetch: object = 2, window: object = None, steps: object = None
) -> Reading:
    """The checked settings. Raises ConfigurationError for values out of range."""
    return Reading(
        None if scale is None else number(place, "scale", scale),
        whole(place, "prefetch", prefetch, 0, 1000),
        None if window is None else whole(place, "shuffle_window", window),
        None if steps is None else whole(place, "steps_per_epoch", steps),
    )


def open_data(trainer: Any, data: Sequence[Any], place: str, steps: int | None = None) -> Opened:
    """The data (x, y, sample_weight) of a trainer, checked if it is in memory.

    Raises ConfigurationError for arguments that do not go together.
    """
    x, y, weights = data
    model, kind = trainer.model, kind_of(x)
    if type(x) is np.ndarray and type(y) is np.ndarray and weights is None and steps is None:
        samples: Samples = trainer.checked(x, y, None, place)  # the usual case
        return samples
    if kind == "batches":
        if y is not None or weights is not None:
            raise ConfigurationError(
                f"{place}: expected no y and no sample_weight with an iterable: its batches are "
                "(x, y) or (x, y, sample_weight)"
            )
        return Stream(x, steps, f"{place}: x")
    if steps is not None:
        raise ConfigurationError(
            f"{place}: expected no steps_per_epoch for data whose length is known, got {steps}"
        )
    if y is None:
        if kind != "samples":
            raise ConfigurationError(
                f"{place}: expected targets y with x, or a data set or an iterable with both"
            )
        return ByIndex(x, f"{place}: x")
    columns = (
        _columns(model.inputs_of(x, f"{place}: x"), model.input_shape),
        _columns(model.targets_of(y, f"{place}: y"), model.output_shape),
        () if weights is None else (weights,),
    )
    if all(kind_of(part) == "memory" for part in sum(columns, ())):
        samples = trainer.checked(x, y, weights, place)
        return samples

    def source(part: Any, name: str, in_memory: Callable[[Any], AnyArray]) -> Source:
        return as_source(part, f"{place}: {name}", in_memory)

    def rows(name: str) -> Callable[[Any], AnyArray]:
        return lambda part: as_rows(part, f"{place}: {name}")

    def numbers(y: Any) -> AnyArray:
        return rows("y")(trainer.numbers_of(y, place))

    inputs = [source(part, "x", rows("x")) for part in columns[0]]
    targets = [source(part, "y", numbers) for part in columns[1]]
    own = [source(part, "sample_weight", rows("sample_weight")) for part in columns[2]]
    return Columns(_joined(inputs), _joined(targets), own[0] if own else None, place)


def _columns(given: Any, shape: Any) -> tuple[Any, ...]:
    """The inputs or targets as a tuple; a graph may have several."""
    return tuple(given) if len(parts(shape)) > 1 else (given,)


def _joined(columns: list[Source]) -> Any:
    return tuple(columns) if len(columns) > 1 else columns[0]


def held_out_of(
    trainer: Any, data: Opened, validation: Any, share: float, reading: Reading
) -> tuple[Opened, Batches | None]:
    """The training data, and the batches for validation: other data, or the last part of it.

    Raises ConfigurationError if both or something else is given.
    """
    place = "validation_data"
    if validation is None:
        if is_number(share) and share == 0:
            return data, None
        data, held_out = _divided(data, share)
        place = "fit"
    else:
        both = kind_of(validation) in ("samples", "batches")  # inputs and targets in one
        given = (validation, None) if both else validation
        things = len(given) if isinstance(given, (tuple, list)) else type(given).__name__
        if things not in (2, 3) or share:
            raise ConfigurationError(
                "validation_data: expected (x, y) or (x, y, sample_weight), and no "
                f"validation_split with it, got {things}"
                + (" items" if isinstance(things, int) else "")
            )
        held_out = open_data(trainer, (*given, None)[:3], place)
        if isinstance(held_out, Samples):
            require_finite(held_out.x, f"{place}: x")
    return data, make_batches(trainer, held_out, place, reading, evaluation_rows(trainer.model))


def _divided(data: Opened, share: float) -> tuple[Opened, Opened]:
    """The data divided into a part for training and one for validation."""
    if isinstance(data, Samples):
        return split(data, share)
    if isinstance(data, Stream):
        raise ConfigurationError(
            "validation_split: expected 0 for batches from an iterable: pass validation_data"
        )
    kept = split_at(len(data), share)
    return Part(data, 0, kept), Part(data, kept, len(data))


def make_batches(
    trainer: Any,
    data: Opened,
    place: str,
    reading: Reading,
    size: int | None,
    *,
    shuffle: bool = False,
    micro_size: int | None = None,
    transform: Transform | None = None,
) -> Batches:
    """The batches of an epoch of the data."""
    if isinstance(data, Samples):
        check_scale(trainer.model, data.x, reading.scale, place)
        return Batches(
            data,
            size,
            shuffle=shuffle,
            place=f"{place}: x",
            dtype=trainer.model.dtype,
            micro_size=micro_size,
            transform=transform,
            scale=reading.scale,
        )

    model = trainer.model

    def inputs(x: Any, kept: dict[int, Array] | None) -> Any:
        rows = as_inputs(model, model.inputs_of(x, f"{place}: x"), place)
        check_scale(model, rows, reading.scale, place)
        return converted(rows, model.dtype, reading.scale, f"{place}: x", kept)

    def answers(y: Any, weights: Any, n: int) -> Any:
        y = trainer.numbers_of(model.targets_of(y, f"{place}: y"), place, all_known=False)
        return as_answers(model, trainer.loss, y, weights, n, place)

    given = Checks(inputs, answers), reading, transform
    if isinstance(data, Stream):
        return StreamBatches(data, *given, micro_size)
    return SourceBatches(data, *given, micro_size, size, shuffle=shuffle)


def fitted(trainer: Any, data: Opened, batches: Batches) -> Loss:
    """The trainer's loss, fitted to all targets if it depends on them.

    Raises ConfigurationError if it does and the targets are not in memory.
    """
    loss, shape = trainer.loss, trainer.model.output_shape
    targets = data.y if isinstance(data, Samples) else batches.first.y
    found: Loss = loss.fitted(targets, shape)
    if found is loss or isinstance(data, Samples):
        return found
    y = data.columns[1] if isinstance(data, Columns) else None
    if type(y) is not InMemory:
        raise ConfigurationError(
            f"fit: expected a loss that does not depend on all targets, since they are not in "
            f"memory, got {loss!r}: for class_weights='balanced', pass balanced_weights(labels)"
        )
    all_targets, _ = as_answers(trainer.model, loss, y.x, None, len(y), "fit")
    found = loss.fitted(all_targets, shape)
    return found
