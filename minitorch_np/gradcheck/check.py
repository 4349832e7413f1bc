"""`gradcheck`: checks all gradients of a layer, a loss or a model.

A layer is checked on every entry of its inputs and parameters, and on the rules of its contract. In
a model each layer is checked in place, on the inputs that it receives there, from the inside out;
then the whole along directions, which finds errors between layers; and, given targets, against the
value of its loss. The method is in `numeric` and `array_check`, the rules are in `contracts`.

Parameters are moved away from their initial values first: with gamma = 1 or a bias of 0, a formula
that lacks gamma or the bias would seem right.
"""

from __future__ import annotations

import copy
import math
import time
from typing import Any, NamedTuple

import numpy as np

import minitorch_np.layers as mt_layers
from minitorch_np.arrays import Array, as_batch, as_targets, each, parts, require_finite
from minitorch_np.errors import ConfigurationError, GradientError, MinitorchError, ShapeError
from minitorch_np.gradcheck.array_check import Effort
from minitorch_np.gradcheck.claim import Claim
from minitorch_np.gradcheck.contracts import check_contracts
from minitorch_np.gradcheck.inside import calls_inside, paths
from minitorch_np.gradcheck.loss_contracts import check_loss_contracts, takes_weights
from minitorch_np.gradcheck.made_up import SHAPES, made_up_for, made_up_inputs
from minitorch_np.gradcheck.numeric import root_mean_square
from minitorch_np.gradcheck.packed import as_one, pack, packed_loss
from minitorch_np.gradcheck.report import FAIL, PASS, GradientCheck
from minitorch_np.gradcheck.rules import broken
from minitorch_np.gradcheck.search import check_arrays, check_elsewhere
from minitorch_np.gradcheck.targets import (
    LayerTarget,
    LossTarget,
    TrainingTarget,
    at_generic_point,
    in_float64,
    takes_numbers,
)
from minitorch_np.layers import Layer
from minitorch_np.losses import Loss, loss_for
from minitorch_np.losses.base import check_weights
from minitorch_np.signature import explained
from minitorch_np.validation import choice, flag, instance, shown, whole

MODES = ("auto", "exhaustive", "directional")

LAYER, INSIDE, WHOLE = Effort(512, 2), Effort(32, 1), Effort(0, 1)
"""The efforts of auto mode. In a model each array is checked several times: in its layer, and in
the whole."""

CONTRACT_SAMPLES = 4
"""The number of samples of a batch on which the contracts are tested."""


class Options(NamedTuple):
    """The arguments of `gradcheck` other than the object and its inputs."""

    mode: str
    seed: int
    target: object
    loss: Loss | None
    contracts: bool
    sample_weight: Array | None
    allow: dict[str, str]

    def effort(self, auto: Effort) -> Effort:
        """The effort in this mode; `auto` is that of auto mode."""
        if self.mode == "exhaustive":
            return Effort(2**62, 1)
        return Effort(0, 2) if self.mode == "directional" else auto


