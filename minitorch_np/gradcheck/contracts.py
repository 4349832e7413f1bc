"""The rules that every layer keeps, each of them tried.

A gradient can be right in one call and wrong in the next: because something was kept from the call
before, because an input was changed, because a batch of one takes another path. None of that shows
in a comparison of numbers at one point, so each rule of the contract has a small experiment here.
An experiment returns nothing if the rule is kept, and otherwise says how it was broken.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.gradcheck.report import ContractResult
from minitorch_np.gradcheck.subjects import LossSubject
from minitorch_np.gradcheck.tensors import Claim, largest
from minitorch_np.layers import Layer, Sequential

Experiment: TypeAlias = "Callable[[Bench], str | None]"

LINEAR = 1e-9
"""Up to what share of its size a backward may be off from linear in dy, by rounding."""


class Bench:
    """A built float64 layer, a batch and a dL/dy to experiment with; every run draws the same."""

    def __init__(self, layer: Layer, x: Array, claim: Claim, seed: int) -> None:
        self.layer, self.x, self.claim, self.seed = layer, x, claim, seed
        self.dy = claim.u
        rng = np.random.default_rng(seed)
        before = rng.bit_generator.state
        layer.forward(x.copy(), train=True, rng=rng)
        self.draws = bool(rng.bit_generator.state != before)

    def forward(
        self, x: Array, layer: Layer | None = None, train: bool = True
    ) -> tuple[Array, Any]:
        """The layer's forward, with a generator that begins anew."""
        rng = np.random.default_rng(self.seed)
        return (layer or self.layer).forward(x, train=train, rng=rng)

    def near(self, name: str, a: Array, b: Array) -> bool:
        """Whether two gradients of the array `name` are equal but for rounding."""
        return near(a, b, self.claim.least.get(name, 0.0))

    def scaled(self, factor: float) -> Array:
        """Another batch: the same times a factor, or, for whole numbers, in another order."""
        if self.layer.index_limit is None:
            return factor * self.x
        return np.flip(self.x).copy()

    def gradients(self, x: Array, dy: Array, layer: Layer | None = None) -> dict[str, Array]:
        """All gradients for a batch, the inputs' under the name x."""
        _, cache = self.forward(x, layer)
        dx, gradients = (layer or self.layer).backward(dy, cache)
        return {"x": np.asarray(dx), **gradients}


def names_shapes_and_dtypes(bench: Bench) -> str | None:
    """A gradient for each parameter and nothing else, of its shape and dtype."""
    arrays = {"x": bench.x, **bench.layer.named_parameters()}
    gradients = bench.claim.gradients
    if gradients.keys() != arrays.keys():
        return f"expected gradients of {sorted(arrays)}, got {sorted(gradients)}"
    for name, array in arrays.items():
        got = gradients[name]
        if got.shape != array.shape or got.dtype != array.dtype:
            return (
                f"expected d{name} of shape {array.shape} in {array.dtype}, "
                f"got {got.shape} in {got.dtype}"
            )
    return None


def nothing_is_changed(bench: Bench) -> str | None:
    """Inputs, parameters, dy and the outputs stay as they are."""
    held = {"x": bench.x, "dy": bench.dy, **bench.layer.named_parameters()}
    before = {name: array.copy() for name, array in held.items()}
    y, cache = bench.forward(bench.x)
    kept = y.copy()
    bench.layer.backward(bench.dy, cache)
    changed = [name for name, array in held.items() if not same(array, before[name])]
    changed += [] if same(y, kept) else ["y"]
    return f"changed in place: {', '.join(changed)}" if changed else None


def repeatable(bench: Bench) -> str | None:
    """The same call gives the same bits, with the generator put back."""
    first, second = bench.forward(bench.x)[0], bench.forward(bench.x)[0]
    if not same(first, second):
        return "two forwards of one batch differ: something is random beside rng, or accumulates"
    one, other = bench.gradients(bench.x, bench.dy), bench.gradients(bench.x, bench.dy)
    wrong = [name for name in one if not same(one[name], other[name])]
    return f"two backwards differ in d{wrong[0]}: something accumulates" if wrong else None


