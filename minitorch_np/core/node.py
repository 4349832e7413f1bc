"""Nodes: placeholders from which a graph is composed.

A node is a placeholder for an array: an input, or the output of a layer for other nodes. Calling a
layer on nodes returns a new node, so a network is written as a formula, and `Graph` finds its
layers from the nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from minitorch_np.arrays import as_shape
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.validation import require


class Node:
    """The output of `layer` for the nodes `inputs`; an input has neither.

    Raises ConfigurationError unless all of them are nodes.
    """

    def __init__(self, layer: Any, inputs: tuple[Any, ...]) -> None:
        wrong = [one for one in inputs if not isinstance(one, Node)]
        if wrong:
            raise ConfigurationError(
                f"{layer.label}: expected it to be called on nodes only, or on arrays only, got a "
                f"{type(wrong[0]).__name__} beside a node"
            )
        self.layer, self.inputs = layer, inputs

    def __add__(self, other: object) -> Node:
        """Raise ConfigurationError: nodes are joined by layers."""
        raise ConfigurationError(
            f"{self!r}: expected a layer that joins nodes, got +: write Add()(a, b)"
        )

    __radd__ = __add__

    def __repr__(self) -> str:
        return f"<node of {self.layer.label}>"


class Input(Node):
    """An input of a Graph: samples of `shape` (784, or (28, 28)), under a name that is used where
    inputs are given in a dictionary; without one, "input0", "input1" and so on.
    """

    def __init__(self, shape: object, name: str | None = None) -> None:
        super().__init__(None, ())
        self.shape, self.name = as_shape(shape), name
        if name is not None:
            right = isinstance(name, str) and name.isidentifier()
            require(right, self, "a name of letters, digits and underscores, such as 'age'", name)

    def __repr__(self) -> str:
        shape = self.shape[0] if len(self.shape) == 1 else self.shape
        return f"Input({shape})" if self.name is None else f"Input({shape}, {self.name!r})"


def called_on(x: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a layer was called on: x, or the nodes in a single list, as Keras' layers take them."""
    listed = len(x) == 1 and isinstance(x[0], (list, tuple))
    return tuple(x[0]) if listed and any(isinstance(one, Node) for one in x[0]) else x


def ordered(ends: Iterable[Node]) -> list[Node]:
    """The `ends` and all nodes that they depend on, in topological order: inputs before outputs.

    Raises ConfigurationError, naming a layer, for a node that depends on itself.
    """
    order: list[Node] = []
    closed: dict[int, bool] = {}  # False while the nodes that a node depends on are visited
    waiting = [(node, False) for node in reversed(tuple(ends))]
    while waiting:
        node, visited = waiting.pop()
        if visited:
            closed[id(node)] = True
            order.append(node)
        elif closed.get(id(node)) is False:
            raise ConfigurationError(
                f"Graph: expected no cycle, got {node!r}, which depends on its own output"
            )
        elif id(node) not in closed:
            closed[id(node)] = False
            waiting.append((node, True))
            waiting += [(one, False) for one in reversed(node.inputs)]
    return order


def arranged(given: Any, names: tuple[str, ...], place: str) -> Any:
    """Values given by name, or in a list, as a tuple in the order of the names; a single one is
    returned as it is.
    """
    if isinstance(given, Mapping):
        if set(given) != set(names):
            raise DataError(f"{place}: expected {list(names)}, got {sorted(map(str, given))}")
        given = tuple(given[name] for name in names)
        return given if len(names) > 1 else given[0]
    if len(names) == 1:
        return given
    if not isinstance(given, (tuple, list)) or len(given) != len(names):
        got = f"{len(given)}" if isinstance(given, (tuple, list)) else f"a {type(given).__name__}"
        raise DataError(
            f"{place}: expected a tuple, or a dictionary, of {len(names)}, one for each of "
            f"{' and '.join(names)}, got {got}"
        )
    return tuple(given)