@explained
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
    allow: dict[str, str] | None = None,
) -> GradientCheck:
    """Check the gradients of a Layer, an Activation, a Loss or a model.

    The object is not changed: float64 copies are checked.

    Parameters:
        obj: the object to check.
        x: a batch (m, *input_shape), a tuple of batches for a graph with several inputs, or the
            scores for a Loss; drawn from `seed` by default, like the shape of a layer that is not
            built.
        target: the targets of a Loss. With a model, its loss is checked as well.
        mode: "exhaustive" checks every entry, "directional" random directions, "auto" the entries
            of small arrays and directions of large ones.
        seed: for made-up inputs, directions, and everything that the layer draws at random.
        loss: the loss of a model with `target`; by default the one that suits its outputs.
        contracts: whether to test the rules of the layer contract too.
        sample_weight: the weight of each row in the loss, (m,).
        allow: arrays whose gradient differs on purpose, with the reason: for a straight-through
            layer, allow={"x": "straight-through"}; for layer 1 of a model, {"1.x": ...}. The report
            shows it.

    Returns a GradientCheck, true if everything was checked and is right.

    Raises ConfigurationError for an object or a mode that can't be checked, ShapeError or DataError
    for an x that the object does not accept.
    """
    choice("gradcheck", "mode", mode, MODES)
    flag("gradcheck", "contracts", contracts)
    if not isinstance(obj, (Layer, Loss)):
        hint = ": for a function use gradcheck_function" if callable(obj) else ""
        raise ConfigurationError(f"gradcheck: expected a Layer or a Loss, got {shown(obj)}{hint}")
    whole("gradcheck", "seed", seed, 0)
    if target is not None:
        target = each(lambda part: as_targets(part, "gradcheck: target"), target)
    if allow is not None:
        instance("gradcheck", "allow", allow, dict)
    if loss is not None:
        instance("gradcheck", "loss", loss, Loss)
    start = time.perf_counter()
    weights = None
    if sample_weight is not None:
        weights = check_weights(sample_weight, as_targets(sample_weight, "sample_weight").size)
    options = Options(mode, seed, target, loss, contracts, weights, allow or {})
    with np.errstate(all="ignore"):  # overflow is found in the results
        if isinstance(obj, Loss):
            result = _check_loss(obj, x, options)
        else:
            result = _check_layer(obj, x, options)
    result.seconds = time.perf_counter() - start
    ours = getattr(mt_layers, type(obj).__name__, None) is type(obj)
    if ours and isinstance(obj, Layer) and x is target is None and "\n" not in repr(obj):
        call = f"mt.gradcheck(mt.{obj!r}, mode={mode!r}, seed={seed})"
        result.reproduce = f"import minitorch_np as mt; print({call})"
    return result


def assert_gradients(obj: Layer | Loss, x: object = None, target: object = None, **kw: Any) -> None:
    """`gradcheck` for tests: raises GradientError with the report unless everything is right."""
    result = gradcheck(obj, x, target, **kw)
    if not result:
        raise GradientError(f"gradients are not right\n{result}")


def _check_loss(loss: Loss, x: object, options: Options) -> GradientCheck:
    _check_allowed(options.allow, {"scores"})
    rng = np.random.default_rng(options.seed)
    result = GradientCheck(f"{type(loss).__name__}()")
    target = options.target
    if x is None:
        try:
            x, labels = made_up_for(loss, rng)
        except Exception as error:
            result.doubt = f"No made-up scores fit ({error}). Give scores and targets."
            return result
        target = labels if target is None else target
    if target is None:
        raise ConfigurationError(
            f"gradcheck: expected targets for {type(loss).__name__} with the scores, got none"
        )
    scores = _as_point(x, "scores")
    subject = LossTarget(loss, scores, np.array(target), options.sample_weight)
    result.subject = subject.label
    if options.target is not None:
        subject.value()  # invalid targets are an error of the caller, not of the loss
    claim = check_arrays(result, subject, options.effort(LAYER), rng, options.allow)
    if claim is None:
        return result
    if options.contracts:
        result.contracts = check_loss_contracts(subject, claim)
    if result.status == PASS:
        check_elsewhere(result, subject, rng, options.allow)
    if options.sample_weight is None and takes_weights(subject):
        weights = rng.uniform(0.2, 2.0, len(scores))
        weighted = LossTarget(loss, scores, subject.targets, weights)
        part = GradientCheck("with sample weights")
        again = check_arrays(part, weighted, options.effort(LAYER), rng, options.allow)
        if again is not None and options.contracts:
            part.contracts = check_loss_contracts(weighted, again)
        result.parts.append(part)
    return result


