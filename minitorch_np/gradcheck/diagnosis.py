"""Which formula is wrong.

A wrong gradient is rarely wrong at random. A factor is missing, a sign, a transposition, a term, a
sample. Each such hypothesis can be tried: take the true gradient, which finite differences have
given, spoil it in just that way, and see if what comes out is what the layer returned. Only a
hypothesis that gives back the analytic gradient, entry by entry, is put into the report.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.gradcheck.subjects import Subject


def explain(subject: Subject, name: str, analytic: Array, numeric: Array, u: Array) -> str:
    """The cause of a difference between two gradients of the array `name`, or "" if none fits.

    `u` is the dL/dy that both are for.
    """
    scale = float(np.abs(numeric).max()) + float(np.abs(analytic).max())
    if not np.isfinite(scale) or not np.isfinite(numeric).all():
        return "it is not finite" if not np.isfinite(analytic).all() else ""

    def fits(candidate: AnyArray, where: AnyArray | None = None) -> bool:
        if candidate.shape != analytic.shape:
            return False
        off = np.abs(candidate - analytic)
        return bool((off if where is None else off[where]).max(initial=0.0) <= 3e-8 * scale)

    if fits(np.zeros_like(numeric)):
        return "it is zero: the gradient is not computed, or not returned"
    factors = dict(_factors(subject, analytic.shape))
    ratio = _constant_ratio(analytic, numeric, scale)
    if ratio is not None:
        return _name_ratio(ratio, factors)
    places = np.argwhere(np.abs(analytic - numeric) > 3e-8 * scale)
    if len(places) == 1 and analytic.size > 1:
        place = tuple(int(i) for i in places[0])
        factor = analytic[place] / numeric[place] if numeric[place] else np.inf
        return f"one entry alone is wrong, at {list(place)}: analytic = numeric * {factor:.6g}"
    for cause, candidate in _rearranged(numeric):
        if fits(candidate):
            return cause
    for cause, where in _regions(subject, name, numeric.shape):
        right = ~where
        if where.any() and right.any() and fits(numeric, right):
            part = _constant_ratio(analytic[where], numeric[where], scale)
            if part is not None:
                return f"right elsewhere, but {cause}: {_name_ratio(part, factors)}"
            if "sample" in cause or "row" in cause:
                return f"right elsewhere, but wrong {cause}"
    for cause, candidate in _other_upstream(subject, name, u):
        if fits(candidate):
            return cause
    return _by_residue(analytic, numeric, scale, factors)


def explain_ratio(subject: Subject, analytic: Array, numeric: Array, shape: tuple[int, ...]) -> str:
    """The cause, if some entries of a gradient of `shape` are all off by one factor; else ""."""
    scale = float(np.abs(numeric).max()) + float(np.abs(analytic).max())
    ratio = _constant_ratio(analytic, numeric, scale) if np.isfinite(scale) else None
    if not np.abs(analytic).max():
        return "it is zero where it should not be"
    return "" if ratio is None else _name_ratio(ratio, dict(_factors(subject, shape)))


def _factors(subject: Subject, shape: tuple[int, ...]) -> Iterator[tuple[str, float]]:
    """Numbers that a formula may have forgotten or had too often."""
    first = next(iter(subject.arrays.values()))
    yield "m, the number of samples", float(len(first))
    for axis, n in enumerate(first.shape[1:], 1):
        yield f"the size of axis {axis} of the inputs", float(n)
    layer = getattr(subject, "layer", None)
    for key, value in (layer.config() if layer is not None else {}).items():
        if isinstance(value, float) and value not in (0.0, 1.0):
            yield key, value
            if value != 2.0:
                yield f"1 - {key}", 1 - value
    for axis, n in enumerate(shape):
        yield f"the size of axis {axis}", float(n)


def _constant_ratio(analytic: Array, numeric: Array, scale: float) -> float | None:
    """c, if analytic = c numeric in every entry."""
    norm = float(np.vdot(numeric, numeric))
    if not norm:
        return None
    ratio = float(np.vdot(analytic, numeric)) / norm
    if np.abs(analytic - ratio * numeric).max() <= 3e-8 * scale and abs(ratio) > 1e-6:
        return ratio
    return None


def _name_ratio(ratio: float, factors: dict[str, float]) -> str:
    if abs(ratio + 1) < 1e-6:
        return "the sign is wrong: analytic = -numeric"
    for sign, word in ((1.0, ""), (-1.0, ", and the sign is wrong")):
        for power, relation in (
            (1, "numeric * {:g}: a factor too much"),
            (-1, "numeric / {:g}: a factor is missing"),
        ):
            fitting = {n: f for n, f in factors.items() if f not in (0.0, 1.0)}
            names = [n for n, f in fitting.items() if abs(sign * ratio / f**power - 1) < 1e-6]
            if names:
                factor = fitting[names[0]]
                return f"analytic = {relation.format(factor)}, {' or '.join(names)}{word}"
    if abs(ratio - 1) < 1e-5:
        return f"analytic = numeric * (1 + {ratio - 1:.3g}), in every entry"
    return f"analytic = numeric * {ratio:.8g}, in every entry"


def _rearranged(numeric: Array) -> Iterator[tuple[str, Array]]:
    """The right numbers in the wrong places, or with something done to all of them."""
    axes = range(numeric.ndim)
    if numeric.ndim >= 2:
        yield "transposed: analytic = numeric.T", np.swapaxes(numeric, -1, -2)
        yield "transposed in memory: a reshape of numeric.T", numeric.T.reshape(numeric.shape)
    for axis in axes:
        yield f"reversed along axis {axis}", np.flip(numeric, axis)
        for shift in (1, -1):
            yield f"shifted by {shift} along axis {axis}", np.roll(numeric, shift, axis)
        mean = numeric.mean(axis=axis, keepdims=True)
        yield f"the mean over axis {axis} is taken off", numeric - mean
        total = numeric.sum(axis=axis, keepdims=True)
        yield f"summed over axis {axis} and spread again", np.broadcast_to(total, numeric.shape)
        yield f"averaged over axis {axis} and spread again", np.broadcast_to(mean, numeric.shape)
    yield "the absolute value is taken: the sign is lost", np.abs(numeric)
    yield "negative entries are cut off", np.maximum(numeric, 0)
    yield "the mean of all entries is taken off", numeric - numeric.mean()
    yield "squared", numeric**2


def _regions(subject: Subject, name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, AnyArray]]:
    """Parts of the array in which a formula may go its own way."""
    first = next(iter(subject.arrays))
    array = subject.arrays[name]
    if name == first:
        yield "for inputs below 0", array < 0
        yield "for inputs below 0", array <= 0  # and at 0, by the slope to its left
        yield "for inputs above 0", array > 0
        yield "for inputs of exactly 0", array == 0
    kind = "sample" if name == first else "row"
    for number, word in ((-1, "last"), (0, "first")):
        where = np.zeros(shape, bool)
        where[number] = True
        yield f"in the {word} {kind}", where
        yield f"in all but the {word} {kind}", ~where
        if len(shape) > 1:
            column = np.zeros(shape, bool)
            column[..., number] = True
            yield f"in the {word} row of its transpose", column


def _other_upstream(subject: Subject, name: str, u: Array) -> Iterator[tuple[str, AnyArray]]:
    """What the layer would return for another dL/dy: if it is the same, dy was not used rightly."""
    for cause, other in (
        ("dy is ignored: ones are taken for it", np.ones_like(u)),
        ("dy's size is ignored: only its sign is used", np.sign(u)),
        ("dy's sign is ignored", np.abs(u)),
    ):
        yield cause, _numeric_for(subject, name, other)


def _numeric_for(subject: Subject, name: str, u: Array) -> AnyArray:
    """Central differences of u . F, good to the few digits that telling hypotheses apart takes."""
    array = subject.arrays[name]
    flat, found = array.reshape(-1), np.zeros(array.size)
    h = 1e-5 * (float(np.sqrt(np.mean(array**2))) or 1.0)
    for place in range(array.size):
        at = flat[place]
        flat[place] = at + h
        up = subject.value()
        flat[place] = at - h
        found[place] = np.vdot(u, up - subject.value()) / (2 * h)
        flat[place] = at
    return found.reshape(array.shape)


def _by_residue(analytic: Array, numeric: Array, scale: float, factors: dict[str, float]) -> str:
    """From the entries that differ: how many, by a constant, by a rounding."""
    residue = analytic - numeric
    wrong = np.abs(residue) > 3e-8 * scale
    if not wrong.any():
        worst = float(np.abs(residue).max()) / scale
        if worst > 1e-11:
            return "rounded to float32 on the way: the gradient has float32's precision"
        return ""
    if np.ptp(residue) <= 3e-8 * scale:
        return f"a constant is added: analytic = numeric + {residue.flat[0]:.6g}"
    places = np.argwhere(wrong)
    for axis in range(numeric.ndim):
        lines = {int(place[axis]) for place in places}
        if len(lines) == 1:
            return f"only index {lines.pop()} of axis {axis} is wrong"
        if len(lines) == numeric.shape[axis] - 1 and numeric.shape[axis] > 2:
            (right,) = set(range(numeric.shape[axis])) - lines
            return f"only index {right} of axis {axis} is right"
    ratio_of_wrong = _constant_ratio(analytic[wrong], numeric[wrong], scale)
    if ratio_of_wrong is not None:
        return f"{len(places)} entries are wrong, {_name_ratio(ratio_of_wrong, factors)}"
    if not np.abs(analytic[wrong]).max():
        return f"{len(places)} entries are zero that should not be: a term or a mask is wrong"
    return ""
