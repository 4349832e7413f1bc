"""Models to and from PyTorch.

Most layers have a counterpart in `torch.nn` with the same formula and the same parameters, so a
model is translated layer by layer and the weights are copied. `KINDS` lists the counterparts, with
what each calls its arguments; a layer that computes in another way than its counterpart is refused
rather than translated approximately. A translated module is tried on random numbers before it is
returned: it must give what the original gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import Array, Shape
from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.layer import Layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import ConfigurationError, MissingExtraError
from minitorch_np.layers import activations as act
from minitorch_np.layers.convolution import Conv2D
from minitorch_np.layers.dense import Dense
from minitorch_np.layers.dropout import Dropout
from minitorch_np.layers.embedding import Embedding
from minitorch_np.layers.normalization import BatchNorm, LayerNorm
from minitorch_np.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from minitorch_np.layers.reshape import Flatten, Reshape
from minitorch_np.layers.softmax import LogSoftmax, Softmax

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
"""How far the outputs of the two may be apart on random inputs, over the largest one."""


class Kind(NamedTuple):
    """A layer and its counterpart in `torch.nn`.

    - `to` gives the module's arguments for a built layer;
    - `back` gives the layer's for a module;
    - `only` are attributes that a module must have: with others it computes something else;
    - `axes` is the number of a sample's axes, for a layer that has two counterparts.
    """

    layer: type[Layer]
    module: str
    to: Callable[[Any], dict[str, Any]] = lambda layer: {}
    back: Callable[[Any], dict[str, Any]] = lambda module: {}
    only: Mapping[str, Any] = {}
    axes: int | None = None


def _renamed(**names: str) -> dict[str, Callable[[Any], dict[str, Any]]]:
    """`to` and `back` where arguments differ in name only: the layer's name, then the module's."""
    return {
        "to": lambda layer: {theirs: getattr(layer, ours) for ours, theirs in names.items()},
        "back": lambda module: {ours: getattr(module, theirs) for ours, theirs in names.items()},
    }


def _conv_to(layer: Conv2D) -> dict[str, Any]:
    return {
        "in_channels": layer.input_shape[0],
        "out_channels": layer.filters,
        "kernel_size": layer.grid.kernel,
        "stride": layer.grid.stride,
        "padding": _even_border(layer),
        "dilation": layer.grid.dilation,
        "groups": layer.groups,
        "bias": layer.use_bias,
    }


def _conv_back(module: Any) -> dict[str, Any]:
    padding = module.padding
    if padding == "same" and any(n != 1 for n in module.stride):
        raise _UnlikeError("padding 'same' with a stride of 1, where both mean the same")
    return {
        "filters": module.out_channels,
        "kernel_size": module.kernel_size,
        "stride": module.stride,
        "padding": padding,
        "dilation": module.dilation,
        "groups": module.groups,
        "use_bias": module.bias is not None,
    }


def _pool_to(layer: Any) -> dict[str, Any]:
    grid = layer.grid
    return {"kernel_size": grid.kernel, "stride": grid.stride, "padding": _even_border(layer)}


def _pool_back(module: Any) -> dict[str, Any]:
    names = {"pool_size": "kernel_size", "stride": "stride", "padding": "padding"}
    return {ours: getattr(module, theirs) for ours, theirs in names.items()}


def _even_border(layer: Any) -> tuple[int, int]:
    """As many pixels before as after, for each axis. Raises _UnlikeError for another border."""
    (top, bottom), (left, right) = layer.grid.border
    if top != bottom or left != right:
        raise _UnlikeError("a border of as many pixels before as after: torch.nn has no other")
    return top, left


def _batch_norm_back(module: Any) -> dict[str, Any]:
    if module.momentum is None:
        raise _UnlikeError("a momentum that is a number")
    return {"momentum": module.momentum, "epsilon": module.eps}


NORM = {"affine": True, "track_running_stats": True}

KINDS = (
    Kind(
        Dense,
        "Linear",
        lambda d: {
            "in_features": d.weight.shape[1],
            "out_features": d.units,
            "bias": d.use_bias,
        },
        lambda m: {"units": m.out_features, "use_bias": m.bias is not None},
    ),
    Kind(Conv2D, "Conv2d", _conv_to, _conv_back, {"padding_mode": "zeros"}),
    Kind(
        MaxPool2D,
        "MaxPool2d",
        _pool_to,
        _pool_back,
        {"dilation": 1, "ceil_mode": False, "return_indices": False},
    ),
    Kind(
        AveragePool2D,
        "AvgPool2d",
        lambda layer: {**_pool_to(layer), "count_include_pad": False},
        _pool_back,
        {"ceil_mode": False, "divisor_override": None},
    ),
    Kind(Flatten, "Flatten", only={"start_dim": 1, "end_dim": -1}),
    Kind(
        Reshape,
        "Unflatten",
        lambda r: {"dim": 1, "unflattened_size": r.output_shape},
        lambda m: {"shape": tuple(m.unflattened_size)},
        {"dim": 1},
    ),
    Kind(
        BatchNorm,
        "BatchNorm1d",
        lambda b: {"num_features": len(b.weight), "momentum": b.momentum, "eps": b.epsilon},
        _batch_norm_back,
        NORM,
        1,
    ),
    Kind(
        BatchNorm,
        "BatchNorm2d",
        lambda b: {"num_features": len(b.weight), "momentum": b.momentum, "eps": b.epsilon},
        _batch_norm_back,
        NORM,
        3,
    ),
    Kind(
        LayerNorm,
        "LayerNorm",
        lambda n: {"normalized_shape": n.weight.shape, "eps": n.epsilon},
        lambda m: {"trailing_axes": len(m.normalized_shape), "epsilon": m.eps},
        {"elementwise_affine": True},
    ),
    Kind(
        Embedding,
        "Embedding",
        **_renamed(vocabulary="num_embeddings", dimensions="embedding_dim"),
        only={"padding_idx": None, "max_norm": None},
    ),
    Kind(Dropout, "Dropout", **_renamed(rate="p")),
    Kind(
        act.PReLU,
        "PReLU",
        lambda p: {"num_parameters": len(p.weight)},
        lambda m: {"per_channel": m.num_parameters > 1},
    ),
    Kind(act.LeakyReLU, "LeakyReLU", **_renamed(negative_slope="negative_slope")),
    Kind(act.ELU, "ELU", **_renamed(alpha="alpha")),
    Kind(act.GELU, "GELU", **_renamed(approximate="approximate")),
    # Above the threshold theirs is a straight line: at 37 that is exact in float64.
    Kind(
        act.Softplus,
        "Softplus",
        lambda s: {"beta": s.beta, "threshold": 37.0},
        lambda m: {"beta": m.beta},
    ),
    Kind(Softmax, "Softmax", lambda s: {"dim": -1}, only={"dim": (-1, 1)}),
    Kind(LogSoftmax, "LogSoftmax", lambda s: {"dim": -1}, only={"dim": (-1, 1)}),
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


class _UnlikeError(Exception):
    """A layer or module that its counterpart can't be made to equal; the text says what can."""


