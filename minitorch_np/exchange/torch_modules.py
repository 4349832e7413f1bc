"""Models to and from PyTorch.

Most layers have a counterpart in `torch.nn` with the same formula and the same parameters, so a
model is translated layer by layer and the weights are copied. `torch_kinds` lists the counterparts;
a layer that computes in another way than its counterpart is refused rather than translated
approximately. A translated module is tried on random numbers before it is returned: it must give
what the original gives.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, Shape
from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.layer import Layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import ConfigurationError, optional
from minitorch_np.exchange.torch_kinds import KINDS, UnlikeError
from minitorch_np.layers.pooling import GlobalAveragePool2D
from minitorch_np.signature import explained
from minitorch_np.validation import instance

TOLERANCE = 1e-9
"""How far the outputs of the two may be apart on random inputs in float64, over the largest."""


@explained
def to_torch(model: Layer) -> Any:
    """The model as a `torch.nn.Module`, with copies of its parameters, in evaluation mode.

    `Sequential` becomes `torch.nn.Sequential`; names in the `state_dict` stay the same. On random
    inputs it gives what the model gives, or this raises.

    Raises MissingExtraError without PyTorch, NotBuiltError for a model without parameters yet,
    ConfigurationError for a layer that has no counterpart; it names the layer.
    """
    torch = optional("torch", "torch", "to_torch")
    instance("to_torch", "model", model, Layer)
    model.require_built()
    module = _Translation(torch).of(model, ())
    arrays = model.named_parameters() | model.named_buffers()
    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    module = module.to(getattr(torch, str(model.dtype)))
    module.load_state_dict(state, strict=False)  # a shared layer has further names there
    module.eval()
    _compare(torch, model, module, "to_torch")
    return module


@explained
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
    torch = optional("torch", "torch", "from_torch")
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
                    return kind.module_for(layer, torch.nn)
                except UnlikeError as error:
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
    inside = module._modules  # named_children() skips a module that occurs twice
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
        try:
            return kind.layer_for(module)
        except (UnlikeError, ConfigurationError) as error:
            raise ConfigurationError(f"from_torch: {path}: expected {error}") from None
    raise ConfigurationError(
        f"from_torch: {path}: expected a module that has a counterpart here, got "
        f"{type(module).__name__}; those that have one: "
        f"{', '.join(sorted({k.module for k in KINDS}))}"
    )


def _compare(torch: Any, model: Layer, module: Any, caller: str) -> None:
    """Raise ConfigurationError unless both give the same for random inputs, in float64."""
    rng = np.random.default_rng(0)
    shape = (3, *model.input_shape)
    x: Array = rng.normal(size=shape)
    if model.index_limit:
        x = rng.integers(model.index_limit, size=shape).astype(float)
    integers = any(isinstance(part, torch.nn.Embedding) for part in module.modules())
    dtype = torch.int64 if integers else torch.float64
    precise = copy.deepcopy(model)
    precise.initialize(model.input_shape, rng=rng, dtype=np.float64)
    precise.load_state_dict(model.state_dict())
    try:
        with torch.no_grad():
            theirs = copy.deepcopy(module).double().eval()(torch.from_numpy(x).to(dtype)).numpy()
    except RuntimeError as error:
        raise ConfigurationError(
            f"{caller}: expected a module that takes inputs of shape {shape} in {dtype}, "
            f"got {error}"
        ) from None
    ours = precise(x)
    far = np.abs(ours - theirs).max() if ours.shape == theirs.shape else np.inf
    if not far <= TOLERANCE * max(1.0, np.abs(ours).max()):
        raise ConfigurationError(
            f"{caller}: expected the same outputs of both for random inputs of shape {shape}, got "
            f"{ours.shape} and {theirs.shape}, apart by up to {far:.1g}: does the module's forward "
            "do more than call its children one after the other?"
        )
