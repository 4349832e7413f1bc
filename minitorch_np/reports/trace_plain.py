"""The arrays of a step of any model, named by its layers: "0.output", "0.weight gradient".

Samples are in rows, as everywhere in this package. For `Dense`, `Conv2D`, activations and layers
that add up inputs or branches, each number can be shown as the sum that it results from: y = x W.T
+ b, dx = dy W, dW = dy.T x, db = the sum of dy over the samples; dz = da g'(z); y = f(x) + g(x). A
convolution's sums are those of a dense layer on each window.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.core.layer import Layer
from minitorch_np.core.prediction import Model
from minitorch_np.layers import Activation, Add, Conv2D, Dense, Graph, Sequential
from minitorch_np.reports.model_page import grid_of
from minitorch_np.reports.trace_parts import (
    Product,
    TracedArray,
    TracedLayer,
    TracedParameter,
    Windows,
)

Calls = Mapping[str, TracedLayer]


def in_plain_names(
    model: Model, calls: Calls, parameters: Mapping[str, TracedParameter]
) -> Iterator[TracedArray]:
    """The arrays of the step in order: forward, backward, update."""
    times = Counter(id(call.layer) for call in calls.values())
    for call in calls.values():
        part = f"Forward, {call.path}: {call.layer.label}"
        for name, array in numbered(call, "input", call.input):
            yield TracedArray(part, name, "the layer's input", array)
        for key in call.layer.parameter_names:
            if parameter := parameters.get(f"{owner(call)}.{key}"):
                yield TracedArray(part, parameter.name, "before the step", parameter.value)
        for name, array in numbered(call, "output", call.output):
            yield TracedArray(part, name, call.formula, array, _output_sum(call, calls))
    for call in reversed(list(calls.values())):
        part = f"Backward, {call.path}: {call.layer.label}"
        if call.output_gradient is not None:
            words, product = "dL/dy, from the layers after it", _gradient_sum(model, call, calls)
            for name, array in numbered(call, "output gradient", call.output_gradient):
                yield TracedArray(part, name, words, array, product)
        if isinstance(call.layer, Activation):
            slope = np.asarray(call.layer.derivative(call.input, call.output), call.output.dtype)
            yield TracedArray(part, f"{call.path}.slope", "g'(z), the slope of g", slope)
        if call.input_gradient is not None:
            words, inputs = "dL/dx, for the layers before it", _input_sum(call, calls)
            for name, array in numbered(call, "input gradient", call.input_gradient):
                yield TracedArray(part, name, words, array, inputs)
    sums = {
        name: product
        for call in calls.values()
        if times[id(call.layer)] == 1
        for name, product in _parameter_sums(call)
    }
    for each in parameters.values():
        if each.gradient is not None:
            name, words = f"{each.name} gradient", "dL/dw, summed over the samples"
            yield TracedArray("Update", name, words, each.gradient, sums.get(each.name))
            words = "the change made by the optimizer"
            yield TracedArray("Update", f"{each.name} update", words, each.update)


def numbered(
    call: TracedLayer, what: str, arrays: AnyArray | tuple[AnyArray, ...]
) -> list[tuple[str, AnyArray]]:
    """The name and array of a call's input or output; several are numbered from 1."""
    if not isinstance(arrays, tuple):
        return [(f"{call.path}.{what}", arrays)]
    return [(f"{call.path}.{what} {k}", array) for k, array in enumerate(arrays, 1)]


def owner(call: TracedLayer) -> str:
    """The path of a call's layer and its parameters: "0" for "0 (2)", the second call."""
    return re.sub(r" \(\d+\)$", "", call.path)


def is_dense(call: TracedLayer) -> bool:
    """Whether it is a call of a Dense layer with one-dimensional samples."""
    return isinstance(call.layer, Dense) and call.input.ndim == 2