def to_torch(model: Layer) -> Any:
    """The model as a `torch.nn.Module`, with copies of its parameters, in evaluation mode.

    `Sequential` becomes `torch.nn.Sequential`; names in the `state_dict` stay the same. On random
    inputs it gives what the model gives, or this raises.

    Raises MissingExtraError without PyTorch, NotBuiltError for a model without parameters yet,
    ConfigurationError for a layer that has no counterpart; it names the layer.
    """
    torch = _torch("to_torch")
    model.require_built()
    module = _Translation(torch).of(model, ())
    arrays = model.named_parameters() | model.named_buffers()
    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    module = module.to(getattr(torch, str(model.dtype)))
    module.load_state_dict(state, strict=False)  # a shared layer has further names there
    module.eval()
    _compare(torch, model, module, "to_torch")
    return module


def from_torch(module: Any, input_shape: int | Shape | None = None) -> Sequential:
    """A built model with copies of a PyTorch module's parameters, in the module's dtype.

    Parameters:
        module: a `torch.nn.Sequential`, one layer, or a module that calls its children one after
            the other in the order in which they were defined.
        input_shape: of one sample. It may be left out where the first layer is a Linear.

    On random inputs the model gives what the module gives in evaluation mode, or this raises: a
    module whose `forward` does something else between its children is not translated wrongly.

    Raises MissingExtraError without PyTorch, ConfigurationError for a child that has no
    counterpart, naming its path, or a module that computes something else than its children in a
    row, ShapeError for an `input_shape` that does not fit.
    """
    torch = _torch("from_torch")
    if not isinstance(module, torch.nn.Module):
        raise ConfigurationError(f"from_torch: expected a torch.nn.Module, got {module!r:.80}")
    children = list(_children(torch, module, ""))
    if not children:
        raise ConfigurationError(
            "from_torch: expected at least one module with a formula, got none"
        )
    first = children[0][1]
    if input_shape is None and not isinstance(first, torch.nn.Linear):
        raise ConfigurationError(
            "from_torch: expected input_shape=, the shape of one sample, where the first layer is "
            f"not a Linear, got {type(first).__name__}"
        )
    layers = {id(child): _layer_for(torch, child, path) for path, child in children}
    dtype = next((str(p.dtype).removeprefix("torch.") for p in module.parameters()), "float32")
    model = Sequential(
        *(layers[id(child)] for _, child in children),
        input_shape=first.in_features if input_shape is None else input_shape,
        seed=0,
        dtype=np.dtype(dtype).type,
    )
    for _, child in children:
        state = {
            name: tensor.detach().cpu().numpy()
            for name, tensor in child.state_dict().items()
            if name != "num_batches_tracked"
        }
        layers[id(child)].load_state_dict(state)
    _compare(torch, model, module, "from_torch")
    return model


