"""Gradient clipping: gradients that are too large are scaled down."""

import math

import numpy as np

from minitorch_np.arrays import Array


def limit_norm(gradients: Array, limit: float) -> None:
    """Scale a vector (n,) in place down to the length `limit`, if it is longer.

    It also works where the squares overflow.
    """
    length = math.sqrt(float(np.vdot(gradients, gradients)))
    if length == math.inf:
        largest = float(np.abs(gradients).max())
        if largest == math.inf:
            return  # the trainer detects the divergence
        gradients /= largest
        length = math.sqrt(float(np.vdot(gradients, gradients)))
        gradients *= limit / length
    elif length > limit:
        gradients *= limit / length
