"""Why a network learns badly: units that are dead, stuck, idle or identical, classes that are never
predicted, gradients that vanish or explode, steps of the wrong size.

A ReLU unit that is 0 for every sample has no gradient, and does not recover: it is dead. A Sigmoid
with a large input of either sign is nearly flat, and passes almost no gradient: it is saturated.
The gradient can shrink, or grow, from layer to layer on its way back.

Each problem is a `Finding`. Not all of them matter: healthy networks have a few useless units, too.
A finding is `ill` if it does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array, as_batch, as_rows, as_targets, count, parts
from minitorch_np.arrays import each as of_each
from minitorch_np.core.prediction import Model
from minitorch_np.core.sequential import last_layer
from minitorch_np.experiments.health import (
    LayerHealth,
    Visit,
    measured,
    noted,
    score_range,
)
from minitorch_np.layers import Activation, Layer
from minitorch_np.losses import CrossEntropy, Loss, SeveralLosses, SoftmaxCrossEntropy, loss_for
from minitorch_np.signature import explained
from minitorch_np.text import folded, terminal_width, wrapped
from minitorch_np.training import Callback, Trainer
from minitorch_np.training.inputs import as_samples
from minitorch_np.validation import instance, require

PROBE = 512
"""The number of samples that are examined."""

FEWEST = 50
"""The smallest number of samples that shows whether a unit is useless."""

MANY, MOST = 0.25, 0.5
"""The largest harmless fractions of a layer's units: dead or stuck ones, and useless ones."""

SATURATED, SATURATED_ILL = 0.5, 0.9
"""The fractions of saturated outputs above which they are reported, and ill."""

FOLD = 400.0
"""The ratio of the gradients of a layer and of the last one, in either direction, that is ill."""

STEPS = 1e-6, 0.3
"""Steps smaller or larger than these fractions of the weights are ill."""

USELESS = ("dead", "stuck", "idle")
"""The kinds of units that take little or no part in learning."""

LEARNED = 0.2
"""A network has learned something if its accuracy is this fraction of the way from chance to 1."""


class Finding(NamedTuple):
    """One problem that was found in a network, or in several.

    - `path` and `label` of the layer: "0", or "1.0.2" for a nested one;
    - `kind` is one of "dead", "stuck", "idle", "identical", "saturated", "vanishing gradient",
      "exploding gradient", "not finite", "small steps", "large steps", "lost class",
      "bounded scores";
    - `value` is the number of units, out of `units`, or a fraction, a ratio, a class or a bound;
    - `since` is the epoch, counted from 1, since which it exists; None outside of training;
    - `runs` is the number of runs in which it was found; then `value` and `since` are medians.
    """

    path: str
    label: str
    kind: str
    value: float
    units: int = 0
    ill: bool = True
    since: int | None = None
    runs: int = 1

    @classmethod
    def of(cls, data: dict[str, Any]) -> Finding:
        """The finding that `_asdict` returned as a dictionary."""
        return cls(**data)

    @property
    def key(self) -> tuple[str, str, float | None]:
        """The part that identifies a finding in all epochs and runs."""
        return self.path, self.kind, self.value if self.kind == "lost class" else None

    def __str__(self) -> str:
        since = "" if self.since is None else f" since epoch {self.since}"
        return f"layer {self.path} ({self.label}): {_SENTENCES[self.kind](self)}{since}"


def _units(what: str) -> Any:
    return lambda f: f"{f.value:g} of {f.units} units {what}"


def _fold(what: str) -> Any:
    def said(f: Finding) -> str:
        if math.isinf(f.value):
            return "no gradient arrives here"
        return f"the gradient is {f.value:.1e} times {what} here than at the last layer"

    return said


