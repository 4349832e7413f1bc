"""Models to and from PyTorch.

Most layers have a counterpart in `torch.nn` with the same formula and the same parameters, so a
model is translated layer by layer and the weights are copied. `torch_kinds` lists the counterparts;
a layer that differs from its counterpart is refused, not translated approximately. A translated
module is compared with the original on random numbers before it is returned.
"""

from __future__ import annotations

import copy
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, Shape, parts
from minitorch_np.core.branches import Add, Concatenate
from minitorch_np.core.graph import Graph
from minitorch_np.core.layer import Layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.errors import ConfigurationError, MinitorchError, optional
from minitorch_np.exchange.masks import refuse_masks
from minitorch_np.exchange.torch_kinds import KINDS, UnlikeError
from minitorch_np.exchange.torch_sequences import (
    ORIGIN,
    OTHERS,
    RECURRENT,
    Reading,
    module_of_sequences,
    readings_of_sequences,
    state_of,
)
from minitorch_np.signature import explained
from minitorch_np.validation import instance

TOLERANCE = 1e-9
"""The allowed difference of the outputs on random inputs in float64, over the largest output."""


CHOICES = 256
"""The most interpretations of a module that are tried if its parts are ambiguous."""


@explained
def to_torch(model: Layer) -> Any:
    """The model as a `torch.nn.Module`, with copies of its parameters, in evaluation mode.

    `Sequential` becomes `torch.nn.Sequential`, a Graph a module with positional inputs that returns
    a tensor or a tuple; names in the `state_dict` stay the same. The result is compared with the
    model on random inputs.

    Raises MissingExtraError without PyTorch, NotBuiltError for a model that is not built,
    ConfigurationError, naming the layer, for one that has no counterpart.
    """
    torch = optional("torch", "torch", "to_torch")
    instance("to_torch", "model", model, Layer)
    model.require_built()
    refuse_masks(model, "to_torch")
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
        input_shape: of one sample. It may be omitted if the first layer is a Linear.

    The model is compared with the module, in evaluation mode, on random inputs, so a module whose
    `forward` does something else between its children is refused. Whether all states of a recurrent
    module are used or only the last one, and whether attention is causal, is found by trying. Of
    several outputs the first is used.

    Raises MissingExtraError without PyTorch, ConfigurationError for a child without a counterpart,
    naming its path, or a module that computes something other than its children in sequence,
    ShapeError for an invalid `input_shape`.
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
            "from_torch: expected input_shape=, the shape of one sample, since the first layer is "
            f"not a Linear but {type(first).__name__}"
        )
    dtype = _dtype(torch, module)
    shape = first.in_features if input_shape is None else input_shape
    places = [id(child) for _, child in children]
    readings = {id(child): _readings(torch, child, path) for path, child in children}
    choices = itertools.product(*readings.values())
    for each in itertools.islice(choices, CHOICES):
        choice = copy.deepcopy(each)  # a layer built by a failed attempt can't be used again
        chosen = dict(zip(readings, choice, strict=True))
        layers = [layer for place in places for layer, _ in chosen[place]]
        try:
            model = Sequential(*layers, input_shape=shape, seed=0, dtype=dtype)
            for layer, state in itertools.chain(*choice):
                layer.load_state_dict(state)
            _compare(torch, model, module, "from_torch")
        except MinitorchError as error:
            wrong = error
        else:
            return model
    raise wrong


def _dtype(torch: Any, module: Any) -> Any:
    """The dtype of a module's parameters as a NumPy dtype: float32 if it has none."""
    kinds = {parameter.dtype for parameter in module.parameters()}
    dtype = torch.float64 if torch.float64 in kinds else torch.float32
    unlike = kinds - {torch.float32, torch.float64}
    lazy = torch.nn.parameter.is_lazy
    if unlike or any(parameter.is_meta or lazy(parameter) for parameter in module.parameters()):
        raise ConfigurationError(
            "from_torch: expected parameters in float32 or float64, got "
            f"{', '.join(sorted(map(str, unlike))) or 'ones without data'}: convert them with "
            "module.float()"
        )
    return np.dtype(str(dtype).removeprefix("torch.")).type


class _Translation:
    """Creates modules for layers; a shared layer gets one."""

    def __init__(self, torch: Any) -> None:
        self.torch, self.made = torch, dict[int, Any]()

    def of(self, layer: Layer, path: tuple[str, ...]) -> Any:
        """The module for a layer and all layers inside, with initial parameters."""
        if id(layer) not in self.made:
            self.made[id(layer)] = self._make(layer, path)
        return self.made[id(layer)]

    def _make(self, layer: Layer, path: tuple[str, ...]) -> Any:
        torch = self.torch
        if isinstance(layer, (Sequential, Graph, Add, Concatenate)):
            inside = {
                name: self.of(child, (*path, name)) for name, child in layer.sublayers().items()
            }
            if isinstance(layer, Sequential):
                return torch.nn.Sequential(OrderedDict(inside))
            if isinstance(layer, Graph):
                return _wired(torch, inside, layer)
            if isinstance(layer, Add):
                return _branches(torch, inside, sum)
            return _branches(torch, inside, lambda outputs: torch.cat(outputs, layer.axis))
        where = f"to_torch: layer {'.'.join(path) or 'itself'}, {layer.label}"
        for kind in KINDS:
            if type(layer) is kind.layer and (
                kind.axes is None or kind.axes == len(layer.input_shape)
            ):
                try:
                    return kind.module_for(layer, torch.nn)
                except UnlikeError as error:
                    raise ConfigurationError(f"{where}: expected {error}") from None
        try:
            made = module_of_sequences(torch, layer, lambda inner: self.of(inner, path))
        except UnlikeError as error:
            raise ConfigurationError(f"{where}: expected {error}") from None
        if made is not None:
            return made
        raise ConfigurationError(
            f"{where}: expected a layer with a counterpart in torch.nn, got {type(layer).__name__}"
        )


