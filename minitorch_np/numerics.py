"""Functions that NumPy lacks, computed without overflow: sigmoid, softplus, softmax, and the normal
distribution.

NumPy has no error function, and the standard library's takes one number at a time. For x >= 0,
erfc(x) = exp(-x^2) r(t) / (1 + 2x), where t = (x - 4) / (x + 4) maps the half-line to [-1, 1), and
r is so smooth there that a polynomial approximates it to rounding error.

Source of the form: Schonfelder 1978, "Chebyshev expansions for the error and related functions";
Abramowitz and Stegun 7.1. The coefficients are a Chebyshev interpolation of degree 22 through 200
nodes in 40-digit arithmetic, written out in powers of t.
"""

import math
from collections.abc import Callable

import numpy as np

from minitorch_np.arrays import Array

PIECE = 65_536
"""The number of entries processed at a time: a quarter of a megabyte stays in cache."""

_POWERS = (
    1.2329951186255532,
    -0.13962111684056877,
    0.015379652102416807,
    0.06809705425507319,
    -0.10103906602760851,
    0.09373283499276205,
    -0.06633036595530316,
    0.0371675155559383,
    -0.016197732867696598,
    0.005031970149789205,
    -0.000757778988050441,
    -0.00019925845196821061,
    0.0001506385001707917,
    -2.439225256651473e-05,
    -1.1253627132655308e-05,
    5.694403789632494e-06,
    3.3163905377150654e-07,
    -8.051550593931525e-07,
    4.671456128828274e-08,
    9.4031473238225e-08,
    -6.387356172240196e-09,
    -7.1409059979203876e-09,
    -1.8085200438963616e-10,
)

_FAR = 40.0
"""Beyond this, exp(-x^2 / 2) is zero even in float64, and x^2 might overflow."""


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), with full relative precision on both sides."""
    e = np.exp(-np.abs(z))
    a: Array = np.where(z >= 0, np.ones((), z.dtype), e) / (1 + e)
    return a


def softplus(z: Array) -> Array:
    """log(1 + exp(z)), with full relative precision on both sides."""
    a: Array = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    return a


def softmax(scores: Array) -> Array:
    """exp(z_k) / sum_j exp(z_j) along the last axis.

    The row's maximum is subtracted first: it cancels in the quotient, and exp can't overflow.
    """
    p: Array = np.exp(scores - np.maximum.reduce(scores, axis=-1, keepdims=True))
    p /= np.add.reduce(p, axis=-1, keepdims=True)
    return p


def log_sum_exp(scores: Array) -> Array:
    """log sum_k exp(z_k) along the last axis, which is removed; nothing overflows."""
    largest = np.maximum.reduce(scores, axis=-1, keepdims=True)
    sums = np.log(np.add.reduce(np.exp(scores - largest), axis=-1))
    total: Array = sums + largest[..., 0]
    return total


def normal_distribution(z: Array) -> Array:
    """P(z) = erfc(-z / sqrt(2)) / 2, to a relative 1e-14 in float64 for |z| < 7.

    In float32 it is (1 + tanh(z q(z^2))) / 2 with a polynomial q of degree 6, to an absolute 2e-7,
    which is much faster.
    """
    if z.dtype == np.float32:
        return _normal_distribution_in_single(z)
    x = np.minimum(np.abs(z), _FAR) * math.sqrt(0.5)
    t = (x - 4) / (x + 4)
    r = np.full_like(t, _POWERS[-1])
    for power in reversed(_POWERS[:-1]):
        r *= t
        r += power
    tail = 0.5 * r * np.exp(-x * x) / (1 + 2 * x)
    return np.where(z > 0, 1 - tail, tail)


_SINGLE = np.array(
    [
        0.7978845238685608,
        0.03633379563689232,
        -3.286102582933381e-05,
        -5.530911948881112e-05,
        3.977862888859818e-06,
        -1.3397354337030265e-07,
        1.8174983740237849e-09,
    ],
    np.float32,
)
"""The coefficients of q: a fit of artanh(2 P(z) - 1) / z in powers of z^2 up to 36 that minimizes
the largest error of z P(z)."""


def _normal_distribution_in_single(z: Array) -> Array:
    square = _square(z)
    square.clip(0, 36, out=square)  # np.minimum takes four times as long with one number
    p: Array = square * _SINGLE[-1]
    p += _SINGLE[-2]
    for power in _SINGLE[-3::-1]:
        p *= square
        p += power
    p *= z
    np.tanh(p, out=p)
    p *= 0.5
    p += 0.5
    return p


def normal_density(z: Array) -> Array:
    """p(z) = exp(-z^2 / 2) / sqrt(2 pi)."""
    p = _square(z)
    p *= -0.5
    np.exp(p, out=p)
    p *= 1 / math.sqrt(2 * math.pi)
    return p


def _square(z: Array) -> Array:
    """z^2; infinity where that is too large, which is right for what it is used for."""
    with np.errstate(over="ignore"):
        square: Array = z * z
    return square


def in_pieces(function: Callable[..., Array], *arrays: Array) -> Array:
    """function(*arrays), for arrays of one shape and a function of each of their numbers.

    Large arrays are worked on in pieces: what the function computes on the way then stays in cache,
    where it is read again at no cost.
    """
    size = arrays[0].size
    if size <= PIECE or not all(array.flags.c_contiguous for array in arrays):
        return function(*arrays)
    found = np.empty_like(arrays[0])
    out, *flat = (array.reshape(-1) for array in (found, *arrays))
    for start in range(0, size, PIECE):
        piece = slice(start, start + PIECE)
        out[piece] = function(*(array[piece] for array in flat))
    return found
