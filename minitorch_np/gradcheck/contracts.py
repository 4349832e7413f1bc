"""Tests of the rules that every layer must keep.

A gradient can be right in one call and wrong in the next: because something was kept from an
earlier call, because an input was changed, or because a batch of one takes another path. A
comparison of numbers at one point shows none of this, so each rule of the contract has a small
experiment here.
"""

from __future__ import annotations

import numpy as np

from minitorch_np.arrays import Array
from minitorch_np.gradcheck.bench import Bench, history_does_not_matter, named
from minitorch_np.gradcheck.numeric import EPSILON, KAPPA, largest, root_mean_square
from minitorch_np.gradcheck.report import ContractResult
from minitorch_np.gradcheck.rules import SINGLE, Experiment, attempt, broken, linear_in_dy, same
from minitorch_np.gradcheck.targets import backward, takes_numbers
from minitorch_np.layers import Layer

UNDERFLOW = 1e-30
"""Numbers below this, and results computed from them, may be lost in float32."""

UNIT = EPSILON / 4
"""What a function that stays within 1 may lose: a sigmoid computed by tanh is exactly 0 in float32
where it is 1e-9 in float64. In float32 that is four of its rounding errors at 1."""

MANY = 9
"""A batch this many times as large is tested as well."""


def names_shapes_and_dtypes(bench: Bench) -> str | None:
    """A gradient for each parameter and nothing else, of its shape and dtype."""
    arrays, gradients = bench.claim.target.arrays, bench.claim.gradients
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


def linear(bench: Bench) -> str | None:
    """The gradient is linear in dy, at any size of dy."""
    return linear_in_dy(bench.claim.target, bench.claim)


def samples_are_independent(bench: Bench) -> str | None:
    """Each row of y and dx depends on its own row; parameters' gradients are sums over rows."""
    rng = np.random.default_rng(bench.seed)
    before = rng.bit_generator.state
    layer = bench.fresh()
    layer.forward(bench.x.copy(), train=True, rng=rng)
    draws = rng.bit_generator.state != before
    if draws or any(part.couples_samples for part in layer.walk()):
        return None  # a row alone would use the draws of the batch's first row
    whole = bench.run(layer, bench.x, bench.dy)
    sums = {n: np.zeros_like(a) for n, a in whole.items() if n not in ("y", "dx")}
    for row in range(len(bench.x)):
        one = slice(row, row + 1)
        alone = bench.run(layer, bench.x[one], bench.dy[one])
        if not bench.near("y", alone["y"], whole["y"][one]):
            return (
                f"row {row} alone gives another output than in the batch: if that is "
                "intended, as in BatchNorm, set couples_samples = True"
            )
        if "dx" in whole and not bench.near("dx", alone["dx"], whole["dx"][one]):
            return (
                f"row {row} alone has another dx than in the batch: are samples mixed, or is it "
                "divided by m?"
            )
        for name in sums:
            sums[name] += alone[name]
    wrong = bench.differing(sums, {n: whole[n] for n in sums})
    if wrong:
        return f"{wrong} is not the sum over the samples: are some left out, or is it divided by m?"
    x, dy = (np.concatenate(MANY * [array]) for array in (bench.x, bench.dy))
    wanted = {
        n: np.concatenate(MANY * [a]) if n in ("y", "dx") else MANY * a for n, a in whole.items()
    }
    wrong = bench.differing(bench.run(layer, x, dy), wanted)
    return f"{wrong} of a batch of {len(x)} is not that of its samples" if wrong else None


def randomness_is_handed_in(bench: Bench) -> str | None:
    """The same rng gives the same parameters, and NumPy's global generator is not used."""
    made = [bench.fresh() for _ in range(2)]
    known, key = np.random.get_state(), np.arange(624, dtype=np.uint32)
    np.random.set_state(("MT19937", key, 0, 0, 0.0))
    try:
        for layer in made:
            layer.initialize(
                layer.input_shape, rng=np.random.default_rng(bench.seed), dtype=np.float64
            )
        bench.run(bench.fresh(), bench.x, bench.dy)
        after = np.random.get_state(legacy=False)["state"]
    finally:
        np.random.set_state(known)
    if after["pos"] or not same(after["key"], key):
        return "np.random is used: draw from the rng that is passed in"
    one, other = (layer.state_dict() for layer in made)
    wrong = [name for name in one if not same(one[name], other[name])]
    return f"two builds with the same rng differ in {wrong[0]}" if wrong else None