_SENTENCES: dict[str, Any] = {
    "dead": _units("dead (0 for every sample)"),
    "stuck": _units("stuck where the function is flat"),
    "idle": _units("idle (active for hardly any sample)"),
    "identical": _units("identical to another"),
    "saturated": lambda f: f"{f.value:.0%} of the outputs saturated",
    "vanishing gradient": _fold("smaller"),
    "exploding gradient": _fold("larger"),
    "not finite": lambda f: f"{f.value:g} weights or outputs are not finite (NaN or infinite)",
    "small steps": lambda f: (
        f"steps of {f.value:.1g} of the weights, too small"
        if f.value
        else "the epoch's last step moves no weight"
    ),
    "large steps": lambda f: f"steps of {f.value:.1g} of the weights, too large",
    "lost class": lambda f: f"class {f.value:g} is never predicted where it should be",
    "bounded scores": lambda f: f"scores are bounded: the loss can't fall below {f.value:.2f}",
}
"""The text for each kind of finding."""


class Diagnosis(NamedTuple):
    """The layers' health, and the findings; there are none if all is well."""

    layers: list[LayerHealth]
    findings: list[Finding]

    @property
    def ill(self) -> list[Finding]:
        """The findings that matter."""
        return [each for each in self.findings if each.ill]

    @property
    def words(self) -> list[str]:
        """The findings that matter, as sentences."""
        return [str(each) for each in self.ill]

    def __str__(self) -> str:
        rows = [("layer", "", "mean", "spread", "gradient", "useless", "saturated", "update")]
        for each in self.layers:
            rows.append(
                (
                    each.path,
                    each.label,
                    f"{each.mean:.3g}",
                    f"{each.spread:.3g}",
                    f"{each.gradient:.2g}",
                    f"{each.useless} of {each.units}",
                    "" if each.saturated is None else f"{each.saturated:.0%}",
                    "" if each.update is None else f"{each.update:.1g}",
                )
            )
        minor = [f"{each} (harmless)" for each in self.findings if not each.ill]
        said = map(wrapped, [*self.words, *minor])
        return "\n".join([*folded(rows, terminal_width()), *said])


@explained
def diagnose(model: Model, x: Any, y: Any, loss: Loss | None = None) -> Diagnosis:
    """Measure the health of a model's layers on up to PROBE samples x with targets y.

    The default `loss` is the one that suits the model's outputs; a Graph with several outputs needs
    SeveralLosses. The model is not changed. Raises ShapeError and DataError for invalid data.
    """
    instance("diagnose", "model", model, Model)
    loss = loss_for(model) if loss is None else instance("diagnose", "loss", loss, Loss)
    given, wanted = model.inputs_of(x, "diagnose: x"), model.targets_of(y, "diagnose: y")
    rows = of_each(lambda part: as_batch(part, model.dtype, "diagnose: x")[:PROBE], given)
    model.check_input(rows)
    m = count(rows)
    if isinstance(wanted, tuple) and not isinstance(loss, SeveralLosses):
        wanted = list(wanted)  # the targets of one output, one by one
    wanted = of_each(lambda part: as_rows(part, "diagnose: y")[:m], wanted)
    targets = as_samples(model, loss, rows, wanted, None, "diagnose").y
    with np.errstate(all="ignore"):  # a diverged model is reported, without warnings
        layers, visits, scores = _layers(model, rows, targets, loss)
    ends = [last_layer(end) for end in model.last_layers]
    last = {visit.path for visit in visits if visit.layer in ends} | {layers[-1].path}
    findings = [found for layer in layers for found in _of_units(layer, layer.path in last)]
    if m < FEWEST:
        findings = [found for found in findings if found.kind not in USELESS]
    findings += _of_numbers(visits)
    findings += _of_gradients([layer for layer in layers if layer.weighted])
    losses = loss.losses if isinstance(loss, SeveralLosses) else (loss,)
    for end, *one in zip(ends, parts(scores), parts(targets), losses, strict=True):
        visit = next((v for v in reversed(visits) if v.layer is end), visits[-1])
        findings += _of_scores(visit, *one)
    return Diagnosis(layers, findings)