def _check_layer(layer: Layer, x: object, options: Options) -> GradientCheck:
    rng = np.random.default_rng(options.seed)
    result = GradientCheck(layer.label)
    if layer.built or x is not None:
        double = in_float64(layer)
        if not layer.built:
            try:
                shape = each(lambda part: np.shape(part)[1:], x)
                double.initialize(shape, rng=rng, dtype=np.float64)
            except MinitorchError:
                raise
            except Exception as error:
                result.contracts.append(broken("it builds", error))
                return result
        several = len(parts(double.output_shape)) > 1
        if several and isinstance(options.target, tuple) and options.loss is not None:
            loss, targets = packed_loss(options.loss, double, options.target)
            options = options._replace(loss=loss, target=targets)
        if isinstance(x, tuple) and len(x) > len(parts(double.input_shape)):
            got = f"{len(parts(double.input_shape))} array(s), got a tuple of {len(x)}"
            raise ShapeError(f"gradcheck: x: expected {got}: for lengths, put Masking() first")
        double = as_one(double)
        if x is not None:
            x = each(lambda part: _as_point(part, "x"), x)
        batch = made_up_inputs(double, rng) if x is None else pack(x)
    else:
        double, batch, problem = _built(layer, options.seed)
        if problem is not None:
            result.doubt = f"It can't be built for made-up data ({problem}). Give x."
            return result
    if batch.shape[1:] != double.input_shape or not len(batch):
        raise ShapeError(
            f"gradcheck: expected x of shape (m, {', '.join(map(str, double.input_shape))}) for "
            f"{double.label}, got {batch.shape}"
        )
    if x is not None and takes_numbers(double):
        copy.deepcopy(double).forward(batch.copy())  # raises for numbers out of range
    _check_built(result, double, batch, options)
    return result


def _allowed_inside(allow: dict[str, str], path: str) -> dict[str, str]:
    """The entries of `allow` for the layer at a path: {"1.x": ...} is {"x": ...} for layer 1."""
    start = f"{path}."
    return {n[len(start) :]: why for n, why in allow.items() if n.startswith(start)}


def _check_allowed(allow: dict[str, str], names: set[str]) -> None:
    """Raise ConfigurationError for a name that no array has."""
    unknown = [name for name in allow if name not in names]
    if unknown:
        raise ConfigurationError(
            f"gradcheck: allow: expected names of {', '.join(sorted(names))}; got {unknown[0]!r}"
        )


def _check_built(result: GradientCheck, layer: Layer, x: Array, options: Options) -> None:
    """Check the layers inside, from the inside out; then the layer itself, and its loss."""
    result.subject = layer.label
    places = [("", layer), *((f"{path}.", inner) for path, inner in paths(layer))]
    names = {f"{path}{name}" for path, each in places for name in ("x", *each.named_parameters())}
    _check_allowed(options.allow, names)
    moved = at_generic_point(layer, np.random.default_rng(options.seed))
    if not _runs(moved, x, options.seed):
        moved = layer
    composed = bool(layer.sublayers())
    wrong: list[str] = []
    different: list[str] = []
    for path, inner, inputs in calls_inside(moved, x, options.seed) if composed else ():
        if any(found.startswith(f"{path}.") for found in wrong):
            continue  # an error inside makes the outer layer wrong as well
        check = GradientCheck(f"[{path}] {inner.label}")
        inside = options._replace(allow=_allowed_inside(options.allow, path))
        _check_part(check, inner, inputs, inside, WHOLE if inner.sublayers() else INSIDE)
        result.parts.append(check)
        different += [path] if check.allowed else []
        if check.status == FAIL:
            wrong.append(path)
    if wrong:
        return
    if different:
        result.doubt = f"Not compared as a whole: {', '.join(different)} is allowed to differ."
        return
    if not composed:
        _check_alone(result, layer, moved, x, options)
        return
    _check_part(result, layer, x, options, WHOLE)
    if options.target is not None:  # up to the value of the loss
        loss = options.loss or loss_for(layer)
        part = GradientCheck(f"the value of {type(loss).__name__}")
        targets = as_targets(options.target, "gradcheck: target").copy()
        whole = TrainingTarget(
            copy.deepcopy(layer), loss, x.copy(), targets, options.sample_weight, seed=options.seed
        )
        rng = np.random.default_rng(options.seed)
        check_arrays(part, whole, options.effort(WHOLE), rng, options.allow)
        result.parts.append(part)


def _check_alone(
    result: GradientCheck, layer: Layer, moved: Layer, x: Array, options: Options
) -> None:
    """Check a single layer: at a generic point, on other data, in small batches, and as it is."""
    _check_part(result, moved, x, options, LAYER)
    if result.status == PASS:
        rng = np.random.default_rng(options.seed)
        check_elsewhere(result, _target(moved, x, options), rng, options.allow)
    others = [
        (f"for a batch of {rows}", _target(moved, x[:rows], options))
        for rows in (2, 3)
        if rows < len(x)
    ]
    if layer.named_parameters():
        others.append(("at the parameters as they are", _target(layer, x, options)))
    for subject, target in others if result.status != FAIL else ():
        part = GradientCheck(subject)
        rng = np.random.default_rng(options.seed)
        check_arrays(part, target, WHOLE, rng, options.allow)
        result.parts += [part] if part.status == FAIL else []


