"""Which formula is wrong.

A wrong gradient is rarely wrong at random. A factor is missing, a sign, a transposition, a term, a
path, a sample. Each such hypothesis is tried on the whole Jacobian, d y[o] / d x[i] for every pair
of entries. Only what holds in every entry is put into words, and nothing is said where no
hypothesis fits.
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
"""The most precise first."""


def explain(target: Any, claim: Any, tensor: Any) -> str:
    """The cause of a wrong gradient of `tensor.name` in a sentence; "" if nothing fits."""
    kept = {name: array.copy() for name, array in target.arrays.items()}
    try:
        with np.errstate(all="ignore"):
            return _explain(target, claim, tensor)
    except Exception:  # no cause rather than an error about an error
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
        with contextlib.suppress(Exception):  # a layer need not run on what a rule tries
            for cause in rule(case):
                return cause
    return ""


def _of_sample(target: Any, claim: Any, tensor: Any) -> str:
    """A large array, of which a few entries have been measured."""
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
