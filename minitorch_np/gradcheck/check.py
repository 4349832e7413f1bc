"""`gradcheck`: is every gradient right, and could a wrong one have been seen?

A layer is checked on every entry of its inputs and parameters, and on the rules of its contract. A
model is checked layer by layer, in place, on the activations and upstream gradients that it really
has; then as a whole, along directions, which catches what is wrong between layers; and, given
targets, against the value that its loss reports. The method is in `numeric`, the rules in
`contracts`.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array, Shape, as_batch, require_finite
from minitorch_np.errors import ConfigurationError, GradientError, MinitorchError, ShapeError
from minitorch_np.gradcheck.contracts import check_contracts, check_loss_contracts
from minitorch_np.gradcheck.numeric import root_mean_square
from minitorch_np.gradcheck.report import INCONCLUSIVE, ContractResult, GradientCheck, TensorResult
from minitorch_np.gradcheck.subjects import (
    LayerSubject,
    LossSubject,
    Subject,
    TrainingSubject,
    in_float64,
)
from minitorch_np.gradcheck.tensors import Claim, check_directions, check_entries
from minitorch_np.layers import Layer, Sequential
from minitorch_np.losses import Loss, check_weights, loss_for

MODES = ("auto", "exhaustive", "directional")


class Effort(NamedTuple):
    """Arrays of at most `few` entries are checked on each of them, others in `directions`."""

    few: int
    directions: int


LAYER, MODEL_LAYER, WHOLE_MODEL = Effort(512, 2), Effort(32, 1), Effort(0, 1)
"""In auto mode. In a model each array is seen twice: in its layer, and in the whole."""

MOVED = (0.01, 0.1)
"""How far a point that shows nothing is moved, over the size of its arrays: little, then more."""

CONTRACT_SAMPLES = 4
"""The contracts are tried on so many samples of a batch."""

SAMPLES = 4
"""How many samples a made-up batch has."""


def gradcheck(
    obj: Layer | Loss,
    x: object = None,
    target: object = None,
    *,
    mode: str = "auto",
    seed: int = 0,
    loss: Loss | None = None,
    contracts: bool = True,
    sample_weight: object = None,
) -> GradientCheck:
    """Check the gradients of a Layer, an Activation, a Loss or a model.

    - `x` is a batch (m, *input_shape), or the scores for a Loss; made up from `seed` where it is
      not given, as is the shape of a layer that is not built.
    - `target` is what a Loss compares with, `sample_weight` (m,) what each row counts; with a
    model,
      `loss` (else the one that goes with its outputs) is checked at its end.
    - `mode`: "exhaustive" checks every entry, "directional" random directions, "auto" the entries
      of small arrays and directions of large ones.

    The object is not changed: float64 copies are checked. Returns a GradientCheck, true where all
    is right. Raises ConfigurationError for an object or a mode that can't be checked.
    """
    if mode not in MODES:
        raise ConfigurationError(f"gradcheck: expected a mode of {MODES}, got {mode!r}")
    start = time.perf_counter()
    if isinstance(obj, Loss):
        result = _check_loss(obj, x, target, sample_weight, mode, seed)
    elif isinstance(obj, Layer):
        weights = None
        if sample_weight is not None:
            weights = check_weights(sample_weight, len(np.asarray(sample_weight)))
        result = _check_layer(obj, x, Options(mode, seed, target, loss, contracts, weights))
    else:
        raise ConfigurationError(f"gradcheck: expected a Layer or a Loss, got {obj!r}")
    result.seconds = time.perf_counter() - start
    label = obj.label if isinstance(obj, Layer) else f"{type(obj).__name__}()"
    given = "".join(", " + n for n, v in (("x", x), ("target", target)) if v is not None)
    result.reproduce = f"minitorch_np.gradcheck({label}{given}, mode={mode!r}, seed={seed})"
    return result


def assert_gradients(obj: Layer | Loss, x: object = None, target: object = None, **kw: Any) -> None:
    """`gradcheck`, for tests: raises GradientError with the report unless everything is right."""
    result = gradcheck(obj, x, target, **kw)
    if not result:
        raise GradientError(f"gradients are not right\n{result}")


def _check_loss(
    loss: Loss, x: object, target: object, sample_weight: object, mode: str, seed: int
) -> GradientCheck:
    rng = np.random.default_rng(seed)
    if x is None:
        x, labels = made_up_for(loss, rng)
        target = labels if target is None else target
    if target is None:
        raise ConfigurationError(
            f"gradcheck: expected targets for {type(loss).__name__} beside the scores, got none"
        )
    scores = _as_point(x, "scores")
    weights = None if sample_weight is None else check_weights(sample_weight, len(scores))
    subject = LossSubject(loss, scores, np.array(target), weights)
    result = GradientCheck(subject.label)
    _check_arrays(result, subject, mode, rng, LAYER)
    result.contracts = check_loss_contracts(subject)
    return result


class Options(NamedTuple):
    """The arguments of `gradcheck` beside the object and its inputs."""

    mode: str
    seed: int
    target: object
    loss: Loss | None
    contracts: bool
    sample_weight: Array | None


def _check_layer(layer: Layer, x: object, options: Options) -> GradientCheck:
    rng = np.random.default_rng(options.seed)
    double = in_float64(layer) if layer.built else _built(layer, x, rng)
    batch = made_up_inputs(double, rng) if x is None else _as_point(x, "x")
    if batch.shape[1:] != double.input_shape or not len(batch):
        raise ShapeError(
            f"gradcheck: expected x of shape (m, {', '.join(map(str, double.input_shape))}) for "
            f"{double.label}, got {batch.shape}"
        )
    result = _check_at(double, batch, options)
    # Where kinks meet, or all is zero, as in a network of zeros, nothing can be told: step aside.
    inputs = [] if double.index_limit else [batch]
    for share in MOVED if result.shows_nothing else ():
        for array in [*inputs, *double.named_parameters().values()]:
            np.add(array, share * root_mean_square(array) * rng.normal(size=array.shape), out=array)
        result = _check_at(double, batch, options)
        result.subject += f", moved by {100 * share:g} %"
        if result.status != INCONCLUSIVE:
            break
    return result


def _check_at(layer: Layer, x: Array, options: Options) -> GradientCheck:
    if isinstance(layer, Sequential):
        return _check_model(layer, x, options)
    return _check_part(LayerSubject(layer, x, seed=options.seed), options, LAYER)


def _check_part(subject: LayerSubject, options: Options, effort: Effort) -> GradientCheck:
    result = GradientCheck(subject.label)
    rng = np.random.default_rng(options.seed)
    _check_arrays(result, subject, options.mode, rng, effort)
    _add_contracts(result, subject, options, rng)
    predicting = LayerSubject(subject.layer, subject.x, seed=options.seed, train=False)
    if _has_two_modes(subject, predicting):
        part = GradientCheck("when predicting")
        _check_arrays(part, predicting, options.mode, rng, effort)
        result.parts.append(part)
    return result


def _has_two_modes(training: LayerSubject, predicting: LayerSubject) -> bool:
    """Whether a layer gives other outputs when it predicts, as Dropout does."""
    try:
        return not np.array_equal(training.value(), predicting.value(), equal_nan=True)
    except Exception:  # said in the result already
        return False


def _add_contracts(
    result: GradientCheck, subject: LayerSubject, options: Options, rng: np.random.Generator
) -> None:
    if not options.contracts or result.contracts:
        return
    layer, x = subject.layer, subject.x[:CONTRACT_SAMPLES]
    claim = Claim(LayerSubject(layer, x, seed=options.seed), rng)
    if np.isfinite(claim.origin).all():
        result.contracts = check_contracts(layer, x, claim, options.seed)


def _check_model(model: Sequential, x: Array, options: Options) -> GradientCheck:
    result = GradientCheck(model.label)
    h: Array = x
    for place, layer in enumerate(model):
        subject = LayerSubject(layer, h.copy(), seed=options.seed)
        part = _check_part(subject, options, MODEL_LAYER)
        part.subject = f"[{place}] {layer.label}"
        if part.shows_nothing and not layer.index_limit:
            # The zeros that a ReLU hands to a MaxPool2D are ties: aside of them it can be seen.
            rng = np.random.default_rng(options.seed)
            moved = h + MOVED[0] * root_mean_square(h) * rng.normal(size=h.shape)
            part = _check_part(LayerSubject(layer, moved, seed=options.seed), options, MODEL_LAYER)
            part.subject = f"[{place}] {layer.label}, moved by {100 * MOVED[0]:g} %"
        result.parts.append(part)
        h = subject.value()
    # The layers have been seen; a direction shows what is wrong between them, and in their sharing.
    whole: Subject = LayerSubject(model, x, seed=options.seed)
    part = result
    if options.target is not None:  # to the very end: the value that the loss reports
        loss = options.loss or loss_for(model)
        part = GradientCheck(f"the value of {type(loss).__name__}")
        targets, weights = np.array(options.target), options.sample_weight
        whole = TrainingSubject(model, loss, x, targets, weights, seed=options.seed)
        result.parts.append(part)
    rng = np.random.default_rng(options.seed)
    _check_arrays(part, whole, _whole(options.mode), rng, WHOLE_MODEL)
    _add_contracts(result, LayerSubject(model, x, seed=options.seed), options, rng)
    return result


def _whole(mode: str) -> str:
    return "exhaustive" if mode == "exhaustive" else "directional"


def _check_arrays(
    result: GradientCheck,
    subject: Subject,
    mode: str,
    rng: np.random.Generator,
    effort: Effort,
) -> None:
    try:
        claim = Claim(subject, rng)
    except Exception as error:  # a layer of the reader's own that does not run is a finding
        detail = f"{type(error).__name__}: {error}"
        result.contracts.append(ContractResult("forward and backward run", False, detail))
        return
    for name, array in subject.arrays.items():
        if name not in claim.defects:
            got = claim.gradients.get(name)
            shape = "none" if got is None else f"one of shape {np.shape(got)}"
            cause = f"expected a gradient of shape {array.shape}, got {shape}"
            wrong = TensorResult(name, array.size, wrong=array.size, ratio=math.inf, cause=cause)
            result.tensors.append(wrong)
            continue
        entries = mode == "exhaustive" or (mode == "auto" and array.size <= effort.few)
        if entries:
            result.tensors.append(check_entries(subject, name, claim))
        else:
            result.tensors.append(check_directions(subject, name, claim, rng, effort.directions))


def _built(layer: Layer, x: object, rng: np.random.Generator) -> Layer:
    """A built float64 copy of a layer that is not built, for x's shape or one that it accepts."""
    given = None if x is None else np.shape(np.asarray(x))[1:]
    shapes: list[Shape] = [given] if given is not None else [(5,), (3, 4), (2, 6, 6)]
    problem: Exception | None = None
    for shape in shapes:
        fresh = in_float64(layer)  # a copy: its sublayers are the user's own objects
        try:
            fresh.initialize(shape, rng=rng, dtype=np.float64)
        except MinitorchError as error:
            problem = error
            continue
        return fresh
    assert problem is not None
    raise problem


