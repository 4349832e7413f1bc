"""Why a network learns badly: units that are dead or saturated, gradients that fade, steps of the
wrong size.

A ReLU unit that is 0 for every sample has no gradient, and never comes back: it is dead. A Sigmoid
far out on either side is nearly flat, and lets nearly no gradient through: it is saturated. What is
left of the gradient shrinks from layer to layer on its way back. All that can be measured on a few
hundred samples, from one forward and one backward.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array, as_batch, as_targets
from minitorch_np.layers import Activation, HardSigmoid, ReLU, ReLU6, Sequential, Sigmoid
from minitorch_np.layers.summary import aligned
from minitorch_np.losses import Loss, loss_for
from minitorch_np.training import Callback

if TYPE_CHECKING:
    from minitorch_np.training import Trainer

PROBE = 512
"""How many samples are looked at."""

FLAT = 0.05
"""An output whose derivative is below this share of the function's steepest is saturated."""

STEEPEST = {Sigmoid: 0.25, HardSigmoid: 1 / 6}
"""The largest derivative of activations for which it is not 1."""


class LayerHealth(NamedTuple):
    """What was measured of one layer: a layer with weights, or the activation after it.

    - `number` counts layers with weights from 1; an activation has that of the layer before it;
    - `mean` and `spread` (standard deviation) of its outputs;
    - `gradient` is the root mean square of the loss's gradient with respect to its outputs;
    - `dead` counts units of `units` that are 0 for every sample (ReLU), `saturated` is the share of
      outputs where the function is flat (Sigmoid, ELU and others); None where they mean nothing;
    - `update` is the size of the last step over that of the weights, None outside of training.
    """

    number: int
    label: str
    mean: float
    spread: float
    gradient: float
    units: int
    dead: int | None
    saturated: float | None
    update: float | None = None


class Diagnosis(NamedTuple):
    """The layers' health; `words` says what is ill, one line each, nothing where all is well."""

    layers: list[LayerHealth]

    @property
    def words(self) -> list[str]:
        """What is ill, in words."""
        return [text for _, text in sorted(complaints(self).items())]

    def __str__(self) -> str:
        head = ("layer", "", "mean", "spread", "gradient", "dead", "saturated", "update")
        rows = [head]
        for each in self.layers:
            rows.append(
                (
                    str(each.number),
                    each.label,
                    f"{each.mean:.3g}",
                    f"{each.spread:.3g}",
                    f"{each.gradient:.2g}",
                    "" if each.dead is None else f"{each.dead} of {each.units}",
                    "" if each.saturated is None else f"{each.saturated:.0%}",
                    "" if each.update is None else f"{each.update:.1g}",
                )
            )
        return "\n".join([*aligned(rows), *self.words])


def diagnose(model: Sequential, x: object, y: object, loss: Loss | None = None) -> Diagnosis:
    """Measure the health of a model's layers on up to PROBE samples x with targets y.

    `loss` is the one that goes with its outputs unless it is given. The model is not changed.
    Raises ShapeError and DataError for data that does not fit.
    """
    loss = loss or loss_for(model)
    h = as_batch(x, model.dtype, "diagnose: x")[:PROBE]
    targets = loss.prepare(as_targets(y, "diagnose: y")[: len(h)], model.output_shape)
    model.check_input(h)
    inputs, outputs, caches = [], [], []
    for layer in model:
        inputs.append(h)
        h, cache = layer.forward(h)
        outputs.append(h)
        caches.append(cache)
    _, loss_cache = loss.forward(h, targets)
    dy: Array | None = loss.backward(loss_cache)
    gradients: list[float] = []
    for layer, cache in zip(reversed(model.layers), reversed(caches), strict=True):
        assert dy is not None
        gradients.insert(0, float(np.sqrt(np.mean(np.square(dy)))) * len(h))
        dy, _ = layer.backward(dy, cache)
    number, found = 0, []
    for place, layer in enumerate(model):
        number += bool(layer.parameter_owners())
        if not layer.parameter_owners() and not isinstance(layer, Activation):
            continue
        found.append(
            _health(max(number, 1), layer, inputs[place], outputs[place], gradients[place])
        )
    return Diagnosis(found)


