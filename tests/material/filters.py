"""Layers over time that leak, smooth, normalize or convolve."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from tests.planting import Bug, Specimen


def sigmoid(z: Array) -> Array:
    a: Array = 1 / (1 + np.exp(-z))
    return a


class LeakyIntegrator(mt.Layer):
    """h = (1 - alpha) h + alpha tanh(x W + h U), alpha = sigmoid(leak) for each unit."""

    parameter_names = ("w", "u", "leak")

    def __init__(self, units: int = 3) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.w = rng.normal(0, 0.6, (input_shape[1], self.units)).astype(dtype)
        self.u = rng.normal(0, 0.6, (self.units, self.units)).astype(dtype)
        self.leak = np.zeros(self.units, dtype)
        return (input_shape[0], self.units)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        alpha = sigmoid(self.leak)
        h = np.zeros((x.shape[1] + 1, len(x), self.units), x.dtype)
        a = np.empty_like(h[1:])
        for t in range(x.shape[1]):
            a[t] = np.tanh(x[:, t] @ self.w + h[t] @ self.u)
            h[t + 1] = (1 - alpha) * h[t] + alpha * a[t]
        return h[1:].swapaxes(0, 1).copy(), (x, h, a, alpha)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, h, a, alpha = cache
        dx = np.zeros_like(x)
        dw, du, dalpha = np.zeros_like(self.w), np.zeros_like(self.u), np.zeros_like(self.leak)
        dh = np.zeros_like(h[0])
        for t in range(len(a) - 1, -1, -1):
            dh = dh + dy[:, t]
            dalpha += (dh * (a[t] - h[t])).sum(axis=0)
            dz = dh * alpha * (1 - a[t] ** 2)
            dw += x[:, t].T @ dz
            du += h[t].T @ dz
            dx[:, t] = dz @ self.w.T
            dh = dh * (1 - alpha) + dz @ self.u.T
        return dx, {"w": dw, "u": du, "leak": dalpha * alpha * (1 - alpha)}


class ExponentialSmoothing(mt.Layer):
    """s_0 = x_0, s_t = r s_(t-1) + (1 - r) x_t, with a learned rate r for each feature."""

    parameter_names = ("logit",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.logit = np.zeros(input_shape[1:], dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        r, s = sigmoid(self.logit), x.copy()
        for t in range(1, x.shape[1]):
            s[:, t] = r * s[:, t - 1] + (1 - r) * x[:, t]
        return s, (x, s, r)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, s, r = cache
        ds = dy.copy()
        for t in range(x.shape[1] - 1, 0, -1):
            ds[:, t - 1] += r * ds[:, t]
        dr = (ds[:, 1:] * (s[:, :-1] - x[:, 1:])).sum(axis=(0, 1))
        dx = (1 - r) * ds
        dx[:, 0] = ds[:, 0]
        return dx, {"logit": dr * r * (1 - r)}


class NormalizedRNN(mt.Layer):
    """h = tanh(gain * normalize(x W + h U)), normalized over the units; the mean of all states."""

    parameter_names = ("w", "u", "gain")

    def __init__(self, units: int = 4, epsilon: float = 1e-3) -> None:
        self.units, self.epsilon = units, epsilon

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.w = rng.normal(size=(input_shape[1], self.units)).astype(dtype)
        self.u = rng.normal(0, 0.5, (self.units, self.units)).astype(dtype)
        self.gain = np.ones(self.units, dtype)
        return (self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        h = np.zeros((len(x), self.units), x.dtype)
        total, tape = np.zeros_like(h), []
        for xt in np.moveaxis(x, 1, 0):
            z = xt @ self.w + h @ self.u
            deviation = np.sqrt(z.var(axis=1, keepdims=True) + self.epsilon)
            unit = (z - z.mean(axis=1, keepdims=True)) / deviation
            before, h = h, np.tanh(self.gain * unit)
            tape.append((xt, before, unit, deviation, h))
            total += h
        return total / x.shape[1], tape

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dw, du, dgain = (np.zeros_like(p) for p in (self.w, self.u, self.gain))
        dxs: list[Array] = []
        share = dy / len(cache)
        dh = np.zeros_like(dy)
        for xt, before, unit, deviation, h in cache[::-1]:
            da = (dh + share) * (1 - h * h)
            dgain += (da * unit).sum(axis=0)
            dunit = da * self.gain
            dz = dunit - dunit.mean(axis=1, keepdims=True)
            dz -= unit * (dunit * unit).mean(axis=1, keepdims=True)
            dz /= deviation
            dw += xt.T @ dz
            du += before.T @ dz
            dxs.insert(0, dz @ self.w.T)
            dh = dz @ self.u.T
        return np.stack(dxs, axis=1), {"w": dw, "u": du, "gain": dgain}


class GatedConvolution(mt.Layer):
    """A causal convolution over time with a gate: (x * w) sigmoid(x * v), as in WaveNet."""

    parameter_names = ("w", "v", "gate_bias")

    def __init__(self, channels: int = 2, width: int = 3) -> None:
        self.channels, self.width = channels, width

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        steps, d = input_shape
        self.w, self.v = rng.normal(0, 0.5, (2, self.width, d, self.channels)).astype(dtype)
        self.gate_bias = np.zeros(self.channels, dtype)
        return (steps, self.channels)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        steps = x.shape[1]
        padded = np.pad(x, ((0, 0), (self.width - 1, 0), (0, 0)))
        a = sum(padded[:, k : k + steps] @ self.w[k] for k in range(self.width))
        b = sum(padded[:, k : k + steps] @ self.v[k] for k in range(self.width))
        s = sigmoid(b + self.gate_bias)
        return a * s, (padded, a, s)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        padded, a, s = cache
        steps = dy.shape[1]
        da, db = dy * s, dy * a * s * (1 - s)
        dw, dv, dpadded = np.empty_like(self.w), np.empty_like(self.v), np.zeros_like(padded)
        for k in range(self.width):
            piece = padded[:, k : k + steps]
            dw[k] = np.einsum("mti,mtj->ij", piece, da)
            dv[k] = np.einsum("mti,mtj->ij", piece, db)
            dpadded[:, k : k + steps] += da @ self.w[k].T + db @ self.v[k].T
        dx = dpadded[:, self.width - 1 :]
        return dx, {"w": dw, "v": dv, "gate_bias": db.sum(axis=(0, 1))}


class LinearStateSpace(mt.Layer):
    """h = a h + x B, y = h C + d x: a diagonal state-space layer, without anything nonlinear."""

    parameter_names = ("a", "b", "c", "d")

    def __init__(self, states: int = 4) -> None:
        self.states = states

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        features = input_shape[1]
        self.a = np.linspace(0.3, 0.9, self.states).astype(dtype)
        self.b = rng.normal(0, 0.5, (features, self.states)).astype(dtype)
        self.c = rng.normal(0, 0.5, (self.states, features)).astype(dtype)
        self.d = np.ones(features, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        h = x @ self.b
        for t in range(1, x.shape[1]):
            h[:, t] += self.a * h[:, t - 1]
        return h @ self.c + self.d * x, (x, h)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, h = cache
        dh = dy @ self.c.T
        for t in range(x.shape[1] - 2, -1, -1):
            dh[:, t] += self.a * dh[:, t + 1]
        return dh @ self.b.T + self.d * dy, {
            "a": (dh[:, 1:] * h[:, :-1]).sum(axis=(0, 1)),
            "b": np.einsum("mti,mtj->ij", x, dh),
            "c": np.einsum("mti,mtj->ij", h, dy),
            "d": (x * dy).sum(axis=(0, 1)),
        }


SPECIMENS: list[Specimen] = [
    Specimen(
        LinearStateSpace,
        lambda cls: Case(cls(), (5, 2), 2),
        (
            Bug(
                "the skip path d x is missing in dx",
                " + self.d * dy, {",
                ", {",
            ),
            Bug("the skip path counts as 1: right while d is 1", " + self.d * dy, {", " + dy, {"),
            Bug(
                "the state's gradient is not carried back in time",
                "dh[:, t] += self.a * dh[:, t + 1]",
                "pass",
            ),
            Bug(
                "the way back runs forward in time",
                "for t in range(x.shape[1] - 2, -1, -1)",
                "for t in range(x.shape[1] - 1)",
            ),
            Bug(
                "the decay's gradient pairs each step with its own state",
                "dh[:, 1:] * h[:, :-1]",
                "dh * h",
            ),
            Bug(
                "the way back stops one step early: step 0 misses what follows",
                "- 2, -1, -1)",
                "- 2, 0, -1)",
            ),
        ),
    ),
    Specimen(
        LeakyIntegrator,
        lambda cls: Case(cls(), (4, 2), 3),
        (
            Bug(
                "the leak's own path is missing: right for alpha = 1",
                "dh = dh * (1 - alpha) + dz",
                "dh = dz",
            ),
            Bug(
                "the old state's path takes alpha for 1 - alpha: right while alpha is 0.5",
                "dh = dh * (1 - alpha) + dz",
                "dh = dh * alpha + dz",
            ),
            Bug("the leak's gradient forgets the old state", "(a[t] - h[t])", "a[t]"),
            Bug(
                "sigmoid' of the leak is 1/4: right while leak is 0",
                "dalpha * alpha * (1 - alpha)",
                "dalpha / 4",
            ),
        ),
    ),
    Specimen(
        ExponentialSmoothing,
        lambda cls: Case(cls(), (4, 3), 2),
        (
            Bug(
                "the first step is weighted by 1 - r as the others are",
                "dx[:, 0] = ds[:, 0]",
                "pass",
            ),
            Bug("the first step's gradient is forgotten", "dx[:, 0] = ds[:, 0]", "dx[:, 0] = 0"),
            Bug(
                "the rate's path through the state before is missing",
                "(ds[:, 1:] * (s",
                "(dy[:, 1:] * (s",
            ),
            Bug(
                "the derivative is with respect to the rate, not its logit",
                "dr * r * (1 - r)",
                "dr",
            ),
            Bug("the running sum is written into dy", "ds = dy.copy()", "ds = dy"),
        ),
    ),
    Specimen(
        NormalizedRNN,
        lambda cls: Case(cls(), (3, 2), 3),
        (
            Bug(
                "the mean's path is missing in the normalization's derivative",
                "dz = dunit - dunit.mean(axis=1, keepdims=True)",
                "dz = dunit.copy()",
            ),
            Bug(
                "the variance's path is missing",
                "dz -= unit * (dunit * unit).mean(axis=1, keepdims=True)",
                "pass",
            ),
            Bug(
                "the normalization's mean is taken over the batch in backward",
                "dunit.mean(axis=1, keepdims=True)",
                "dunit.mean(axis=0, keepdims=True)",
            ),
            Bug("the gain is skipped: right while it is 1", "dunit = da * self.gain", "dunit = da"),
            Bug(
                "the mean over the states is not divided: dy counts whole at each",
                "share = dy / len(cache)",
                "share = dy",
            ),
            Bug(
                "only the last state gets the outputs' gradient",
                "dh = dz @ self.u.T",
                "dh, share = dz @ self.u.T, 0 * share",
            ),
        ),
    ),
    Specimen(
        GatedConvolution,
        lambda cls: Case(cls(), (4, 2), 3),
        (
            Bug("the kernel is flipped in dx", "da @ self.w[k].T", "da @ self.w[-1 - k].T"),
            Bug(
                "the padding is cut off at the wrong end",
                "dpadded[:, self.width - 1 :]",
                "dpadded[:, :steps]",
            ),
            Bug(
                "overlapping windows overwrite one another in dx",
                "dpadded[:, k : k + steps] +=",
                "dpadded[:, k : k + steps] =",
            ),
            Bug("the gate's path is missing in dx", " + db @ self.v[k].T", ""),
            Bug(
                "the gate's bias counts the first step only",
                "db.sum(axis=(0, 1))",
                "db[:, 0].sum(axis=0)",
            ),
            Bug(
                "the gate's derivative is at the output, not the gate",
                "dy * a * s * (1 - s)",
                "dy * a * s * (1 - a * s)",
            ),
        ),
    ),
]
