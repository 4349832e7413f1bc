"""How much `gradcheck` checks, and what it says of what can't be checked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck import check
from minitorch_np.gradcheck.array_check import Effort
from minitorch_np.gradcheck.report import ContractResult
from tests.test_gradcheck_contracts import Scale


@pytest.mark.parametrize(
    ("mode", "effort"),
    [("auto", Effort(3, 7)), ("exhaustive", Effort(2**62, 1)), ("directional", Effort(0, 2))],
)
def test_efforts(mode: str, effort: Effort) -> None:
    options = check.Options(mode, 0, None, None, True, None, {})
    assert options.effort(Effort(3, 7)) == effort


def test_what_reproduces_a_check() -> None:
    found = mt.gradcheck(mt.ELU(1.7), mode="directional", seed=4)
    assert found.reproduce == (
        "import minitorch_np as mt; print(mt.gradcheck(mt.ELU(alpha=1.7), mode='directional', "
        "seed=4))"
    )
    assert found.seconds > 0
    x, labels = np.ones((2, 3)), np.array([0, 1])
    model = mt.Sequential(mt.Dense(2), input_shape=3, seed=0)
    for given in (
        mt.gradcheck(mt.ELU(1.7), x),
        mt.gradcheck(Scale()),
        mt.gradcheck(model),
        mt.gradcheck(mt.SoftmaxCrossEntropy()),
        mt.gradcheck(mt.SoftmaxCrossEntropy(), x, labels),
    ):
        assert given.reproduce == ""


def test_contracts_can_be_left_out() -> None:
    for obj in (mt.Tanh(), mt.SoftmaxCrossEntropy(), mt.Dense(2)):
        found = mt.gradcheck(obj, contracts=False)
        assert found, found
        assert not found.contracts
        assert not any(part.contracts for part in found.parts)
    (weighted,) = mt.gradcheck(mt.SoftmaxCrossEntropy()).parts
    assert (weighted.subject, len(weighted.contracts)) == ("with sample weights", 3)


def test_what_can_not_be_built_is_said() -> None:
    class Raises(Scale):
        def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
            raise RuntimeError(f"not {input_shape}")

    found = mt.gradcheck(Raises(), np.ones((2, 3)))
    assert found.contracts == [ContractResult("it builds", False, "RuntimeError: not (3,)")]
    assert found.status == "fail"
    unknown = mt.gradcheck(Raises())
    assert unknown.doubt == "It can't be built for made-up data (not (5,)). Give x."
    assert unknown.status == "inconclusive"

    class Nothing(mt.Loss):
        def forward(self, scores: Any, targets: Any) -> Any:  # type: ignore[override]
            raise RuntimeError("never")

        def backward(self, cache: Any) -> Any:
            return cache

    loss = mt.gradcheck(Nothing())
    assert loss.doubt == "No made-up scores fit (never). Give scores and targets."
    assert loss.status == "inconclusive"


def test_a_layer_that_runs_at_its_own_parameters_alone_is_checked_there() -> None:
    class Exact(Scale):
        """w has to be what it was."""

        def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
            self.w = np.full(input_shape, 2.0, dtype)
            return input_shape

        def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
            if abs(self.w - 2).max() > 0.1:
                raise mt.DataError("w has to be 2")
            return super().forward(x)

    found = mt.gradcheck(Exact(), np.ones((2, 3)), contracts=False)
    assert [each.name for each in found.tensors] == ["x", "w"]
    assert found.tensors[0].status == "pass"


def test_a_layer_is_checked_where_its_values_are_finite() -> None:
    class Root(mt.Activation):
        def value(self, z: Any) -> Any:
            return np.sqrt(z)

        def derivative(self, z: Any, a: Any) -> Any:
            return 0.5 / a

    found = mt.gradcheck(Root(), np.array([[1.0, 4.0], [9.0, 2.0]]))
    assert found, found
    nowhere = mt.gradcheck(Root(), np.full((2, 2), -1.0))
    assert nowhere.tensors[0].doubt == "The value is not finite here. Give other x."
    assert nowhere.contracts == []
    assert math.isnan(nowhere.tensors[0].ratio) or nowhere.tensors[0].ratio == 0
