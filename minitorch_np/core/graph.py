"""Acyclic graphs of layers: several inputs, several outputs, branches, shared layers.

A graph is composed by calling layers on nodes. The layers are sorted topologically: each one comes
after the layers whose outputs it takes. Forward runs them in this order, backward in reverse; the
gradients of a value that is used in several places are added. The contract is that of every layer,
except that x and the outputs are tuples of arrays if there are several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, cast

import numpy as np

from minitorch_np.arrays import (
    Array,
    DType,
    Generator,
    Seed,
    Shape,
    as_batch,
    as_float_dtype,
    as_generator,
    count,
    describe_batch,
    each,
    parts,
)
from minitorch_np.core.layer import Backward, Cache, Forward, Gradients, Layer
from minitorch_np.core.node import Input, Node, arranged, called_on, ordered
from minitorch_np.core.prediction import Model
from minitorch_np.core.sequences import Caches, Mask, forward_masked
from minitorch_np.core.shapes import require_input
from minitorch_np.errors import ConfigurationError, ShapeError
from minitorch_np.figures import Figure
from minitorch_np.validation import instances, require


class Graph(Model):
    """The layers between `inputs` and `outputs`, each a node or a list of nodes:

        a, b = mt.Input(8), mt.Input(3)
        h = mt.Concatenate()(mt.Dense(4)(a), b)
        model = mt.Graph([a, b], [mt.Dense(1)(h), mt.Dense(5)(h)])

    It is built at once, with initial parameters drawn from `seed` in `dtype`. A layer that is
    called in two places has one set of parameters, and its gradients add up; a layer that was built
    before keeps its parameters. With several inputs x is a tuple of arrays (m, *shape); a trainer
    and `predict` also take a list, or a dictionary by the inputs' names. Outputs are named after
    their layers, as in Dense(1, name="price"), or else "output0", "output1" and so on. Called on
    nodes, a graph inserts its layers there and returns the nodes of its outputs.

    Raises ConfigurationError for a cycle, an input that leads to no output or is missing from the
    list, and outputs not computed by a layer; ShapeError, naming the layer's place and its
    inputs, if a layer does not accept their shapes.
    """

    takes_mask = True

    def __init__(
        self,
        inputs: Input | Iterable[Input],
        outputs: Node | Iterable[Node],
        *,
        seed: Seed = None,
        dtype: DType = np.float32,
    ) -> None:
        self._compose(inputs, outputs)
        shape = self.input_shapes if len(self.input_shapes) > 1 else self.input_shapes[0]
        self.initialize(shape, rng=as_generator(seed), dtype=as_float_dtype(dtype))

    def _compose(self, inputs: Input | Iterable[Input], outputs: Node | Iterable[Node]) -> None:
        """Order the nodes. Values are numbered: first the inputs, then the places of layers."""
        for name, nodes in (
            ("inputs, such as Input(8)", inputs),
            ("outputs, such as layer(x)", outputs),
        ):
            right = isinstance(nodes, Iterable) and not isinstance(nodes, Layer)
            require(right or isinstance(nodes, Node), "Graph", name, nodes)
        given = instances(self, "inputs", [inputs] if isinstance(inputs, Node) else inputs, Input)
        ends = instances(self, "outputs", [outputs] if isinstance(outputs, Node) else outputs, Node)
        order = ordered(ends)
        unused = [node for node in given if node not in order]
        unlisted = [node for node in order if isinstance(node, Input) and node not in given]
        bare = [node for node in ends if isinstance(node, Input)]
        for nodes, expected in (
            (unused, "every input to lead to an output"),
            (unlisted, "all inputs that the outputs depend on to be listed"),
            (bare, "outputs computed by a layer"),
            ([n for n in given if given.count(n) > 1], "each input to be listed once"),
        ):
            if nodes:
                raise ConfigurationError(f"Graph: expected {expected}, got {nodes[0]!r}")
        if not given or not ends:
            raise ConfigurationError("Graph: expected at least one input and one output, got none")
        made = [node for node in order if not isinstance(node, Input)]
        super().__init__(*(node.layer for node in made))
        number = {id(node): n for n, node in enumerate((*given, *made))}
        self.several_inputs = len(given) > 1
        self.input_names = tuple(node.name or f"input{n}" for n, node in enumerate(given))
        self.input_shapes = tuple(node.shape for node in given)
        self.wiring = tuple(tuple(number[id(one)] for one in node.inputs) for node in made)
        self.ends = tuple(number[id(node)] for node in ends)
        self.output_names = tuple(
            node.layer.given_name or f"output{n}" for n, node in enumerate(ends)
        )
        for names in (self.input_names, self.output_names):
            if len(set(names)) < len(names):
                raise ConfigurationError(f"Graph: expected different names, got {list(names)}")
        last = {one: place for place, sources in enumerate(self.wiring) for one in sources}
        self._done: list[list[int]] = [[] for _ in made]  # values not needed after a place
        for value in last.keys() - set(self.ends):
            self._done[last[value]].append(value)

    def build_layers(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if input_shape != (self.input_shapes if self.several_inputs else self.input_shapes[0]):
            wanted = describe_batch(cast(Shape, self.input_shapes))
            raise ShapeError(f"Graph: expected inputs of shape {wanted}, got {input_shape}")
        shapes: list[Any] = list(self.input_shapes)
        for place, sources in enumerate(self.wiring):
            given = tuple(shapes[one] for one in sources)
            layer = self.layers[place]
            came = " and ".join(f"{shapes[one]} from {self.name_of_value(one)}" for one in sources)
            if len(given) > 1 and not layer.several_inputs:
                raise ShapeError(
                    f"{self.name_of(place)}: expected one input, got {came}: join them before it, "
                    "as in Concatenate()(a, b)"
                )
            try:
                one_or_all = given if len(given) > 1 else given[0]
                shapes.append(self.build_layer(place, one_or_all, rng=rng, dtype=dtype))
            except ShapeError as error:
                raise ShapeError(f"{error}; it was called on {came}") from None
        found = tuple(shapes[end] for end in self.ends)
        return found if len(found) > 1 else cast(Shape, found[0])

    def name_of_value(self, value: int) -> str:
        """An input or a layer's place, for errors and tables."""
        place = value - len(self.input_shapes)
        return self.input_names[value] if place < 0 else self.name_of(place)

    def _run(self, x: Any, call: Callable[[int, Any], tuple[Array, Any]]) -> tuple[Any, list[Any]]:
        """The outputs, and the second result of `call(place, inputs)` for each place."""
        values: dict[int, Any] = dict(enumerate(parts(x)))
        kept: list[Any] = []
        try:
            for place, sources in enumerate(self.wiring):
                if len(sources) > 1:
                    given = tuple(values[one] for one in sources)
                else:
                    given = values[sources[0]]
                for one in self._done[place]:
                    del values[one]  # its memory is free for the next
                values[len(self.input_shapes) + place], cache = call(place, given)
                kept.append(cache)
        except ShapeError as error:
            raise self.located(error, len(kept)) from None
        except Exception as error:  # of a user-defined layer: say which
            error.add_note(f"in the forward of {self.name_of(len(kept))}")
            raise
        found = tuple(values[end] for end in self.ends)
        return (found if len(found) > 1 else found[0]), kept

    def forward(
        self,
        x: Any,
        *,
        train: bool = False,
        rng: Generator | None = None,
        mask: Mask = None,
        state: Any = None,
    ) -> Forward:
        self.check_input(x)
        masks = dict(enumerate(mask if isinstance(mask, tuple) else (mask,)))
        y, caches = self._run(x, self._calls(masks, state, train=train, rng=rng))
        if tuple(part.shape[1:] for part in parts(y)) != parts(self.output_shape):
            raise ShapeError(
                f"Graph: expected outputs of shape {describe_batch(self.output_shape)}, as its "
                f"layers' build promised, got {', '.join(str(part.shape) for part in parts(y))}: a "
                "layer's build and forward disagree"
            )
        passed_on = len(masks) > len(self.input_shapes)
        return y, (Caches(caches, masks[self.ends[0]]) if passed_on else caches)

    def _calls(
        self, masks: dict[int, Mask], state: Any = None, **options: Any
    ) -> Callable[[int, Any], tuple[Array, Any]]:
        """The forward of the layer at a place, given its inputs, with masks and states. `masks`
        has those of the inputs, and gets those of the other values.
        """
        if not self._masks and state is None and not any(one is not None for one in masks.values()):
            return lambda place, h: self.layers[place].forward(h, **options)

        def call(place: int, h: Any) -> tuple[Array, Any]:
            given = tuple(masks.get(one) for one in self.wiring[place])
            came = given if any(one is not None for one in given) else None
            came = came[0] if came and len(given) == 1 else came
            own = state and state[place]
            y, cache, after = forward_masked(self.layers[place], h, came, own, **options)
            masks[len(self.input_shapes) + place] = after
            return y, cache

        return call

    def step(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        if len(parts(x)) != len(self.input_shapes):
            raise ShapeError(
                f"Graph.step: expected an array for each of {', '.join(self.input_names)}, got "
                f"{len(parts(x))}"
            )
        states = state or [None] * len(self.layers)
        return self._run(x, lambda p, h: self.layers[p].step(h, states[p]))

    def check_input(self, x: Any) -> None:
        """Raise ShapeError unless x is (m, *input_shape), or a tuple of such arrays."""
        if not self.several_inputs:
            if isinstance(x, tuple):
                raise ShapeError(
                    f"Graph: expected one array, {self.input_names[0]}, got a tuple of {len(x)}: "
                    "lengths are an input of their own, as in Masking()(x, lengths)"
                )
            return require_input(self, x, f"Graph ({self.input_names[0]})")
        self.require_built()
        found = tuple(part.shape[1:] for part in parts(x))
        if found != self.input_shapes:
            raise ShapeError(
                f"Graph: expected inputs of shape {describe_batch(self.input_shape)} "
                f"({', '.join(self.input_names)}), got "
                f"{', '.join(str(part.shape) for part in parts(x))}"
            )
        count(x)  # which is the same for all

    def backward(self, dy: Any, cache: list[Cache], *, need_dx: bool = True) -> Backward:
        if tuple(part.shape[1:] for part in parts(dy)) != parts(self.output_shape):
            raise ShapeError(
                f"Graph.backward: expected dy of shape {describe_batch(self.output_shape)}, as the "
                f"outputs, got {', '.join(str(part.shape) for part in parts(dy))}"
            )
        needed, inputs = self._needed(need_dx), len(self.input_shapes)
        gradients: Gradients = {}
        dys: dict[int, Array] = {}

        def arrive(value: int, gradient: Array) -> None:
            dys[value] = dys[value] + gradient if value in dys else gradient

        for end, part in zip(self.ends, parts(dy), strict=True):
            arrive(end, part)
        for place in range(len(self.layers) - 1, -1, -1):
            if not needed[inputs + place]:
                continue
            sources = self.wiring[place]
            below = any(needed[one] for one in sources)
            dx = self.backward_of(place, dys.pop(inputs + place), cache[place], gradients, below)
            if below:
                for one, part in zip(sources, parts(dx), strict=True):
                    if needed[one]:
                        arrive(one, part)
        if not need_dx:
            return None, gradients
        found = tuple(dys[n] for n in range(inputs))
        return cast(Any, found if inputs > 1 else found[0]), gradients

    def _needed(self, need_dx: bool) -> list[bool]:
        """For each value, whether its gradient is needed: by the caller, or by a trainable layer
        before it.
        """
        needed = [need_dx] * len(self.input_shapes)
        for sources, learning in zip(self.wiring, self._learning, strict=True):
            learns = not all(layer.frozen for layer in learning)
            needed.append(learns or any(needed[one] for one in sources))
        return needed

    @property
    def index_limits(self) -> list[int | None]:
        return [self._limit(n) for n in range(len(self.input_shapes))]

    @property
    def index_limit(self) -> int | None:  # type: ignore[override]
        return None if self.several_inputs else self._limit(0)

    def takers(self, value: int) -> list[Layer]:
        """The layers that an input goes through, up to the first place where it branches."""
        using = [place for place, sources in enumerate(self.wiring) if value in sources]
        if len(using) != 1 or len(self.wiring[using[0]]) > 1:
            return []
        return [self.layers[using[0]], *self.takers(len(self.input_shapes) + using[0])]

    def _limit(self, value: int) -> int | None:
        for place, sources in enumerate(self.wiring):
            if value in sources:
                layer, after = self.layers[place], len(self.input_shapes) + place
                found = self._limit(after) if layer.keeps_values else layer.index_limit
                if own := getattr(layer, "index_limits", None):  # of a layer of several inputs
                    found = own[sources.index(value)]
                if found is not None:
                    return found
        return None

    @property
    def last_layers(self) -> tuple[Any, ...]:
        return tuple(self.layers[end - len(self.input_shapes)] for end in self.ends)

    def inputs_of(self, x: Any, place: str) -> Any:
        return arranged(x, self.input_names, place)

    def targets_of(self, y: Any, place: str) -> Any:
        return arranged(y, self.output_names, place)

    def outputs(self, x: Any) -> dict[str, Array]:
        """The output of each layer for a batch x, when predicting, by the layer's name: "0", "1",
        or its name from `named`.
        """
        self.require_built()
        given = each(lambda part: as_batch(part, self.dtype, "outputs"), self.inputs_of(x, "x"))
        names, found = list(self.sublayers()), dict[str, Array]()

        forward = self._calls({})

        def call(place: int, h: Any) -> tuple[Array, None]:
            found[names[place]] = y = forward(place, h)[0]
            return y, None

        self.check_input(given)
        self._run(given, call)
        return found

    def __call__(self, *x: Any) -> Any:
        x = called_on(x)
        if not any(isinstance(one, Node) for one in x):
            return super().__call__(*x)
        if len(x) != len(self.input_shapes):
            wanted = f"{len(self.input_shapes)} nodes"
            raise ConfigurationError(f"Graph: expected to be called on {wanted}, got {len(x)}")
        nodes = list(x)
        for layer, sources in zip(self.layers, self.wiring, strict=True):
            nodes.append(Node(layer, tuple(nodes[one] for one in sources)))
        found = tuple(nodes[end] for end in self.ends)
        return found if len(found) > 1 else found[0]

    @property
    def named_inputs(self) -> dict[str, Shape]:
        """The shape of a sample of each input, by its name."""
        return dict(zip(self.input_names, self.input_shapes, strict=True))

    def source_of(self, place: int) -> str:
        names = list(self.sublayers())
        inputs = len(self.input_names)
        sources = [(*self.input_names, *names)[one] for one in self.wiring[place]]
        role = [
            f" -> {name}"
            for name, end in zip(self.output_names, self.ends, strict=True)
            if end == inputs + place and len(self.ends) > 1
        ]
        return f"  of {', '.join(sources)}{''.join(role)}"

    def plot(self) -> Figure:
        """A picture of the graph: a box for each layer, and an arrow for each array.

        Raises MissingExtraError without matplotlib.
        """
        from minitorch_np.core.graph_picture import draw

        return draw(self)

    def config(self) -> dict[str, Any]:
        return {
            "inputs": [list(pair) for pair in self.named_inputs.items()],
            "layers": list(self.layers),
            "wiring": self.wiring,
            "outputs": self.ends,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        inputs = [Input(shape, name) for name, shape in config["inputs"]]
        nodes: list[Node] = list(inputs)
        for layer, sources in zip(config["layers"], config["wiring"], strict=True):
            nodes.append(Node(layer, tuple(nodes[one] for one in sources)))
        return cls.unbuilt(inputs, [nodes[end] for end in config["outputs"]])

    @classmethod
    def unbuilt(cls, inputs: Input | Iterable[Input], outputs: Node | Iterable[Node]) -> Self:
        """The same, a specification without parameters until `initialize` is called."""
        graph = cls.__new__(cls)
        graph._compose(inputs, outputs)
        return graph
