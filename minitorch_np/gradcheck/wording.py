"""Describes in words how two gradients differ: in which places, by which factor.

These functions work on plain arrays. Each returns a phrase that is true in every entry, or "".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from minitorch_np.arrays import AnyArray

EXACT = 3e-8
"""Numbers that agree to this fraction of their scale are considered equal."""

BATCHES = ("x", "scores", "y", "dy")
"""Arrays whose axis 0 counts samples."""


Numbers = list[tuple[str, float]]
Quantities = list[tuple[str, AnyArray]]
"""Parts of a formula, by name: sizes and settings; inputs, parameters and arrays in the cache."""

FORMS: list[tuple[str, Callable[[AnyArray], AnyArray]]] = [
    ("{0}", lambda q: q),
    ("(1 - {0})", lambda q: 1 - q),
    ("(1 - {0}**2)", lambda q: 1 - q**2),
    ("({0} * (1 - {0}))", lambda q: q * (1 - q)),
    ("{0}**2", np.square),
    ("sqrt({0})", np.sqrt),
    ("abs({0})", np.abs),
    ("exp({0})", np.exp),
    ("sigmoid({0})", lambda q: 1 / (1 + np.exp(-q))),
]
"""Formulas of one array that may be missing as a factor, or be a factor too much."""

RELATIONS: list[tuple[str, Callable[[float], float]]] = [
    ("* {0}", lambda v: v), ("/ {0}", lambda v: 1 / v),
    ("* sqrt({0})", math.sqrt), ("/ sqrt({0})", lambda v: 1 / math.sqrt(v)),
    ("* {0}**2", lambda v: v * v), ("/ {0}**2", lambda v: 1 / (v * v)),
    ("* (1 - {0})", lambda v: 1 - v), ("/ (1 - {0})", lambda v: 1 / (1 - v)),
    ("* ({0} - 1) / {0}", lambda v: (v - 1) / v), ("* {0} / ({0} - 1)", lambda v: v / (v - 1)),
]  # fmt: skip
"""The same of one number."""

ADVICE = {  # by the relation, and whether the number is a size
    ("* {0}", False): ": that factor is too much",
    ("/ {0}", False): ": that factor is missing",
    ("* {0}", True): ": a division by it is missing, or a sum stands for a mean",
    ("/ {0}", True): ": divided once too often, or a mean for a sum",
}


def same(a: AnyArray, b: AnyArray, scale: float) -> bool:
    """Whether all entries agree."""
    return bool(np.abs(a - b).max(initial=0.0) <= EXACT * scale)


def constant_ratio(a: AnyArray, b: AnyArray, scale: float) -> float | None:
    """c, if a = c b in every entry, with b not zero."""
    norm = float(np.vdot(b, b))
    if not math.sqrt(norm) > 1e-6 * scale:
        return None
    ratio = float(np.vdot(a, b)) / norm
    return ratio if same(a, ratio * b, scale) else None


def number(value: float) -> str:
    """A number as text, simple fractions as such: 3, 1/3, 0.123."""
    for up, down in itertools.product(range(1, 13), repeat=2):
        if math.gcd(up, down) == 1 and abs(abs(value) - up / down) < 1e-9 * abs(value):
            return "-" * bool(value < 0) + (str(up) if down == 1 else f"{up}/{down}")
    return f"{value:.7g}" if abs(value - 1) < 1e-4 else f"{value:.6g}"


def times(ratio: float, numbers: Numbers) -> str:
    """'analytic = numeric / 3, where 3 is m, the number of samples: ...'."""
    if abs(ratio) < 1e-9:
        return "analytic is 0"
    if abs(ratio + 1) < 1e-6:
        return "the sign is wrong: analytic = -numeric"
    sign, size = ", and the sign is wrong" * (ratio < 0), abs(ratio)
    common = number(size) in ("2", "1/2", "3/2", "2/3")  # many numbers are related by these
    for form, relation in RELATIONS[:2] if common else RELATIONS:
        fitting = {
            n: v for n, v in numbers if v > 0 and v != 1 and abs(relation(v) / size - 1) < 1e-6
        }
        if fitting:
            names, shown = list(fitting)[:3], f"{next(iter(fitting.values())):.6g}"
            text = f"analytic = numeric {form.format(shown)}{sign}"
            if number(size) in ("2", "1/2"):  # any formula may have one
                return f"{text}, as {shown} is also {' or '.join(names)}"
            a_size = any("size" in name or "m," in name for name in names)
            return f"{text}, where {shown} is {' or '.join(names)}{ADVICE.get((form, a_size), '')}"
    one_over = number(1 / size)
    text = f"/ {one_over}" if one_over.isdigit() else f"* {number(size)}"
    return f"analytic = numeric {text}{sign}"


def at_indices(ids: list[int], n: int, axis: int, owner: str) -> str:
    """A description of some of the n indices along an axis; "" if they are not a simple set."""
    sample = axis == 0 and owner in BATCHES
    one = "sample {0}" if sample else f"index {{0}} of axis {axis} of {owner}"
    some = "in {0} samples {1}" if sample else f"at {{0}} indices {{1}} of axis {axis} of {owner}"
    low, high = ids[0], ids[-1]
    left_out = next(k for k in range(n) if k not in ids)
    text = ""
    if len(ids) == 1:
        text = f"at {one.format(low)}{' (the last)' * (low == n - 1)}"
    elif len(ids) == n - 1:
        text = f"everywhere but at {one.format(left_out)}{' (the last)' * (left_out == n - 1)}"
    elif ids == list(range(low, n)):
        text = f"from {one.format(low)} on"
    elif ids == list(range(high + 1)):
        text = f"up to {one.format(high)}"
    elif low < 2 and ids == list(range(low, n, 2)):
        text = some.format("odd" if low else "even", "")
    elif ids == list(range(low, high + 1)):
        text = some.format("", f"{low} to {high}")
    elif len(ids) <= 3:
        text = some.format("", ", ".join(map(str, ids)))
    return " ".join(text.split())


def where(mask: AnyArray, known: AnyArray, owner: str) -> str:
    """A description of a part of an array that is a block of whole indices; else ""."""
    for but, part in (("", mask & known), ("everywhere but ", ~mask & known)):
        blocks = []
        for axis, n in enumerate(mask.shape):
            hit = np.moveaxis(part, axis, 0).reshape(n, -1).any(axis=1)
            if 0 < hit.sum() < n:
                block = np.moveaxis(hit.reshape(n, *[1] * (mask.ndim - 1)), 0, axis) & known
                blocks.append((block, at_indices(np.flatnonzero(hit).tolist(), n, axis, owner)))
        for some in [[b] for b in blocks] + [blocks] * (len(blocks) > 1 and not but):
            text = " and ".join(words for _, words in some)
            twice = "everywhere" in text and (but or len(some) > 1)
            block = np.all([block for block, _ in some], axis=0)
            if all(words for _, words in some) and not twice and np.array_equal(block, part):
                return but + text
    return ""


def beyond(mask: AnyArray, known: AnyArray, values: AnyArray, name: str, numbers: Numbers) -> str:
    """'where x < 0', if a threshold on `values` separates the entries of a mask from the others."""
    inside, outside = values[mask & known], values[~mask & known]
    if not (inside.size and outside.size):
        return ""
    if (inside == 0).all() and (outside != 0).all():
        return f"where {name} is exactly 0"
    natural = [0.0, 1.0, -1.0, *(v for _, v in numbers), *(-v for _, v in numbers)]
    chance = math.comb(inside.size + outside.size, inside.size)
    for shown, size in ((name, np.asarray), (f"abs({name})", np.abs)):
        for relation, sign in ((">", 1.0), ("<", -1.0)):
            low, high = (sign * size(outside)).max(), (sign * size(inside)).min()
            between = [v for v in natural if low <= sign * v <= high]
            if low < high and between and chance >= 20 and (between[0] or shown == name):
                return f"where {shown} {relation} {number(between[0])}"
    return ""


def expression(f: AnyArray, known: AnyArray, quantities: Quantities) -> str:
    """f as a formula of one quantity, such as '/ (1 - y**2)' or '* 2 * gamma'; else ""."""
    good, second = f[known], ""
    if good.size < 3 or not np.isfinite(good).all():
        return ""
    scale = float(np.abs(good).max())
    distinct = len(np.unique(np.round(good / scale, 6)))
    for name, q in _candidates(quantities, f.shape, known):
        for operator, factor in (("*", q), ("/", 1 / q)):
            c = constant_ratio(good, factor, scale) if np.isfinite(factor).all() else None
            if c is None or abs(c) < 1e-6 or distinct < (2 if abs(c - 1) < 1e-6 else 3):
                continue
            if abs(c - 1) < 1e-6:
                return f"{operator} {name}"
            second = second or f"* {number(c)} {operator} {name}"
    return second


def _candidates(
    quantities: Quantities, shape: tuple[int, ...], known: AnyArray
) -> Iterator[tuple[str, AnyArray]]:
    """Formulas of one quantity, broadcast to a shape in all possible ways."""
    for name, array in quantities:
        for first in range(len(shape) - array.ndim, -1, -1):
            part = shape[first : first + array.ndim]
            if any(a not in (1, b) for a, b in zip(array.shape, part, strict=True)):
                continue
            spread = array.reshape(array.shape + (1,) * (len(shape) - first - array.ndim))
            axes = f" along axis {first}" if array.ndim == 1 < len(shape) else ""
            for form, function in FORMS:
                q = np.broadcast_to(function(spread), shape)[known]
                if np.isfinite(q).all() and np.ptp(q) > 1e-3 * np.abs(q).max(initial=0.0):
                    yield form.format(name) + axes, q
