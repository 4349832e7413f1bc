"""Dropout of whole channels, since neighbouring pixels of an image are correlated."""

from __future__ import annotations

import numpy as np

from minitorch_np.arrays import Array, Generator
from minitorch_np.core.layer import Forward
from minitorch_np.layers.dropout import Dropout


class SpatialDropout(Dropout):
    """Dropout of whole channels: y = x k / (1 - rate), with one k for each channel of a sample.

    x and y are (m, channels, ...), images or series. As PyTorch's Dropout1d and Dropout2d. Raises
    as Dropout. Source: Tompson et al. 2014 (arXiv:1411.4280).
    """

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        if not train or not self.rate:
            return super().forward(x)
        drawn, _ = super().forward(np.ones(x.shape[:2], x.dtype), train=True, rng=rng)
        factors = np.broadcast_to(drawn.reshape(*drawn.shape, *(1,) * (x.ndim - 2)), x.shape)
        return x * factors, factors
