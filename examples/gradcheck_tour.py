"""A tour of the gradient check: one bug at a time, with its report.

Layers and a loss first, then a function that is not part of any network, a training step, and an
intended difference.

    python examples/gradcheck_tour.py
"""

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array


class ForgottenAlpha(mt.ELU):
    """ELU'(z) is alpha exp(z) for z < 0; here alpha is missing."""

    def derivative(self, z: Array, a: Array) -> Array:
        return np.where(z > 0, 1, a / self.alpha + 1).astype(z.dtype)


class MeanInsteadOfSum(mt.Dense):
    """The 1/m of the notes belongs to the loss; here the layer divides once more."""

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, cache)
        return dx, {**gradients, "bias": gradients["bias"] / len(dy)}


class MaskFromTheWrongSide(mt.ReLU):
    """The mask is taken from dy where it should be taken from z."""

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        return dy * (dy > 0), {}


class WorksInPlace(mt.ReLU):
    """The numbers are right, but dy is changed in place."""

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dy *= cache[0] > 0
        return dy, {}


class SumInsteadOfMean(mt.SoftmaxCrossEntropy):
    """Returns the mean over the batch as the loss, but the gradient of the sum."""

    def backward(self, cache: Any) -> Array:
        gradient = super().backward(cache)
        return gradient * len(gradient)


class StraightThrough(mt.Activation):
    """Rounds its input, and passes the gradient on unchanged."""

    def value(self, z: Array) -> Array:
        return np.round(z)

    def derivative(self, z: Array, a: Array) -> Array:
        return np.ones_like(z)


class Uphill(mt.SGD):
    """Steps along the gradient instead of against it."""

    def update(self, parameters: Array, gradients: Array, rate: float) -> None:
        parameters += rate * gradients


def descent(optimizer: Any, p: Array, g: Array, memory: Any, step: int, rate: float) -> Array:
    """The formula that a step of Uphill should follow."""
    return p - rate * g


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return np.log1p(np.exp(x))


def softplus_derivative(x: Array) -> Array:
    """Wrong: the sign in the exponent is that of sigmoid(-x)."""
    return 1 / (1 + np.exp(x))


def show(title: str, result: object) -> None:
    """A heading and a report."""
    print(f"--- {title}\n{result}\n")


def main() -> None:
    """Check a correct layer, then faulty objects."""
    show("a layer that is right, at its kink too", mt.gradcheck(mt.ReLU()))
    show("a factor is forgotten", mt.gradcheck(ForgottenAlpha(1.7)))
    show("the mean where the sum is meant", mt.gradcheck(MeanInsteadOfSum(3)))
    show("the mask of another array", mt.gradcheck(MaskFromTheWrongSide()))
    show("an input is changed", mt.gradcheck(WorksInPlace()))

    digits = mt.data.load_mnist().train.take(slice(32))
    x, y = digits.features(), digits.labels
    model = mt.notes_network(seed=0)
    show("the notes' network, under its loss", mt.gradcheck(model, x, y))
    wrong = mt.gradcheck(model, x, y, loss=SumInsteadOfMean())
    show("the same under a loss that is m times too steep", wrong)

    points = np.random.default_rng(0).normal(size=(4, 5))
    show("a plain function", mt.gradcheck_function(softplus, softplus_derivative, points))
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), Uphill(0.1))
    step = mt.check_step(trainer, x, y, steps=1, formula=descent)
    show("a step in the wrong direction", step)
    show("a difference that is meant", mt.gradcheck(StraightThrough(), allow={"x": "rounds"}))
    print("found:", wrong.status == "fail")


if __name__ == "__main__":
    main()