def _output_sum(call: TracedLayer, calls: Calls) -> Product | Windows | None:
    if is_dense(call):
        bias = (f"{owner(call)}.bias",) if "bias" in call.layer.parameter_names else ()
        weight = f"{owner(call)}.weight"
        return Product(f"{call.path}.input", weight, right_transposed=True, plus=bias)
    if isinstance(call.layer, Conv2D):
        plus = (f"{owner(call)}.bias",) if call.layer.use_bias else ()
        return Windows(_grid(call), x=f"{call.path}.input", w=f"{owner(call)}.weight", plus=plus)
    if isinstance(call.layer, Add):
        added = _branches(call, calls, -1, "output")
        if call.layer.several_inputs:
            added = tuple(name for name, _ in numbered(call, "input", call.input))
        return Product(plus=added) if added else None
    return None


def _input_sum(call: TracedLayer, calls: Calls) -> Product | Windows | None:
    dy = f"{call.path}.output gradient"
    if is_dense(call):
        return Product(dy, f"{owner(call)}.weight")
    if isinstance(call.layer, Conv2D):
        return Windows(_grid(call), w=f"{owner(call)}.weight", dy=dy)
    if isinstance(call.layer, Activation):
        return Product(plus=(dy,), times=f"{call.path}.slope")
    if isinstance(call.layer, Add):
        several = call.layer.several_inputs
        added = (dy,) if several else _branches(call, calls, 0, "input gradient")
        return Product(plus=added) if added else None
    return None


def _parameter_sums(call: TracedLayer) -> Iterator[tuple[str, Product | Windows]]:
    dy, x = f"{call.path}.output gradient", f"{call.path}.input"
    if is_dense(call):
        yield f"{owner(call)}.weight", Product(dy, x, left_transposed=True)
        yield f"{owner(call)}.bias", Product(right=dy)
    elif isinstance(call.layer, Conv2D):
        yield f"{owner(call)}.weight", Windows(_grid(call), x=x, dy=dy)
        yield f"{owner(call)}.bias", Windows(_grid(call), dy=dy)


def _grid(call: TracedLayer) -> dict[str, Any]:
    layer = call.layer
    assert isinstance(layer, Conv2D)
    return {"filters": layer.filters, "groups": layer.groups, **grid_of(layer)}


def _branches(call: TracedLayer, calls: Calls, end: int, what: str) -> tuple[str, ...]:
    """An array at the beginning or the end of each branch; () if a branch was called twice, or if
    its layer is also used elsewhere."""
    found = []
    for name, layer in call.layer.sublayers().items():
        path, inner = f"{owner(call)}.{name}", layer
        while isinstance(inner, Sequential):
            key, inner = list(inner.sublayers().items())[end]
            path = f"{path}.{key}"
        if path not in calls or f"{path} (2)" in calls or calls[path].layer is not inner:
            return ()
        found.append(f"{path}.{what}")
    return tuple(found)


def _gradient_sum(model: Model, call: TracedLayer, calls: Calls) -> Product | None:
    """In a graph, the sum of the gradients from all layers that use an output, if several do."""
    places = _places(model)
    if call.path not in places or f"{call.path} (2)" in calls or not isinstance(model, Graph):
        return None
    value = len(model.input_names) + places[call.path]
    found = list[str]()
    for path, place in places.items():
        for number, one in enumerate(model.wiring[place], 1):
            if one == value:
                several = f" {number}" if len(model.wiring[place]) > 1 else ""
                found.append(f"{path}.input gradient{several}")
    complete = value not in model.ends and len(found) > 1
    once = all(name.rsplit(".", 1)[0] in calls for name in found)
    return Product(plus=tuple(found)) if complete and once else None


def _places(model: Layer) -> dict[str, int]:
    """The place of each layer of a graph, by its path, except those used in several places."""
    if not isinstance(model, Graph):
        return {}
    uses = Counter(map(id, model.layers))
    return {
        path: place
        for place, (path, layer) in enumerate(model.sublayers().items())
        if uses[id(layer)] == 1
    }
