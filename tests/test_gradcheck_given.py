"""What a check is given: the cases of a class, and weights for the samples of a loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck import Case
from minitorch_np.gradcheck.registry import cases_for


class WithCases(mt.Tanh):
    """It says what it is checked with: an object, or one with its shape."""

    @classmethod
    def gradcheck_cases(cls) -> list[Any]:
        return [cls(), Case(cls(), (2, 3), 1)]


class Plain(mt.Tanh):
    pass


class Needing(mt.Tanh):
    def __init__(self, size: int) -> None:
        self.size = size


def test_cases_are_those_that_a_class_has() -> None:
    first, second = cases_for(WithCases)
    assert isinstance(first.obj, WithCases)
    assert (first.shape, first.samples) == ((5,), 4)
    assert (second.shape, second.samples) == ((2, 3), 1)
    (plain,) = cases_for(Plain)
    assert isinstance(plain.obj, Plain)
    with pytest.raises(mt.ConfigurationError, match="expected cases for Needing, found none"):
        cases_for(Needing)


class Unweighted(mt.MeanSquaredError):
    """Its backward does not know of weights."""

    def forward(self, scores: Any, targets: Any, sample_weight: Any = None) -> Any:
        return super().forward(scores, targets, sample_weight)[0], (scores, targets)

    def backward(self, cache: Any) -> Any:
        scores, targets = cache
        return super().backward(super().forward(scores, targets)[1])


def test_a_loss_is_checked_with_the_weights_that_are_given() -> None:
    x = np.random.default_rng(0).normal(size=(3, 2))
    own = str(mt.gradcheck(Unweighted(), x, 1 - x, contracts=False))
    assert own.splitlines()[1] == "  FAIL with sample weights"
    given = mt.gradcheck(Unweighted(), x, 1 - x, contracts=False, sample_weight=[1.0, 2.0, 4.0])
    assert not given
    assert "with sample weights" not in str(given)
    with pytest.raises(mt.DataError, match="expected numbers >= 0; got -2.0 at row 1"):
        mt.gradcheck(mt.MeanSquaredError(), x, x, sample_weight=[1.0, -2.0, 3.0])
