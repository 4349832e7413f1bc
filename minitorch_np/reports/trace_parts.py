"""The parts of a traced step, and the names of its arrays in the notes.

The notes follow a batch through a chain of `Dense` layers and activations: Z1 = W1 X + b1, A1 =
g(Z1), and back: dZ2 = A2 - Y, dW2 = 1/m dZ2 A1.T, ... They write samples in columns, and apply the
1/m of the mean in dW and db, not in dZ. Here dL/dz already contains it, so dZ = m dL/dz; dW and db
are the same numbers. The arrays of any other model are named in `trace_plain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.core.layer import Layer
from minitorch_np.layers import Activation, Dense, Flatten
from minitorch_np.losses import Loss, SoftmaxCrossEntropy
from minitorch_np.numerics import softmax
from minitorch_np.optimizers import SGD, Optimizer


@dataclass
class TracedLayer:
    """One call of a layer: its input and output, and their gradients, dL/dx and dL/dy.

    For a layer with several inputs, `input` and `input_gradient` are tuples; with several outputs,
    `output` and `output_gradient` are.
    """

    path: str
    layer: Layer
    formula: str
    input: Any
    output: Any
    input_gradient: Any = None
    output_gradient: Any = None


@dataclass
class TracedParameter:
    """A parameter before the step, its gradient, and the parameter after the step."""

    name: str
    value: Array
    gradient: Array | None
    after: Array

    @property
    def update(self) -> Array:
        """The change of the parameter in this step."""
        return self.after - self.value


class Product(NamedTuple):
    """How an array results from others, by name: `scale` (left @ right + plus - minus) * times.

    Without `right`, the product is the sum of each row of `left`; without `left`, of each column of
    `right`. An array with one row or one column is broadcast.
    """

    left: str = ""
    right: str = ""
    left_transposed: bool = False
    right_transposed: bool = False
    plus: tuple[str, ...] = ()
    minus: str = ""
    times: str = ""
    scale: float = 1.0

    @property
    def parts(self) -> set[str]:
        """The names of the arrays that it results from."""
        return {self.left, self.right, self.minus, self.times, *self.plus} - {""}


class Windows(NamedTuple):
    """How an array of a convolution results from others, by name: each term is a product of two of
    the input `x`, the weights `w` and the gradient `dy` of the output. `grid` describes the windows
    that connect them. An output also adds its filter's entry of `plus`.
    """

    grid: Mapping[str, Any]
    x: str = ""
    w: str = ""
    dy: str = ""
    plus: tuple[str, ...] = ()

    @property
    def parts(self) -> set[str]:
        """The names of the arrays that it results from."""
        return {self.x, self.w, self.dy, *self.plus} - {""}


class TracedArray(NamedTuple):
    """An array of the step: the part that it belongs to, its name and formula, and, if its entries
    are sums, their terms.
    """

    part: str
    name: str
    formula: str
    value: AnyArray
    product: Product | Windows | None = None


Link = tuple[TracedLayer, TracedLayer | None]
"""A Dense layer's call, and that of the activation after it or None."""


def chain(calls: list[TracedLayer]) -> list[Link]:
    """The calls as links if they are a chain of different Dense layers and activations, else []."""
    links: list[Link] = []
    for before, call in pairwise([None, *calls]):
        assert call is not None
        if before is not None and not np.array_equal(before.output, call.input):
            return []  # it branches
        if isinstance(call.layer, Dense) and call.input.ndim == 2:
            links.append((call, None))
        elif isinstance(call.layer, Activation) and links and links[-1][1] is None:
            links[-1] = links[-1][0], call
        elif not isinstance(call.layer, Flatten) or links:
            return []
    different = {id(dense.layer) for dense, _ in links}
    return links if len(different) == len(links) else []


def in_the_notes_names(
    links: list[Link],
    loss: Loss,
    targets: AnyArray,
    parameters: Mapping[str, TracedParameter],
    optimizer: Optimizer,
) -> Iterator[TracedArray]:
    """The arrays of a chain in the order of the step: forward, loss, backward, update."""
    before, inputs = "X", dict[int, str]()
    yield TracedArray("Inputs", "X", "the inputs, one sample per column", links[0][0].input.T)
    for k, (dense, activation) in enumerate(links, 1):
        inputs[k] = before
        yield from _forwards(k, dense, activation, before, parameters)
        before = f"Z{k}" if activation is None else f"A{k}"
    last = links[-1][1] or links[-1][0]
    made, upstream = _at_the_end(last, before, loss, targets, len(links))
    yield from made
    for k in range(len(links), 0, -1):
        yield from _backwards(k, links[k - 1], upstream, inputs[k], parameters)
        upstream = f"W{k}.T dZ{k}", Product(f"W{k}", f"dZ{k}", left_transposed=True)
    plain = type(optimizer) is SGD and not (optimizer.momentum or optimizer.weight_decay)
    for k, (dense, _) in enumerate(links, 1):
        for key, name in _names(dense, k):
            formula = f"{name} - alpha d{name}" if plain else f"{name} after {optimizer!r}"
            yield TracedArray("Update", f"new {name}", formula, _column(parameters[key].after))


