"""Recurrent operators of ONNX files as layers.

In ONNX steps come before samples, and an operator returns all states, (steps, directions, m,
units), and the last ones, (directions, m, units). So PyTorch and `to_onnx` write it between
transposes and squeezes, and it is read together with these. The weights are PyTorch's with the
gates in another order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.exchange.onnx_reader import Read, Reader
from minitorch_np.exchange.onnx_writers import ORDERS
from minitorch_np.layers.bidirectional import Bidirectional
from minitorch_np.layers.recurrent import Recurrent, SimpleRNN

KINDS = {kind: (cls, order) for cls, (kind, order) in ORDERS.items()}
"""The layer for each operator, and the positions of its gates in PyTorch's order."""

FUNCTIONS = {"RNN": ["tanh"], "LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"]}
"""The activation functions that the layers have."""


def steps_first(reader: Reader, tensor: str) -> Read:
    """Read a tensor (steps, m, features) with its first two axes exchanged."""
    node = reader.nodes.get(tensor)
    kind = None if node is None else node.op_type
    if node is None or kind not in ("Transpose", "Squeeze", "Reshape"):
        raise _mixed(reader, node, tensor)
    if kind == "Transpose" and reader.attributes(node, perm=None)["perm"] == [1, 0, 2]:
        return [], node.input[0]
    states = reader.nodes.get(node.input[0])
    if kind == "Squeeze" and _is_states(states, node.input[0], 0):
        if _axes(reader, node) != [1]:
            raise _mixed(reader, node, tensor)
        return _read(reader, states, True, None)
    if kind == "Reshape" and states is not None and states.op_type == "Transpose":
        both = reader.nodes.get(states.input[0])
        right = reader.attributes(states, perm=None)["perm"] == [0, 2, 1, 3]
        if right and _is_states(both, states.input[0], 0):
            return _read(reader, both, True, None)
    raise _mixed(reader, node, tensor)


def last_state(reader: Reader, node: Any) -> Read:
    """Read a squeeze of the last states of one direction."""
    states = reader.nodes.get(node.input[0])
    if not _is_states(states, node.input[0], 1) or _axes(reader, node) != [0]:
        raise reader.refused(node, "a squeeze of anything but the last state of a sequence")
    return _read(reader, states, False, None)


def one_step(reader: Reader, node: Any, axis: int) -> Read:
    """Read one entry along an axis: a direction of the last states, or the last of all states."""
    place, tensor = int(reader.constant(node, 1)), node.input[0]
    states = reader.nodes.get(tensor)
    if axis == 0 and states is not None and states.op_type == "Concat":  # of several layers
        owners = [name for name in states.input for _ in range(reader.shape(name)[0])]
        tensor = owners[place]
        place = place % len(owners) - owners.index(tensor)
        states = reader.nodes.get(tensor)
    if axis == 0 and _is_states(states, tensor, 1):
        return _read(reader, states, False, place)
    if axis == 1 and place == -1:
        layers, x = reader.read(node.input[0])
        last = layers[-1] if layers else None
        if isinstance(last, Recurrent) and last.return_sequences and not last.go_backwards:
            only = type(last).from_config(last.config() | {"return_sequences": False})
            reader.weights += [(only, arrays) for layer, arrays in reader.weights if layer is last]
            reader.weights = [(layer, a) for layer, a in reader.weights if layer is not last]
            return [*layers[:-1], only], x
    raise reader.refused(node, f"an entry at {place} along axis {axis}, which no layer selects")


def _read(reader: Reader, node: Any, sequences: bool, direction: int | None) -> Read:
    """The layer of an operator, and what is before it; of two directions, one or both."""
    settings = _settings(reader, node)
    arrays = [reader.constant(node, place) for place in (1, 2)]
    units, biased = arrays[1].shape[2], len(node.input) > 3 and node.input[3]
    none = np.zeros((len(arrays[1]), 2 * arrays[1].shape[1]), np.float32)
    arrays.append(reader.constant(node, 3) if biased else none)
    for place, name in enumerate(node.input[4:], 4):
        if name and (place == 4 or reader.constant(node, place).any()):
            what = ("lengths of sequences", "an initial state", "an initial state", "peepholes")
            raise reader.refused(node, f"{node.op_type} with {what[place - 4]}")
    backwards = [settings["direction"] == "reverse"]
    if settings["direction"] == "bidirectional":
        backwards = [False, True]
    cls = KINDS[node.op_type][0]
    more = {"activation": settings["activations"][0]} if cls is SimpleRNN else {}
    layers = [cls(units, sequences, each, **more) for each in backwards]
    weights = [_weights(node.op_type, *(each[n] for each in arrays)) for n in range(len(layers))]
    if direction is not None:
        layers, weights = [layers[direction]], [weights[direction]]
    elif len(layers) == 2:
        if not sequences:
            raise reader.refused(node, "the last states of both directions in one")
        weights = [weights[0] | {f"{name}_reverse": a for name, a in weights[1].items()}]
    variant = sequences, direction
    make = lambda: Bidirectional(layers[0]) if len(layers) == 2 else layers[0]  # noqa: E731
    made, x = reader.layer(node, make, *variant, **weights[0])
    before, start = steps_first(reader, x)
    return [*before, *made], start


def _settings(reader: Reader, node: Any) -> dict[str, Any]:
    """The attributes of a recurrent operator. Raises ModelFileError for unsupported ones."""
    usual = FUNCTIONS[node.op_type]
    given = reader.attributes(
        node,
        hidden_size=None,
        direction="forward",
        activations=[],
        linear_before_reset=0,
        input_forget=0,
        layout=0,
    )
    names = [each.decode().lower() for each in given["activations"]]
    half = names[: len(usual)] or usual
    free = [["tanh"], ["relu"]] if node.op_type == "RNN" else [usual]
    if half not in free or names not in ([], half, half * 2):
        raise reader.refused(node, f"{node.op_type} with activations {names}")
    right = int(node.op_type == "GRU")
    reader.only(node, given, input_forget=0, layout=0, linear_before_reset=(right, 1))
    return given | {"activations": half}


def _weights(kind: str, inputs: AnyArray, states: AnyArray, bias: AnyArray) -> dict[str, AnyArray]:
    """The parameters of one direction, with the gates in PyTorch's order."""
    order = np.argsort(KINDS[kind][1])

    def sorted_gates(array: AnyArray) -> AnyArray:
        gates = array.reshape(len(order), -1, *array.shape[1:])
        return gates[order].reshape(array.shape)

    first, second = np.split(bias, 2)
    return {
        "weight_ih_l0": sorted_gates(inputs),
        "weight_hh_l0": sorted_gates(states),
        "bias_ih_l0": sorted_gates(first),
        "bias_hh_l0": sorted_gates(second),
    }


def _is_states(node: Any, tensor: str, place: int) -> bool:
    """Whether a tensor is an output of a recurrent operator: 0 all states, 1 the last ones."""
    outputs = [] if node is None or node.op_type not in KINDS else list(node.output)
    return len(outputs) > place and outputs[place] == tensor


def _axes(reader: Reader, node: Any) -> list[int]:
    """The axes of a squeeze."""
    given = reader.attributes(node, axes=None)["axes"]  # before opset 13
    found: list[int] = given or reader.constant(node, 1).tolist()
    return found


def _mixed(reader: Reader, node: Any, tensor: str) -> Exception:
    if node is None:
        return reader.refused(
            reader.proto.graph.node[0], "an input whose first axis is not a batch"
        )
    return reader.refused(node, f"{tensor!r} with steps before samples, which no layer returns")