def backward_is_a_function(bench: Bench) -> str | None:
    """Two backwards from one cache agree: nothing in the cache is used up or changed."""
    _, cache = bench.forward(bench.x)
    one, other = (bench.layer.backward(bench.dy, cache) for _ in range(2))
    pairs = [("x", one[0], other[0]), *((n, one[1][n], other[1].get(n)) for n in one[1])]
    wrong = [name for name, a, b in pairs if a is None or b is None or not same(a, b)]
    return f"a second backward from the same cache differs in d{wrong[0]}" if wrong else None


def linear_in_dy(bench: Bench) -> str | None:
    """B(u - 3v) = B(u) - 3 B(v)."""
    wrong = {n: defect for n, defect in bench.claim.defects.items() if defect > LINEAR}
    if not wrong:
        return None
    name, defect = max(wrong.items(), key=lambda item: item[1])
    return f"d{name} is off from linear by {defect:.1g} of its size: does it look at dy's sign?"


def fresh_arrays(bench: Bench) -> str | None:
    """Gradients are new arrays, which no later call changes."""
    one = bench.gradients(bench.x, bench.dy)
    kept = {name: array.copy() for name, array in one.items()}
    bench.gradients(bench.scaled(-2), 3 * bench.dy)
    changed = [name for name in one if not same(one[name], kept[name])]
    if changed:
        return f"d{changed[0]} was changed by a later call: it is a buffer that is used again"
    held = {"x": bench.x, "dy": bench.dy, **bench.layer.named_parameters()}
    shared = [(n, h) for n in one for h in held if h != "dy" and np.shares_memory(one[n], held[h])]
    return f"d{shared[0][0]} shares its memory with {shared[0][1]}" if shared else None


def calls_do_not_mix(bench: Bench) -> str | None:
    """Two forwards before a backward, and a second instance, disturb nothing."""
    expected = bench.gradients(bench.x, bench.dy)
    _, cache = bench.forward(bench.x)
    twin = copy.deepcopy(bench.layer)
    for parameter in twin.named_parameters().values():
        np.multiply(parameter, 0.5, out=parameter)
    bench.forward(bench.scaled(-0.7))
    bench.forward(bench.scaled(1.3), twin)
    dx, gradients = bench.layer.backward(bench.dy, cache)
    found = {"x": np.asarray(dx), **gradients}
    wrong = [name for name in expected if not same(found[name], expected[name])]
    return (
        f"a forward in between changes d{wrong[0]}: the cache is kept on the layer"
        if wrong
        else None
    )


def samples_are_independent(bench: Bench) -> str | None:
    """Each row of y and dx depends on its own row; parameters' gradients are sums over rows."""
    if any(part.couples_samples for part in bench.layer.walk()) or bench.draws:
        return None  # a row alone would draw what the first row of the batch has drawn
    y, whole = bench.forward(bench.x)[0], bench.gradients(bench.x, bench.dy)
    sums = {name: np.zeros_like(array) for name, array in whole.items() if name != "x"}
    for row in range(len(bench.x)):
        one = slice(row, row + 1)
        if not near(bench.forward(bench.x[one])[0], y[one]):
            return (
                f"row {row} alone gives another output than in the batch (m = 1, or coupled rows)"
            )
        alone = bench.gradients(bench.x[one], bench.dy[one])
        if not bench.near("x", alone["x"], whole["x"][one]):
            return f"row {row} alone has another dx than in the batch: is there a factor of m?"
        for name in sums:
            sums[name] += alone[name]
    wrong = [name for name in sums if not bench.near(name, sums[name], whole[name])]
    return (
        f"d{wrong[0]} is not the sum over the samples: is there a factor of m?" if wrong else None
    )


def float32_stays(bench: Bench) -> str | None:
    """float32 in, float32 out, and near to the float64 result."""
    single = copy.deepcopy(bench.layer)
    state = bench.layer.state_dict()
    single.initialize(bench.layer.input_shape, rng=np.random.default_rng(0), dtype=np.float32)
    single.load_state_dict(state)
    x, dy = bench.x.astype(np.float32), bench.dy.astype(np.float32)
    with np.errstate(all="ignore"):
        y = bench.forward(x, single)[0]
        found = {"y": y, **{f"d{n}": g for n, g in bench.gradients(x, dy, single).items()}}
    wide = [name for name, array in found.items() if array.dtype != np.float32]
    if wide:
        return f"float32 in, but {wide[0]} is {found[wide[0]].dtype}"
    double = bench.gradients(x.astype(np.float64), dy.astype(np.float64))
    expected = {"y": bench.forward(x.astype(np.float64))[0]}
    expected |= {f"d{name}": gradient for name, gradient in double.items()}
    least = {f"d{name}": size for name, size in bench.claim.least.items()}
    far = [
        name
        for name, array in expected.items()
        if largest(found[name] - array) > 1e-3 * max(largest(array), least.get(name, 0.0))
    ]
    return f"{far[0]} in float32 is not near to that in float64" if far else None