def _layers(
    model: Model, x: Any, targets: Any, loss: Loss
) -> tuple[list[LayerHealth], list[Visit], Any]:
    """The health of all layers with parameters and all activations, in the order of the run, all
    visits, and the outputs."""
    visits: list[Visit] = []
    gradients: dict[str, Array] = {}
    watched = noted(model, visits, gradients)
    scores, cache = watched.forward(x)
    watched.backward(loss.backward(loss.forward(scores, targets)[1]), cache)
    known = [v for v in visits if v.layer.parameter_owners() or isinstance(v.layer, Activation)]
    layers = []
    for place, visit in enumerate(known):
        # Units are compared after their activation, if the layer has one.
        last = place + 1 == len(known) or not isinstance(known[place + 1].layer, Activation)
        compared = last or isinstance(visit.layer, Activation)
        layers.append(measured(visit, gradients[visit.path], compared))
    return layers, visits, scores


def _of_units(layer: LayerHealth, output: bool) -> list[Finding]:
    """Findings about useless units."""
    found, where = [], (layer.path, layer.label)
    most = layer.useless > MOST * layer.units
    many = most or layer.dead + layer.stuck > MANY * layer.units
    for kind in USELESS:
        if number := getattr(layer, kind):
            ill = most if kind == "idle" else many or output
            found.append(Finding(*where, kind, number, layer.units, ill))
    if layer.identical:
        ill = layer.identical > MANY * layer.units
        found.append(Finding(*where, "identical", layer.identical, layer.units, ill))
    if layer.saturated is not None and layer.saturated > SATURATED:
        ill = layer.saturated > SATURATED_ILL and not output
        found.append(Finding(*where, "saturated", layer.saturated, ill=ill))
    return found


def _of_numbers(visits: list[Visit]) -> list[Finding]:
    """Findings about weights that are not finite, or else the first outputs that are not."""

    def found(visit: Visit, arrays: list[Array]) -> list[Finding]:
        number = sum(array.size - int(np.isfinite(array).sum()) for array in arrays)
        where = visit.path, visit.layer.label
        return [Finding(*where, "not finite", number)] if number else []

    weights = [
        each
        for visit in visits
        for each in found(visit, list(visit.layer.named_parameters().values()))
    ]
    return weights or [each for visit in visits for each in found(visit, [visit.y])][:1]


def _of_gradients(layers: list[LayerHealth]) -> list[Finding]:
    """Findings about the layers with the smallest and largest gradient relative to the last."""
    if not layers or not 0 < layers[-1].gradient < math.inf:
        return []
    last = layers[-1].gradient
    least = min(layers, key=lambda layer: layer.gradient)
    most = max(layers, key=lambda layer: layer.gradient)
    falls = last / least.gradient if least.gradient else math.inf
    found = []
    if falls >= FOLD:
        found.append(Finding(least.path, least.label, "vanishing gradient", falls))
    if most.gradient / last >= FOLD:
        rises = most.gradient / last
        found.append(Finding(most.path, most.label, "exploding gradient", rises))
    return found


def _of_scores(visit: Visit, scores: Array, targets: AnyArray, loss: Loss) -> list[Finding]:
    """Findings about classes that are never predicted, though others are, and bounded scores."""
    if not isinstance(loss, (CrossEntropy, SoftmaxCrossEntropy)) or scores.ndim != 2:
        return []
    where, found = (visit.path, visit.layer.label), []
    span = score_range(visit.layer) if isinstance(loss, SoftmaxCrossEntropy) else None
    if span is not None:
        bound = math.log1p((scores.shape[1] - 1) * math.exp(-span))
        found.append(Finding(*where, "bounded scores", bound, ill=False))
    true = (targets.argmax(axis=1) if targets.ndim == 2 else targets).astype(np.int64)
    known = true >= 0  # others are those that the loss ignores
    true, predicted = true[known], scores.argmax(axis=1)[known]
    chance = float(np.bincount(true).max()) / len(true) if len(true) else 1.0
    if len(true) and float(np.mean(predicted == true)) > chance + LEARNED * (1 - chance):
        found += [Finding(*where, "lost class", each) for each in lost_classes(true, predicted)]
    return found


