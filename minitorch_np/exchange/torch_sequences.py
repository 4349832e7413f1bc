"""Layers for sequences, and others, whose counterparts can't be used in `torch.nn.Sequential`.

PyTorch's recurrent modules and its attention have several inputs and outputs; a class derived from
each has the layer's interface, with the same names of parameters. A layer without any counterpart
becomes a module of one line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, parts
from minitorch_np.core.layer import Layer
from minitorch_np.exchange.torch_kinds import UnlikeError
from minitorch_np.layers.attention import MultiHeadAttention
from minitorch_np.layers.bidirectional import Bidirectional
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.pooling import GlobalAveragePool1D, GlobalAveragePool2D
from minitorch_np.layers.positions import PositionalEmbedding, SinusoidalPositions
from minitorch_np.layers.recurrent import GRU, LSTM, Recurrent, SimpleRNN
from minitorch_np.layers.reshape import Reshape
from minitorch_np.layers.resizing import Transpose
from minitorch_np.layers.transformer import TransformerBlock, Unembedding

State = dict[str, AnyArray]

Reading = list[tuple[Layer, State]]
"""A possible interpretation of a module: layers, not built, each with its parameters."""

ORIGIN = "minitorch_np_layer"
"""The attribute of a module made by `to_torch` with the layer's class and arguments."""

RECURRENT: dict[type[Layer], str] = {SimpleRNN: "RNN", LSTM: "LSTM", GRU: "GRU"}

OTHERS = ("AdaptiveAvgPool2d", "MultiheadAttention", "TransformerEncoderLayer")
"""Further modules that have a counterpart."""


def module_of_sequences(torch: Any, layer: Layer, of: Callable[[Layer], Any]) -> Any:
    """The module for a layer, or None for a layer of another kind. Raises UnlikeError if there is
    no equivalent. `of` makes the module of a layer inside.
    """
    nn = torch.nn
    if isinstance(layer, (Recurrent, Bidirectional)):
        made = _recurrent(torch, layer)
    elif isinstance(layer, MultiHeadAttention):
        made = _attention(torch, layer)
    elif isinstance(layer, TransformerBlock):
        made = _block(torch, layer)
    elif isinstance(layer, Unembedding):
        made = _formula(torch, lambda self, x: x @ self.embedding.weight.T)
        made.embedding = of(layer.embedding)
        return made
    elif isinstance(layer, PositionalEmbedding):
        made = _formula(torch, lambda self, x: x + self.weight[: x.shape[1]])
        made.weight = nn.Parameter(torch.zeros(layer.weight.shape))
    elif isinstance(layer, SinusoidalPositions):
        waves = torch.from_numpy(layer.forward(np.zeros((1, *layer.input_shape)))[0])
        made = _formula(torch, lambda self, x: x + waves.to(x))
    elif isinstance(layer, Transpose):
        made = _formula(torch, lambda self, x: x.transpose(1, 2))
    elif isinstance(layer, GlobalAveragePool1D):
        made = _formula(torch, lambda self, x: x.mean(layer.axis))
    elif isinstance(layer, GlobalAveragePool2D):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    else:
        return None
    setattr(made, ORIGIN, (type(layer), layer.config()))
    return made


def _formula(torch: Any, function: Callable[[Any, Any], Any]) -> Any:
    """A module that computes a function of itself and its input."""

    class Formula(torch.nn.Module):  # type: ignore[misc]
        forward = function

    return Formula()


def _recurrent(torch: Any, layer: Recurrent | Bidirectional) -> Any:
    """PyTorch's module, returning all states or the last one, both directions side by side."""
    both = isinstance(layer, Bidirectional)
    one = layer.layer if isinstance(layer, Bidirectional) else layer
    base: Any = getattr(torch.nn, RECURRENT[type(one)])

    class States(base):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            states, last = super().forward(x.flip(1) if one.go_backwards else x)
            if one.return_sequences:
                return states.flip(1) if one.go_backwards else states
            return torch.cat([*(last[0] if isinstance(last, tuple) else last)], dim=-1)

    more = {"nonlinearity": one.activation} if isinstance(one, SimpleRNN) else {}
    features = layer.input_shape[1]
    return States(features, one.units, batch_first=True, bidirectional=both, **more)


def _later(torch: Any, x: Any) -> Any:
    """The causal mask: True where a step must not see a later one."""
    return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)


def _attention(torch: Any, layer: MultiHeadAttention) -> Any:
    _require_plain(layer.rotary, layer.key_value_heads, layer.heads)

    class SelfAttention(torch.nn.MultiheadAttention):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            mask = _later(torch, x) if layer.causal else None
            return super().forward(x, x, x, need_weights=False, attn_mask=mask)[0]

    class CrossAttention(torch.nn.MultiheadAttention):  # type: ignore[misc]
        def forward(self, x: Any, keys: Any, values: Any = None) -> Any:
            values = keys if values is None else values
            return super().forward(x, keys, values, need_weights=False)[0]

    heads, (first, *others) = layer.heads, parts(layer.input_shape)
    if others:
        widths = {"kdim": others[0][1], "vdim": others[-1][1]}
        options: dict[str, Any] = {"batch_first": True, **widths}
        return CrossAttention(first[1], heads, layer.dropout, layer.use_bias, **options)
    width = first[1]
    return SelfAttention(width, heads, layer.dropout, layer.use_bias, batch_first=True)


