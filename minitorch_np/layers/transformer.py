"""The block of transformers, and the output layer from vectors to words.

A block is attention, which combines the steps, and two dense layers that are applied to each step
alone. Each of the two parts has a normalized input and a residual connection, so that gradients
pass through a stack of many blocks.
"""

from __future__ import annotations

from typing import Any

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Gradients, Layer
from minitorch_np.core.sequences import Mask
from minitorch_np.core.shapes import require_gradient, require_input, require_trailing
from minitorch_np.errors import ShapeError
from minitorch_np.layers.activations import GELU
from minitorch_np.layers.attention import MultiHeadAttention
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.gated import GLU
from minitorch_np.layers.normalization import LayerNorm
from minitorch_np.validation import choice, instance, whole

ATTENTION = ("norm1", "self_attn", "dropout_layer")
FEED_FORWARD = ("norm2", "linear1", "activation_layer", "dropout_layer", "linear2", "dropout_layer")
"""The layers of the two paths, by attribute."""


class TransformerBlock(Layer):
    """h = x + attention(norm1(x)); y = h + linear2(g(linear1(norm2(h)))).

    x and y are (m, steps, width).

    - g is `activation`, "gelu", or "swiglu": GLU("silu") on a linear1 of 2 `hidden` rows;
    - `hidden` is the number of linear1's outputs, by default 4 width; `dropout` is the rate in the
      softmax, after g, and after each of the two paths;
    - `causal`, `key_value_heads` and `rotary` are those of MultiHeadAttention.

    Names are those of PyTorch's TransformerEncoderLayer with norm_first=True: `self_attn`,
    `linear1`, `linear2`, `norm1`, `norm2`. dx is dy and the gradients through the two paths.
    Raises as MultiHeadAttention. Sources: Vaswani et al. 2017 (arXiv:1706.03762), Xiong et al. 2020
    (arXiv:2002.04745) for the place of the norms.
    """

    takes_mask = True

    def __init__(
        self,
        heads: int,
        hidden: int | None = None,
        dropout: float = 0.0,
        activation: str = "gelu",
        causal: bool = True,
        key_value_heads: int | None = None,
        rotary: bool = False,
    ) -> None:
        self.hidden = None if hidden is None else whole(self, "hidden", hidden)
        self.activation = choice(self, "activation", activation, ("gelu", "swiglu"))
        self.self_attn = MultiHeadAttention(heads, causal, dropout, key_value_heads, rotary)
        self.heads, self.causal, self.rotary = heads, causal, rotary
        self.key_value_heads, self.dropout = key_value_heads, dropout
        self.norm1, self.norm2, self.dropout_layer = LayerNorm(), LayerNorm(), Dropout(dropout)
        self.activation_layer: Layer = GELU() if activation == "gelu" else GLU("silu")
        idle = "" if dropout else "dropout_layer"  # without a rate it would only copy
        both = (ATTENTION, FEED_FORWARD)
        self._paths = [[name for name in path if name != idle] for path in both]

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if len(input_shape) != 2:
            raise ShapeError(
                f"{type(self).__name__}: expected samples of shape (steps, width), got "
                f"{input_shape}"
            )
        hidden = 4 * input_shape[1] if self.hidden is None else self.hidden
        self.linear1 = Dense(hidden if self.activation == "gelu" else 2 * hidden)
        self.linear2 = Dense(input_shape[1])
        for layer in (self.norm1, self.norm2, self.self_attn):
            layer.build_once(input_shape, rng=rng, dtype=dtype)
        shape: Shape = input_shape
        for inner in (self.linear1, self.activation_layer, self.linear2):
            shape = inner.build_once(shape, rng=rng, dtype=dtype)
        return input_shape

    def forward(
        self, x: Array, *, train: bool = False, rng: Generator | None = None, mask: Mask = None
    ) -> Forward:
        require_input(self, x)
        caches = []
        for path in self._paths:
            h = x
            for name in path:
                given = {} if mask is None or name != "self_attn" else {"mask": mask}
                h, cache = getattr(self, name).forward(h, train=train, rng=rng, **given)
                caches.append(cache)
            x = x + h
        return x, (x.shape, caches)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Backward:
        shape, caches = cache
        require_gradient(self, dy, shape)
        gradients: Gradients = {}
        place = len(caches)
        for path in reversed(self._paths):
            dh = dy
            for name in reversed(path):
                place -= 1
                below = need_dx or place > 0
                dh, own = getattr(self, name).backward(dh, caches[place], need_dx=below)
                gradients |= {f"{name}.{key}": array for key, array in own.items()}
            if dh is not None:
                dy = dy + dh
        return (dy if need_dx else None), gradients

    def step(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        for path in self._paths:
            h = x
            for name in path:
                layer = getattr(self, name)
                if layer is self.self_attn:
                    h, state = layer.step(h, state)
                else:
                    h, _ = layer.step(h)
            x = x + h
        return x, state


class Unembedding(Layer):
    """y = x W.T, with W the `weight` of an Embedding: scores of all words, (m, ..., vocabulary).

    x is (m, ..., dimensions). Both layers share one table ("tied weights"), and its gradients add
    up: dW = the sum of dy.T x, dx = dy W. The embedding is usually the model's first layer. Raises
    ConfigurationError for an argument that is not an Embedding, ShapeError for other dimensions.
    Source: Press and Wolf 2016 (arXiv:1608.05859).
    """

    per_step = True

    def __init__(self, embedding: Embedding) -> None:
        self.embedding = instance(self, "embedding", embedding, Embedding)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if not input_shape or input_shape[-1] != self.embedding.dimensions:
            raise ShapeError(
                f"Unembedding: expected samples of (..., {self.embedding.dimensions}), the "
                f"dimensions of its embedding, got {input_shape}"
            )
        if not self.embedding.built:
            self.embedding.build_once(input_shape[:-1], rng=rng, dtype=dtype)
        return (*input_shape[:-1], self.embedding.vocabulary)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_trailing(self, x)
        y = x.reshape(-1, x.shape[-1]) @ self.embedding.weight.T
        return y.reshape(*x.shape[:-1], -1), x

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Backward:
        x, weight = cache, self.embedding.weight
        require_gradient(self, dy, (*x.shape[:-1], len(weight)))
        rows: Array = dy.reshape(-1, len(weight))
        gradients: Gradients = {"embedding.weight": rows.T @ x.reshape(-1, x.shape[-1])}
        dx: Array | None = (rows @ weight).reshape(x.shape) if need_dx else None
        return dx, gradients
