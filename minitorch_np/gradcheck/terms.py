"""Which term or path is missing: how the two Jacobians of a wrong gradient differ.

Each rule yields sentences that are true for every pair of an output and an entry.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.gradcheck.evidence import STEP, Evidence
from minitorch_np.gradcheck.numeric import root_mean_square
from minitorch_np.gradcheck.wording import (
    BATCHES,
    EXACT,
    constant_ratio,
    expression,
    formula,
    same,
    where,
)


def terms(case: Evidence) -> Iterator[str]:
    """A term is missing or wrong: what is analytic - numeric?"""
    if np.ptp(case.residue[case.known]) <= EXACT * case.scale and case.array.size > 2:
        yield f"a constant is added: analytic = numeric + {case.residue[case.known][0]:.6g}"
    if case.claimed is None:
        return
    r = case.claimed - case.jacobian
    scale = float(np.abs(case.claimed).max() + np.abs(case.jacobian).max())
    if case.u.shape == case.array.shape:
        own = np.diag(r)
        if case.u.size > 1 and same(r, np.diag(own), scale):
            ones = constant_ratio(own, np.ones_like(own), scale)
            if ones is not None:
                yield _term(ones, "dy")
            text = expression(own.reshape(case.u.shape), case.known, case.quantities)
            if text:
                yield f"analytic = numeric + dy {text}: such a term is missing, or too much"
            both = []
            for j in (case.claimed, case.jacobian):
                own = np.diag(j).reshape(case.u.shape)
                both.append(expression(own, case.known, case.quantities))
            if both[0]:
                true = f", numeric = dy {both[1]}" if both[1] else ""
                yield f"analytic = dy {both[0]}{true}"
    for quantity in case.quantities:
        if case.u.size == 1 and quantity.array.shape == case.array.shape:
            known = case.known
            ratio = constant_ratio(case.residue[known], quantity.array[known], case.scale)
            if ratio is not None and np.ptp(quantity.array) > 0:
                yield _term(ratio, quantity.name)
    yield from _along_axes(case, r, scale)


def _term(ratio: float, name: str) -> str:
    size = "" if abs(abs(ratio) - 1) < 1e-6 else f"{abs(ratio):.6g} * "
    sign, word = ("-", "missing") if ratio < 0 else ("+", "too much")
    return f"analytic = numeric {sign} {size}{name}: that term is {word}, or has the wrong factor"


def _along_axes(case: Evidence, r: Array, scale: float) -> Iterator[str]:
    """The residue is proportional to something along some axes, for each dy."""
    if not case.known.all():
        return
    shape = case.array.shape
    full = r.reshape(len(r), *shape)
    axes = [k for k in range(len(shape)) if shape[k] > 1]
    for count in range(1, len(axes) + 1):
        for some in itertools.combinations(axes, count):
            n = int(np.prod([shape[k] for k in some]))
            if n < 3:
                continue
            rows = _grouped(full, [k + 1 for k in some], n)
            word = " and ".join(map(str, some))
            word = f"axis {word}" if count == 1 else f"axes {word}"
            if same(rows, rows[:, :1], scale):
                yield (
                    f"analytic - numeric is the same all along {word} of {case.owner}: "
                    "the term of a sum or a mean over it is missing, or wrong"
                )
                return
            for quantity in case.quantities:
                if quantity.array.shape != shape:
                    continue
                q = np.broadcast_to(quantity.array, full.shape)
                words = _in_span(rows, _grouped(q, [k + 1 for k in some], n), quantity.name, scale)
                if words and case.u.size == 1:
                    yield (
                        f"analytic - numeric {words} along {word} of {case.owner}: "
                        "such a term is missing, or has the wrong factor"
                    )
                elif words:
                    yield (
                        f"analytic - numeric {words} along {word} of {case.owner}, for "
                        "each dy: the term of the mean, variance, norm or sum over it is "
                        "missing, or wrong"
                    )


def _in_span(rows: Array, groups: Array, name: str, scale: float) -> str:
    """Each row as a multiple of a group, of it less its mean, or with a constant."""
    centered = groups - groups.mean(axis=1, keepdims=True)
    for basis, text in (
        ([groups], f"is proportional to {name}"),
        ([centered], f"is proportional to {name} less its mean"),
        ([np.ones_like(groups), centered], f"is a + b * {name}"),
    ):
        left = rows.copy()
        for b in basis:
            norm = (b * b).sum(axis=1, keepdims=True)
            left -= b * (left * b).sum(axis=1, keepdims=True) / np.where(norm > 0, norm, 1)
        if rows.shape[1] >= 2 + len(basis) and same(left, 0 * left, scale):
            return text
    return ""


def _grouped(a: AnyArray, axes: list[int], n: int) -> AnyArray:
    moved = np.moveaxis(a, axes, range(-len(axes), 0))
    return moved.reshape(-1, n)


def formulas(case: Evidence) -> Iterator[str]:
    """What is computed in each entry, and what should be."""
    found = []
    if case.u.size == 1:
        rows = [case.analytic / case.u.flat[0], case.numeric / case.u.flat[0]]
    elif case.claimed is not None and case.u.shape == case.array.shape:
        rows = [np.diag(j).reshape(case.u.shape) for j in (case.claimed, case.jacobian)]
        for j, row in zip((case.claimed, case.jacobian), rows, strict=True):
            if not same(j, np.diag(row.reshape(-1)), float(np.abs(j).max())):
                return
    else:
        return
    dy = "" if case.u.size == 1 else "dy * "
    for row, name in zip(rows, ("analytic", "numeric"), strict=True):
        text = formula(row, case.known, case.quantities)
        if text:
            found.append(f"{name} = {dy}{'(' if dy else ''}{text}{')' if dy else ''}")
    if found and found[0].startswith("analytic"):
        yield " but ".join(found)
    text = formula(rows[0] - rows[1], case.known, case.quantities)
    if text:
        yield f"analytic - numeric = {dy}{'(' if dy else ''}{text}{')' if dy else ''}"


def paths(case: Evidence) -> Iterator[str]:
    """Which entries of the array reach which outputs, by their indices along an axis."""
    if case.claimed is None or case.u.size == 1:
        return
    a, b = (
        np.abs(j).reshape(*case.u.shape, *case.array.shape) for j in (case.claimed, case.jacobian)
    )
    r = np.abs(case.claimed - case.jacobian).reshape(a.shape)
    limit, ys = EXACT * (a.max() + b.max()), case.u.ndim
    pairs = [(p, q) for p in range(ys) for q in range(case.array.ndim)]
    pairs = [(p, q) for p, q in pairs if case.u.shape[p] == case.array.shape[q] > 1]
    pairs.sort(key=lambda pair: (pair[0] != pair[1], pair))
    tables = {}
    for p, q in pairs:
        others = tuple(k for k in range(a.ndim) if k not in (p, ys + q))
        tables[p, q] = [t.max(axis=others) > limit for t in (a, b, r)]
    for (p, q), (has, needs, _) in tables.items():
        axis = f"axis {q}" + (" (samples)" if q == 0 and case.owner in BATCHES else "")
        off = ~np.eye(len(has), dtype=bool)
        own = p == q and case.name in BATCHES and needs.any()
        if own and (has & ~needs).any() and not (needs & off).any():
            yield (
                f"dy is mixed along {axis}, though an entry of {case.name} changes y at its own "
                "index alone: a sum or a mean runs along the wrong axis, or an index is wrong"
            )
    for (p, q), (has, needs, wrong) in tables.items():
        axis = f"axis {q} of {case.owner}"
        axis += " (samples)" if q == 0 and case.owner in BATCHES else ""
        words = _relation(needs & ~has, needs)
        if words:
            yield (
                f"the path from {case.name} to y {words} along {axis} is missing: analytic is 0 "
                "for such pairs"
            )
        words = _relation(wrong, needs | wrong) if p == q and case.name == "x" else ""
        if words:
            yield f"only the path from {case.name} to y {words} along {axis} is wrong"


def _relation(mask: AnyArray, among: AnyArray) -> str:
    """Words for pairs (index of y, index of x)."""
    if not mask.any() or not (among & ~mask).any():
        return ""
    o, i = np.indices(mask.shape)
    relations = {
        "at the same index": o == i,
        "at other indices": o != i,
        "at later indices": o > i,
        "at earlier indices": o < i,
        "at the next index": o == i + 1,
        "at indices more than one later": o > i + 1,
        "at indices more than two later": o > i + 2,
        "at the same and at later indices": o >= i,
    }
    for words, relation in relations.items():
        if np.array_equal(mask, relation & among):
            return words
    return ""


def misplaced(case: Evidence) -> Iterator[str]:
    """The right values for each dy, or for each entry, at wrong indices."""
    if case.claimed is None or case.u.size == 1:
        return
    a, b = case.claimed, case.jacobian
    scale = float(np.abs(a).max() + np.abs(b).max())
    if same(np.sort(a, axis=1), np.sort(b, axis=1), scale):
        yield f"each dy reaches {case.name} with the right numbers, but at wrong indices"
    if same(np.sort(a, axis=0), np.sort(b, axis=0), scale):
        yield f"the entries of {case.name} get the right multiples, but of wrong indices of dy"
    if same(a.sum(axis=1), b.sum(axis=1), scale) and case.array.size > 2 and a.sum(axis=1).any():
        yield f"each dy is spread over {case.name} with the right sum, but not in the right shares"


def outputs(case: Evidence) -> Iterator[str]:
    """What comes from some outputs is right, from others wrong."""
    if case.claimed is None or case.u.size == 1:
        return
    r, true = np.abs(case.claimed - case.jacobian), np.abs(case.jacobian)
    limit = EXACT * (np.abs(case.claimed).max() + true.max())
    wrong = (r.max(axis=1) > limit).reshape(case.u.shape)
    used = np.maximum(true, r).max(axis=1).reshape(case.u.shape) > limit
    words = where(wrong, used, "dy") if (used & ~wrong).any() else ""
    if words:
        yield f"what comes from dy {words} is wrong; the rest is right"


def others(case: Evidence) -> Iterator[str]:
    """At least: which of the gradients are right?"""
    verdicts: dict[bool, list[str]] = {True: [], False: []}
    for name, array in case.target.arrays.items():
        direction = np.random.default_rng(0).normal(size=array.shape)
        h, values = STEP * root_mean_square(array), []
        for k in (-2, -1, 1, 2):
            with case.target.moved({name: k * h * direction}):
                values.append(float(np.vdot(case.u, case.target.value())))
        slope = (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * h)
        gradient = np.asarray(case.target.gradients(case.u)[name])
        error = abs(slope - np.vdot(gradient, direction))
        right = error <= 1e-6 * float(np.linalg.norm(gradient * direction))
        if name != case.name:
            verdicts[bool(right)].append(f"d/d{name}")
    right, wrong = (_listed(verdicts[key]) for key in (True, False))
    if right and wrong:
        yield f"{right} right, {wrong} wrong like this one: look at what the wrong ones share"
    elif right:
        yield f"d/d{case.name} alone is wrong; {right} right"


def _listed(names: list[str]) -> str:
    verb = "is" if len(names) == 1 else "are"
    return f"{', '.join(names[:-1])}{' and ' * (len(names) > 1)}{names[-1]} {verb}" if names else ""
