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

from minitorch_np.gradcheck.evidence import MOST_ENTRIES, Evidence, numbers_of
from minitorch_np.gradcheck.hypotheses import (
    by_index,
    dy_rearranged,
    exchanged,
    factors,
    nearly,
    not_linear,
    parts,
    places,
    rearranged,
    rounded,
    whole,
)
from minitorch_np.gradcheck.spoiling import same_as_elsewhere, spoiled
from minitorch_np.gradcheck.terms import formulas, misplaced, others, outputs, paths, terms
from minitorch_np.gradcheck.wording import (
    constant_ratio,
    times,
)

RULES: list[Callable[[Evidence], Iterator[str]]] = [
    whole,
    not_linear,
    rounded,
    exchanged,
    rearranged,
    factors,
    dy_rearranged,
    parts,
    spoiled,
    paths,
    places,
    same_as_elsewhere,
    terms,
    formulas,
    nearly,
    misplaced,
    by_index,
    outputs,
    others,
]
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
    if not case.wrong.any():
        return next(rounded(case), "")
    for rule in RULES:
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
    scale = float(np.abs(numeric).max() + np.abs(analytic).max())
    if not analytic.any():
        return "it is zero where it should not be"
    ratio = constant_ratio(analytic, numeric, scale)
    return (
        ""
        if ratio is None or abs(ratio - 1) < 1e-6
        else times(ratio, numbers_of(target, tensor.name))
    )
