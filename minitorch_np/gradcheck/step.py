"""`check_step`: checks training steps against their formula.

A right gradient can still be applied wrongly: with the wrong sign, a factor of m too much, before
the clipping, or to a copy of the parameters. So a few steps are made on a float64 copy. Before each
one the gradient of the reported loss is compared with finite differences; after it, the parameters
are compared with the optimizer's textbook formula, in the plain code below.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import Array, each
from minitorch_np.gradcheck.array_check import Effort
from minitorch_np.gradcheck.numeric import EPSILON, largest
from minitorch_np.gradcheck.packed import as_one, pack, packed_loss
from minitorch_np.gradcheck.report import ContractResult, GradientCheck
from minitorch_np.gradcheck.search import check_arrays
from minitorch_np.gradcheck.targets import TrainingTarget, in_float64
from minitorch_np.losses import SeveralLosses
from minitorch_np.optimizers import SGD, Adagrad, Adam, Lion, Optimizer, RMSprop
from minitorch_np.signature import explained
from minitorch_np.training import Trainer
from minitorch_np.validation import instance, require, whole

Formula: TypeAlias = Callable[[Any, Array, Array, dict[str, Any], int, float], Any]
"""Computes new parameters from an optimizer, parameters, gradients, a memory that is empty at
first, the number of this step (from 1), and the learning rate."""

NEAR = 1e-9
"""The allowed error of a step, as a fraction of its length."""


@explained
def check_step(
    trainer: Trainer,
    x: object,
    y: object,
    sample_weight: object = None,
    *,
    steps: int = 3,
    formula: Formula | None = None,
    seed: int = 0,
) -> GradientCheck:
    """Check `trainer.step`: its gradients by finite differences, its updates by their formula.

    The trainer is not changed; a float64 copy makes the steps.

    Parameters:
        trainer: the trainer, with its model, loss and optimizer.
        x, y, sample_weight: a batch, as in `fit`; without lengths.
        steps: the number of consecutive steps.
        formula: the rule of a user-defined optimizer, formula(optimizer, p, g, memory, t, rate),
            which returns the new p. Without one, its own `update` serves as its formula.
        seed: for the directions, and for everything that the model draws at random.

    Returns a GradientCheck with a part for each step. Raises as `fit` for an invalid batch.
    """
    instance("check_step", "trainer", trainer, Trainer)
    whole("check_step", "steps", steps)
    whole("check_step", "seed", seed, 0)
    if formula is not None:
        require(callable(formula), "check_step", "a formula that is a function", formula)
    copied = copy.deepcopy(trainer)
    loss, optimizer = copied.loss, copied.optimizer
    model: Any = in_float64(trainer.model)
    copied.model = model
    rule = formula or _textbook(optimizer)
    label = f"a step of {type(optimizer).__name__}"
    result = GradientCheck(label if rule else f"{label}, by its own update")
    given, targets, weights = copied.checked(x, y, sample_weight, "check_step")
    if isinstance(loss, SeveralLosses):
        loss, targets = packed_loss(loss, model, targets)
    inputs, one = pack(each(lambda part: np.array(part, np.float64), given)), as_one(model)
    memories: dict[str, dict[str, Any]] = {name: {} for name in model.named_parameters()}
    for number in range(1, steps + 1):
        part = GradientCheck(f"step {number}")
        result.parts.append(part)
        target = TrainingTarget(one, loss, inputs, targets, weights, seed=seed)
        claim = check_arrays(part, target, Effort(0, 1), np.random.default_rng(seed), {})
        if claim is None:
            break
        gradients = {n: g.copy() for n, g in target.gradients(np.ones(1)).items() if n != "x"}
        expected = _expected(optimizer, model, gradients, memories, number, rule)
        before = {n: array.copy() for n, array in model.named_parameters().items()}
        copied.rng = np.random.default_rng(seed)
        copied.step(x, y, sample_weight)
        for name, array in model.named_parameters().items():
            detail = _difference(before[name], array, expected[name])
            part.contracts.append(ContractResult(f"update of {name}", not detail, detail))
    return result


def _expected(
    optimizer: Optimizer,
    model: Any,
    gradients: dict[str, Array],
    memories: dict[str, dict[str, Any]],
    number: int,
    rule: Formula | None,
) -> dict[str, Array]:
    """All parameters after the step: clipping, decay, then the rule; frozen ones do not change."""
    rate = optimizer.rate
    owners = {name: (layer, key) for name, layer, key in model.parameter_owners()}
    moving = [name for name, (layer, _) in owners.items() if layer.trainable]
    if optimizer.clip_value is not None:
        limit = optimizer.clip_value
        gradients = {name: np.clip(g, -limit, limit) for name, g in gradients.items()}
    if optimizer.clip_norm is not None:
        length = np.sqrt(sum(float((gradients[name] ** 2).sum()) for name in moving))
        factor = min(1.0, optimizer.clip_norm / length) if length else 1.0
        gradients = {name: factor * g for name, g in gradients.items()}
    found = {}
    for name, array in model.named_parameters().items():
        p = array.copy()
        if name in moving:
            if not optimizer.spare(*owners[name]):
                p *= 1 - rate * optimizer.weight_decay
            apply = rule or _own_update
            p = apply(optimizer, p, gradients[name], memories[name], number, rate)
        found[name] = p
    return found


def _difference(before: Array, after: Array, expected: Array) -> str:
    """How a step differs from the expected one; "" if it does not."""
    step, wanted = after - before, expected - before
    if largest(step - wanted) <= NEAR * largest(wanted) + 8 * EPSILON * largest(before):
        return ""
    if norm := float(np.vdot(wanted, wanted)):
        ratio = float(np.vdot(step, wanted)) / norm
        if abs(ratio - 1) > 1e-6 and largest(step - ratio * wanted) <= 1e-6 * largest(step):
            return f"the step is {ratio:.6g} times the formula's"
    place = np.unravel_index(int(np.abs(step - wanted).argmax()), step.shape)
    at = f"[{', '.join(str(int(i)) for i in place)}]"
    return f"expected a step of {wanted[place]:.10g} at {at}, got {step[place]:.10g}"


def _own_update(
    optimizer: Optimizer, p: Array, g: Array, memory: dict[str, Any], t: int, rate: float
) -> Array:
    """The result of the optimizer's own `update` on one array."""
    alone = copy.copy(optimizer)
    alone.state = memory.setdefault("state", {s: np.zeros(p.size) for s in optimizer.slots})
    alone.age = alone.steps = t
    moved = p.reshape(-1).copy()
    alone.update(moved, g.reshape(-1).copy(), rate)
    return moved.reshape(p.shape)


