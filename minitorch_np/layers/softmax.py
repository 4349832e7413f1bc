"""Softmax: from scores to probabilities.

The scores of one sample become positive numbers that add up to 1; the larger the score, the larger
the probability. It is not elementwise: each output depends on all scores of the row, so its
derivative is a matrix for each sample. The layer multiplies by that matrix without forming it.

For training, prefer `SoftmaxCrossEntropy` on the scores themselves: it combines both steps and
avoids their loss of precision. This layer is for the notes' network to the letter, with A2 =
softmax(Z2) inside the model; its loss is then `CrossEntropy`.
"""

from __future__ import annotations

import numpy as np

from minitorch_np.arrays import Array, Generator
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.shapes import require_gradient
from minitorch_np.numerics import softmax


class Softmax(Layer):
    """Probabilities from scores: p_k = exp(z_k) / sum_j exp(z_j), over a sample's last axis.

    The Jacobian is dp_k/dz_j = p_k (delta_kj - p_j), so dz = p * (dp - sum_k dp_k p_k). Inputs and
    outputs are (m, ..., classes). Source: the notes; Bridle 1990.
    """

    outputs_probabilities = True
    per_step = True

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        p = softmax(x)
        return p, p

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Backward:
        p = cache
        require_gradient(self, dy, p.shape)
        if not need_dx:
            return None, {}
        return p * (dy - np.add.reduce(dy * p, axis=-1, keepdims=True)), {}


class LogSoftmax(Layer):
    """The logarithm of Softmax: l_k = z_k - log sum_j exp(z_j), over a sample's last axis.

    The Jacobian is dl_k/dz_j = delta_kj - p_j, so dz = dl - p * sum_k dl_k, where p = exp(l).
    Inputs and outputs are (m, ..., classes). Its loss is KLDivergence; SoftmaxCrossEntropy works
    too, since the log-softmax of a log-softmax is itself.
    """

    outputs_log_probabilities = True
    per_step = True

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        shifted = x - np.maximum.reduce(x, axis=-1, keepdims=True)
        shifted -= np.log(np.add.reduce(np.exp(shifted), axis=-1, keepdims=True))
        return shifted, shifted

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, cache.shape)
        if not need_dx:
            return None, {}
        return dy - np.exp(cache) * np.add.reduce(dy, axis=-1, keepdims=True), {}
