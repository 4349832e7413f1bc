"""The gradient check on bugs that people make, and on what is right but unusual.

The material was written by others than the check: layers, losses and functions of all kinds, each
with its bugs. Everything planted has to be found, and every correct twin has to pass.

A run plants a sample: a bug of every second specimen, except two that take seconds (SLOW), and
those that alone lead the check through some of its branches (RARE, found with coverage.py).
`pytest --whole` plants all, and `python -m benchmarks.gradcheck_scores` counts.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck import Case
from tests.material.causes import CAUSES
from tests.material.functions import ELEMENTWISE, VJPS
from tests.material.unusual import CORRECT
from tests.planting import Specimen, planted
from tests.random_models import random_model
from tests.sampling import every, whole_only

KINDS = (
    "normalization", "pooling", "convolution", "activations", "attention", "recurrence",
    "embeddings", "branching", "losses", "stateful",
)  # fmt: skip
SPECIMENS: list[Specimen] = [
    specimen
    for kind in KINDS
    for specimen in importlib.import_module(f"tests.material.{kind}").SPECIMENS
]


def test_there_are_enough() -> None:
    bugs = [(specimen.cls.__name__, bug.name) for specimen, bug in PLANTED]
    causes = [(cls, bug) for cls, of_bugs in CAUSES.items() for bug in of_bugs]
    assert len(bugs) >= 250
    assert len(causes) >= 240
    assert not set(causes) - set(bugs), "causes of bugs that are not there: nothing checks them"
    assert set(bugs) >= RARE


@pytest.mark.parametrize("number", every(2, range(len(SPECIMENS))))
def test_the_correct_twin_passes(number: int) -> None:
    specimen = SPECIMENS[number]
    twin = specimen.case(specimen.cls).check(seed=number)
    assert twin, f"{specimen.cls.__name__} is right\n{twin}"


PLANTED = [(specimen, bug) for specimen in SPECIMENS for bug in specimen.bugs]

RARE = {
    ("AttentionPooling", "the query's gradient is clipped inside the layer"),
    ("BatchNorm", "one sample divides by n - 1 = 0"),
    ("CrossEntropy", "the gradient by the logits of a softmax before it"),
    ("CrossLayer", "the inputs are popped off the cache: a second backward fails"),
    ("Drop", "the mask is drawn once and kept on the layer"),
    ("GELU", "Phi' is not divided by sqrt(2 pi)"),
    ("KMax", "the places of the first sample are used for all"),
    ("MaxOverTime", "all of the largest numbers get the whole gradient where there are ties"),
    ("Maxout", "the choice is made without b"),
    ("Noise", "the noise is kept on the class, where another call overwrites it"),
    ("PlainLinear", "a weight decay is added to the gradient"),
    ("PlainLinear", "dropout is left on in backward: half of dx is zero"),
    ("PlainLinear", "the batch axis of one sample is squeezed away"),
    ("PlainLinear", "the bias's gradient is None"),
    ("PlainLinear", "the bias's gradient is kept from the first call"),
    ("PlainLinear", "the gradients are zero after ten calls"),
    ("PlainLinear", "the names of the gradients are swapped"),
    ("PlainLinear", "three results, not dx and a dictionary"),
    ("Recurrent", "begins with the state in which the last call ended"),
    ("ResidualBlock", "tanh' is 1 - tanh(a)^2: the activation is applied twice"),
    ("Scores", "the gradient is a pair, as a layer's is"),
    ("Scores", "the gradient is in the order of memory of scores that are not contiguous"),
    ("Scores", "the gradient is written into one array: the next call changes it"),
    ("Scores", "the gradients add up over calls"),
    ("Scores", "the scores are changed in place: their maximum is taken off"),
    ("Shift", "the two gradients are one array"),
    ("Siamese", "the gradients are kept on the layer and grow with each call"),
    ("SinusoidalEmbedding", "the gain's gradient forgets the waves"),
    ("Standardize", "the running statistics are not named as buffers, and are not saved"),
    ("Standardize", "the running statistics are updated in backward"),
    ("Standardize", "the running statistics move when predicting"),
    ("Zoneout", "the kept and the new state are exchanged"),
}
SLOW = {
    ("GRU", "the direct path takes 1 - z for z"),
    ("TransformerBlock", "the second shortcut is forgotten in backward"),
}
SAMPLE = {
    (specimen.cls.__name__, bug.name)
    for number, specimen in enumerate(SPECIMENS)
    for bug in (specimen.bugs[number % 4 :: 4] or specimen.bugs)[: number % 2 == 0]
}


def _planted(number: int) -> Any:
    """The number of a bug, to be planted with --whole alone unless it is of the sample."""
    specimen, bug = PLANTED[number]
    often = (specimen.cls.__name__, bug.name) in (SAMPLE | RARE) - SLOW
    return whole_only(number, str(number), not often)


@pytest.mark.parametrize("number", [_planted(number) for number in range(len(PLANTED))])
def test_bugs_are_found(number: int) -> None:
    specimen, bug = PLANTED[number]
    name = f"{specimen.cls.__name__}: {bug.name}"
    result = specimen.case(planted(specimen.cls, bug)).check()
    assert result.status == "fail", f"{name}\n{result}"
    cause = CAUSES.get(specimen.cls.__name__, {}).get(bug.name, "")
    assert re.search(cause, str(result)), f"{name}, expected {cause!r}\n{result}"


@pytest.mark.parametrize("number", range(len(CORRECT)))
def test_what_is_unusual_but_right_passes(number: int) -> None:
    made = CORRECT[number]()
    result = made.check(0) if isinstance(made, Case) else mt.gradcheck(made)
    assert result, f"{made}\n{result}"


@pytest.mark.parametrize(("name", "f", "df", "wrong"), ELEMENTWISE, ids=[e[0] for e in ELEMENTWISE])
def test_functions_and_their_derivatives(name: str, f: Any, df: Any, wrong: Any) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    assert mt.gradcheck_function(f, df, x)
    for mistake, derivative in wrong:
        assert mt.gradcheck_function(f, derivative, x).status == "fail", mistake


@pytest.mark.parametrize(("name", "f", "vjp", "make", "wrong"), VJPS, ids=[v[0] for v in VJPS])
def test_functions_and_their_products(name: str, f: Any, vjp: Any, make: Any, wrong: Any) -> None:
    inputs = make(np.random.default_rng(0))
    result = mt.gradcheck_function(f, vjp, *inputs)
    assert result, result
    for mistake, product in wrong:
        assert mt.gradcheck_function(f, product, *inputs).status == "fail", mistake


@pytest.mark.parametrize("seed", every(2, range(12)))
def test_random_models_raise_no_alarm(seed: int) -> None:
    """A part of `python -m benchmarks.random_models`, which runs 2,000."""
    made = random_model(seed)
    result = mt.gradcheck(
        made.model, made.x, made.targets, loss=made.loss, sample_weight=made.sample_weight
    )
    assert result.status != "fail", f"{made.description}\n{result}"
