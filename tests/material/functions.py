"""Plain functions with their derivatives, and what people write instead.

ELEMENTWISE has functions of one array, entry by entry, each defined for all real x and smooth but
for single points, with the derivative and wrong derivatives. VJPS has functions of several inputs
with the vector-Jacobian product `vjp(dy, *inputs)`, which returns a tuple: one gradient for each
input, in its own structure, None for inputs that are no real numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Function = Callable[..., Any]
Wrong = list[tuple[str, Function]]


from tests.material.elementwise import ELEMENTWISE
from tests.material.vjp_functions import (
    attention,
    attention_vjp,
    conv1d,
    conv1d_vjp,
    cross_entropy,
    cross_entropy_vjp,
    dense,
    dense_inputs,
    dense_vjp,
    distances,
    distances_vjp,
    filter_vjp,
    filtered,
    gather_inputs,
    gather_vjp,
    labelled,
    layer_norm,
    layer_norm_vjp,
    max_vjp,
    normalize_vjp,
    pair_inputs,
    pool_vjp,
    power_vjp,
    random,
    rnn_inputs,
    rnn_step,
    rnn_vjp,
    softmax,
    softmax_back,
    sort_vjp,
    variance_vjp,
    where_inputs,
)
from tests.material.vjps_of_matrices import MATRICES

__all__ = ["ELEMENTWISE", "VJPS"]

VJPS: list[tuple[str, Function, Function, Function, Wrong]] = [
    *MATRICES,
    (
        "softmax",
        softmax,
        lambda dy, x: (softmax_back(softmax(x), dy),),
        random((3, 4)),
        [
            (
                "only the diagonal of the Jacobian: s (1 - s)",
                lambda dy, x: (softmax(x) * (1 - softmax(x)) * dy,),
            ),
            (
                "summed over the batch, not the classes",
                lambda dy, x: (softmax(x) * (dy - (dy * softmax(x)).sum(axis=0)),),
            ),
        ],
    ),
    (
        "log softmax",
        lambda x: np.log(softmax(x)),
        lambda dy, x: (dy - softmax(x) * dy.sum(axis=1, keepdims=True),),
        random((3, 4)),
        [("dy is not summed: dy - s", lambda dy, x: (dy - softmax(x),))],
    ),
    (
        "layer norm",
        layer_norm,
        layer_norm_vjp,
        random((4, 5), (5,), (5,)),
        [
            ("the mean is taken for a constant", partial(layer_norm_vjp, lost="mean")),
            ("the deviation is taken for a constant", partial(layer_norm_vjp, lost="std")),
            ("the gain is lost in x's gradient", partial(layer_norm_vjp, lost="gain")),
            ("xhat is lost in the gain's gradient", partial(layer_norm_vjp, lost="xhat")),
        ],
    ),
    (
        "convolution of a series, by loops",
        conv1d,
        conv1d_vjp,
        random((7,), (3,)),
        [
            ("the kernel is flipped in x's gradient", partial(conv1d_vjp, wrong="flipped")),
            ("overlaps are set, not added up", partial(conv1d_vjp, wrong="set")),
            ("the kernel's gradient looks at x[i]", partial(conv1d_vjp, wrong="offset")),
        ],
    ),
    (
        "attention",
        attention,
        attention_vjp,
        random((4, 3), (4, 3), (4, 3)),
        [
            ("1 / sqrt(d) is lost", partial(attention_vjp, wrong="scale")),
            ("softmax's diagonal only", partial(attention_vjp, wrong="diagonal")),
            ("scores not transposed in k's", partial(attention_vjp, wrong="transposed")),
            ("weights not transposed in v's", partial(attention_vjp, wrong="values")),
        ],
    ),
    (
        "log-sum-exp of rows",
        lambda x: np.log(np.exp(x).sum(axis=1)),
        lambda dy, x: (softmax(x) * dy[:, None],),
        random((3, 4)),
        [
            ("dy is not multiplied in", lambda dy, x: (softmax(x),)),
            (
                "every entry has the same share",
                lambda dy, x: (np.broadcast_to(dy[:, None] / x.shape[1], x.shape).copy(),),
            ),
        ],
    ),
    (
        "a dense layer with a dictionary of parameters",
        dense,
        dense_vjp,
        dense_inputs,
        [
            ("the bias's gradient is averaged", partial(dense_vjp, bias=np.mean)),
            ("the weight's gradient is over the batch", partial(dense_vjp, scale=0.2)),
        ],
    ),
    (
        "concatenation of a tuple of arrays",
        lambda pair: np.concatenate(pair, axis=1),
        lambda dy, pair: ((dy[:, :3], dy[:, 3:]),),
        pair_inputs,
        [("the parts are in the wrong order", lambda dy, pair: ((dy[:, 3:], dy[:, :3]),))],
    ),
    (
        "rows of a table by number",
        lambda table, rows: table[rows],
        gather_vjp,
        gather_inputs,
        [("a row used twice is set, not added up", partial(gather_vjp, add=False))],
    ),
    (
        "mean of the rows",
        lambda x: x.mean(axis=0),
        lambda dy, x: (np.broadcast_to(dy / len(x), x.shape).copy(),),
        random((3, 4)),
        [
            ("not divided by the number", lambda dy, x: (np.broadcast_to(dy, x.shape).copy(),)),
            (
                "divided by the number of all entries",
                lambda dy, x: (np.broadcast_to(dy / x.size, x.shape).copy(),),
            ),
        ],
    ),
    (
        "variance of the columns",
        lambda x: x.var(axis=0),
        variance_vjp,
        random((4, 3)),
        [("divided by n - 1, not n", partial(variance_vjp, ddof=1))],
    ),
    (
        "Euclidean norm",
        np.linalg.norm,
        lambda dy, x: (dy * x / np.linalg.norm(x),),
        random((5,)),
        [
            ("the squared norm's gradient, 2 x", lambda dy, x: (2 * dy * x,)),
            ("divided by the norm squared", lambda dy, x: (dy * x / (x @ x),)),
        ],
    ),
    (
        "maximum of the rows",
        lambda x: x.max(axis=1),
        max_vjp,
        random((4, 5)),
        [
            ("all entries get dy", lambda dy, x: (np.broadcast_to(dy[:, None], x.shape).copy(),)),
            ("the smallest entry gets dy", partial(max_vjp, where=np.argmin)),
        ],
    ),
    (
        "running sum",
        np.cumsum,
        lambda dy, x: (np.cumsum(dy[::-1])[::-1].copy(),),
        random((6,)),
        [("not summed from the end", lambda dy, x: (np.cumsum(dy),))],
    ),
    (
        "axes in another order",
        lambda x: x.transpose(1, 2, 0),
        lambda dy, x: (dy.transpose(2, 0, 1),),
        random((3, 3, 3)),
        [("the same order, not the inverse one", lambda dy, x: (dy.transpose(1, 2, 0),))],
    ),
    (
        "a row added to a matrix",
        np.add,
        lambda dy, x, b: (dy.copy(), dy.sum(axis=0)),
        random((4, 4), (4,)),
        [
            ("summed over the features", lambda dy, x, b: (dy.copy(), dy.sum(axis=1))),
            ("a mean for the sum", lambda dy, x, b: (dy.copy(), dy.mean(axis=0))),
            ("one row of dy for the sum", lambda dy, x, b: (dy.copy(), dy[0].copy())),
        ],
    ),
    (
        "a matrix times a column",
        np.multiply,
        lambda dy, x, c: (dy * c, (dy * x).sum(axis=1, keepdims=True)),
        random((3, 4), (3, 1)),
        [
            ("the other factor is lost", lambda dy, x, c: (dy * c, dy.sum(axis=1, keepdims=True))),
            ("the gradient is not summed to c's shape", lambda dy, x, c: (dy * c, dy * x)),
        ],
    ),
    (
        "a choice by a mask",
        np.where,
        lambda dy, mask, a, b: (None, dy * mask, dy * ~mask),
        where_inputs,
        [("the mask is inverted", lambda dy, mask, a, b: (None, dy * ~mask, dy * mask))],
    ),
    (
        "a slice",
        lambda x: x[1:4],
        lambda dy, x: (np.pad(dy, (1, len(x) - 4)),),
        random((6,)),
        [("shifted by one", lambda dy, x: (np.pad(dy, (0, len(x) - 3)),))],
    ),
    (
        "rows of length 1",
        lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
        normalize_vjp,
        random((3, 4)),
        [("the length is taken for a constant", partial(normalize_vjp, projection=False))],
    ),
    (
        "squared distances of all pairs",
        distances,
        distances_vjp,
        random((3, 2), (4, 2)),
        [
            ("the factor 2 is lost", partial(distances_vjp, factor=1.0)),
            ("the sign of b's gradient is lost", partial(distances_vjp, sign=1.0)),
        ],
    ),
    (
        "cross-entropy of logits, a number",
        cross_entropy,
        cross_entropy_vjp,
        labelled,
        [
            ("not divided by the number of rows", partial(cross_entropy_vjp, mean=False)),
            ("dy is not multiplied in", partial(cross_entropy_vjp, use_dy=False)),
        ],
    ),
    (
        "power spectrum",
        lambda x: np.abs(np.fft.fft(x)) ** 2,
        power_vjp,
        random((6,)),
        [("ifft's 1 / n is not undone", partial(power_vjp, scale=1.0))],
    ),
    (
        "average pooling",
        lambda x: x.reshape(len(x) // 2, 2, x.shape[1] // 2, 2).mean(axis=(1, 3)),
        pool_vjp,
        random((4, 6)),
        [("not divided by the window's size", partial(pool_vjp, share=1.0))],
    ),
    (
        "one step of a recurrent layer",
        rnn_step,
        rnn_vjp,
        rnn_inputs,
        [
            ("tanh's derivative is lost", partial(rnn_vjp, wrong="slope")),
            ("the state's weight is not transposed", partial(rnn_vjp, wrong="transposed")),
        ],
    ),
    (
        "sorting",
        np.sort,
        sort_vjp,
        random((9,)),
        [("the order is applied again, not undone", partial(sort_vjp, scatter=False))],
    ),
    (
        "product of the rows",
        lambda x: x.prod(axis=1),
        lambda dy, x: (dy[:, None] * x.prod(axis=1, keepdims=True) / x,),
        random((3, 4)),
        [
            (
                "not divided by the entry",
                lambda dy, x: (dy[:, None] * x.prod(1, keepdims=True) + 0 * x,),
            )
        ],
    ),
    (
        "a scalar times an array",
        lambda a, x: a * x,
        lambda dy, a, x: (np.asarray((dy * x).sum()), dy * a),
        random((), (3, 2)),
        [
            (
                "the scalar's gradient is averaged",
                lambda dy, a, x: (np.asarray((dy * x).mean()), dy * a),
            )
        ],
    ),
    (
        "a recursive filter",
        filtered,
        filter_vjp,
        random((6,), ()),
        [("nothing is carried back in time", partial(filter_vjp, wrong=True))],
    ),
]