def _as_point(x: object, name: str) -> Array:
    """The caller's x as a float64 array of our own, or the error that says why it can't be."""
    point = np.array(as_batch(x, np.float64, f"gradcheck: {name}"), order="C")
    require_finite(point, f"gradcheck: {name}")
    return point


def made_up_inputs(layer: Layer, rng: np.random.Generator, samples: int = SAMPLES) -> Array:
    """A batch for a built layer: whole numbers for one that wants them."""
    if layer.index_limit is None:
        return made_up(layer.input_shape, rng, samples)
    return rng.integers(layer.index_limit, size=(samples, *layer.input_shape)).astype(np.float64)


def made_up(shape: Shape, rng: np.random.Generator, samples: int = SAMPLES) -> Array:
    """A batch with both signs, and one entry at 0, where many functions have their corner."""
    batch: Array = rng.normal(size=(samples, *shape))
    batch.reshape(-1)[1] = 0.0
    return batch


def made_up_for(
    loss: Loss, rng: np.random.Generator, shape: Shape = (5,), samples: int = SAMPLES
) -> tuple[Array, AnyArray]:
    """Scores and targets that a loss accepts: logits or probabilities with class numbers, or
    numbers with numbers. Raises what the loss says of the last of them, if it takes none.
    """
    logits = made_up(shape, rng, samples)
    probabilities = rng.dirichlet(np.ones(shape[-1]), samples) * 0.9 + 0.02
    labels = rng.integers(0, shape[-1], samples)
    for scores, targets in ((logits, labels), (probabilities, labels)):
        try:
            loss.forward(scores, targets)
        except Exception:  # whatever a loss of the reader's own may say to class numbers
            continue
        return scores, targets
    numbers: Array = rng.normal(size=logits.shape)
    try:
        loss.forward(logits, numbers)
    except Exception:
        return logits, rng.uniform(size=logits.shape)
    return logits, numbers