def layout_does_not_matter(bench: Bench) -> str | None:
    """Transposed, strided and reversed memory is read rightly."""
    x = np.repeat(np.asfortranarray(bench.x), 2, axis=0)[::2]
    dy = np.asfortranarray(bench.dy)
    expected, found = bench.gradients(bench.x, bench.dy), bench.gradients(x, dy)
    wrong = [name for name in expected if not bench.near(name, found[name], expected[name])]
    return f"d{wrong[0]} differs for x and dy that are not contiguous" if wrong else None


def need_dx_is_only_a_hint(bench: Bench) -> str | None:
    """need_dx=False leaves the parameters' gradients as they are."""
    _, cache = bench.forward(bench.x)
    _, found = bench.layer.backward(bench.dy, cache, need_dx=False)
    expected = bench.claim.gradients
    wrong = [
        n
        for n in expected
        if n != "x"
        and (n in found or bench.layer.trainable)
        and (n not in found or not bench.near(n, found[n], expected[n]))
    ]
    return f"with need_dx=False d{wrong[0]} differs" if wrong else None


def prediction_runs(bench: Bench) -> str | None:
    """train=False gives finite outputs of the same shape; if the same ones, the same gradients."""
    y, cache = bench.forward(bench.x, train=False)
    if y.shape != bench.dy.shape:
        return f"expected outputs of shape {bench.dy.shape} when predicting, got {y.shape}"
    if not np.isfinite(y).all():
        return "outputs are not finite when predicting"
    if not same(y, bench.claim.origin):
        return None  # a layer of two modes: its gradients when predicting are checked as well
    dx, gradients = bench.layer.backward(bench.dy, cache)
    found = {"x": np.asarray(dx), **gradients}
    wrong = [n for n, g in bench.claim.gradients.items() if not bench.near(n, found[n], g)]
    return f"the outputs are those of training, but d{wrong[0]} is not" if wrong else None


def finite_far_out(bench: Bench) -> str | None:
    """Where inputs of +-1000 give finite outputs, the gradients are finite."""
    if bench.layer.index_limit is not None:
        return None  # there is no such input
    x = 1000 * np.sign(bench.x + (bench.x == 0))
    with np.errstate(all="ignore"):
        y = bench.forward(x)[0]
        if not np.isfinite(y).all():
            return None  # a function that grows without bound, such as exp
        gradients = bench.gradients(x, bench.dy)
    wrong = [n for n, a in {"y": y, **gradients}.items() if not np.isfinite(a).all()]
    return f"{wrong[0]} is not finite for inputs of +-1000" if wrong else None


EXPERIMENTS: list[Experiment] = [
    names_shapes_and_dtypes,
    nothing_is_changed,
    repeatable,
    backward_is_a_function,
    linear_in_dy,
    fresh_arrays,
    calls_do_not_mix,
    samples_are_independent,
    float32_stays,
    layout_does_not_matter,
    need_dx_is_only_a_hint,
    prediction_runs,
    finite_far_out,
]


def check_loss_contracts(subject: LossSubject) -> list[ContractResult]:
    """The rules of a loss: nothing changes, calls repeat, a batch is the mean of its samples."""
    results = []
    experiments = (
        loss_changes_nothing,
        loss_is_a_mean,
        loss_is_repeatable,
        loss_calls_do_not_mix,
        loss_float32_stays,
    )
    for experiment in experiments:
        try:
            detail = experiment(subject)
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
        name = experiment.__name__.replace("_", " ")
        results.append(ContractResult(name, detail is None, detail or ""))
    return results


