"""Traces one training step: all numbers of the forward pass, the backward pass and the update.

`trace` runs a step on a copy of the model and records the inputs and outputs of each layer, forward
and backward, and the update of each parameter. For a chain of `Dense` layers and activations the
same arrays also have the notes' names: X, Z1, A1, ... forward, dZ2, dW2, db2, ... backward, with
samples in columns, as in the notes.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minitorch_np.arrays import Seed, StrPath, as_batch, count, each
from minitorch_np.core.layer import Backward, Cache, Forward, Layer
from minitorch_np.core.prediction import Model
from minitorch_np.errors import ConfigurationError, MissingExtraError
from minitorch_np.gradcheck.inside import paths
from minitorch_np.layers import Sequential
from minitorch_np.losses import Loss
from minitorch_np.names import by_name
from minitorch_np.optimizers import Optimizer
from minitorch_np.reports.trace_parts import (
    TracedArray,
    TracedLayer,
    TracedParameter,
    chain,
    in_the_notes_names,
)
from minitorch_np.reports.trace_plain import in_plain_names
from minitorch_np.signature import explained
from minitorch_np.text import folded, terminal_width
from minitorch_np.training import Trainer
from minitorch_np.validation import instance


@dataclass
class Trace:
    """The record of a step; made by `trace`.

    `trace["0"]` is the first layer's call, `trace["0.weight"]` a parameter, `trace["Z1"]` an array
    by its name in the notes, if the model is a chain of `Dense` and activations. `layers`,
    `parameters` and `arrays` list them in the order of the step.
    """

    loss: float
    loss_name: str
    samples: int
    layers: dict[str, TracedLayer] = field(default_factory=dict)
    parameters: dict[str, TracedParameter] = field(default_factory=dict)
    arrays: dict[str, TracedArray] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        for table in (self.layers, self.parameters, self.arrays):
            if name in table:
                return table[name]
        known = ", ".join([*self.layers, *self.parameters, *self.arrays])
        raise ConfigurationError(f"trace: expected one of {known}; got {name!r}")

    def rows(self) -> list[tuple[str, ...]]:
        """Name, shape, size (root mean square) and formula of each array, after a header."""
        return [("array", "shape", "size", "formula"), *map(_row, self.arrays.values())]

    def table(self) -> str:
        """All arrays with their shapes, sizes and formulas, and the loss."""
        lines = folded(self.rows(), terminal_width())
        return "\n".join([*lines, "", self.headline()])

    __str__ = table

    def headline(self) -> str:
        """The loss, in words."""
        samples = "1 sample" if self.samples == 1 else f"{self.samples} samples"
        return f"One step with {samples}: {self.loss_name} {self.loss:.6g} before it"

    def _repr_html_(self) -> str | None:
        from minitorch_np.reports.trace_page import fragment

        try:
            return fragment(self.headline(), self.rows())
        except MissingExtraError:
            return None  # the notebook shows the text

    def to_html(self, path: StrPath) -> None:
        """Write a page on which to walk through the step: each array as shades with its numbers,
        and each number of a Dense layer as the sum that it results from.

        The page is one self-contained file. Raises OSError if it can't be written,
        MissingExtraError without Jinja2.
        """
        from minitorch_np.reports.trace_page import write_page

        write_page(self.headline(), list(self.arrays.values()), path)


@explained
def trace(
    model: Model,
    loss: Loss | str | Sequence[Loss | str],
    x: object,
    y: object,
    *,
    optimizer: Optimizer | str = "sgd(0.1)",
    seed: Seed = 0,
) -> Trace:
    """Trace one training step; the model and the optimizer are not changed.

    Parameters:
        model, loss: a built model and its loss; a list of losses for a graph with several outputs.
        x, y: a batch (m, *input_shape), and its targets in the form the loss expects; tuples for a
            graph with several inputs or outputs.
        optimizer: the optimizer for the update; one that was used before keeps its state.
        seed: for everything that the model draws at random (Dropout).

    Returns a Trace. Raises NotBuiltError for a model that is not built, ShapeError or DataError for
    an invalid batch.
    """
    instance("trace", "model", model, Model)
    optimizer = copy.deepcopy(by_name(Optimizer, optimizer))
    trainer = Trainer(copied := copy.deepcopy(model), loss, optimizer, seed=seed)
    samples = trainer.checked(x, y, None, "trace")
    inputs = each(lambda part: np.array(as_batch(part, model.dtype, "trace: x")), samples.x)
    before = {name: array.copy() for name, array in copied.named_parameters().items()}
    found = Trace(0.0, repr(trainer.loss), count(inputs))
    with _recorded(copied, found.layers):
        scores, cache = copied.forward(inputs, train=True, rng=trainer.rng)
        found.loss, loss_cache = trainer.loss.forward(scores, samples.y)
        _, gradients = copied.backward(trainer.loss.backward(loss_cache), cache)
    optimizer.step(copied, gradients)
    for name, array in copied.named_parameters().items():
        found.parameters[name] = TracedParameter(name, before[name], gradients.get(name), array)
    links = chain(list(found.layers.values()))
    arrays = (
        in_the_notes_names(links, trainer.loss, samples.y, found.parameters, optimizer)
        if links
        else in_plain_names(copied, found.layers, found.parameters)
    )
    found.arrays = {each.name: each for each in arrays}
    return found


@contextlib.contextmanager
def _recorded(model: Layer, calls: dict[str, TracedLayer]) -> Iterator[None]:
    """A context in which each call of a layer inside is recorded in `calls`, by its path; further
    calls of the same layer are "0 (2)", ...
    """
    places = dict[int, tuple[str, Layer]]()
    for path, layer in paths(model):
        if not isinstance(layer, Sequential):
            places.setdefault(id(layer), (path, layer))
    for path, layer in places.values():
        _Recorder(path, layer, calls)
    try:
        yield
    finally:
        for _, layer in places.values():
            del vars(layer)["forward"], vars(layer)["backward"]


class _Recorder:
    """Replaces a layer's forward and backward, and records their inputs and outputs.

    A call that a layer makes to itself, as Dense's backward for sequences, is not recorded.
    """

    def __init__(self, path: str, layer: Layer, calls: dict[str, TracedLayer]) -> None:
        self.path, self.layer, self.calls = path, layer, calls
        self.own_forward, self.own_backward = layer.forward, layer.backward
        self.made: list[tuple[Cache, TracedLayer]] = []
        self.busy = False
        vars(layer).update(forward=self.forward, backward=self.backward)

    def forward(self, x: Any, **options: Any) -> Forward:
        if self.busy:
            return self.own_forward(x, **options)
        self.busy = True
        y, cache = self.own_forward(x, **options)
        self.busy = False
        name = self.path if not self.made else f"{self.path} ({len(self.made) + 1})"
        call = TracedLayer(
            name, self.layer, formula_of(self.layer), each(np.copy, x), each(np.copy, y)
        )
        self.calls[name] = call
        self.made.append((cache, call))
        return y, cache

    def backward(self, dy: Any, cache: Cache, **options: Any) -> Backward:
        if self.busy:
            return self.own_backward(dy, cache, **options)
        self.busy = True
        dx, gradients = self.own_backward(dy, cache, **options)
        self.busy = False
        for kept, call in reversed(self.made):  # backward visits the calls in reverse order
            if kept is cache and call.output_gradient is None:
                call.output_gradient = each(np.copy, dy)
                call.input_gradient = None if dx is None else each(np.copy, dx)
                break
        return dx, gradients


def formula_of(layer: Layer) -> str:
    """The formula of a layer, from the first line of its docstring."""
    return (inspect.getdoc(type(layer)) or "").split("\n")[0].rstrip(".")


def _row(array: TracedArray) -> tuple[str, ...]:
    shape = " x ".join(map(str, array.value.shape))
    size = float(np.sqrt(np.mean(np.square(array.value)))) if array.value.size else 0.0
    return array.name, shape, f"{size:.3g}", array.formula
