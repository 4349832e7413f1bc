"""PlainLinear algebra with its vector-Jacobian products, right and wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Function = Callable[..., Any]
Wrong = list[tuple[str, Function]]


from tests.material.vjp_functions import (
    batch_matmul_vjp,
    inverse_vjp,
    random,
    solve_vjp,
    square_input,
    square_inputs,
)

MATRICES: list[tuple[str, Function, Function, Function, Wrong]] = [
    (
        "matmul",
        np.matmul,
        lambda dy, a, b: (dy @ b.T, a.T @ dy),
        random((4, 4), (4, 4)),
        [
            ("b is not transposed in the gradient of a", lambda dy, a, b: (dy @ b, a.T @ dy)),
            ("the gradients are in the wrong order", lambda dy, a, b: (a.T @ dy, dy @ b.T)),
            ("the factors of b's gradient are swapped", lambda dy, a, b: (dy @ b.T, dy @ a.T)),
        ],
    ),
    (
        "matmul of matrices that are not square",
        np.matmul,
        lambda dy, a, b: (dy @ b.T, a.T @ dy),
        random((4, 3), (3, 5)),
        [("the gradient of b is averaged", lambda dy, a, b: (dy @ b.T, a.T @ dy / len(a)))],
    ),
    (
        "a batch of products by einsum",
        lambda a, b: np.einsum("bij,bjk->bik", a, b),
        batch_matmul_vjp,
        random((2, 3, 3), (2, 3, 3)),
        [("indices of b's gradient are mixed up", partial(batch_matmul_vjp, wrong=True))],
    ),
    (
        "outer product",
        np.outer,
        lambda dy, a, b: (dy @ b, dy.T @ a),
        random((4,), (4,)),
        [("dy is not transposed in b's gradient", lambda dy, a, b: (dy @ b, dy @ a))],
    ),
    (
        "the solution of linear equations",
        np.linalg.solve,
        solve_vjp,
        square_inputs,
        [
            ("solved with a, not its transpose", partial(solve_vjp, transpose=False)),
            ("the sign of a's gradient is lost", partial(solve_vjp, sign=1.0)),
        ],
    ),
    (
        "quadratic form",
        lambda x, a: x @ a @ x,
        lambda dy, x, a: (dy * (a + a.T) @ x, dy * np.outer(x, x)),
        random((4,), (4, 4)),
        [
            (
                "2 a x, as if a were symmetric",
                lambda dy, x, a: (2 * dy * a @ x, dy * np.outer(x, x)),
            ),
            ("dy is lost in a's gradient", lambda dy, x, a: (dy * (a + a.T) @ x, np.outer(x, x))),
        ],
    ),
    (
        "inverse of a matrix",
        np.linalg.inv,
        inverse_vjp,
        square_input,
        [
            ("the inverse is not transposed", partial(inverse_vjp, transpose=False)),
            ("the sign is lost", partial(inverse_vjp, sign=1.0)),
        ],
    ),
    (
        "determinant",
        np.linalg.det,
        lambda dy, a: (dy * np.linalg.det(a) * np.linalg.inv(a).T,),
        square_input,
        [
            (
                "the inverse is not transposed",
                lambda dy, a: (dy * np.linalg.det(a) * np.linalg.inv(a),),
            ),
            ("the determinant is lost", lambda dy, a: (dy * np.linalg.inv(a).T,)),
        ],
    ),
    (
        "trace of a product",
        lambda a, b: np.trace(a @ b),
        lambda dy, a, b: (dy * b.T, dy * a.T),
        random((3, 3), (3, 3)),
        [("nothing is transposed", lambda dy, a, b: (dy * b, dy * a))],
    ),
    (
        "logarithm of a determinant",
        lambda a: np.linalg.slogdet(a)[1],
        lambda dy, a: (dy * np.linalg.inv(a).T,),
        square_input,
        [("the inverse is not transposed", lambda dy, a: (dy * np.linalg.inv(a),))],
    ),
]
