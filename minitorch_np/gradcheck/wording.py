"""Words for how two gradients differ: where, by which factor, by which term.

All of it is about plain arrays. A sentence is made only of what holds in every entry.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray

EXACT = 3e-8
"""Numbers that agree to this share of their scale are the same."""

BATCHES = ("x", "scores", "y", "dy")
"""Arrays whose axis 0 counts samples."""


class Quantity(NamedTuple):
    """Something that a formula may hold: an input, a parameter, what forward has kept."""

    name: str
    array: AnyArray


Numbers = list[tuple[str, float]]

_UNARY: list[tuple[str, Callable[[AnyArray], AnyArray]]] = [
    ("{0}", lambda q: q),
    ("(1 - {0})", lambda q: 1 - q),
    ("(1 - {0}**2)", lambda q: 1 - q**2),
    ("({0} * (1 - {0}))", lambda q: q * (1 - q)),
    ("{0}**2", np.square),
    ("sqrt({0})", np.sqrt),
    ("abs({0})", np.abs),
    ("exp({0})", np.exp),
    ("sigmoid({0})", lambda q: 1 / (1 + np.exp(-q))),
    ("(1 - tanh({0})**2)", lambda q: 1 - np.tanh(q) ** 2),
    ("{0}**3", lambda q: q**3),
    ("(1 + {0})", lambda q: 1 + q),
    ("(1 + {0}**2)", lambda q: 1 + q**2),
    ("({0} / (1 + {0}))", lambda q: q / (1 + q)),
]


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
    """A number as one would write it: 3, 1/3, sqrt(2), 0.123."""
    for up, down in itertools.product(range(1, 13), repeat=2):
        if math.gcd(up, down) == 1 and abs(abs(value) - up / down) < 1e-9 * abs(value):
            text = str(up) if down == 1 else f"{up}/{down}"
            return f"-{text}" if value < 0 else text
    return f"{value:.6g}"


RELATIONS: list[tuple[str, Callable[[float], float]]] = [
    ("* {0}", lambda v: v),
    ("/ {0}", lambda v: 1 / v),
    ("* sqrt({0})", math.sqrt),
    ("/ sqrt({0})", lambda v: 1 / math.sqrt(v)),
    ("* {0}**2", lambda v: v * v),
    ("/ {0}**2", lambda v: 1 / (v * v)),
    ("* (1 - {0})", lambda v: 1 - v),
    ("/ (1 - {0})", lambda v: 1 / (1 - v)),
    ("* ({0} - 1) / {0}", lambda v: (v - 1) / v),
    ("* {0} / ({0} - 1)", lambda v: v / (v - 1)),
]


def times(ratio: float, numbers: Numbers) -> str:
    """'analytic = numeric / 3, where 3 is m, the number of samples: ...'."""
    if abs(ratio) < 1e-9:
        return "analytic is 0"
    if abs(ratio + 1) < 1e-6:
        return "the sign is wrong: analytic = -numeric"
    sign, size = (", and the sign is wrong" if ratio < 0 else ""), abs(ratio)
    for form, relation in (
        RELATIONS[:2] if number(size) in ("2", "1/2", "3/2", "2/3") else RELATIONS
    ):
        names = [n for n, v in numbers if v > 0 and v != 1 and abs(relation(v) / size - 1) < 1e-6]
        if names:
            shown = f"{next(v for n, v in numbers if n == names[0]):.6g}"
            text = f"analytic = numeric {form.format(shown)}{sign}, where {shown} is "
            text += " or ".join(list(dict.fromkeys(names))[:3])
            if number(size) in ("2", "1/2"):  # any formula may have one
                return text.replace("where", "as").replace(" is ", " is also ")
            if form == "* {0}" and "size" not in text and "m," not in text:
                return f"{text}: that factor is too much"
            if form == "/ {0}" and "size" not in text and "m," not in text:
                return f"{text}: that factor is missing"
            if form == "* {0}":
                return f"{text}: a division by it is missing, or a sum stands for a mean"
            return (
                f"{text}: divided once too often, or a mean for a sum" if form == "/ {0}" else text
            )
    one_over = number(1 / size)
    return (
        f"analytic = numeric {'/ ' + one_over if one_over.isdigit() else '* ' + number(size)}{sign}"
    )


def at_indices(ids: list[int], n: int, axis: int, owner: str) -> str:
    """Words for some of the n indices along an axis; empty if they are no simple set."""
    sample = axis == 0 and owner in BATCHES
    place = "sample {0}" if sample else f"index {{0}} of axis {axis} of {owner}"
    last = " (the last)"

    def one(i: int) -> str:
        return place.format(i) + last * (i == n - 1 > 0)

    if len(ids) == 1:
        return f"at {one(ids[0])}"
    if len(ids) == n - 1:
        (other,) = set(range(n)) - set(ids)
        return f"everywhere but at {one(other)}"
    if ids == list(range(ids[0], n)):
        return f"from {place.format(ids[0])} on"
    if ids == list(range(ids[-1] + 1)):
        return f"up to {place.format(ids[-1])}"
    if ids in (list(range(0, n, 2)), list(range(1, n, 2))):
        word = "odd" if ids[0] else "even"
        return f"in {word} samples" if sample else f"at {word} indices of axis {axis} of {owner}"
    if len(ids) > 1 and ids == list(range(ids[0], ids[-1] + 1)) and not sample:
        return f"at indices {ids[0]} to {ids[-1]} of axis {axis} of {owner}"
    if len(ids) <= 3:
        listed = ", ".join(map(str, ids))
        return (
            f"in samples {listed}" if sample else f"at indices {listed} of axis {axis} of {owner}"
        )
    return ""


def where(mask: AnyArray, known: AnyArray, owner: str) -> str:
    """Words for a part of an array that is a block of whole indices; else empty."""
    for words, part in (("", mask), ("not ", ~mask)):
        block = np.ones(mask.shape, bool)
        phrases = []
        for axis, n in enumerate(mask.shape):
            others = tuple(k for k in range(mask.ndim) if k != axis)
            hit = np.any(part & known, axis=others)
            ids = np.flatnonzero(hit).tolist()
            shape = [1] * mask.ndim
            shape[axis] = n
            block = block & hit.reshape(shape)
            if 0 < len(ids) < n:
                phrases.append(at_indices(ids, n, axis, owner))
        if words and len(phrases) > 1:
            continue
        if phrases and all(phrases) and np.array_equal(block & known, part & known):
            text = " and ".join(phrases)
            if "everywhere" in text and (words or len(phrases) > 1):
                continue
            return f"everywhere but {text}" if words else text
    return ""


def beyond(mask: AnyArray, known: AnyArray, values: AnyArray, name: str, numbers: Numbers) -> str:
    """'where x < 0', if a threshold on `values` parts the entries of a mask from the others."""
    inside, outside = values[mask & known], values[~mask & known]
    if not (inside.size and outside.size):
        return ""
    if (inside == 0).all() and (outside != 0).all():
        return f"where {name} is exactly 0"
    chance = math.comb(inside.size + outside.size, inside.size)
    for part, sign in (
        (values, 1.0),
        (values, -1.0),
        (np.abs(values), 1.0),
        (np.abs(values), -1.0),
    ):
        low, high = (sign * part)[~mask & known].max(), (sign * part)[mask & known].min()
        if low >= high:
            continue
        shown = f"abs({name})" if part is not values else name
        natural = [0.0, 1.0, -1.0, *(v for _, v in numbers), *(-v for _, v in numbers)]
        between = [v for v in natural if low <= sign * v <= high]
        relation = ">" if sign > 0 else "<"
        if between and chance >= 20 and not (between[0] == 0 and part is not values):
            return f"where {shown} {relation} {number(between[0])}"
        if chance >= 5000 and min(inside.size, outside.size) >= 3:
            return f"where {shown} {relation} {sign * (low + high) / 2:.3g} or so"
    return ""


def expression(f: AnyArray, known: AnyArray, quantities: list[Quantity]) -> str:
    """f as a formula of one quantity, such as '/ (1 - y**2)' or '* 2 * gamma'; else empty."""
    f, second = np.where(known, f, np.nan), ""
    good = f[known]
    if good.size < 3 or not np.isfinite(good).all():
        return ""
    distinct = len(np.unique(np.round(good / np.abs(good).max(), 6)))
    for quantity in quantities:
        for aligned, axes in _aligned(quantity.array, f.shape):
            for form, function in _UNARY:
                with np.errstate(all="ignore"):
                    q = np.broadcast_to(function(aligned), f.shape)[known]
                    inverse = 1 / q
                if not np.isfinite(q).all() or np.ptp(q) <= 1e-3 * np.abs(q).max(initial=0.0):
                    continue
                for operator, factor in (("*", q), ("/", inverse)):
                    if not np.isfinite(factor).all():
                        continue
                    c = constant_ratio(good, factor, float(np.abs(good).max()))
                    if c is None or abs(c) < 1e-6 or distinct < (2 if abs(c - 1) < 1e-6 else 3):
                        continue
                    text = f"{operator} {form.format(quantity.name)}{axes}"
                    if abs(c - 1) < 1e-6:
                        return text
                    second = second or f"* {number(c)} {text}"
    for quantity in quantities:
        for aligned, axes in _aligned(quantity.array, f.shape):
            text = _power(good, np.broadcast_to(np.abs(aligned), f.shape)[known])
            if text and not second:
                return text.format(quantity.name) + axes
    return second


def formula(values: AnyArray, known: AnyArray, quantities: list[Quantity]) -> str:
    """Values as one or two terms, such as '0.05 * exp(scores) - 0.05 * targets'; else empty."""
    good = values[known]
    scale = float(np.abs(good).max(initial=0.0))
    bases: list[tuple[str, AnyArray]] = []
    for quantity in quantities:
        for aligned, axes in _aligned(quantity.array, values.shape):
            for form, function in _UNARY:
                with np.errstate(all="ignore"):
                    q = np.broadcast_to(function(aligned), values.shape)[known]
                if np.isfinite(q).all() and np.abs(q).max(initial=0.0) > 0:
                    bases.append((form.format(quantity.name) + axes, q))
    if good.size < 6 or not scale:
        return ""
    for name, q in bases:
        c = constant_ratio(good, q, scale)
        if c is not None:
            return f"{number(c)} * {name}"
    seconds = [("", np.ones(good.shape))]
    seconds += [b for b in bases if b[0] in ("targets", "one_hot(targets)", "x", "y", "scores")]
    for (name, q), (other, second) in itertools.product(bases, seconds):
        pair = np.stack([q, second], axis=1)
        (c, d), _, rank, _ = np.linalg.lstsq(pair, good, rcond=1e-6)
        if rank == 2 and min(abs(c), abs(d)) > 1e-4 * scale and same(pair @ [c, d], good, scale):
            last = f" * {other}" if other else ""
            return f"{number(c)} * {name} {'-' if d < 0 else '+'} {number(abs(d))}{last}"
    return ""


def _power(f: AnyArray, q: AnyArray) -> str:
    """'* 2 * abs({0})**1.5', if f is that."""
    use = q > 0
    distinct = len(np.unique(np.round(np.log(q[use]), 6)))
    if distinct < 4 or not (f[use] > 0).all():
        return ""
    power, shift = np.polyfit(np.log(q[use]), np.log(f[use]), 1)
    c, error = float(np.exp(shift)), np.log(f[use]) - power * np.log(q[use]) - shift
    if np.abs(error).max() > 1e-7 or abs(power) < 1e-3:
        return ""
    return f"* {number(c)} * abs({{0}})**{number(float(power))}".replace("* 1 * ", "* ", 1)


def _aligned(array: AnyArray, shape: tuple[int, ...]) -> Iterator[tuple[AnyArray, str]]:
    """An array, spread along the axes of a shape in the ways that fit."""
    if array.ndim > len(shape) or array.size < 2:
        return
    for first in range(len(shape) - array.ndim, -1, -1):
        part = shape[first : first + array.ndim]
        if all(a in (1, b) for a, b in zip(array.shape, part, strict=True)):
            rest = len(shape) - first - array.ndim
            spread = array.reshape(array.shape + (1,) * rest)
            yield spread, f" along axis {first}" if array.ndim == 1 < len(shape) else ""
