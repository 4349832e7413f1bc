"""Finds the mistake in a wrong gradient.

A wrong gradient is rarely wrong at random: a factor, a sign, a transpose, a term, a path or a
sample is missing. Each such hypothesis is tested on the whole Jacobian, d y[o] / d x[i] for every
pair of entries. It is reported only if it holds in every entry.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minitorch_np.gradcheck import hypotheses, spoiling
from minitorch_np.gradcheck.evidence import MOST_ENTRIES, Evidence, numbers_of
from minitorch_np.gradcheck.wording import constant_ratio, times

RULES: list[Callable[[Evidence], Iterator[str]]] = [
    hypotheses.whole, hypotheses.not_linear, hypotheses.rounded, hypotheses.exchanged,
    hypotheses.rearranged, hypotheses.factors, hypotheses.dy_rearranged, hypotheses.parts,
    spoiling.spoiled, hypotheses.paths, hypotheses.places, spoiling.same_as_elsewhere,
    hypotheses.terms, hypotheses.outputs,
]  # fmt: skip
"""The rules to try, the most precise first."""


def explain(target: Any, claim: Any, tensor: Any) -> str:
    """A sentence on the cause of a wrong gradient of `tensor.name`; "" if no hypothesis fits."""
    kept = {name: array.copy() for name, array in target.arrays.items()}
    try:
        with np.errstate(all="ignore"):
            return _explain(target, claim, tensor)
    except Exception:  # the diagnosis must not hide the report
        return ""
    finally:
        for name, array in kept.items():
            target.arrays[name][...] = array


def _explain(target: Any, claim: Any, tensor: Any) -> str:
    if target.arrays[tensor.name].size > MOST_ENTRIES:
        return _of_sample(target, claim, tensor)
    case = Evidence(target, claim, tensor)
    if 2 * case.known.sum() < case.known.size:
        return ""
    for rule in RULES if case.wrong.any() else [hypotheses.rounded]:
        with contextlib.suppress(Exception):  # the layer may not run on a rule's inputs
            for cause in rule(case):
                return cause
    return ""


def _of_sample(target: Any, claim: Any, tensor: Any) -> str:
    """The cause in a large array, from a few measured entries."""
    if tensor.sample is None:
        return ""
    places, numeric = tensor.sample
    analytic = np.asarray(claim.gradients[tensor.name]).reshape(-1)[places]
    if not analytic.any():
        return "it is zero where it should not be"
    ratio = constant_ratio(analytic, numeric, float(np.abs(numeric).max() + np.abs(analytic).max()))
    if ratio is None or abs(ratio - 1) < 1e-6:
        return ""
    return times(ratio, numbers_of(target, tensor.name))