def _target(layer: Layer, x: Array, options: Options, train: bool = True) -> LayerTarget:
    """A target with copies of a layer and of its inputs."""
    return LayerTarget(copy.deepcopy(layer), x.copy(), seed=options.seed, train=train)


def _check_part(
    result: GradientCheck, layer: Layer, x: Array, options: Options, effort: Effort
) -> None:
    """Check one layer's arrays when training, and in its other modes; then its contracts."""
    training, rng = _target(layer, x, options), np.random.default_rng(options.seed)
    claim = check_arrays(result, training, options.effort(effort), rng, options.allow)
    if claim is not None and result.status != FAIL:
        predicting, frozen = _target(layer, x, options, train=False), _target(layer, x, options)
        frozen.layer.trainable = False
        known = [_outcome(training, claim)]
        for word, mode in (("predicting", predicting), ("frozen", frozen)):
            outcome = _outcome(mode, claim)
            if outcome is None or any(_equal(outcome, other) for other in known):
                continue
            known.append(outcome)
            part, rng = GradientCheck(f"when {word}"), np.random.default_rng(options.seed)
            check_arrays(part, mode, options.effort(effort), rng, options.allow)
            result.parts.append(part)
    _add_contracts(result, layer, x, options)


def _add_contracts(result: GradientCheck, layer: Layer, x: Array, options: Options) -> None:
    """Test the rules of the contract, if possible on inputs without zeros and ties."""
    if not options.contracts or result.contracts:
        return
    generic = x[:CONTRACT_SAMPLES].copy()
    if not takes_numbers(layer):
        rng = np.random.default_rng(options.seed)
        generic += 0.3 * root_mean_square(generic) * rng.normal(size=generic.shape)
        if not _runs(layer, generic, options.seed):
            generic = x[:CONTRACT_SAMPLES].copy()
    result.contracts = check_contracts(layer, generic, options.seed)


def _outcome(target: LayerTarget, claim: Claim) -> dict[str, Array] | None:
    """The value and the gradients of a layer in one of its modes; None if it does not run."""
    try:
        return {"": target.value(), **target.gradients(claim.u)}
    except Exception:  # reported by the contracts
        return None


def _equal(one: dict[str, Array], other: dict[str, Array] | None) -> bool:
    return other is not None and all(
        np.array_equal(array, other.get(name, math.nan), equal_nan=True)
        for name, array in one.items()
    )


def _runs(layer: Layer, x: Array, seed: int) -> bool:
    """Whether a copy of a layer gives finite outputs and gradients."""
    try:
        target = LayerTarget(copy.deepcopy(layer), x.copy(), seed=seed)
        y = target.value()
        found = target.gradients(np.ones_like(y))
        return all(np.isfinite(array).all() for array in (y, *found.values()))
    except Exception:
        return False


def _built(layer: Layer, seed: int) -> tuple[Layer, Array, Exception | None]:
    """A built float64 copy of a layer, and a made-up batch of a shape that it accepts."""
    problem: Exception | None = None
    shapes: list[Any] = [(shape, shape) for shape in SHAPES if layer.several_inputs]
    for shape in shapes + SHAPES:
        fresh, rng = in_float64(layer), np.random.default_rng(seed)
        try:
            fresh.initialize(shape, rng=rng, dtype=np.float64)
            fresh = as_one(fresh)
            x = made_up_inputs(fresh, rng)
            copy.deepcopy(fresh).forward(x.copy(), train=True, rng=np.random.default_rng(seed))
        except Exception as error:  # the next shape may be the right one
            problem = problem or error
            continue
        return fresh, x, None
    return layer, np.zeros((0, 1)), problem


def _as_point(x: object, name: str) -> Array:
    """A float64 copy of the caller's x. Raises ShapeError or DataError if it is not numbers."""
    point = np.array(as_batch(x, np.float64, f"gradcheck: {name}"), order="C")
    require_finite(point, f"gradcheck: {name}")
    return point
