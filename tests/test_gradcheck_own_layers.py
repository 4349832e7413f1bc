"""User-defined layers under the gradient check: right ones pass, broken ones are found."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt


class Dropout(mt.Layer):
    """Correct, drawing from the generator that it is handed, and with two modes."""

    def forward(
        self, x: Any, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> Any:
        if not train:
            return 0.6 * x, np.full_like(x, 0.6)
        assert rng is not None
        mask = (rng.random(x.shape) >= 0.4).astype(x.dtype)
        return x * mask, mask

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return dy * cache, {}


class Exponential(mt.Activation):
    def value(self, z: Any) -> Any:
        return np.exp(z)

    def derivative(self, z: Any, a: Any) -> Any:
        return a


class MaxOfFeatures(mt.Layer):
    """y = max over the features; at a tie the first one has it all."""

    def build(self, input_shape: Any, *, rng: np.random.Generator, dtype: Any) -> Any:
        return (1,)

    def forward(
        self, x: Any, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> Any:
        places = x.argmax(axis=1)
        return x.max(axis=1, keepdims=True), (places, x.shape)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        places, shape = cache
        dx = np.zeros(shape, dy.dtype)
        dx[np.arange(len(dx)), places] = dy[:, 0]
        return dx, {}


class Center(mt.Layer):
    couples_samples = True

    def forward(
        self, x: Any, *, train: bool = False, rng: np.random.Generator | None = None
    ) -> Any:
        return x - x.mean(axis=0), None

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return dy - dy.mean(axis=0), {}


@pytest.mark.parametrize("layer", [Dropout(), Exponential(), MaxOfFeatures(), Center()])
def test_correct_layers_of_ones_own_pass(layer: mt.Layer) -> None:
    for x in (None, np.array([[1.0, 2, 2, -1], [0.5, 0.5, 0.5, 0]]), np.array([[3, 1, 2]])):
        result = mt.gradcheck(layer, x)
        assert result.status != "fail", result
        if x is None:
            assert result, result


def test_memory_layout_and_the_callers_objects() -> None:
    x = np.random.default_rng(0).normal(size=(4, 5))
    assert mt.gradcheck(mt.Dense(3), np.asfortranarray(x))
    assert mt.gradcheck(mt.SoftmaxCrossEntropy(), np.asfortranarray(x), [0, 1, 2, 3])
    unbuilt = mt.Sequential(mt.Dense(3), mt.ReLU(), mt.Dense(2))
    assert mt.gradcheck(unbuilt)
    assert not any(layer.built for layer in unbuilt.walk())
    half = mt.Sequential(mt.Dense(4), mt.Sequential(mt.Dense(3), input_shape=4, seed=0))
    assert mt.gradcheck(half)
    assert half[1].dtype == np.float32


def test_gradients_that_are_not_finite_fail() -> None:
    class NaNInLargeBatches(mt.Dense):
        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            dx, g = super().backward(dy, cache)
            if len(dy) > 4:
                g["bias"] = g["bias"] * np.nan
            return dx, g

    x = np.random.default_rng(0).normal(size=(8, 5))
    for mode in ("exhaustive", "directional"):
        result = mt.gradcheck(NaNInLargeBatches(2), x, mode=mode, contracts=False)
        assert result.status == "fail"
        assert "cause: it is not finite" in str(result)
        json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "x", [[[np.nan, 1.0]], [[np.inf, 1.0]], 3.0, [["a", "b"]], np.ones((0, 2))]
)
def test_points_that_are_none(x: Any) -> None:
    with pytest.raises(mt.DataError, match="gradcheck: x"):
        mt.gradcheck(mt.ReLU(), x)


def test_what_does_not_run_is_a_finding() -> None:
    class Raises(mt.ReLU):
        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            raise ZeroDivisionError("by hand")

    class NoDx(mt.ReLU):
        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            return None, {}

    for layer, says in ((Raises(), "ZeroDivisionError: by hand"), (NoDx(), "gradient of shape")):
        result = mt.gradcheck(layer)
        assert result.status == "fail"
        assert says in str(result)


def test_the_cause_is_named_in_large_arrays_too() -> None:
    class Mean(mt.Dense):
        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            dx, g = super().backward(dy, cache)
            return dx, {**g, "weight": g["weight"] / len(dy)}

    x = np.random.default_rng(0).normal(size=(7, 40))
    result = mt.gradcheck(Mean(30), x, contracts=False)
    assert "number of samples" in str(result), result


def test_gradients_when_predicting_are_checked_too() -> None:
    class ForgetsTheScale(Dropout):
        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            return dy * (cache > 0), {}

    result = mt.gradcheck(ForgetsTheScale())
    assert result.status == "fail"
    assert [part.subject for part in result.parts if part.status == "fail"] == ["when predicting"]

    class Twofold(mt.Sigmoid):
        def forward(
            self, x: Any, *, train: bool = False, rng: np.random.Generator | None = None
        ) -> Any:
            y, cache = super().forward(x)
            return y, (cache, train)

        def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
            inner, train = cache
            return super().backward(dy if train else 2 * dy, inner)

    result = mt.gradcheck(Twofold())
    assert [part.subject for part in result.parts if part.status == "fail"] == ["when predicting"]
