"""Wrong gradients, made by machine and by hand: the check finds all of them, and names most.

A run makes every seventh mutation of each component, others of the next component, and its
gradients take turns; with `pytest --whole`, all mutations of every gradient.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck.case import Case
from minitorch_np.gradcheck.cases import CASES
from minitorch_np.gradcheck.made_up import made_up_inputs
from minitorch_np.gradcheck.packed import as_one
from minitorch_np.gradcheck.registry import cases_for
from tests.mutants import MUTATIONS, mutant_of
from tests.planted import PLANTED

CLASSES = list(CASES)

# What a report has to say of a mutation, where it says anything.
RIGHT_CAUSE = {
    "negated": "sign",
    "doubled": r"\* 2|doubled|factor too much",
    "halved": r"0\.5|/ 2|missing",
    "zero": "zero",
    "times m": r"factor too much|\* \d",
    "over m": r"missing|\* 0\.|/ \d",
    "off by 1e-6": r"numeric \* 1\.000001",
    "off by 0.1 %": r"1\.001",
    "constant added": "a constant is added|something is added",
    "absolute": "absolute|sign",
    "negatives cut": "zero|does it use dy's sign",
    "flipped": "reversed|shifted|transposed",
    "flipped along the last axis": "reversed|shifted|transposed",
    "rolled": "shifted|reversed|transposed",
    "transposed": "transpose|axes .* are exchanged|reversed|shifted",
    "last row dropped": "last|index",
    "only the last row": "last|index",
    "first row doubled": "first|index|row|alone",
    "one entry 1 % off": "alone|index|row|sample",
    "mean taken off": "mean",
    "averaged": "mean of all|a mean runs along the wrong axis",
    "in float32": "float32",
}


def causes(result: Any) -> list[str]:
    parts = [result, *result.parts]
    return [t.cause for p in parts for t in p.tensors if t.cause] + [
        c.detail for p in parts for c in p.failed_contracts
    ]


RARE = {
    "CrossEntropy": [("scores", "negatives cut")],
    "Dense": [("bias", "negatives cut")],
    "Softmax": [("x", "averaged")],
}
"""Mutations that alone lead the check through some of its branches (found with coverage.py)."""


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_the_mutation_gate(cls: Any) -> None:
    """Each mutation is found, and most are named."""
    tensors, names = _tensors(cls), list(MUTATIONS)[CLASSES.index(cls) % 7 :: 7]
    sample = [(tensors[n % len(tensors)], each) for n, each in enumerate(names)]
    _gate(cls, [*sample, *RARE.get(cls.__name__, [])])


@pytest.mark.whole
@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_the_mutation_gate_of_all_gradients(cls: Any) -> None:
    _gate(cls, [(tensor, name) for tensor in _tensors(cls) for name in MUTATIONS])


def _gate(cls: Any, mutations: list[tuple[str, str]]) -> None:
    missed: list[str] = []
    unnamed: list[str] = []
    found = 0
    for tensor, name in mutations:
        # A vector is its own transposition, one number its own mean: no mutants.
        if _changes_nothing(cls, tensor, MUTATIONS[name]):
            continue
        said = _first_failure(cls, tensor, MUTATIONS[name])
        if said is None:
            missed.append(f"d{tensor} {name}")
            continue
        found += 1
        if not any(re.search(RIGHT_CAUSE[name], cause) for cause in said):
            unnamed.append(f"d{tensor} {name}: {said}")
    assert found
    assert not missed
    assert len(unnamed) <= max(1, 0.3 * found), unnamed


def _tensors(cls: Any) -> list[str]:
    case = cases_for(cls)[0]
    if issubclass(cls, mt.Loss):
        return ["scores"]
    assert isinstance(case.obj, mt.Layer)
    layer = type(case.obj).from_config(case.obj.config())
    layer.initialize(case.shape, rng=np.random.default_rng(0), dtype=np.float64)
    tensors = [*([] if layer.index_limit else ["x"]), *layer.named_parameters()]
    # A block's parts have a gate of their own: of its many tensors every fourth takes long enough.
    return tensors[::4] if len(tensors) > 12 else tensors


def _first_failure(cls: Any, tensor: str, mutation: Any) -> list[str] | None:
    for case in cases_for(cls):
        mutant = case._replace(obj=mutant_of(case.obj, tensor, mutation))
        result = mutant.check(0, "exhaustive")
        if result.status == "fail":
            return causes(result)
    return None


def _changes_nothing(cls: Any, tensor: str, mutation: Any) -> bool:
    """Whether the gradients of all cases are what the mutation leaves as they are."""
    for case in cases_for(cls):
        if isinstance(case.obj, mt.Loss):
            return False
        layer = type(case.obj).from_config(case.obj.config())
        layer.initialize(case.shape, rng=np.random.default_rng(0), dtype=np.float64)
        layer, rng = as_one(layer), np.random.default_rng(1)
        y, cache = layer.forward(made_up_inputs(layer, rng, case.samples), train=True, rng=rng)
        dx, gradients = layer.backward(rng.normal(size=y.shape), cache)
        gradient = {"x": dx, **gradients}.get(tensor)
        if gradient is None:
            continue  # not every case has every parameter
        if np.abs(mutation(gradient, case.samples) - gradient).max() > 1e-12:
            return False
    return True


@pytest.mark.parametrize(("name", "obj", "says"), PLANTED, ids=[name for name, _, _ in PLANTED])
def test_planted_bugs_are_found(name: str, obj: Any, says: str) -> None:
    shape = (4,) if isinstance(obj, mt.Loss) else (6,)
    try:
        result = Case(obj, shape, 5).check(0, "exhaustive")
    except mt.ShapeError as error:
        report = str(error)
    else:
        assert result.status == "fail", result
        report = str(result)
    assert re.search(says, report), report
