"""Hessian-vector products: how the gradient changes along a direction.

H v is the derivative of the gradient along v, so it is computed from differences of gradients,
without a second backward pass. Each side of the point is measured by itself, as in `numeric`; at a
corner of the loss, or of its gradient, the two sides differ and there is no Hessian.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minitorch_np.arrays import AnyArray, Array, as_batch, as_targets
from minitorch_np.core.shapes import require_input
from minitorch_np.errors import GradientError, ShapeError
from minitorch_np.gradcheck.numeric import (
    EPSILON,
    MULTIPLES,
    SHRINK,
    STEP,
    WEIGHTS,
    largest,
    root_mean_square,
)
from minitorch_np.gradcheck.targets import TrainingTarget, in_float64
from minitorch_np.layers import Layer
from minitorch_np.losses import Loss
from minitorch_np.losses.base import check_weights
from minitorch_np.signature import explained
from minitorch_np.validation import instance, whole

GOOD = 1e-6
"""The two sides must agree to this fraction of the product."""


@explained
def hessian_vector_product(
    model: Layer,
    loss: Loss,
    x: object,
    y: object,
    vector: dict[str, AnyArray],
    *,
    sample_weight: object = None,
    seed: int = 0,
) -> dict[str, Array]:
    """H v, where H is the Hessian of the mean loss with respect to all parameters.

    Parameters:
        model, loss: a built model and its loss; float64 copies are used.
        x, y, sample_weight: a batch (m, *input_shape), its targets and the weight of each row.
        vector: v, an array for each parameter, by name.
        seed: for everything that the model draws at random.

    Returns H v in float64, an array for each parameter, exact to about 1e-9.

    Raises ShapeError for a vector that does not match the parameters, GradientError where the loss
    has no second derivative: at a corner, such as ReLU's at 0.
    """
    place = "hessian_vector_product"
    instance(place, "model", model, Layer)
    instance(place, "loss", loss, Loss)
    instance(place, "vector", vector, Mapping)
    model.require_built()
    whole(place, "seed", seed, 0)
    double = in_float64(model)
    inputs = as_batch(x, np.float64, f"{place}: x")
    require_input(double, inputs)
    targets = loss.prepare(as_targets(y, f"{place}: y"), double.output_shape)
    weights = None if sample_weight is None else check_weights(sample_weight, len(inputs))
    target = TrainingTarget(double, loss, inputs, targets, weights, seed=seed)
    shapes = {name: array.shape for name, array in double.named_parameters().items()}
    given = {name: np.shape(array) for name, array in vector.items()}
    if given != shapes:
        raise ShapeError(f"hessian_vector_product: expected a vector of {shapes}, got {given}")
    direction: dict[str, Array] = {n: np.asarray(a, dtype=np.float64) for n, a in vector.items()}
    size = max(map(largest, direction.values()))
    if not size:
        return {name: np.zeros(shape) for name, shape in shapes.items()}
    scale = max(root_mean_square(array) for array in double.named_parameters().values())
    error, h = np.inf, STEP * scale / size
    product: Array = np.zeros(0)
    for _ in range(4):
        found, off = _sides(target, direction, h)
        if off < error:
            product, error = found, off
        h /= SHRINK
    if not error <= GOOD * max(largest(product), EPSILON):
        raise GradientError(
            "hessian_vector_product: expected a loss that is smooth here, but its gradient changes "
            "differently on the two sides: a unit is at its corner. Give another x"
        )
    ends = np.cumsum([array.size for array in direction.values()])[:-1]
    parts = np.split(product, ends)
    return {n: part.reshape(shapes[n]) for n, part in zip(direction, parts, strict=True)}


def _sides(target: TrainingTarget, direction: dict[str, Array], h: float) -> tuple[Array, float]:
    """The derivative of the gradient along a direction, and how far its two sides differ."""
    start = _flat(target, direction)
    sides = []
    for sign in (-1.0, 1.0):
        changes = []
        for k in MULTIPLES:
            with target.moved({name: sign * k * h * d for name, d in direction.items()}):
                changes.append(_flat(target, direction) - start)
        sides.append(sign / h * (WEIGHTS[0] @ np.array(changes)))
    product: Array = (sides[0] + sides[1]) / 2
    return product, largest(sides[1] - sides[0])


def _flat(target: TrainingTarget, direction: dict[str, Array]) -> Array:
    gradients = target.gradients(np.ones(1))
    return np.concatenate([gradients[name].reshape(-1) for name in direction])