def _torch(caller: str) -> Any:
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", "torch", caller) from None
    return torch


class _Translation:
    """Modules for layers; a layer that stands in two places gets one."""

    def __init__(self, torch: Any) -> None:
        self.torch, self.made = torch, dict[int, Any]()

    def of(self, layer: Layer, path: tuple[str, ...]) -> Any:
        """The module for a layer and all inside of it, with initial parameters."""
        if id(layer) not in self.made:
            self.made[id(layer)] = self._make(layer, path)
        return self.made[id(layer)]

    def _make(self, layer: Layer, path: tuple[str, ...]) -> Any:
        torch = self.torch
        if isinstance(layer, (Sequential, Add, Concatenate)):
            inside = [self.of(child, (*path, str(n))) for n, child in enumerate(layer.layers)]
            if isinstance(layer, Sequential):
                return torch.nn.Sequential(*inside)
            if isinstance(layer, Add):
                return _branches(torch, inside, sum)
            return _branches(torch, inside, lambda outputs: torch.cat(outputs, layer.axis))
        if isinstance(layer, GlobalAveragePool2D):
            return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        where = f"to_torch: layer {'.'.join(path) or 'itself'}, {layer.label}"
        for kind in KINDS:
            if type(layer) is kind.layer and (
                kind.axes is None or kind.axes == len(layer.input_shape)
            ):
                try:
                    return getattr(torch.nn, kind.module)(**kind.to(layer))
                except _UnlikeError as error:
                    raise ConfigurationError(f"{where}: expected {error}") from None
        raise ConfigurationError(
            f"{where}: expected a layer that torch.nn has too, got {type(layer).__name__}"
        )


def _branches(torch: Any, inside: list[Any], combine: Callable[[list[Any]], Any]) -> Any:
    """Modules side by side, whose names in the state are their numbers, as in a container here."""

    class Branches(torch.nn.ModuleList):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return combine([module(x) for module in self])

    return Branches(inside)


def _children(torch: Any, module: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The modules without children inside of a module, in the order of their definition."""
    inside = module._modules  # named_children() leaves out what stands there twice
    own = type(module).__module__.startswith("torch.nn.modules.")
    if not isinstance(module, torch.nn.Sequential) and (own or not inside):
        yield path or "itself", module
        return
    for name, child in inside.items():
        yield from _children(torch, child, f"{path}.{name}".lstrip("."))


def _layer_for(torch: Any, module: Any, path: str) -> Layer:
    """The layer for a module without children, not built."""
    for kind in KINDS:
        if type(module) is not getattr(torch.nn, kind.module):
            continue
        for name, right in kind.only.items():
            if getattr(module, name) not in (right if isinstance(right, tuple) else (right,)):
                raise ConfigurationError(
                    f"from_torch: {path}: expected {kind.module} with {name}={right}, got "
                    f"{getattr(module, name)}: here there is no layer for it"
                )
        try:
            return kind.layer(**kind.back(module))
        except (_UnlikeError, ConfigurationError) as error:
            raise ConfigurationError(f"from_torch: {path}: expected {error}") from None
    raise ConfigurationError(
        f"from_torch: {path}: expected a module that has a counterpart here, got "
        f"{type(module).__name__}; those that have one: "
        f"{', '.join(sorted({k.module for k in KINDS}))}"
    )


def _compare(torch: Any, model: Layer, module: Any, caller: str) -> None:
    """Raise ConfigurationError unless both give the same for random inputs."""
    rng = np.random.default_rng(0)
    shape = (3, *model.input_shape)
    x: Array = rng.normal(size=shape)
    if model.index_limit:
        x = rng.integers(model.index_limit, size=shape).astype(float)
    integers = any(isinstance(part, torch.nn.Embedding) for part in module.modules())
    dtype = torch.int64 if integers else getattr(torch, str(model.dtype))
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            theirs = module(torch.from_numpy(x).to(dtype)).numpy()
    except RuntimeError as error:
        raise ConfigurationError(
            f"{caller}: expected a module that takes inputs of shape {shape} in {dtype}, got: {error}"
        ) from None
    finally:
        module.train(training)
    ours = model(x.astype(model.dtype))
    far = np.abs(ours - theirs).max() if ours.shape == theirs.shape else np.inf
    if not far <= TOLERANCE[str(model.dtype)] * max(1.0, np.abs(ours).max()):
        raise ConfigurationError(
            f"{caller}: expected the same outputs of both for random inputs of shape {shape}, got "
            f"{ours.shape} and {theirs.shape}, apart by up to {far:.1g}: does the module's forward "
            "do more than call its children one after the other?"
        )
