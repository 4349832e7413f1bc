"""The layers with a counterpart in `torch.nn`, and the names of their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from minitorch_np.core.layer import Layer
from minitorch_np.layers import activations as act
from minitorch_np.layers.convolution import Conv1D, Conv2D
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.gated import GLU
from minitorch_np.layers.grid import as_pair
from minitorch_np.layers.group_norm import GroupNorm, RMSNorm
from minitorch_np.layers.normalization import BatchNorm, LayerNorm
from minitorch_np.layers.pooling import AveragePool1D, AveragePool2D, MaxPool1D, MaxPool2D
from minitorch_np.layers.reshape import Flatten, Reshape
from minitorch_np.layers.resizing import UpSampling2D, ZeroPadding
from minitorch_np.layers.softmax import LogSoftmax, Softmax
from minitorch_np.layers.spatial_dropout import SpatialDropout
from minitorch_np.layers.transposed_convolution import ConvTranspose1D, ConvTranspose2D


class UnlikeError(Exception):
    """A layer or module whose counterpart computes something else; the text says what is needed."""


class Kind(NamedTuple):
    """A layer and its counterpart in `torch.nn`.

    - `names` are arguments that differ only in name: the layer's, then the module's;
    - `to` returns further arguments of the module for a built layer, `back` those of the layer for
      a module;
    - `only` are attributes that a module must have: with others it computes something else;
    - `axes` is the number of a sample's axes, for a layer that has two counterparts.
    """

    layer: type[Layer]
    module: str
    names: Mapping[str, str] = {}
    to: Callable[[Any], dict[str, Any]] = lambda layer: {}
    back: Callable[[Any], dict[str, Any]] = lambda module: {}
    only: Mapping[str, Any] = {}
    axes: int | None = None

    def module_for(self, layer: Layer, nn: Any) -> Any:
        """The module with the layer's arguments and initial parameters. Raises UnlikeError."""
        same = {theirs: getattr(layer, ours) for ours, theirs in self.names.items()}
        return getattr(nn, self.module)(**same, **self.to(layer))

    def layer_for(self, module: Any) -> Layer:
        """The layer with the module's arguments, not built. Raises UnlikeError."""
        for name, right in self.only.items():
            if getattr(module, name) not in (right if isinstance(right, tuple) else (right,)):
                raise UnlikeError(f"{self.module} with {name}={right}, got {getattr(module, name)}")
        same = {ours: getattr(module, theirs) for ours, theirs in self.names.items()}
        return self.layer(**same, **self.back(module))


def _conv_to(layer: Any) -> dict[str, Any]:
    axes = layer.axes
    arguments = {
        "in_channels": layer.input_shape[0],
        "out_channels": layer.filters,
        "kernel_size": layer.grid.kernel[-axes:],
        "stride": layer.grid.stride[-axes:],
        "padding": _even_border(layer),
        "dilation": layer.grid.dilation[-axes:],
        "groups": layer.groups,
        "bias": layer.use_bias,
    }
    if isinstance(layer, ConvTranspose2D):
        *_, arguments["output_padding"], _ = layer.numbers()
    return arguments


def _conv_back(module: Any) -> dict[str, Any]:
    padding = module.padding
    if padding == "same" and any(n != 1 for n in module.stride):
        raise UnlikeError("padding 'same' with a stride of 1, where both mean the same")
    arguments = {
        "filters": module.out_channels,
        "kernel_size": _given(module.kernel_size),
        "stride": _given(module.stride),
        "padding": _given(padding),
        "dilation": _given(module.dilation),
        "groups": module.groups,
        "use_bias": module.bias is not None,
    }
    if module.transposed:
        arguments["output_padding"] = _given(module.output_padding)
    return arguments


def _given(value: Any) -> Any:
    """A number for one axis, in the form of the arguments of one-dimensional layers."""
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _pool_to(layer: Any) -> dict[str, Any]:
    axes, grid = len(layer.input_shape) - 1, layer.grid
    return {
        "kernel_size": grid.kernel[-axes:],
        "stride": grid.stride[-axes:],
        "padding": _even_border(layer),
    }


def _even_border(layer: Any) -> tuple[int, ...]:
    """The symmetric padding of each axis. Raises UnlikeError if the padding is not symmetric."""
    borders = layer.grid.border[-(len(layer.input_shape) - 1) :]
    if any(before != after for before, after in borders):
        raise UnlikeError("the same padding before and after: torch.nn has no other")
    return tuple(before for before, _ in borders)


def _batch_norm(name: str, axes: int) -> Kind:
    names = {"momentum": "momentum", "epsilon": "eps"}
    only = {"affine": True, "track_running_stats": True}
    features = lambda layer: {"num_features": len(layer.weight)}  # noqa: E731
    return Kind(BatchNorm, name, names, features, only=only, axes=axes)


def _pool(layer: type[Layer], name: str, to: dict[str, Any], only: dict[str, Any]) -> Kind:
    names = {"pool_size": "kernel_size", "stride": "stride", "padding": "padding"}
    return Kind(
        layer,
        name,
        {},
        lambda made: _pool_to(made) | to,
        lambda module: {ours: _given(getattr(module, theirs)) for ours, theirs in names.items()},
        {"ceil_mode": False, **only},
    )


def _glu_to(layer: Any) -> dict[str, Any]:
    if type(layer.gate) is not act.Sigmoid:
        raise UnlikeError(f"the gate sigmoid, as in torch.nn.GLU, got {layer.gate!r}")
    return {"dim": -1}