def _forwards(
    k: int,
    dense: TracedLayer,
    activation: TracedLayer | None,
    before: str,
    parameters: Mapping[str, TracedParameter],
) -> Iterator[TracedArray]:
    part, names = f"Forward, layer {k}", _names(dense, k)
    for key, name in names:
        yield TracedArray(part, name, "before the step", _column(parameters[key].value))
    bias = f"b{k}" if len(names) > 1 else ""
    formula = f"W{k} {before}" + (f" + {bias}" if bias else "")
    product = Product(f"W{k}", before, plus=(bias,) if bias else ())
    yield TracedArray(part, f"Z{k}", formula, dense.output.T, product)
    if activation is not None:
        layer, z, a = activation.layer, activation.input, activation.output
        assert isinstance(layer, Activation)
        yield TracedArray(part, f"A{k}", f"g(Z{k}), g = {layer!r}", a.T)
        slope = np.asarray(layer.derivative(z, a), a.dtype)
        yield TracedArray(part, f"g'(Z{k})", f"the slope of g at Z{k}", slope.T)


def _at_the_end(
    last: TracedLayer, before: str, loss: Loss, targets: AnyArray, count: int
) -> tuple[list[TracedArray], tuple[str, Product | None]]:
    """The arrays of the loss, and the formula of m dL/d(outputs)."""
    assert last.output_gradient is not None
    gradient = m_times(last.output_gradient)
    name = f"dL/d{before}"
    if not isinstance(loss, SoftmaxCrossEntropy):
        return [TracedArray("Loss", name, f"m times the gradient of {loss!r}", gradient.T)], (
            name,
            Product(plus=(name,)),
        )
    p = softmax(last.output)
    y = targets if targets.ndim > 1 else np.eye(p.shape[1])[targets]
    share = "P" if before[0] == "A" else f"A{count}"
    made = [
        TracedArray("Loss", share, f"softmax({before})", p.T),
        TracedArray("Loss", "Y", "the targets, a 1 for the right class", y.T),
    ]
    if np.allclose(gradient, p - y, rtol=1e-4, atol=1e-6):
        return made, (f"{share} - Y", Product(plus=(share,), minus="Y"))
    made.append(TracedArray("Loss", name, f"m times the gradient of {loss!r}", gradient.T))
    return made, (name, Product(plus=(name,)))


def _backwards(
    k: int,
    link: Link,
    upstream: tuple[str, Product | None],
    inputs: str,
    parameters: Mapping[str, TracedParameter],
) -> Iterator[TracedArray]:
    dense, activation = link
    part, (formula, product), names = f"Backward, layer {k}", upstream, _names(dense, k)
    assert dense.output_gradient is not None
    if activation is not None:
        formula = f"({formula}) * g'(Z{k})"
        product = None if product is None else product._replace(times=f"g'(Z{k})")
    dz = m_times(dense.output_gradient)
    yield TracedArray(part, f"dZ{k}", formula, dz.T, product)
    share = 1 / len(dz)
    made = (
        (f"1/m dZ{k} {inputs}.T", Product(f"dZ{k}", inputs, right_transposed=True, scale=share)),
        (f"1/m times the sum of dZ{k} over the samples", Product(f"dZ{k}", scale=share)),
    )
    for (key, name), (words, sums) in zip(names, made, strict=False):
        gradient = parameters[key].gradient
        if gradient is not None:
            yield TracedArray(part, f"d{name}", words, _column(gradient), sums)


def m_times(gradient: Array) -> Array:
    """The gradient of each sample's own loss, given that of the mean loss."""
    scaled: Array = len(gradient) * gradient
    return scaled


def _names(dense: TracedLayer, k: int) -> list[tuple[str, str]]:
    """The names of a Dense layer's parameters in the model, and in the notes."""
    keys = dense.layer.parameter_names
    return [
        (f"{dense.path}.{key}", f"{letter}{k}") for key, letter in zip(keys, "Wb", strict=False)
    ]


def _column(array: Array) -> Array:
    return array if array.ndim > 1 else array[:, np.newaxis]
