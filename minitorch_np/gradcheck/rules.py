"""Experiments that test one rule each; those here are shared by several kinds of objects.

An experiment returns None if the rule is kept, and otherwise a sentence on how it was broken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.gradcheck.claim import Claim
from minitorch_np.gradcheck.numeric import EPSILON, largest
from minitorch_np.gradcheck.report import ContractResult
from minitorch_np.gradcheck.targets import Target

Experiment: TypeAlias = "Callable[[Any], str | None]"

SAME = 1e-12
"""Results that should be equal differ by at most this fraction of the terms that were summed."""

SAME_COMPOSED = 1e-8
"""The same for composed layers, where later layers can amplify cancellation errors."""

LINEAR = {False: 1e-9, True: 1e-4}
"""The largest deviation from linearity in dy, as a fraction of the gradient's size, in a single and
in a composed layer."""

UNDERFLOW = 1e-290
"""Numbers of this size lose digits by underflow."""

SINGLE = 16 * float(np.finfo(np.float32).eps) / EPSILON
"""The error allowed in float32, as a multiple of the rounding error in float64."""


def linear_in_dy(target: Target, claim: Claim) -> str | None:
    """B(u - 3v) = B(u) - 3 B(v), and B(s u) = s B(u) for a very large and a very small s."""
    found = _not_linear(target, claim)
    return _not_linear(target, claim) if found and claim.refine() else found


def _not_linear(target: Target, claim: Claim) -> str | None:
    u, v = claim.u, claim.v
    of_v, of_both = target.gradients(v), target.gradients(u - 3 * v)
    small, large = target.gradients(u * 2.0**-20), target.gradients(u * 2.0**20)
    for name in claim.fitting:
        of_u = claim.gradients[name]
        scale = claim.scale(name) + 3 * largest(of_v[name]) + largest(of_both[name])
        limit = LINEAR[target.composed] * scale + 4 * claim.rounding(name) + UNDERFLOW
        limit += claim.ulps_of_dy
        if largest(of_both[name] - (of_u - 3 * of_v[name])) > limit:
            return f"d{name} of a sum of two dy is not the sum of the two: does it use dy's sign?"
        for word, gradient, factor in (("small", small, 2.0**20), ("large", large, 2.0**-20)):
            if largest(gradient[name] * factor - of_u) > limit:
                return f"d{name} is not in proportion to dy where dy is {word}: is it clipped?"
    return None


def repeats(target: Target, claim: Claim) -> str | None:
    """A call gives the same result after any other, and changes no argument or earlier result."""
    before = {name: array.copy() for name, array in target.arrays.items()}
    first = {"value": target.value(), **target.gradients(claim.u)}
    kept = {name: array.copy() for name, array in first.items()}
    changed = [name for name, array in target.arrays.items() if not same(array, before[name])]
    if changed:
        return f"changed in place: {', '.join(changed)}"
    with target.moved({name: -0.1 * array for name, array in target.arrays.items()}):
        target.gradients(-2 * claim.u)
    changed = [name for name, array in first.items() if not same(array, kept[name])]
    if changed:
        return f"{changed[0]} was changed by a later call: it is a buffer that is used again"
    again = {"value": target.value(), **target.gradients(claim.u)}
    for name, array in first.items():
        scale = claim.scale(name) if name in claim.noise else largest(array)
        if not same(again[name], array) and not largest(again[name] - array) <= SAME * scale:
            return f"a repeated call differs in {name}: something accumulates or is random"
    return None


def attempt(experiment: Experiment, subject: Any, name: str = "") -> ContractResult:
    """Test a rule; its default name is the experiment's."""
    name = name or experiment.__name__.replace("_", " ")
    try:
        detail = experiment(subject)
    except Exception as error:  # an error in a user-defined layer is a finding
        return broken(name, error)
    return ContractResult(name, detail is None, detail or "")


def broken(name: str, error: Exception) -> ContractResult:
    """The result for a rule whose test raised an error."""
    return ContractResult(name, False, f"{type(error).__name__}: {error}")


def same(a: AnyArray, b: AnyArray) -> bool:
    """Whether two arrays are equal bit for bit; NaN equals NaN."""
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=True))


def in_single(array: Array) -> Array:
    """The array rounded to float32, in float64."""
    rounded: Array = array.astype(np.float32).astype(np.float64)
    return rounded