def _block(torch: Any, layer: TransformerBlock) -> Any:
    _require_plain(layer.rotary, layer.key_value_heads, layer.heads)
    if layer.activation != "gelu":
        raise UnlikeError("the activation gelu: TransformerEncoderLayer has no gated one")

    class Block(torch.nn.TransformerEncoderLayer):  # type: ignore[misc]
        def forward(self, x: Any, *_: Any, **options: Any) -> Any:
            return super().forward(x, _later(torch, x) if layer.causal else None)

    width, hidden = layer.input_shape[1], layer.linear1.units
    options: dict[str, Any] = {"batch_first": True, "norm_first": True}
    return Block(width, layer.heads, hidden, layer.dropout, "gelu", **options)


def _require_plain(rotary: bool, key_value_heads: int | None, heads: int) -> None:
    if rotary or key_value_heads not in (None, heads):
        raise UnlikeError(
            "attention without rotary positions, and with separate keys and values for each head: "
            "torch.nn has no other"
        )


def readings_of_sequences(torch: Any, module: Any) -> list[Reading] | None:
    """The possible interpretations of a module, to be decided by its outputs; None for a module of
    another kind. Raises UnlikeError for a module with settings that no layer has.
    """
    nn, state = torch.nn, state_of(module)
    if hasattr(module, ORIGIN):
        cls, config = getattr(module, ORIGIN)
        return [[(cls.from_config(config), state)]]
    for cls, name in RECURRENT.items():
        if type(module) is getattr(nn, name):
            _require(module, name, batch_first=True, proj_size=0)
            return [_stack(module, cls, state, every) for every in (True, False)]
    if type(module) is nn.MultiheadAttention:
        _require(module, "MultiheadAttention", batch_first=True, bias_k=None, add_zero_attn=False)
        _require(module, "MultiheadAttention", _qkv_same_embed_dim=True)
        biased = module.in_proj_bias is not None
        heads, rate = module.num_heads, module.dropout
        attentions = [
            MultiHeadAttention(heads, causal, rate, use_bias=biased) for causal in (False, True)
        ]
        return [[(layer, state)] for layer in attentions]
    if type(module) is nn.TransformerEncoderLayer:
        return [_from_block(torch, module, state, causal) for causal in (False, True)]
    if type(module) is nn.AdaptiveAvgPool2d:
        if module.output_size not in (1, (1, 1)):
            raise UnlikeError(f"AdaptiveAvgPool2d with output_size=1, got {module.output_size}")
        return [[(GlobalAveragePool2D(), {}), (Reshape((-1, 1, 1)), {})]]
    return None


def _stack(module: Any, cls: Any, state: State, every: bool) -> Reading:
    """A recurrent module's layers; the last one returns all states or the last state."""
    reading: Reading = []
    more = {"activation": module.nonlinearity} if cls is SimpleRNN else {}
    for n in range(module.num_layers):
        if n and module.dropout:
            reading.append((Dropout(module.dropout), {}))
        layer: Layer = cls(module.hidden_size, every or n + 1 < module.num_layers, **more)
        mark = f"_l{n}"
        own = {key.replace(mark, "_l0"): a for key, a in state.items() if mark in key}
        if not module.bias:
            rows = len(own["weight_ih_l0"])
            ends = ("", "_reverse") if module.bidirectional else ("",)
            names = (f"bias_{kind}_l0{end}" for kind in ("ih", "hh") for end in ends)
            own |= {name: np.zeros(rows, own["weight_ih_l0"].dtype) for name in names}
        reading.append((Bidirectional(layer) if module.bidirectional else layer, own))  # type: ignore[arg-type]
    return reading


def _from_block(torch: Any, module: Any, state: State, causal: bool) -> Reading:
    name = "TransformerEncoderLayer"
    _require(module, name, norm_first=True)
    _require(module.self_attn, name, batch_first=True)
    exact = module.activation is torch.nn.functional.gelu or (
        type(module.activation) is torch.nn.GELU and module.activation.approximate == "none"
    )
    if not exact:
        raise UnlikeError(f"{name} with the activation gelu")
    heads, rate = module.self_attn.num_heads, module.dropout.p
    layer = TransformerBlock(heads, module.linear1.out_features, rate, causal=causal)
    for norm in ("norm1", "norm2"):
        if getattr(module, norm).eps != getattr(layer, norm).epsilon:
            raise UnlikeError(f"{name} with layer_norm_eps={layer.norm1.epsilon}")
    return [(layer, state)]


def _require(module: Any, name: str, **settings: Any) -> None:
    for key, right in settings.items():
        if getattr(module, key) != right:
            raise UnlikeError(f"{name} with {key}={right}, got {getattr(module, key)}")


def state_of(module: Any) -> State:
    """Copies of a module's parameters and buffers, by name."""
    state = module.state_dict().items()
    return {
        name: tensor.detach().cpu().numpy().copy()
        for name, tensor in state
        if name != "num_batches_tracked"
    }
