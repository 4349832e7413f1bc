"""Attention: each step of a sequence looks at the others and takes what it needs.

From each step three vectors are made: a query, a key and a value. A step's output is a mean of all
values, weighted by how well their keys go with its query. Several heads do so side by side, each
with vectors of its own. In a causal layer a step sees itself and what is before it, so that a model
can be trained to foretell the next step at every place at once.

Queries, keys and values are views of one product. Step by step, the keys and values of the steps so
far are the state (the "key-value cache"): a new step then costs one row and not all of them.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.room import require_parameters
from minitorch_np.core.shapes import require_gradient, require_input, require_trailing
from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.initializers import glorot_uniform
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.positions import turned
from minitorch_np.validation import flag, require, share, whole


class MultiHeadAttention(Layer):
    """y = W_o [head_1, ..., head_h] + b_o with head = softmax(q k.T / sqrt(n)) v: self-attention.

    x and y are (m, steps, width), n = width / `heads`. q, k and v are slices of W x + b:

    - `in_proj_weight` W is (3 width, width) and `in_proj_bias` (3 width,), rows for q, k, v in this
      order; `out_proj.weight` is (width, width), `out_proj.bias` (width,): PyTorch's names;
    - with `causal`, a step sees itself and the steps before it;
    - `key_value_heads`, a divisor of heads, are shared by several query heads each: W then has
      (heads + 2 key_value_heads) n rows (Ainslie et al. 2023, arXiv:2305.13245);
    - `rotary` turns queries and keys as RotaryPositions does;
    - `dropout` is the rate of Dropout on the softmax.

    With a the softmax and da = dy v.T, the gradient of the scores is a (da - the sum of a da).
    Raises ConfigurationError for arguments that have no meaning, ShapeError for samples that are
    not (steps, width) or a width that the heads do not divide. Source: Vaswani et al. 2017
    (arXiv:1706.03762).
    """

    parameter_names: tuple[str, ...] = ("in_proj_weight", "in_proj_bias")
    in_proj_weight: Array
    in_proj_bias: Array

    def __init__(
        self,
        heads: int,
        causal: bool = False,
        dropout: float = 0.0,
        key_value_heads: int | None = None,
        rotary: bool = False,
        use_bias: bool = True,
    ) -> None:
        self.heads = whole(self, "heads", heads)
        self.causal, self.rotary = flag(self, "causal", causal), flag(self, "rotary", rotary)
        self.dropout, self.use_bias = (
            share(self, "dropout", dropout),
            flag(self, "use_bias", use_bias),
        )
        self.key_value_heads = key_value_heads
        shared = heads if key_value_heads is None else key_value_heads
        self._shared = whole(self, "key_value_heads", shared)
        right = self.heads % self._shared == 0
        require(right, self, "key_value_heads that divide the heads", key_value_heads)
        if not use_bias:
            self.parameter_names = ("in_proj_weight",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if len(input_shape) != 2 or input_shape[1] % self.heads:
            raise ShapeError(
                f"{self!r}: expected samples of shape (steps, width) with a width that "
                f"{self.heads} heads divide, got {input_shape}"
            )
        width = input_shape[1]
        self._size = width // self.heads
        if self.rotary and self._size % 2:
            raise ShapeError(
                f"{self!r}: expected an even number of features a head, to turn pairs, got "
                f"{self._size}"
            )
        rows = (self.heads + 2 * self._shared) * self._size
        require_parameters(repr(self), (rows, width))
        self.in_proj_weight = glorot_uniform(rng, (rows, width), width, rows).astype(dtype)
        if self.use_bias:
            self.in_proj_bias = np.zeros(rows, dtype)
        self.out_proj = Dense(width, use_bias=self.use_bias)
        self.out_proj.build_once(input_shape, rng=rng, dtype=dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        q, k, v = self._heads_of(x, 0)
        a = self._weights(q, k, 0)
        dropped, factors = a, None
        if self.dropout and train:
            dropped, factors = Dropout(self.dropout).forward(a, train=True, rng=rng)
        o = self._side_by_side(dropped @ v)
        y, own = self.out_proj.forward(o)
        return y, (x, q, k, v, a, dropped, factors, o, own)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Backward:
        x, q, k, v, a, dropped, factors, o, own = cache
        require_gradient(self, dy, x.shape)
        flat, gradients = self.out_proj.backward(dy, own)
        assert flat is not None
        gradients = {f"out_proj.{name}": array for name, array in gradients.items()}
        m, steps, groups = len(x), x.shape[1], self.heads // self._shared
        do = self._apart(flat, groups)
        da = do @ v.swapaxes(-1, -2)
        if factors is not None:
            da *= factors
        # The sum of a da over a row is that of do times the outputs, which are fewer.
        sums: Array = np.vecdot(do, self._apart(o, groups))
        da -= sums[..., np.newaxis]
        da *= a
        dq, dk = da @ k, (da.swapaxes(-1, -2) @ q).sum(axis=2, keepdims=True)
        dq *= self._size**-0.5
        if self.rotary:
            dq, dk = turned(dq, 0, BASE, back=True), turned(dk, 0, BASE, back=True)
        dv = (dropped.swapaxes(-1, -2) @ do).sum(axis=2, keepdims=True)
        parts = [self._side_by_side(part).reshape(m * steps, -1) for part in (dq, dk, dv)]
        dz = np.concatenate(parts, axis=1)
        gradients["in_proj_weight"] = dz.T @ x.reshape(m * steps, -1)
        if self.use_bias:
            gradients["in_proj_bias"] = dz.sum(axis=0)
        return ((dz @ self.in_proj_weight).reshape(x.shape) if need_dx else None), gradients

    def step(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        if not self.causal:
            raise ConfigurationError(
                f"{self!r}.step: expected causal=True: otherwise each step sees the later ones too"
            )
        require_trailing(self, x)
        start = 0 if state is None else state[0].shape[-2]
        q, k, v = self._heads_of(x, start)
        if state is not None:
            if len(state[0]) != len(x):
                raise DataError(
                    f"{self!r}.step: expected a state of {len(x)} sequences, as the batch, got one "
                    f"of {len(state[0])}"
                )
            k, v = (np.concatenate(pair, axis=-2) for pair in zip(state, (k, v), strict=True))
        o = self._side_by_side(self._weights(q, k, start) @ v)
        return self.out_proj.forward(o)[0], (k, v)

    def _heads_of(self, x: Array, start: int) -> tuple[Array, Array, Array]:
        """q (m, shared, groups, steps, n), k and v (m, shared, 1, steps, n), of steps from `start`
        on. q is divided by sqrt(n).
        """
        z: Array = x.reshape(-1, x.shape[2]) @ self.in_proj_weight.T
        if self.use_bias:
            z += self.in_proj_bias
        z = z.reshape(*x.shape[:2], -1)
        ends = [self.heads * self._size, (self.heads + self._shared) * self._size]
        q, k, v = np.split(z, ends, axis=2)
        q = self._apart(q, self.heads // self._shared) * x.dtype.type(self._size**-0.5)
        k, v = self._apart(k, 1), self._apart(v, 1)
        if self.rotary:
            q, k = turned(q, start, BASE), turned(k, start, BASE)
        return q, k, v

    def _apart(self, z: Array, groups: int) -> Array:
        """(m, steps, shared groups n) as (m, shared, groups, steps, n)."""
        apart: Array = z.reshape(*z.shape[:2], self._shared, groups, self._size)
        return apart.transpose(0, 2, 3, 1, 4)

    def _side_by_side(self, heads: Array) -> Array:
        """`_apart` undone."""
        rows: Array = heads.transpose(0, 3, 1, 2, 4)
        return rows.reshape(*rows.shape[:2], -1)

    def _weights(self, q: Array, k: Array, start: int) -> Array:
        """The softmax of the scores, queries in rows: (m, shared, groups, steps, all steps)."""
        a: Array = q @ k.swapaxes(-1, -2)
        if self.causal and q.shape[-2] > 1:  # one step may see all that there are
            a += _mask(start, q.shape[-2], a.dtype)
        a -= np.maximum.reduce(a, axis=-1, keepdims=True)
        np.exp(a, out=a)
        a /= np.add.reduce(a, axis=-1, keepdims=True)
        return a


BASE = 10_000.0
"""What rotary positions turn by."""


@functools.lru_cache(maxsize=8)
def _mask(start: int, steps: int, dtype: np.dtype[Any]) -> Array:
    """-infinity where a key comes after its query, else 0: (steps, start + steps)."""
    later = np.arange(start + steps) > np.arange(start, start + steps)[:, np.newaxis]
    return np.where(later, -np.inf, 0).astype(dtype)
