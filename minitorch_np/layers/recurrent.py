"""Recurrent layers: they read a sequence step by step, and pass a state from step to step.

At each step the layer computes the next state from one vector of the sequence and the previous
state, with the same weights at every step. The backward pass goes from the last step to the first:
the gradient from a step's own output is added to the gradient from the next step.

Sequences are (m, steps, features) outside. Inside, steps come first: each step is then contiguous
in memory, and the inputs of all steps are multiplied by the weights in a single product. In float32
a sigmoid is computed as (1 + tanh(z / 2)) / 2, which takes half the time; in float64, as 1 / (1 +
exp(-z)), which is accurate also for a gate that is nearly closed. In both cases the weights are
multiplied by the factor 1/2 beforehand.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.room import require_parameters
from minitorch_np.core.sequences import Mask
from minitorch_np.core.shapes import require_gradient, require_input, require_trailing
from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.layers.packing import Packing
from minitorch_np.validation import choice, flag, whole

BEFORE = (
    ": a recurrent layer before it needs return_sequences=True; put Reshape((-1, 1)) before it if "
    "each sample is a row of numbers"
)


class Recurrent(Layer):
    """The base of recurrent layers: h_t = cell(x_t, h_(t - 1)), starting from zeros.

    x is (m, steps, features). The output is the last state, (m, units), or with `return_sequences`
    all of them, (m, steps, units). With `go_backwards` the sequence is read from its end: the last
    state is then that of the first step. Outputs are in the order of the inputs, as in PyTorch.
    Masked steps do not change the state and give zeros, as in PyTorch's packed sequences; a
    sequence of masked steps only ends in zeros.

    Parameters have PyTorch's names and shapes: `weight_ih_l0` (n units, features), `weight_hh_l0`
    (n units, units), `bias_ih_l0` and `bias_hh_l0` (n units,), for n gates; they start uniform over
    +-1 / sqrt(units). A subclass defines `n_gates`, `run` and `run_back`.
    """

    parameter_names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weight_ih_l0: Array
    weight_hh_l0: Array
    bias_ih_l0: Array
    bias_hh_l0: Array
    n_gates: int
    n_states = 1
    takes_mask = takes_state = True

    def __init__(
        self, units: int, return_sequences: bool = False, go_backwards: bool = False
    ) -> None:
        self.units = whole(self, "units", units)
        self.return_sequences = flag(self, "return_sequences", return_sequences)
        self.go_backwards = flag(self, "go_backwards", go_backwards)
        self.stateless = "begins at the end of a sequence" if go_backwards else ""

    @abstractmethod
    def run(self, z: Array, start: Array) -> tuple[Array, Any]:
        """All states (steps + 1, m, units) and the cache, from the products with the inputs, z.

        z is (steps, m, n units), without any bias, and may be changed; `start` is (n_states, m,
        units). The cache ends in the last state, in the shape of `start`.
        """

    @abstractmethod
    def run_back(self, dy: Array, hs: Array, cache: Any) -> tuple[Array, Array]:
        """The gradients of the products with the inputs' and with the state's weights.

        dy is (steps, m, units), or (1, m, units) for the last step's only; both results are (steps,
        m, n units), and may be the same array.
        """

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if len(input_shape) != 2:
            raise ShapeError(
                f"{self!r}: expected samples of shape (steps, features), got {input_shape}"
                + (BEFORE if len(input_shape) == 1 else "")
            )
        rows, limit = self.n_gates * self.units, self.units**-0.5
        shapes = [(rows, input_shape[1]), (rows, self.units), (rows,), (rows,)]
        for name, shape in zip(self.parameter_names, shapes, strict=True):
            require_parameters(repr(self), shape)
            setattr(self, name, rng.uniform(-limit, limit, shape).astype(dtype))
        return (input_shape[0], self.units) if self.return_sequences else (self.units,)

    def forward(
        self,
        x: Array,
        *,
        train: bool = False,
        rng: Generator | None = None,
        mask: Mask = None,
        state: Any = None,
    ) -> Forward:
        require_input(self, x)
        xs = np.ascontiguousarray((x[:, ::-1] if self.go_backwards else x).transpose(1, 0, 2))
        packing = None
        if mask is not None:
            packing = Packing.of(mask[:, ::-1] if self.go_backwards else mask)
            xs = packing.pack(xs)
        hs, cache = self.run(self._products(xs), self._start(x, state))
        if packing is not None:
            np.copyto(hs[1:], 0, where=~packing.counts)  # what the padding gave
        return self._outputs(hs, packing), (xs, hs, cache, packing)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Backward:
        xs, hs, own, packing = cache
        require_gradient(self, dy, (xs.shape[1], *self.output_shape))
        if self.return_sequences:
            dys = (dy[:, ::-1] if self.go_backwards else dy).transpose(1, 0, 2)
            dys = dys if packing is None else packing.pack(dys)
        else:
            dys = dy[np.newaxis] if packing is None else packing.at_last(dy)
        inputs, states = self.run_back(dys, hs, own)
        flat, rows = inputs.reshape(-1, inputs.shape[2]), states.reshape(-1, states.shape[2])
        gradients = {
            "weight_ih_l0": flat.T @ xs.reshape(-1, xs.shape[2]),
            "weight_hh_l0": rows.T @ hs[:-1].reshape(-1, self.units),
            "bias_ih_l0": flat.sum(axis=0),
            "bias_hh_l0": rows.sum(axis=0),
        }
        if not need_dx:
            return None, gradients
        dxs = (flat @ self.weight_ih_l0).reshape(xs.shape)
        dx = (dxs if packing is None else packing.unpack(dxs)).transpose(1, 0, 2)
        return (dx[:, ::-1] if self.go_backwards else dx), gradients

    def step(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        if self.go_backwards:
            raise ConfigurationError(
                f"{self!r}.step: expected a layer that reads from the start, got one that begins "
                "at the end of a sequence"
            )
        require_trailing(self, x)
        xs = np.ascontiguousarray(x.transpose(1, 0, 2))
        hs, cache = self.run(self._products(xs), self._start(x, state))
        return self._outputs(hs), cache[-1]

    def state_of(self, cache: Any) -> Any:
        return cache[2][-1].copy()

    def _start(self, x: Array, state: Any) -> Array:
        """The state before the first step: the given one, or zeros."""
        if state is None:
            return np.zeros((self.n_states, len(x), self.units), x.dtype)
        if state.shape[1] != len(x):
            raise DataError(
                f"{self!r}: expected a state of {len(x)} sequences, as the batch, got one of "
                f"{state.shape[1]}"
            )
        start: Array = state
        return start

    def _products(self, xs: Array) -> Array:
        """All steps' products with the inputs' weights, with halves where sigmoids follow."""
        weight = self.weight_ih_l0 * self._halves()[:, np.newaxis]
        z: Array = (xs.reshape(-1, xs.shape[2]) @ weight.T).reshape(*xs.shape[:2], -1)
        return z

    def _halves(self) -> Array:
        """1/2 for each row whose gate is a sigmoid, else 1."""
        return np.ones(len(self.bias_ih_l0), self.dtype)

    def _outputs(self, hs: Array, packing: Packing | None = None) -> Array:
        if not self.return_sequences:
            last: Array = hs[-1].copy() if packing is None else packing.last(hs)
            return last
        ys = hs[1:] if packing is None else packing.unpack(hs[1:])
        y: Array = (ys[::-1] if self.go_backwards else ys).transpose(1, 0, 2)
        return y


def _sigmoids(halves: Array) -> None:
    """sigmoid(2 z) for z, in place."""
    if halves.dtype == np.float64:
        np.maximum(halves, -350, out=halves)
        halves *= -2
        np.exp(halves, out=halves)
        halves += 1
        np.reciprocal(halves, out=halves)
    else:
        np.tanh(halves, out=halves)
        halves *= 0.5
        halves += 0.5


class SimpleRNN(Recurrent):
    """h_t = g(W_ih x_t + b_ih + W_hh h_(t - 1) + b_hh), with g tanh or, by `activation`, "relu".

    PyTorch's RNN. Shapes and arguments as in every Recurrent. With a_t the gradient of h_t, that of
    the sum in brackets is da_t = a_t g', and a_(t - 1) receives da_t W_hh. Raises
    ConfigurationError for arguments that have no meaning, ShapeError for samples that are not
    (steps, features). Source: Elman 1990, "Finding structure in time".
    """

    n_gates = 1

    def __init__(
        self,
        units: int,
        return_sequences: bool = False,
        go_backwards: bool = False,
        activation: str = "tanh",
    ) -> None:
        super().__init__(units, return_sequences, go_backwards)
        self.activation = choice(self, "activation", activation, ("tanh", "relu"))

    def run(self, z: Array, start: Array) -> tuple[Array, Any]:
        hs = np.empty((len(z) + 1, *z.shape[1:]), z.dtype)
        hs[0], weight = start[0], self.weight_hh_l0.T
        z += self.bias_ih_l0 + self.bias_hh_l0
        for t, h in enumerate(hs[1:]):
            np.add(z[t], hs[t] @ weight, out=h)
            if self.activation == "tanh":
                np.tanh(h, out=h)
            else:
                np.maximum(h, 0, out=h)
        return hs, (hs[-1:],)

    def run_back(self, dy: Array, hs: Array, cache: Any) -> tuple[Array, Array]:
        dz = 1 - np.square(hs[1:]) if self.activation == "tanh" else np.sign(hs[1:])
        dh: Array = dy[-1]
        for t in range(len(dz) - 1, -1, -1):
            dz[t] *= dh
            if t:
                dh = dz[t] @ self.weight_hh_l0
                if len(dy) > 1:
                    dh += dy[t - 1]
        return dz, dz


class LSTM(Recurrent):
    """Long short-term memory: c_t = f c_(t - 1) + i g, h_t = o tanh(c_t), with four gates.

    i, f, o = sigmoid and g = tanh of W_ih x_t + b_ih + W_hh h_(t - 1) + b_hh, in PyTorch's order i,
    f, g, o. Shapes and arguments as in every Recurrent. The cell c is carried on by a product and a
    sum, so that its gradient is only multiplied by f on the way back. Raises ConfigurationError for
    arguments that have no meaning, ShapeError for samples that are not (steps, features). Sources:
    Hochreiter and Schmidhuber 1997; Gers et al. 2000.
    """

    n_gates, n_states = 4, 2

    def _halves(self) -> Array:
        return np.repeat(np.array([0.5, 0.5, 1, 0.5], self.dtype), self.units)

    def run(self, z: Array, start: Array) -> tuple[Array, Any]:
        n, halves = self.units, self._halves()
        hs, cs = (np.empty((len(z) + 1, z.shape[1], n), z.dtype) for _ in range(2))
        tanhs = np.empty((len(z), z.shape[1], n), z.dtype)
        hs[0], cs[0] = start
        weight, rest = (self.weight_hh_l0 * halves[:, np.newaxis]).T, 1 - halves
        z += (self.bias_ih_l0 + self.bias_hh_l0) * halves
        for t in range(len(z)):
            a = z[t]
            a += hs[t] @ weight
            i, f, g, o = a[:, :n], a[:, n : 2 * n], a[:, 2 * n : 3 * n], a[:, 3 * n :]
            if a.dtype == np.float64:
                candidate = np.tanh(g)
                _sigmoids(a)
                g[...] = candidate
            else:  # one call of tanh for all four gates
                np.tanh(a, out=a)
                a *= halves
                a += rest
            np.multiply(f, cs[t], out=cs[t + 1])
            cs[t + 1] += i * g
            np.tanh(cs[t + 1], out=tanhs[t])
            np.multiply(o, tanhs[t], out=hs[t + 1])
        return hs, (z, cs, tanhs, np.stack([hs[-1], cs[-1]]))

    def run_back(self, dy: Array, hs: Array, cache: Any) -> tuple[Array, Array]:
        gates, cs, tanhs, _ = cache
        n, dz = self.units, np.empty_like(gates)
        dh: Array = dy[-1]
        dc = np.zeros_like(cs[0])
        for t in range(len(dz) - 1, -1, -1):
            a, d, tanh = gates[t], dz[t], tanhs[t]
            i, f, g, o = a[:, :n], a[:, n : 2 * n], a[:, 2 * n : 3 * n], a[:, 3 * n :]
            dc += dh * o * (1 - tanh * tanh)
            np.subtract(1, a, out=d)  # a (1 - a), the sigmoids' slopes
            d *= a
            d[:, :n] *= dc * g
            d[:, n : 2 * n] *= dc * cs[t]
            d[:, 2 * n : 3 * n] = dc * i * (1 - g * g)
            d[:, 3 * n :] *= dh * tanh
            if t:
                dc *= f
                dh = d @ self.weight_hh_l0
                if len(dy) > 1:
                    dh += dy[t - 1]
        return dz, dz


class GRU(Recurrent):
    """Gated recurrent unit: h_t = (1 - z) n + z h_(t - 1), with the gates r, z and the candidate n.

    r, z = sigmoid(W_ih x_t + b_ih + W_hh h_(t - 1) + b_hh), n = tanh(W_in x_t + b_in + r (W_hn h_(t
    - 1) + b_hn)), in the order r, z, n, as in PyTorch (and in Keras with reset_after). Shapes and
    arguments as in every Recurrent. Raises ConfigurationError for arguments that have no meaning,
    ShapeError for samples that are not (steps, features). Source: Cho et al. 2014
    (arXiv:1406.1078).
    """

    n_gates = 3

    def _halves(self) -> Array:
        return np.repeat(np.array([0.5, 0.5, 1], self.dtype), self.units)

    def run(self, z: Array, start: Array) -> tuple[Array, Any]:
        n, two, halves = self.units, 2 * self.units, self._halves()
        hs = np.empty((len(z) + 1, z.shape[1], n), z.dtype)
        inner = np.empty((len(z), z.shape[1], n), z.dtype)  # W_hn h + b_hn
        hs[0], weight = start[0], (self.weight_hh_l0 * halves[:, np.newaxis]).T
        bias = self.bias_ih_l0 * halves
        bias[:two] += self.bias_hh_l0[:two] * 0.5
        z += bias
        for t, a in enumerate(z):
            products = hs[t] @ weight
            gates, candidate = a[:, :two], a[:, two:]
            gates += products[:, :two]
            _sigmoids(gates)
            np.add(products[:, two:], self.bias_hh_l0[two:], out=inner[t])
            candidate += a[:, :n] * inner[t]
            np.tanh(candidate, out=candidate)
            h = np.subtract(hs[t], candidate, out=hs[t + 1])
            h *= a[:, n:two]
            h += candidate
        return hs, (z, inner, hs[-1:])

    def run_back(self, dy: Array, hs: Array, cache: Any) -> tuple[Array, Array]:
        gates, inner, _ = cache
        n, two = self.units, 2 * self.units
        inputs, states = np.empty_like(gates), np.empty_like(gates)
        dh: Array = dy[-1]
        for t in range(len(gates) - 1, -1, -1):
            a, d = gates[t], inputs[t]
            r, z, candidate = a[:, :n], a[:, n:two], a[:, two:]
            np.subtract(1, a, out=d)
            d[:, two:] = dh * d[:, n:two] * (1 - candidate * candidate)
            d[:, :two] *= a[:, :two]
            d[:, :n] *= d[:, two:] * inner[t]
            d[:, n:two] *= dh * (hs[t] - candidate)
            states[t, :, :two] = d[:, :two]
            np.multiply(d[:, two:], r, out=states[t, :, two:])
            if t:
                dh = dh * z
                dh += states[t] @ self.weight_hh_l0
                if len(dy) > 1:
                    dh += dy[t - 1]
        return inputs, states
