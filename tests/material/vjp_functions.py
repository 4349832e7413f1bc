"""Functions of several arrays with their vector-Jacobian products; arguments make these wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[..., Any]
Wrong = list[tuple[str, Function]]


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def random(*shapes: tuple[int, ...]) -> Function:
    """A factory of inputs of these shapes."""
    return lambda rng: tuple(np.asarray(rng.normal(size=s)) for s in shapes)


def softmax_back(s: Any, dy: Any) -> Any:
    return s * (dy - (dy * s).sum(axis=-1, keepdims=True))


def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
    centered = x - x.mean(axis=1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-5) * gain + bias


def layer_norm_vjp(dy: Any, x: Any, gain: Any, bias: Any, lost: str = "") -> Any:
    centered = x - x.mean(axis=1, keepdims=True)
    std = np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-5)
    xhat, d = centered / std, dy if lost == "gain" else dy * gain
    mean = 0 if lost == "mean" else d.mean(axis=1, keepdims=True)
    along = 0 if lost == "std" else xhat * (d * xhat).mean(axis=1, keepdims=True)
    dgain = dy.sum(axis=0) if lost == "xhat" else (dy * xhat).sum(axis=0)
    return (d - mean - along) / std, dgain, dy.sum(axis=0)


def conv1d(x: Any, w: Any) -> Any:
    n = len(x) - len(w) + 1
    return np.array([sum(x[i + j] * w[j] for j in range(len(w))) for i in range(n)])


def conv1d_vjp(dy: Any, x: Any, w: Any, wrong: str = "") -> Any:
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(len(dy)):
        for j in range(len(w)):
            kernel = w[len(w) - 1 - j] if wrong == "flipped" else w[j]
            dx[i + j] = dy[i] * kernel + (0 if wrong == "set" else dx[i + j])
            dw[j] += dy[i] * x[i if wrong == "offset" else i + j]
    return dx, dw


def attention(q: Any, k: Any, v: Any) -> Any:
    return softmax(q @ k.T / math.sqrt(q.shape[1])) @ v


def attention_vjp(dy: Any, q: Any, k: Any, v: Any, wrong: str = "") -> Any:
    scale = math.sqrt(q.shape[1])
    a = softmax(q @ k.T / scale)
    da = dy @ v.T
    ds = a * (1 - a) * da if wrong == "diagonal" else softmax_back(a, da)
    ds = ds if wrong == "scale" else ds / scale
    dk = ds @ q if wrong == "transposed" else ds.T @ q
    return ds @ k, dk, (a if wrong == "values" else a.T) @ dy


def solve_vjp(dy: Any, a: Any, b: Any, transpose: bool = True, sign: float = -1.0) -> Any:
    y = np.linalg.solve(a, b)
    db = np.linalg.solve(a.T if transpose else a, dy)
    return sign * np.outer(db, y), db


def square_inputs(rng: Any) -> Any:
    """A matrix that is well conditioned, and a vector."""
    return 3 * np.eye(4) + 0.5 * rng.normal(size=(4, 4)), rng.normal(size=4)


def square_input(rng: Any) -> Any:
    return square_inputs(rng)[:1]


def inverse_vjp(dy: Any, a: Any, transpose: bool = True, sign: float = -1.0) -> Any:
    y = np.linalg.inv(a)
    return (sign * (y.T @ dy @ y.T if transpose else y @ dy @ y),)


def dense(p: Any, x: Any) -> Any:
    return x @ p["weight"] + p["bias"]


def dense_inputs(rng: Any) -> Any:
    return {"weight": rng.normal(size=(3, 4)), "bias": rng.normal(size=4)}, rng.normal(size=(5, 3))


def dense_vjp(dy: Any, p: Any, x: Any, bias: Function = np.sum, scale: float = 1.0) -> Any:
    return {"weight": scale * x.T @ dy, "bias": bias(dy, axis=0)}, dy @ p["weight"].T


def gather_vjp(dy: Any, table: Any, rows: Any, add: bool = True) -> Any:
    d = np.zeros_like(table)
    if add:
        np.add.at(d, rows, dy)
    else:
        d[rows] = dy
    return d, None


def gather_inputs(rng: Any) -> Any:
    return rng.normal(size=(4, 3)), np.array([0, 2, 2, 3, 0])


def normalize_vjp(dy: Any, x: Any, projection: bool = True) -> Any:
    n = np.linalg.norm(x, axis=1, keepdims=True)
    y = x / n
    return ((dy - y * (dy * y).sum(axis=1, keepdims=True) if projection else dy) / n,)


def distances(a: Any, b: Any) -> Any:
    return ((a[:, None] - b[None]) ** 2).sum(axis=2)


def distances_vjp(dy: Any, a: Any, b: Any, factor: float = 2.0, sign: float = -1.0) -> Any:
    d = factor * dy[..., None] * (a[:, None] - b[None])
    return d.sum(axis=1), sign * d.sum(axis=0)


def cross_entropy(z: Any, labels: Any) -> Any:
    return -np.log(softmax(z)[np.arange(len(z)), labels]).mean()


def cross_entropy_vjp(dy: Any, z: Any, labels: Any, mean: bool = True, use_dy: bool = True) -> Any:
    d = softmax(z)
    d[np.arange(len(z)), labels] -= 1
    return d / (len(z) if mean else 1) * (dy if use_dy else 1), None


def labelled(rng: Any) -> Any:
    return rng.normal(size=(4, 3)), np.array([0, 2, 1, 2])


def max_vjp(dy: Any, x: Any, where: Function = np.argmax) -> Any:
    d = np.zeros_like(x)
    d[np.arange(len(x)), where(x, axis=1)] = dy
    return (d,)


def sort_vjp(dy: Any, x: Any, scatter: bool = True) -> Any:
    order = np.argsort(x)
    d = np.zeros_like(x)
    d[order] = dy
    return (d if scatter else dy[order],)


def power_vjp(dy: Any, x: Any, scale: float | None = None) -> Any:
    n = len(x) if scale is None else scale
    return (2 * n * np.fft.ifft(dy * np.fft.fft(x)).real,)


def pool_vjp(dy: Any, x: Any, share: float = 0.25) -> Any:
    return (share * dy.repeat(2, axis=0).repeat(2, axis=1),)


def rnn_step(p: Any, x: Any, h: Any) -> Any:
    return np.tanh(x @ p["input"] + h @ p["state"] + p["bias"])


def rnn_inputs(rng: Any) -> Any:
    p = {"input": rng.normal(size=(3, 4)), "state": rng.normal(size=(4, 4))}
    return {**p, "bias": rng.normal(size=4)}, rng.normal(size=(2, 3)), rng.normal(size=(2, 4))


def rnn_vjp(dy: Any, p: Any, x: Any, h: Any, wrong: str = "") -> Any:
    dz = dy if wrong == "slope" else dy * (1 - rnn_step(p, x, h) ** 2)
    dh = dz @ (p["state"] if wrong == "transposed" else p["state"].T)
    grads = {"input": x.T @ dz, "state": h.T @ dz, "bias": dz.sum(axis=0)}
    return grads, dz @ p["input"].T, dh


def batch_matmul_vjp(dy: Any, a: Any, b: Any, wrong: bool = False) -> Any:
    db = np.einsum("bij,bik->bjk" if not wrong else "bij,bkj->bik", a, dy)
    return np.einsum("bik,bjk->bij", dy, b), db


def variance_vjp(dy: Any, x: Any, ddof: int = 0) -> Any:
    return (2 * dy * (x - x.mean(axis=0)) / (len(x) - ddof),)


def where_inputs(rng: Any) -> Any:
    return np.array([True, False, True, True]), rng.normal(size=4), rng.normal(size=4)


def pair_inputs(rng: Any) -> Any:
    return ((rng.normal(size=(2, 3)), rng.normal(size=(2, 3))),)


def filter_vjp(dy: Any, x: Any, decay: Any, wrong: bool = False) -> Any:
    """Backward through y_t = decay y_(t-1) + x_t, in time."""
    y, dx, carry, ddecay = filtered(x, decay), np.zeros_like(x), 0.0, 0.0
    for t in reversed(range(len(x))):
        carry = dy[t] + (0.0 if wrong else decay * carry)
        dx[t] = carry
        ddecay += carry * y[t - 1] if t else 0.0
    return dx, np.asarray(ddecay)


def filtered(x: Any, decay: Any) -> Any:
    y = np.zeros_like(x)
    for t in range(len(x)):
        y[t] = x[t] + (decay * y[t - 1] if t else 0.0)
    return y
