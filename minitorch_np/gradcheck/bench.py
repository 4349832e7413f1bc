"""A layer to experiment with, and the longest experiment: results must not depend on earlier calls.

Whatever was computed before (another batch, a batch of one, a second object, ten backward passes in
a row, other parameters), results must equal those of a copy that has never been called. The
experiments use numbers that float32 can hold exactly, so that one of them can compare the dtypes.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.errors import MinitorchError
from minitorch_np.gradcheck.claim import Claim
from minitorch_np.gradcheck.numeric import cotangent, largest
from minitorch_np.gradcheck.rules import SAME, SAME_COMPOSED, in_single, same
from minitorch_np.gradcheck.targets import LayerTarget, backward, takes_numbers
from minitorch_np.layers import Layer

AGAIN = 10
"""The number of backward passes from one cache that must give the same result."""


class Bench:
    """A built float64 layer that has never been called, a batch and a dL/dy to experiment with."""

    def __init__(self, layer: Layer, x: Array, seed: int) -> None:
        self.layer, self.seed = copy.deepcopy(layer), seed
        self.same = SAME_COMPOSED if layer.sublayers() else SAME
        self.x = in_single(x)
        for array in self.layer.named_parameters().values():
            array[...] = in_single(array)
        rng = np.random.default_rng(seed)
        target = LayerTarget(self.fresh(), self.x.copy(), seed=seed)
        self.dy = in_single(cotangent(rng, target.value().shape))
        self.claim = Claim(target, rng, self.dy)
        self.y = self.claim.origin
        self.buffers = {n: array.copy() for n, array in self.layer.named_buffers().items()}

    def fresh(self, factor: float = 1.0) -> Layer:
        """A copy that has never been called, with its parameters times a factor."""
        layer = copy.deepcopy(self.layer)
        if factor != 1:
            for array in layer.named_parameters().values():
                array[...] *= factor
        return layer

    def forward(
        self, layer: Layer, x: Array, train: bool = True, other: bool = False
    ) -> tuple[Array, Any]:
        """The layer's forward with a new generator, from the usual seed or from `other`.

        Buffers are reset as well, since a layer may change them between calls.
        """
        for name, array in layer.named_buffers().items():
            array[...] = self.buffers[name]
        return layer.forward(x, train=train, rng=np.random.default_rng(self.seed + other))

    def run(
        self, layer: Layer, x: Array, dy: Array, train: bool = True, other: bool = False
    ) -> dict[str, Array]:
        """The output y and all gradients, as dx and dweight, for a batch."""
        y, cache = self.forward(layer, x, train, other)
        return {"y": y, **named(*backward(layer, dy, cache))}

    def differing(self, found: dict[str, Array], expected: dict[str, Array]) -> str | None:
        """The name of the first result that is not as expected, up to rounding, or None."""
        for name, array in expected.items():
            if name not in found or not self.near(name, found[name], array):
                return name
        return None

    def near(self, name: str, a: Array, b: Array) -> bool:
        """Whether the result of that name is as expected, up to rounding."""
        limit = self.same * largest(b)
        if name[1:] in self.claim.noise:
            limit = self.same * max(largest(b), self.claim.scale(name[1:]))
            limit += self.claim.vanishing(name[1:]) + self.claim.ulps_of_dy
        return a.shape == b.shape and bool(largest(a - b) <= limit)

    def other(self, factor: float) -> Array:
        """Another batch: x times a factor, or, for whole numbers, in another order."""
        return np.flip(self.x).copy() if takes_numbers(self.layer) else factor * self.x


def named(dx: Array | None, gradients: dict[str, Array]) -> dict[str, Array]:
    """All gradients under the names that reports use."""
    inputs = {} if dx is None else {"dx": dx}
    return {**inputs, **{f"d{name}": np.asarray(g) for name, g in gradients.items()}}


def history_does_not_matter(bench: Bench) -> str | None:
    """A call gives the same result after any other, and changes no argument or earlier result."""
    faults = _faults_of_history(bench, train=True)
    if bench.layer.named_buffers():  # backward may read a buffer that has changed since forward
        faults = itertools.chain(faults, _faults_of_history(bench, train=False))
    return next(faults, None)


def _faults_of_history(bench: Bench, train: bool) -> Iterator[str]:
    layer, x, dy = bench.fresh(), bench.x.copy(), bench.dy.copy()
    expected = bench.run(bench.fresh(), x.copy(), dy.copy(), train)
    state = layer.state_dict()
    y, cache = bench.forward(layer, x, train)
    buffers = {name: array.copy() for name, array in layer.named_buffers().items()}
    first = named(*backward(layer, dy, cache))
    changed = [n for n, array in layer.named_buffers().items() if not same(array, buffers[n])]
    if changed:
        yield f"backward changes {', '.join(changed)}"
    given = {"x": x, "dy": dy, **layer.named_parameters()}
    before = {"x": bench.x, "dy": bench.dy, **bench.layer.named_parameters()}
    changed = [name for name in given if not same(given[name], before[name])]
    if changed:
        yield f"changed in place: {', '.join(changed)}"
    held = {"y": y, **first}
    if name := bench.differing(held, expected):
        yield f"two copies of the layer differ in {name}: something is random besides rng"
    for _ in range(AGAIN):
        again = named(*backward(layer, dy, cache))
    if name := bench.differing(again, first):
        yield f"another backward from the same cache differs in {name}: something accumulates"
    yield from _after_other_calls(bench, layer, dy, cache, held)
    yield from _after_other_states(bench, layer, (x, dy, train), expected, state)
    yield from _shared_memory(first, {"x": x, **layer.named_parameters()})


def _after_other_calls(
    bench: Bench, layer: Layer, dy: Array, cache: Any, held: dict[str, Array]
) -> Iterator[str]:
    """The results of a call, after calls with another batch, a batch of one, another object."""
    kept = {name: array.copy() for name, array in held.items()}
    bench.run(layer, bench.other(-0.7), -dy, other=True)
    _run_one(bench, layer)
    wild = [n for n, array in layer.named_buffers().items() if not np.isfinite(array).all()]
    if wild:
        yield f"a batch of one sample makes {wild[0]} infinite or NaN"
    bench.run(bench.fresh(0.5), bench.other(1.3), dy, other=True)
    changed = [name for name in held if not same(held[name], kept[name])]
    if changed:
        yield f"{changed[0]} was changed by a later call: it is a buffer that is used again"
    del kept["y"]
    if name := bench.differing(named(*backward(layer, dy, cache)), kept):
        yield f"a forward in between changes {name}: the cache is kept on the layer or its class"


def _after_other_states(
    bench: Bench,
    layer: Layer,
    call: tuple[Array, Array, bool],
    expected: dict[str, Array],
    state: dict[str, Array],
) -> Iterator[str]:
    """Repeat the call with other parameters, with the same ones, after a smaller batch, ..."""
    x, dy, train = call
    used, fresh = layer, bench.fresh(0.9)
    used.load_state_dict(state | {n: 0.9 * state[n] for n in layer.named_parameters()})
    if name := bench.differing(bench.run(used, x, dy, train), bench.run(fresh, x, dy, train)):
        yield (
            f"after a change of the parameters {name} is not that of a fresh copy: "
            "something is remembered from before"
        )
    layer.load_state_dict(state)
    if name := bench.differing(bench.run(layer, x, dy, train), expected):
        yield f"a repeated call differs in {name}: something accumulates, or is random besides rng"
    small = bench.fresh()
    _run_one(bench, small)
    small.load_state_dict(state)
    if name := bench.differing(bench.run(small, x, dy, train), expected):
        yield f"after a smaller batch {name} differs: something of that batch is remembered"
    new = bench.run(bench.fresh(), x, dy, train, other=True)
    if name := bench.differing(bench.run(layer, x, dy, train, other=True), new):
        yield f"with another rng {name} is not that of a fresh copy: a random draw is remembered"
    loaded = bench.fresh()
    loaded.load_state_dict(layer.state_dict())
    one, other = (bench.forward(each, x, train=False)[0] for each in (loaded, layer))
    if not bench.near("y", one, other):
        yield "state_dict() does not hold all that changes in training: name it in buffer_names"


def _shared_memory(gradients: dict[str, Array], given: dict[str, Array]) -> Iterator[str]:
    names = list(gradients)
    for place, name in enumerate(names):
        others = {other: gradients[other] for other in names[:place]} | given
        for other, array in others.items():
            if np.shares_memory(gradients[name], array):
                yield f"{name} shares its memory with {other}"


def _run_one(bench: Bench, layer: Layer) -> None:
    """Run a batch of one sample, which a layer may refuse."""
    with contextlib.suppress(MinitorchError, ValueError):
        bench.run(layer, bench.x[:1], bench.dy[:1])
