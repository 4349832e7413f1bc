"""Attention: the output at each step of a sequence is a weighted mean over the steps.

Three vectors are computed from each step: a query, a key and a value. A step's output is a mean of
all values, weighted by the match of their keys with its query. Several heads do this in parallel,
each with its own vectors. In a causal layer a step depends only on itself and the steps before it,
so that a model can be trained to predict the next step at all positions at once.

Queries, keys and values are views of one product. Step by step, the keys and values of the steps so
far are the state (the "key-value cache"): a new step then costs one row instead of all.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape, ones, parts
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.room import require_parameters
from minitorch_np.core.sequences import Mask, joined
from minitorch_np.core.shapes import require_gradient, require_input, require_trailing
from minitorch_np.errors import ConfigurationError, DataError, ShapeError
from minitorch_np.initializers import glorot_uniform
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.positions import turned
from minitorch_np.validation import flag, require, share, whole

APART = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
"""The names of the three parts of W if they differ in width."""

CUTS = {1: (0, 3), 2: (0, 1, 3), 3: (0, 1, 2, 3)}
"""By the number of inputs: where the projections 0 (q), 1 (k) and 2 (v) are cut into products."""


class MultiHeadAttention(Layer):
    """y = W_o [head_1, ..., head_h] + b_o with head = softmax(q k.T / sqrt(n)) v.

    Called on one sequence, MultiHeadAttention(4)(x), it is self-attention. In a Graph it may be
    called on two, (x, memory): queries then come from x, keys and values from the memory, as in the
    decoder of a translator; or on three, (x, keys, values). x and y are (m, steps, width), n =
    width / `heads`. q, k and v are slices of W x + b:

    - `in_proj_weight` W is (3 width, width) and `in_proj_bias` (3 width,), rows for q, k, v in this
      order; `out_proj.weight` is (width, width), `out_proj.bias` (width,): PyTorch's names;
    - if keys or values have another width, W is in three parts, `q_proj_weight`, `k_proj_weight`
      and `v_proj_weight`, each (width, its input's width), as in PyTorch;
    - with `causal`, a step depends only on itself and the steps before it;
    - `key_value_heads`, a divisor of heads, are shared by several query heads each: W then has
      (heads + 2 key_value_heads) n rows (Ainslie et al. 2023, arXiv:2305.13245);
    - `rotary` turns queries and keys as RotaryPositions does;
    - `dropout` is the rate of Dropout on the softmax.

    A mask says which keys count; where none does, y = b_o. With a the softmax and da = dy v.T, the
    gradient of the scores is a (da - the sum of a da). Raises ConfigurationError for arguments that
    have no meaning, ShapeError for samples that are not (steps, width), a width that the heads do
    not divide, and several sequences where causal or rotary needs one. Source: Vaswani et al. 2017
    (arXiv:1706.03762).
    """

    several_inputs = takes_mask = True
    stateless = "would have to look at all batches before"
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

    def build(self, input_shape: Any, *, rng: Generator, dtype: DType) -> Shape:
        shapes = parts(input_shape)
        self._check_shapes(shapes)
        width, *others = (shape[1] for shape in (*shapes, *shapes[-1:] * (3 - len(shapes))))
        self._size = width // self.heads
        rows = [n * self._size for n in (self.heads, self._shared, self._shared)]
        self.ends = [0, *accumulate(rows)]
        one = set(others) == {width}
        weights = {"in_proj_weight": (sum(rows), width)}
        if not one:
            weights = dict(zip(APART, zip(rows, (width, *others), strict=True), strict=True))
        # For each product with an input: the input's place, and the first and last projection.
        cuts = CUTS[len(shapes)] if one else CUTS[3]
        self.products = [(min(a, len(shapes) - 1), a, b) for a, b in pairwise(cuts)]
        self.parameter_names = (*weights, *(["in_proj_bias"] if self.use_bias else []))
        for name, (n, features) in weights.items():
            require_parameters(repr(self), (n, features))
            setattr(self, name, glorot_uniform(rng, (n, features), features, n).astype(dtype))
        if self.use_bias:
            self.in_proj_bias = np.zeros(sum(rows), dtype)
        self.out_proj = Dense(width, use_bias=self.use_bias)
        return self.out_proj.build_once(shapes[0], rng=rng, dtype=dtype)

    def _check_shapes(self, shapes: tuple[Shape, ...]) -> None:
        shown = " and ".join(map(str, shapes))
        if any(len(shape) != 2 for shape in shapes) or shapes[0][1] % self.heads:
            raise ShapeError(
                f"{self!r}: expected samples of shape (steps, width) with a width that "
                f"{self.heads} heads divide, got {shown}"
            )
        if len(shapes) > 3 or len({shape[0] for shape in shapes[1:]}) > 1:
            raise ShapeError(
                f"{self!r}: expected one sequence, or queries and a memory, or queries and as many "
                f"keys as values, got samples of shape {shown}"
            )
        if len(shapes) > 1 and (self.causal or self.rotary):
            raise ShapeError(
                f"{self!r}: expected one sequence, got {len(shapes)}: the steps of different "
                "sequences have no order among each other; leave out causal and rotary"
            )
        if self.rotary and shapes[0][1] // self.heads % 2:
            raise ShapeError(
                f"{self!r}: expected an even number of features a head, to turn pairs, got "
                f"{shapes[0][1] // self.heads}"
            )

    def mask_after(self, mask: Mask) -> Mask:
        return mask[0] if isinstance(mask, tuple) else mask

    def forward(
        self, x: Any, *, train: bool = False, rng: Generator | None = None, mask: Mask = None
    ) -> Forward:
        require_input(self, x)
        q, k, v = self._heads_of(x, 0)
        keys = joined(mask[1:]) if isinstance(mask, tuple) else mask
        a = self._weights(q, k, 0, keys)
        dropped, factors = a, None
        if self.dropout and train:
            dropped, factors = Dropout(self.dropout).forward(a, train=True, rng=rng)
        o = self._means(dropped, v)
        y, own = self.out_proj.forward(o)
        return y, (x, q, k, v, a, dropped, factors, o, own)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Backward:
        x, q, k, v, a, dropped, factors, o, own = cache
        require_gradient(self, dy, parts(x)[0].shape)
        flat, gradients = self.out_proj.backward(dy, own)
        assert flat is not None
        gradients = {f"out_proj.{name}": array for name, array in gradients.items()}
        groups = self.heads // self._shared
        do = self._apart(flat, groups)
        da = v @ do.swapaxes(-1, -2)
        if factors is not None:
            da *= factors
        # The sum of a da over the keys is that of do times the outputs, which are fewer.
        da -= np.vecdot(do, self._apart(o, groups))[..., np.newaxis, :]
        da *= a
        dzs = [
            np.empty((*parts(x)[place].shape[:2], self.ends[last] - self.ends[first]), dy.dtype)
            for place, first, last in self.products
        ]
        dq, dk, dv = self._views(dzs)
        np.matmul(da.swapaxes(-1, -2), k, out=dq)
        np.add.reduce(da @ q, axis=2, keepdims=True, out=dk)
        np.add.reduce(dropped @ do, axis=2, keepdims=True, out=dv)
        dq *= self._size**-0.5
        if self.rotary:
            dq[...], dk[...] = (turned(one, 0, BASE, back=True) for one in (dq, dk))
        dx, own = self._projections_back(x, dzs, need_dx)
        return dx, gradients | own

    def step(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        """With several sequences, the queries are processed step by step; the others are passed
        as a whole, and their keys and values are the state.
        """
        first, several = parts(x)[0], isinstance(x, tuple)
        if not several:
            if not self.causal:
                raise ConfigurationError(
                    f"{self!r}.step: expected causal=True: otherwise each step sees the later ones "
                    "too"
                )
            require_trailing(self, x)
        if state is not None and len(state[0]) != len(first):
            raise DataError(
                f"{self!r}.step: expected a state of {len(first)} sequences, as the batch, got one "
                f"of {len(state[0])}"
            )
        start = 0 if state is None else state[0].shape[-2]
        if several and state is not None:
            (q,), (k, v) = self._heads_of(x, 0, 1), state
        else:
            q, k, v = self._heads_of(x, start)
            if state is not None:
                k, v = (np.concatenate(pair, axis=-2) for pair in zip(state, (k, v), strict=True))
        return self.out_proj.forward(self._means(self._weights(q, k, start), v))[0], (k, v)

    def _weight(self, first: int, last: int) -> Array:
        """The rows of W for the projections from `first` to `last`."""
        if "in_proj_weight" in self.parameter_names:
            return self.in_proj_weight[self.ends[first] : self.ends[last]]
        own: Array = getattr(self, APART[first])
        return own

    def _heads_of(self, x: Any, start: int, products: int = 3) -> list[Array]:
        """q (m, shared, groups, steps, n), k and v (m, shared, 1, steps, n), of steps from `start`
        on; or what the first few products give of them. q is divided by sqrt(n).
        """
        zs = []
        for place, first, last in self.products[:products]:
            part: Array = parts(x)[place]
            z = part.reshape(-1, part.shape[2]) @ self._weight(first, last).T
            if self.use_bias:
                z += self.in_proj_bias[self.ends[first] : self.ends[last]]
            zs.append(z.reshape(*part.shape[:2], -1))
        heads = self._views(zs)
        heads[0] *= self._size**-0.5
        if self.rotary:
            heads[:2] = (turned(one, start, BASE) for one in heads[:2])
        return heads

    def _views(self, zs: Iterable[Array]) -> list[Array]:
        """The projections that are in the products (m, steps, rows), each with its heads apart."""
        heads, ends = [], self.ends
        for z, (_, first, last) in zip(zs, self.products, strict=False):
            for n in range(first, last):
                own = z[..., ends[n] - ends[first] : ends[n + 1] - ends[first]]
                heads.append(self._apart(own, 1 if n else self.heads // self._shared))
        return heads

    def _projections_back(self, x: Any, dzs: list[Array], need_dx: bool) -> Backward:
        """dx, and the gradients of W and b, from those of the products (m, steps, rows)."""
        biases, weights = [], []
        dxs: list[Any] = [None] * len(parts(x))
        for (place, first, last), z in zip(self.products, dzs, strict=True):
            part, dz = parts(x)[place], z.reshape(-1, z.shape[2])
            weights.append(dz.T @ part.reshape(-1, part.shape[2]))
            biases.append(ones(len(dz), dz.dtype) @ dz)
            if need_dx:
                dx = (dz @ self._weight(first, last)).reshape(part.shape)
                dxs[place] = dx if dxs[place] is None else dxs[place] + dx
        if "in_proj_weight" in self.parameter_names:
            whole_one = np.concatenate(weights) if weights[1:] else weights[0]
            gradients = {"in_proj_weight": whole_one}
        else:
            gradients = dict(zip(APART, weights, strict=True))
        if self.use_bias:
            gradients["in_proj_bias"] = np.concatenate(biases)
        found: Any = tuple(dxs) if dxs[1:] else dxs[0]
        return (found if need_dx else None), gradients

    def _apart(self, z: Array, groups: int) -> Array:
        """(m, steps, shared groups n) as (m, shared, groups, steps, n), a view."""
        apart: Array = z.reshape(*z.shape[:2], self._shared, groups, self._size)
        return apart.transpose(0, 2, 3, 1, 4)

    def _means(self, a: Array, v: Array) -> Array:
        """The values' means with weights a, of all heads side by side: (m, steps, width)."""
        o = np.empty((len(a), a.shape[-1], self.heads * self._size), v.dtype)
        np.matmul(a.swapaxes(-1, -2), v, out=self._apart(o, self.heads // self._shared))
        return o

    def _weights(self, q: Array, k: Array, start: int, mask: Mask = None) -> Array:
        """The softmax of the scores: (m, shared, groups, all steps, steps).

        Queries stand in columns: NumPy reduces rows of numbers side by side, and that is twice as
        fast as each row on its own. `mask` says which keys count; a query that sees none of these
        gets zeros.
        """
        a: Array = k @ q.swapaxes(-1, -2)
        if self.causal and q.shape[-2] > 1:  # a single step depends on all
            a += _mask(start, q.shape[-2], a.dtype)
        if mask is not None:
            mask = np.asarray(mask, bool)  # ones and zeros too
            np.copyto(a, -np.inf, where=~mask[:, np.newaxis, np.newaxis, :, np.newaxis])
        largest = np.maximum.reduce(a, axis=-2, keepdims=True)
        if mask is not None:
            np.maximum(largest, np.finfo(a.dtype).min, out=largest)  # where no key counts
        a -= largest
        np.exp(a, out=a)
        sums = np.add.reduce(a, axis=-2, keepdims=True)
        if mask is not None:
            sums += sums == 0
        a /= sums
        return a


BASE = 10_000.0
"""The base of the angles of rotary positions."""


@functools.lru_cache(maxsize=8)
def _mask(start: int, steps: int, dtype: np.dtype[Any]) -> Array:
    """-infinity where a key comes after its query, else 0: (start + steps, steps)."""
    later = np.arange(start + steps)[:, np.newaxis] > np.arange(start, start + steps)
    return np.where(later, -np.inf, 0).astype(dtype)