def complaints(diagnosis: Diagnosis) -> dict[str, str]:
    """What is ill, by a key that stays the same from epoch to epoch."""
    found = {}
    weighted: dict[int, LayerHealth] = {}
    for each in diagnosis.layers:
        place = f"layer {each.number} ({each.label})"
        if each.dead:
            found[f"{each.number} dead"] = f"{place}: {each.dead} of {each.units} units dead"
        if each.saturated is not None and each.saturated > 0.5:
            share = f"{each.saturated:.0%}"
            found[f"{each.number} saturated"] = f"{place}: {share} of the outputs saturated"
        if each.update is not None and not 1e-6 < each.update < 0.1:
            size = "large" if each.update >= 0.1 else "small"
            found[f"{each.number} update"] = (
                f"{place}: steps of {each.update:.1g} of the weights, too {size}"
            )
        weighted.setdefault(each.number, each)
    numbers = sorted(weighted)
    for low, high in pairwise(numbers):
        fall = weighted[high].gradient / max(weighted[low].gradient, 1e-300)
        if fall >= 10:
            found[f"{low} gradient"] = (
                f"gradient falls {fall:.0f}-fold from layer {high} to layer {low}"
            )
    return found


class Diagnostics(Callback):
    """Measures the health of the layers after each epoch, on the samples `x`, `y`.

    `epochs` is a list of Diagnosis; `words` says what was ill at the end, and since when.
    """

    def __init__(self, x: Array, y: AnyArray) -> None:
        self.x, self.y = x[:PROBE], y[:PROBE]
        self.epochs: list[Diagnosis] = []

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        self.epochs, self._last = [], batches - 1
        self._before: dict[str, Array] = {}

    def on_batch_end(self, trainer: Trainer, batch: int, loss: float) -> None:
        if batch == max(self._last - 1, 0):
            self._before = {n: a.copy() for n, a in trainer.model.named_parameters().items()}

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        diagnosis = diagnose(trainer.model, self.x, self.y, trainer.loss)
        steps = _steps(trainer.model, self._before)
        self.epochs.append(
            Diagnosis([each._replace(update=steps.get(each.label)) for each in diagnosis.layers])
        )

    @property
    def words(self) -> list[str]:
        """What is ill after the last epoch, and since which epoch, counted from 1."""
        return words_since(self.epochs)


def words_since(epochs: Sequence[Diagnosis]) -> list[str]:
    """What is ill in the last of some epochs, and since when without a break."""
    if not epochs:
        return []
    keys = [complaints(diagnosis) for diagnosis in epochs]
    words = []
    for key, text in sorted(keys[-1].items()):
        since = len(keys)
        while since > 1 and key in keys[since - 2]:
            since -= 1
        words.append(f"{text} since epoch {since}")
    return words


def _health(number: int, layer: Any, x: Array, y: Array, gradient: float) -> LayerHealth:
    over = (0, *range(2, y.ndim))  # a unit is a feature, or a channel
    units, dead, saturated = (y.shape[1] if y.ndim > 1 else 1), None, None
    if isinstance(layer, (ReLU, ReLU6)):
        dead = int(np.count_nonzero(~(y > 0).any(axis=over)))
    elif isinstance(layer, Activation):
        slopes = np.abs(layer.derivative(x, y) * np.ones((), y.dtype))
        steepest = STEEPEST.get(type(layer), 1.0)
        saturated = float(np.mean(slopes < FLAT * steepest))
    mean, spread = float(y.mean(dtype=np.float64)), float(y.std(dtype=np.float64))
    return LayerHealth(number, layer.label, mean, spread, gradient, units, dead, saturated)


def _steps(model: Sequential, before: dict[str, Array]) -> dict[str, float]:
    """By layer, how far its weights have moved over their size."""
    found = {}
    for place, layer in enumerate(model):
        name = f"{place}.weight"
        if name in before:
            after = model.named_parameters()[name]
            size = float(np.linalg.norm(before[name])) or math.nan
            found[layer.label] = float(np.linalg.norm(after - before[name])) / size
    return found
