"""Tests of the rules that every loss must keep."""

from __future__ import annotations

import inspect

import numpy as np

from minitorch_np.gradcheck.claim import Claim
from minitorch_np.gradcheck.numeric import largest
from minitorch_np.gradcheck.report import ContractResult
from minitorch_np.gradcheck.rules import SAME, SINGLE, Experiment, attempt, in_single, same
from minitorch_np.gradcheck.targets import LossTarget
from minitorch_np.losses.categorical import Categorical


def check_loss_contracts(target: LossTarget, claim: Claim) -> list[ContractResult]:
    """The results of all tests: no side effects, the mean over samples, and the dtype."""
    rules: dict[str, Experiment] = {
        "history does not matter": _loss_history,
        "a batch is the mean of its samples": _is_a_mean,
        "float32 stays": lambda t: _loss_in_single(t, claim),
    }
    return [attempt(rule, target, name) for name, rule in rules.items()]


def _is_a_mean(target: LossTarget) -> str | None:
    """The value and the gradient of a batch are the weighted means of those of its samples."""
    scores, loss = target.arrays["scores"], target.loss
    if loss.couples_samples:
        return None
    targets = target.targets
    if isinstance(loss, Categorical):
        targets = loss.prepare(targets, scores.shape[1:])
    weights = loss.weights(targets, target.sample_weight)
    parts = np.ones(len(scores)) if weights is None else weights.reshape(len(scores), -1).sum(1)
    parts = parts / parts.sum()
    value, cache = target.forward(scores)
    gradient, total = loss.backward(cache), 0.0
    for row, part in enumerate(parts):
        one = slice(row, row + 1)
        alone, cache = target.forward(scores[one], one)
        total += part * alone
        difference = largest(loss.backward(cache) * part - gradient[one])
        if not difference <= SAME * largest(gradient):
            return (
                f"the gradient of sample {row} in the batch is not {part:.3g} of that of the "
                "sample alone: if samples are intentionally compared with each other, as in a "
                "contrastive loss, set couples_samples = True"
            )
    if not abs(total - value) <= SAME * max(abs(value), 1e-300):
        return f"the value {value:.10g} is not the mean of the samples' values, {total:.10g}"
    return None


def _loss_history(target: LossTarget) -> str | None:
    """A call gives the same result after any other, and changes no argument or other result."""
    loss, given = target.loss, {"scores": target.arrays["scores"], "targets": target.targets}
    if target.sample_weight is not None:
        given["sample_weight"] = target.sample_weight
    before = {name: array.copy() for name, array in given.items()}
    value, cache = target.forward(given["scores"])
    gradient = loss.backward(cache)
    kept = gradient.copy()
    changed = [name for name in given if not same(given[name], before[name])]
    if changed:
        return f"changed in place: {', '.join(changed)}"
    again = loss.backward(cache)
    if not same(again, kept):
        return "a second backward from the same cache differs"
    loss.backward(target.forward(0.7 * given["scores"])[1])
    if not same(gradient, kept):
        return "the gradient was changed by a later call: it is a buffer that is used again"
    if not same(loss.backward(cache), kept):
        return "a forward in between changes the gradient"
    value_again, cache = target.forward(given["scores"])
    if value_again != value or not same(loss.backward(cache), kept):
        return "a repeated call differs: something accumulates, or is random"
    value_again, cache = target.forward(np.asfortranarray(given["scores"]))
    if not largest(loss.backward(cache) - kept) <= SAME * largest(kept):
        return "the gradient differs for scores that are not contiguous"
    return None


def _loss_in_single(target: LossTarget, claim: Claim) -> str | None:
    """float32 scores give a float32 gradient, as close to the float64 one as float32 allows."""
    scores, numbers = in_single(target.arrays["scores"]), target.targets.dtype.kind == "f"
    targets = in_single(target.targets) if numbers else target.targets
    double = LossTarget(target.loss, scores, targets, target.sample_weight)
    narrow = targets.astype(np.float32) if numbers else targets
    single = LossTarget(target.loss, scores.astype(np.float32), narrow, target.sample_weight)
    found = single.loss.backward(single.forward(single.arrays["scores"])[1])
    if found.dtype != np.float32:
        return f"float32 scores, but the gradient is {found.dtype}"
    expected = double.gradients(np.ones(1))["scores"]
    near = largest(found - expected) <= SINGLE * Claim(double, claim.rng).rounding("scores")
    return None if near else "the gradient in float32 is not close to that in float64"


def takes_weights(target: LossTarget) -> bool:
    """Whether a loss takes sample weights: a user-defined one need not."""
    return len(inspect.signature(target.loss.forward).parameters) > 2
