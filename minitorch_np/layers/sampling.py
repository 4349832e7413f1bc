"""Samples from normal distributions whose means and variances are learned.

A random draw has no derivative. But z = mean + deviation * e, with e drawn from the standard normal
distribution, has the same distribution, and for a given e it can be differentiated with respect to
the mean and the deviation. This is the reparameterization trick of variational autoencoders.
"""

from __future__ import annotations

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.shapes import require_gradient, require_input
from minitorch_np.errors import ConfigurationError, ShapeError


class NormalSampling(Layer):
    """z = mean + exp(log_variance / 2) e in training, with e from N(0, 1); z = mean in prediction.

    x is (m, 2k): k means, then k log variances; z is (m, k). dmean = dz, dlog_variance = dz e
    exp(log_variance / 2) / 2. Raises ShapeError for samples that are not rows of an even number,
    ConfigurationError in training without a generator. Source: Kingma and Welling 2013
    (arXiv:1312.6114).
    """

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if len(input_shape) != 1 or input_shape[0] % 2:
            raise ShapeError(
                "NormalSampling: expected samples of an even number of features, means and log "
                f"variances, got {input_shape}"
            )
        return (input_shape[0] // 2,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        mean, log_variance = np.split(x, 2, axis=1)
        if not train:
            return +mean, np.zeros_like(mean)
        if rng is None:
            raise ConfigurationError(
                "NormalSampling: expected a generator to draw from, got none: pass "
                "forward(x, train=True, rng=numpy.random.default_rng(seed))"
            )
        # float32 draws for any dtype of x: one seed gives the same in both.
        drawn = rng.standard_normal(mean.shape, np.float32).astype(x.dtype)
        deviation: Array = np.exp(log_variance / 2) * drawn
        return mean + deviation, deviation

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, cache.shape)
        return (np.concatenate([dy, dy * cache / 2], axis=1) if need_dx else None), {}