def loss_changes_nothing(subject: LossSubject) -> str | None:
    """Scores, targets and the cache stay as they are."""
    scores, targets = subject.arrays["scores"], subject.targets
    before, kept = scores.copy(), targets.copy()
    subject.gradients(np.ones(1))
    changed = [] if same(scores, before) else ["scores"]
    changed += [] if same(targets, kept) else ["targets"]
    return f"changed in place: {', '.join(changed)}" if changed else None


def loss_is_a_mean(subject: LossSubject) -> str | None:
    """The value and the gradient of a batch are the weighted means of those of its samples."""
    scores, loss = subject.arrays["scores"], subject.loss
    weights = loss.weights(subject.targets, subject.sample_weight)
    parts = np.ones(len(scores)) if weights is None else weights
    parts = parts / parts.sum()
    value, cache = subject.forward(scores)
    gradient, total = loss.backward(cache), 0.0
    for row, part in enumerate(parts):
        one = slice(row, row + 1)
        alone, cache = subject.forward(scores[one], one)
        total += part * alone
        if not near(loss.backward(cache) * part, gradient[one]):
            return (
                f"the gradient of sample {row} in the batch is not {part:.3g} of what it is alone"
            )
    if abs(total - value) > 1e-12 * max(abs(value), 1e-300):
        return f"the value {value:.10g} is not the mean of the samples' values, {total:.10g}"
    return None


def loss_is_repeatable(subject: LossSubject) -> str | None:
    """Two calls, and a second backward from one cache, give the same bits."""
    value, cache = subject.forward(subject.arrays["scores"])
    first, second = subject.loss.backward(cache), subject.loss.backward(cache)
    if not same(first, second):
        return "a second backward from the same cache differs"
    again, _ = subject.forward(subject.arrays["scores"])
    return None if again == value else "two forwards of one batch differ"


def loss_calls_do_not_mix(subject: LossSubject) -> str | None:
    """A forward on other scores, before the backward, changes nothing."""
    scores, loss = subject.arrays["scores"], subject.loss
    _, cache = subject.forward(scores)
    expected = loss.backward(cache)
    _, cache = subject.forward(scores)
    subject.forward(scores[::-1].copy())
    same_still = same(loss.backward(cache), expected)
    return None if same_still else "a forward in between changes the gradient: is a cache kept?"


def loss_float32_stays(subject: LossSubject) -> str | None:
    """float32 scores give a float32 gradient, near to the float64 one."""
    scores, loss = subject.arrays["scores"].astype(np.float32), subject.loss
    numbers = subject.targets.dtype.kind == "f"
    targets = subject.targets.astype(np.float32) if numbers else subject.targets
    found = loss.backward(loss.forward(scores, targets)[1])
    if found.dtype != np.float32:
        return f"float32 scores, but the gradient is {found.dtype}"
    expected = loss.backward(loss.forward(scores.astype(np.float64), subject.targets)[1])
    near_enough = largest(found - expected) <= 1e-3 * largest(expected)
    return None if near_enough else "the gradient in float32 is not near to that in float64"


BETWEEN_LAYERS: list[Experiment] = [
    names_shapes_and_dtypes,
    repeatable,
    calls_do_not_mix,
    need_dx_is_only_a_hint,
]
"""What a container can do wrong whose layers have been through all experiments."""


def check_contracts(layer: Layer, x: Array, claim: Claim, seed: int) -> list[ContractResult]:
    """The experiments, each on a copy of the layer: one that does harm does it to itself."""
    results = []
    for experiment in BETWEEN_LAYERS if isinstance(layer, Sequential) else EXPERIMENTS:
        try:
            detail = experiment(Bench(copy.deepcopy(layer), x.copy(), claim, seed))
        except Exception as error:  # whatever a layer of the reader's own may raise is a finding
            detail = f"{type(error).__name__}: {error}"
        name = experiment.__name__.replace("_", " ")
        results.append(ContractResult(name, detail is None, detail or ""))
    return results


def same(a: Array, b: Array) -> bool:
    """Equal to the bit; NaN equals NaN."""
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=True))


def near(a: Array, b: Array, least: float = 0.0) -> bool:
    """Equal but for the order in which things were added up; in numbers of at least that size."""
    return a.shape == b.shape and largest(a - b) <= 1e-12 * max(largest(a), largest(b), least)
