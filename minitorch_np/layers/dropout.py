"""Dropout: random numbers are set to 0, so that no unit can rely on another.

It acts in training only. The other numbers are scaled up so that sums stay the same on average, and
prediction needs no correction.
"""

from __future__ import annotations

import numpy as np

from minitorch_np.arrays import Array, Generator
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.shapes import require_gradient
from minitorch_np.errors import ConfigurationError
from minitorch_np.validation import share


class Dropout(Layer):
    """Dropout: y = x k / (1 - rate) in training, y = x in prediction.

    Each entry of k is 0 with probability `rate`, else 1. Inputs and outputs have the same shape,
    (m, ...). dx = dy k / (1 - rate), with the same k. Raises ConfigurationError unless 0 <= rate <
    1, and in training without a generator. Source: Srivastava et al. 2014.
    """

    per_step = True

    def __init__(self, rate: float = 0.5) -> None:
        self.rate = share(self, "rate", rate)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        if not train or not self.rate:
            return +x, None
        if rng is None:
            raise ConfigurationError(
                f"{self!r}: expected a generator to draw from, got none: pass "
                "forward(x, train=True, rng=numpy.random.default_rng(seed))"
            )
        # float32 draws for any dtype of x: one seed drops the same entries in both.
        kept = rng.random(x.shape, np.float32) >= self.rate
        factors: Array = kept.astype(x.dtype)
        factors *= 1 / (1 - self.rate)
        return x * factors, factors

    def backward(self, dy: Array, cache: Array | None, *, need_dx: bool = True) -> Backward:
        if not need_dx:
            return None, {}
        if cache is None:
            return +dy, {}
        require_gradient(self, dy, cache.shape)
        return dy * cache, {}