def float32_stays(bench: Bench) -> str | None:
    """float32 in, float32 out, and as close to the float64 result as float32 allows."""
    single = bench.fresh()
    single.initialize(bench.layer.input_shape, rng=np.random.default_rng(0), dtype=np.float32)
    single.load_state_dict(bench.layer.state_dict())
    found = bench.run(single, bench.x.astype(np.float32), bench.dy.astype(np.float32))
    wide = [name for name, array in found.items() if array.dtype != np.float32]
    if wide:
        return f"float32 in, but {wide[0]} is {found[wide[0]].dtype}"
    if bench.claim.target.composed:
        return None  # rounding may move an inner value over a corner
    expected = bench.run(bench.fresh(), bench.x, bench.dy)
    far = _far_in_single(bench, found, expected)
    if far and bench.claim.refine():
        far = _far_in_single(bench, found, expected)
    return f"{far} in float32 is not close to that in float64" if far else None


def _far_in_single(bench: Bench, found: dict[str, Array], expected: dict[str, Array]) -> str | None:
    claim, unit = bench.claim, UNIT * float(np.linalg.norm(bench.dy))
    for name, array in expected.items():
        if name == "y":
            rounding = KAPPA * (claim.value_noise + 2 * EPSILON * largest(array)) + UNIT
        else:  # at least an ulp of the value: 1 - a^2 of a saturated a is all rounding
            size = root_mean_square(claim.target.arrays.get(name[1:], bench.x))
            rounding = claim.rounding(name[1:]) if name[1:] in claim.noise else 0.0
            rounding += KAPPA * EPSILON * claim.size / size + unit / min(1.0, size)
        if not largest(found[name] - array) <= SINGLE * rounding + UNDERFLOW:
            return name
    return None


def layout_does_not_matter(bench: Bench) -> str | None:
    """Transposed and strided memory is read correctly."""
    layer = bench.fresh()
    expected = bench.run(layer, bench.x, bench.dy)
    doubled = [np.repeat(array, 2, axis=0)[::2] for array in (bench.x, bench.dy)]
    transposed = [np.asfortranarray(array) for array in (bench.x, bench.dy)]
    for x, dy in (doubled, transposed):
        name = bench.differing(bench.run(layer, x, dy), expected)
        if name:
            return f"{name} differs for x and dy that are not contiguous"
    return None


def need_dx_is_only_a_hint(bench: Bench) -> str | None:
    """need_dx=False does not change the parameters' gradients."""
    layer = bench.fresh()
    _, cache = bench.forward(layer, bench.x)
    found = named(None, layer.backward(bench.dy, cache, need_dx=False)[1])
    expected = named(*backward(layer, bench.dy, cache))
    frozen = {f"d{n}" for n, owner, _ in layer.parameter_owners() if not owner.trainable}
    wanted = {n: g for n, g in expected.items() if n != "dx" and n not in frozen}
    name = bench.differing(found, wanted)  # gradients of frozen layers may be omitted
    return f"with need_dx=False {name} differs" if name else None


def prediction_runs(bench: Bench) -> str | None:
    """train=False gives finite outputs of the same shape, and does not change buffers."""
    layer = bench.fresh()
    y, _ = bench.forward(layer, bench.x, train=False)
    moved = [n for n, array in layer.named_buffers().items() if not same(array, bench.buffers[n])]
    if moved:
        return f"{', '.join(moved)} changes when predicting"
    if y.shape != bench.dy.shape:
        return f"expected outputs of shape {bench.dy.shape} when predicting, got {y.shape}"
    return None if np.isfinite(y).all() else "outputs are not finite when predicting"


def finite_far_out(bench: Bench) -> str | None:
    """Where inputs of +-1000 give finite outputs, the gradients are finite."""
    if takes_numbers(bench.layer):
        return None  # there is no such input
    try:
        signs = np.sign(bench.x + (bench.x == 0))
        sizes = np.random.default_rng(bench.seed).uniform(900, 1100, signs.shape)
        found = bench.run(bench.fresh(), signs * sizes, bench.dy)
    except Exception:  # a layer may refuse such inputs
        return None
    if not np.isfinite(found["y"]).all():
        return None  # a function that grows without bound, such as exp
    wrong = [name for name, array in found.items() if not np.isfinite(array).all()]
    return f"{wrong[0]} is not finite for inputs of +-1000" if wrong else None


OF_LAYERS: list[Experiment] = [
    names_shapes_and_dtypes,
    history_does_not_matter,
    linear,
    samples_are_independent,
    float32_stays,
    layout_does_not_matter,
    need_dx_is_only_a_hint,
    randomness_is_handed_in,
    prediction_runs,
    finite_far_out,
]

BETWEEN_LAYERS: list[Experiment] = [*OF_LAYERS[:5], need_dx_is_only_a_hint]
"""The experiments for a container, whose layers have passed all of them already."""


def check_contracts(layer: Layer, x: Array, seed: int) -> list[ContractResult]:
    """The results of all experiments, each on copies of the layer."""
    try:
        bench = Bench(layer, x, seed)
    except Exception as error:
        return [broken("forward and backward run", error)]
    if not np.isfinite(bench.y).all():
        return []
    experiments = BETWEEN_LAYERS if layer.sublayers() else OF_LAYERS
    return [attempt(experiment, bench) for experiment in experiments]