def _branches(torch: Any, inside: dict[str, Any], combine: Callable[[list[Any]], Any]) -> Any:
    """A module of branches, under their names in the container; without any, it combines inputs."""

    class Branches(torch.nn.Module):  # type: ignore[misc]
        def forward(self, *x: Any) -> Any:
            return combine([module(*x) for module in self._modules.values()] or [*x])

    return _filled(Branches(), inside)


def _wired(torch: Any, inside: dict[str, Any], graph: Graph) -> Any:
    """A module whose children are connected like the layers of a Graph."""

    class Wired(torch.nn.Module):  # type: ignore[misc]
        def forward(self, *x: Any) -> Any:
            values = [*x]
            for module, sources in zip(self._modules.values(), graph.wiring, strict=True):
                values.append(module(*(values[one] for one in sources)))
            found = tuple(values[end] for end in graph.ends)
            return found if found[1:] else found[0]

    return _filled(Wired(), inside)


def _filled(module: Any, inside: dict[str, Any]) -> Any:
    for name, one in inside.items():
        module.add_module(name, one)
    return module


def _children(torch: Any, module: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The modules without children inside a module, in the order of their definition."""
    inside, nn = module._modules, torch.nn  # named_children() skips a module that occurs twice
    rows = isinstance(module, (nn.Sequential, nn.ModuleList, nn.TransformerEncoder))
    own = type(module).__module__.startswith("torch.nn.modules.") or hasattr(module, ORIGIN)
    if not rows and (own or not inside):
        yield path or "itself", module
        return
    for name, child in inside.items():
        if child is not None:
            yield from _children(torch, child, f"{path}.{name}".lstrip("."))


def _readings(torch: Any, module: Any, path: str) -> list[Reading]:
    """The layers that a module without children may be, not built."""
    try:
        for kind in KINDS:
            if type(module) is getattr(torch.nn, kind.module):
                return [[(kind.layer_for(module), state_of(module))]]
        readings = readings_of_sequences(torch, module)
    except (UnlikeError, ConfigurationError) as error:
        raise ConfigurationError(f"from_torch: {path}: expected {error}") from None
    if readings is None:
        names = {kind.module for kind in KINDS} | set(RECURRENT.values()) | set(OTHERS)
        raise ConfigurationError(
            f"from_torch: {path}: expected a module that has a counterpart, got "
            f"{type(module).__name__}; modules with one: {', '.join(sorted(names))}"
        )
    return readings


def _compare(torch: Any, model: Layer, module: Any, caller: str) -> None:
    """Raise ConfigurationError unless both agree on random inputs in float64."""
    rng = np.random.default_rng(0)
    several = len(parts(model.input_shape)) > 1
    integers = any(isinstance(part, torch.nn.Embedding) for part in module.modules())
    limits = model.index_limits if isinstance(model, Graph) else [model.index_limit]
    given: list[Array] = []
    tensors = []
    for sample, limit in zip(parts(model.input_shape), limits, strict=True):
        shape = (3, *sample)
        x: Array = rng.normal(size=shape)
        given.append(rng.integers(limit, size=shape).astype(float) if limit else x)
        dtype = torch.int64 if (limit if several else integers) else torch.float64
        tensors.append(torch.from_numpy(given[-1]).to(dtype))
    shown = ", ".join(str(part.shape) for part in given)
    precise = copy.deepcopy(model)
    precise.initialize(model.input_shape, rng=rng, dtype=np.float64)
    precise.load_state_dict(model.state_dict())
    try:
        with torch.no_grad():
            made = parts(copy.deepcopy(module).double().eval()(*tensors))
        theirs = [part.numpy() for part in made[: len(parts(model.output_shape))]]
    except Exception as error:  # a user-defined forward can raise anything
        raise ConfigurationError(
            f"{caller}: expected a module that returns a tensor for inputs of shape {shown} in "
            f"{dtype}, got {type(error).__name__}: {error}"
        ) from None
    for ours, other in zip(parts(precise(*given)), theirs, strict=True):
        far = np.abs(ours - other).max() if ours.shape == other.shape else np.inf
        if not far <= TOLERANCE * max(1.0, np.abs(ours).max()):
            raise ConfigurationError(
                f"{caller}: expected the same outputs of both for random inputs of shape {shown}, "
                f"got {ours.shape} and {other.shape}, which differ by up to {far:.1g}: does the "
                "module's forward do more than call its children one after the other?"
            )