def _upsample_back(module: Any) -> dict[str, Any]:
    given = module.scale_factor
    factors = given if isinstance(given, tuple) else (given, given)
    if len(factors) != 2 or any(factor != int(factor) for factor in factors):
        raise UnlikeError(f"Upsample with a whole scale_factor for rows and columns, got {given}")
    return {"size": tuple(map(int, factors))}


def _sides(padding: tuple[int, ...]) -> list[tuple[int, int]]:
    """The padding of each axis, in the order of axes; PyTorch begins with the last one."""
    return list(zip(padding[::2], padding[1::2], strict=True))[::-1]


MAXIMUM, MEAN = {"dilation": 1, "return_indices": False}, {"count_include_pad": False}

KINDS = (
    Kind(
        Dense,
        "Linear",
        {"units": "out_features"},
        lambda layer: {"in_features": layer.weight.shape[1], "bias": layer.use_bias},
        lambda module: {"use_bias": module.bias is not None},
    ),
    *(
        Kind(layer, name, {}, _conv_to, _conv_back, {"padding_mode": "zeros"})
        for layer, name in (
            (Conv2D, "Conv2d"),
            (Conv1D, "Conv1d"),
            (ConvTranspose2D, "ConvTranspose2d"),
            (ConvTranspose1D, "ConvTranspose1d"),
        )
    ),
    _pool(MaxPool2D, "MaxPool2d", {}, MAXIMUM),
    _pool(MaxPool1D, "MaxPool1d", {}, MAXIMUM),
    _pool(AveragePool2D, "AvgPool2d", MEAN, {"divisor_override": None}),
    _pool(AveragePool1D, "AvgPool1d", MEAN, {}),
    Kind(Flatten, "Flatten", only={"start_dim": 1, "end_dim": -1}),
    Kind(
        Reshape,
        "Unflatten",
        to=lambda layer: {"dim": 1, "unflattened_size": layer.output_shape},
        back=lambda module: {"shape": tuple(module.unflattened_size)},
        only={"dim": 1},
    ),
    _batch_norm("BatchNorm1d", 1),
    _batch_norm("BatchNorm2d", 3),
    Kind(
        LayerNorm,
        "LayerNorm",
        {"epsilon": "eps"},
        lambda layer: {"normalized_shape": layer.weight.shape},
        lambda module: {"trailing_axes": len(module.normalized_shape)},
        {"elementwise_affine": True},
    ),
    Kind(
        GroupNorm,
        "GroupNorm",
        {"groups": "num_groups", "epsilon": "eps"},
        lambda layer: {"num_channels": len(layer.weight)},
        only={"affine": True},
    ),
    Kind(
        RMSNorm,
        "RMSNorm",
        {"epsilon": "eps"},
        lambda layer: {"normalized_shape": layer.weight.shape},
        only={"elementwise_affine": True},
    ),
    Kind(
        Embedding,
        "Embedding",
        {
            "vocabulary": "num_embeddings",
            "dimensions": "embedding_dim",
            "padding_id": "padding_idx",
        },
        only={"max_norm": None},
    ),
    Kind(Dropout, "Dropout", {"rate": "p"}),
    Kind(SpatialDropout, "Dropout1d", {"rate": "p"}, axes=2),
    Kind(SpatialDropout, "Dropout2d", {"rate": "p"}, axes=3),
    Kind(GLU, "GLU", to=_glu_to, only={"dim": -1}),
    Kind(
        UpSampling2D,
        "Upsample",
        to=lambda layer: {"scale_factor": as_pair(layer.size)},
        back=_upsample_back,
        only={"mode": "nearest", "size": None},
    ),
    *(
        Kind(
            ZeroPadding,
            f"ZeroPad{axes}d",
            to=lambda layer: {"padding": [n for side in layer.sides[::-1] for n in side]},
            back=lambda module: {"padding": _sides(module.padding)},
            axes=axes + 1,
        )
        for axes in (1, 2)
    ),
    Kind(
        act.PReLU,
        "PReLU",
        to=lambda layer: {"num_parameters": len(layer.weight)},
        back=lambda module: {"per_channel": module.num_parameters > 1},
    ),
    Kind(act.LeakyReLU, "LeakyReLU", {"negative_slope": "negative_slope"}),
    Kind(act.ELU, "ELU", {"alpha": "alpha"}),
    Kind(act.GELU, "GELU", {"approximate": "approximate"}),
    # Above the threshold PyTorch uses a straight line, which is exact in float64 from 37 on.
    Kind(act.Softplus, "Softplus", {"beta": "beta"}, lambda layer: {"threshold": 37.0}),
    Kind(Softmax, "Softmax", to=lambda layer: {"dim": -1}, only={"dim": (-1, 1)}),
    Kind(LogSoftmax, "LogSoftmax", to=lambda layer: {"dim": -1}, only={"dim": (-1, 1)}),
    *(
        Kind(layer, name)
        for layer, name in (
            (act.ReLU, "ReLU"),
            (act.ReLU6, "ReLU6"),
            (act.SELU, "SELU"),
            (act.Sigmoid, "Sigmoid"),
            (act.HardSigmoid, "Hardsigmoid"),
            (act.Tanh, "Tanh"),
            (act.SiLU, "SiLU"),
            (act.Mish, "Mish"),
            (act.HardSwish, "Hardswish"),
            (act.Identity, "Identity"),
        )
    ),
)