def _sgd(o: Any, p: Array, g: Array, memory: dict[str, Any], t: int, rate: float) -> Any:
    v = memory["v"] = o.momentum * memory.get("v", 0.0) + g
    return p - rate * (g + o.momentum * v if o.nesterov else v)


def _adagrad(o: Any, p: Array, g: Array, memory: dict[str, Any], t: int, rate: float) -> Any:
    s = memory["s"] = memory.get("s", 0.0) + g**2
    return p - rate * g / (np.sqrt(s) + o.epsilon)


def _rmsprop(o: Any, p: Array, g: Array, memory: dict[str, Any], t: int, rate: float) -> Any:
    s = memory["s"] = o.rho * memory.get("s", 0.0) + (1 - o.rho) * g**2
    return p - rate * g / (np.sqrt(s) + o.epsilon)


def _adam(o: Any, p: Array, g: Array, memory: dict[str, Any], t: int, rate: float) -> Any:
    m = memory["m"] = o.beta1 * memory.get("m", 0.0) + (1 - o.beta1) * g
    v = memory["v"] = o.beta2 * memory.get("v", 0.0) + (1 - o.beta2) * g**2
    return p - rate * (m / (1 - o.beta1**t)) / (np.sqrt(v / (1 - o.beta2**t)) + o.epsilon)


def _lion(o: Any, p: Array, g: Array, memory: dict[str, Any], t: int, rate: float) -> Any:
    m = memory.get("m", np.zeros_like(p))
    memory["m"] = o.beta2 * m + (1 - o.beta2) * g
    return p - rate * np.sign(o.beta1 * m + (1 - o.beta1) * g)


TEXTBOOK: dict[type[Optimizer], Formula] = {
    SGD: _sgd, Adagrad: _adagrad, RMSprop: _rmsprop, Adam: _adam, Lion: _lion
}  # fmt: skip
"""The rules of our optimizers, written a second time from their papers."""


def _textbook(optimizer: Optimizer) -> Formula | None:
    """The rule of the class that defines `update`; None for a user-defined one."""
    owner = next(cls for cls in type(optimizer).__mro__ if "update" in vars(cls))
    return TEXTBOOK.get(owner)