def lost_classes(true: AnyArray, predicted: AnyArray) -> list[int]:
    """The classes that have samples, none of which is recognized."""
    right = set(np.unique(true[true == predicted]).tolist())
    return [int(each) for each in np.unique(true) if each not in right]


class Diagnostics(Callback):
    """A callback that measures the health of the layers after each epoch, on samples `x`, `y`.

    `epochs` is a list of Diagnosis; `findings` are those of the last epoch, with the epoch since
    which each exists. Raises ConfigurationError unless x and y are arrays.
    """

    only_first_rank = True

    def __init__(self, x: Any, y: Any) -> None:
        def first(part: Any) -> AnyArray:
            array = as_targets(part, "Diagnostics: x, y")
            require(array.ndim > 0, self, "samples x and targets y", (x, y))
            return array[:PROBE]

        self.x, self.y = of_each(first, x), of_each(first, y)
        self.epochs: list[Diagnosis] = []

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        self.epochs, self._last = [], batches - 1
        self._before: dict[str, Array] = {}

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        if self._last == 0:  # the first step is the last
            self._note(trainer.model)

    def on_batch_end(self, trainer: Trainer, batch: int, loss: float) -> None:
        if batch == self._last - 1:
            self._note(trainer.model)

    def _note(self, model: Layer) -> None:
        """Keep the weights before the epoch's last step."""
        self._before = {n: a.copy() for n, a in model.named_parameters().items()}

    def on_epoch_end(self, trainer: Trainer, epoch: int, numbers: dict[str, float]) -> None:
        model = trainer.model
        layers, findings = diagnose(model, self.x, self.y, trainer.loss)
        with np.errstate(all="ignore"):
            steps = _steps(model, self._before)
        layers = [layer._replace(update=steps.get(layer.path)) for layer in layers]
        self.epochs.append(Diagnosis(layers, findings + _of_steps(layers)))

    @property
    def findings(self) -> list[Finding]:
        """The findings after the last epoch, each with the epoch since which it exists."""
        return findings_since(self.epochs)

    @property
    def words(self) -> list[str]:
        """The findings after the last epoch that matter, as sentences."""
        return [str(each) for each in self.findings if each.ill]


def findings_since(epochs: Sequence[Diagnosis]) -> list[Finding]:
    """The findings of the last epoch, each with the epoch since which it exists without a break;
    for units, since which there have been at least as many.
    """
    if not epochs:
        return []
    values = [{each.key: each.value for each in diagnosis.findings} for diagnosis in epochs]
    found = []
    for each in epochs[-1].findings:
        since, least = len(values), each.value if each.units else -math.inf
        while since > 1 and values[since - 2].get(each.key, math.nan) >= least:
            since -= 1
        found.append(each._replace(since=since))
    return found


def _of_steps(layers: list[LayerHealth]) -> list[Finding]:
    found = []
    for layer in layers:
        if layer.update is not None and not STEPS[0] < layer.update < STEPS[1]:
            kind = "small steps" if layer.update <= STEPS[0] else "large steps"
            found.append(Finding(layer.path, layer.label, kind, layer.update))
    return found


def _steps(model: Model, before: dict[str, Array]) -> dict[str, float]:
    """The change of each layer's weights over their size, by the layer's path."""
    found = {}
    for name, after in model.named_parameters().items():
        path, _, key = name.rpartition(".")
        if key == "weight" and name in before:
            size = float(np.linalg.norm(before[name]))
            if size:  # a step to or from infinity is infinite
                step = float(np.linalg.norm(after - before[name])) / size
                found[path] = math.inf if math.isnan(step) else step
    return found
