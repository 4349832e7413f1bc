"""What may be wrong with a gradient as a whole, or with some of its entries.

Each rule yields sentences that are true in every entry.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.gradcheck.evidence import Evidence
from minitorch_np.gradcheck.wording import (
    EXACT,
    beyond,
    constant_ratio,
    expression,
    same,
    times,
    where,
)


def whole(case: Evidence) -> Iterator[str]:
    """One thing is wrong with all of it."""
    if not case.analytic.any():
        yield "it is zero: the gradient is not computed, or not returned"
    ratio = case.ratio()
    if ratio is not None and abs(ratio - 1) > 1e-6:
        yield times(ratio, case.numbers)
    zero = np.asarray(case.target.gradients(np.zeros_like(case.u))[case.name])
    if np.abs(zero).max() > EXACT * case.scale:
        constant = constant_ratio(zero, case.array, float(np.abs(zero).max()))
        if constant is not None:
            yield f"{constant:.6g} * {case.name} is added to it, whatever dy is: a weight decay?"
        yield "it is not zero for dy = 0: something is added that has nothing to do with dy"


def not_linear(case: Evidence) -> Iterator[str]:
    """dy is not used as it should be."""
    if case.claimed is not None:
        return
    for text, other in (
        ("dy is ignored: ones are taken for it", np.ones_like(case.u)),
        ("dy's size is ignored: only its sign is used", np.sign(case.u)),
        ("dy's sign is ignored", np.abs(case.u)),
    ):
        if case.fits((other.reshape(-1) @ case.jacobian).reshape(case.array.shape)):
            yield text
    size, true = np.abs(case.analytic), np.abs(case.numeric)
    if case.fits(np.abs(case.numeric)):
        yield "its absolute value is returned: the sign is lost"
    if case.fits(np.sign(case.numeric)):
        yield "only the sign of each entry is returned"
    limit = float(size.max())
    if case.fits(np.clip(case.numeric, -limit, limit)):
        yield f"it is clipped to +-{limit:.6g}"
    if case.fits(np.where(case.wrong, 0.0, case.numeric)):
        low, high = true[case.wrong].max(), true[~case.wrong & case.known].min(initial=np.inf)
        if low < high:
            yield f"small entries are set to zero: all up to {low:.3g} in size"
    norm = float(np.linalg.norm(case.analytic))
    ratio = constant_ratio(case.analytic, case.numeric, case.scale)
    if ratio is not None and abs(norm - round(norm)) < 1e-7:
        yield f"it is scaled to a norm of {norm:.6g}"


def rounded(case: Evidence) -> Iterator[str]:
    """A difference so small everywhere that it must be rounding, or a small constant."""
    worst = float(np.abs(case.residue).max()) / case.scale
    if 1e-10 < worst < 1e-6:
        yield "it agrees to about 7 digits only: is something rounded to float32 on the way?"


def nearly(case: Evidence) -> Iterator[str]:
    """A small difference in most entries."""
    worst = float(np.abs(case.residue).max()) / case.scale
    relative = np.abs(case.residue) / np.where(case.numeric == 0, 1.0, np.abs(case.numeric))
    if 1e-10 < worst < 5e-4 and np.median(relative) < 2e-3 and case.wrong.mean() > 0.5:
        digits = int(-np.log10(worst))
        yield (
            f"it agrees to about {digits} digits, no more: is something rounded on the way, or a "
            "small number such as eps left out?"
        )


def exchanged(case: Evidence) -> Iterator[str]:
    """Another array's gradient is returned."""
    for other, array in case.target.arrays.items():
        if other != case.name and array.shape == case.array.shape:
            there = Evidence.__new__(Evidence)
            there.target, there.array = case.target, array
            jacobian, _ = there.measure(range(array.size))
            if case.fits((case.u.reshape(-1) @ jacobian).reshape(array.shape)):
                yield f"it is the gradient of {other} that is returned for {case.name}"


def rearranged(case: Evidence) -> Iterator[str]:
    """The right numbers in the wrong places."""
    for text, move in _moves(case.array.shape, case.owner):
        if case.fits(move(case.numeric)):
            yield f"the right numbers stand in the wrong places: {text}"


def dy_rearranged(case: Evidence) -> Iterator[str]:
    """dy is right, but read in another order."""
    if case.claimed is not None and case.u.size > 1:
        for text, move in _moves(case.u.shape, "dy"):
            moved = (move(case.u).reshape(-1) @ case.jacobian).reshape(case.array.shape)
            if case.fits(moved):
                yield f"dy is read in the wrong order: {text}"


def _moves(shape: tuple[int, ...], owner: str) -> Iterator[tuple[str, Any]]:
    """Ways to put an array's numbers elsewhere, as words and functions."""
    axes = range(len(shape))
    for one, other in itertools.combinations(axes, 2):
        swapped = list(axes)
        swapped[one], swapped[other] = other, one
        words = f"axes {one} and {other} of {owner} are exchanged"
        yield words + " (a transpose too many, or missing)", lambda a, s=swapped: a.transpose(s)
        yield (
            f"{words} and the result reshaped",
            lambda a, s=swapped: a.transpose(s).reshape(a.shape),
        )
        yield f"{words} by a reshape", lambda a, s=swapped: _unswapped(a, s)
    if len(shape) > 2:
        for order in itertools.permutations(axes):
            text = f"the axes of {owner} are in the order {order}"
            yield text, lambda a, o=order: a.transpose(o).reshape(a.shape)
    for count in (1, 2):
        for some in itertools.combinations(axes, count):
            word = " and ".join(f"axis {k}" for k in some)
            yield f"{owner} is reversed along {word}", lambda a, s=some: np.flip(a, s)
    for axis in axes:
        yield from _moves_along(axis, shape[axis], owner)


def _moves_along(axis: int, n: int, owner: str) -> Iterator[tuple[str, Any]]:
    for shift in range(1, n):
        for way in (shift, -shift):
            text = f"{owner} is shifted by {way} along axis {axis}"
            yield text, lambda a, w=way, k=axis: np.roll(a, w, k)
            yield text, lambda a, w=way, k=axis: _shifted(a, w, k)
    if n > 2:
        text = f"its running sum along axis {axis} is taken"
        yield text, lambda a, k=axis: np.cumsum(a, axis=k)
        yield (
            f"{text}, from the end",
            lambda a, k=axis: np.flip(np.cumsum(np.flip(a, k), axis=k), k),
        )
    for parts in range(2, n):
        if n % parts == 0:
            text = f"axis {axis} of {owner} is read as {n // parts} times {parts}"
            yield (
                f"{text} in the other order",
                lambda a, k=axis, p=parts: _regrouped(a, k, p),
            )
    for parts in (2, 3, 4, 6):
        for one, other in itertools.combinations(range(parts if n % parts == 0 else 0), 2):
            text = f"parts {one} and {other} of {parts} along axis {axis} of {owner} are exchanged"
            yield text, lambda a, k=axis, p=(parts, one, other): _exchanged(a, k, *p)
    for text, first in (("index 0 stands", 0), ("the last index stands", -1)):
        yield (
            f"{text} for all indices along axis {axis} of {owner}",
            lambda a, k=axis, f=first: np.broadcast_to(np.take(a, [f], axis=k), a.shape),
        )
    text = f"along axis {axis} each entry has the"
    yield (
        f"{text} mean of all",
        lambda a, k=axis: np.broadcast_to(a.mean(axis=k, keepdims=True), a.shape),
    )
    yield (
        f"{text} sum of all",
        lambda a, k=axis: np.broadcast_to(a.sum(axis=k, keepdims=True), a.shape),
    )
    yield (
        f"the mean along axis {axis} of {owner} is taken off",
        lambda a, k=axis: a - a.mean(axis=k, keepdims=True),
    )


def _unswapped(a: AnyArray, order: list[int]) -> AnyArray:
    shape = [a.shape[k] for k in order]
    return a.reshape(shape).transpose(order)


def _shifted(a: AnyArray, way: int, axis: int) -> AnyArray:
    moved = np.moveaxis(np.roll(a, way, axis).copy(), axis, 0)
    moved[:way] = 0 if way > 0 else moved[:way]
    if way < 0:
        moved[way:] = 0
    return np.moveaxis(moved, 0, axis)


def _exchanged(a: AnyArray, axis: int, parts: int, one: int, other: int) -> AnyArray:
    pieces = np.split(a, parts, axis)
    pieces[one], pieces[other] = pieces[other], pieces[one]
    return np.concatenate(pieces, axis)


def _regrouped(a: AnyArray, axis: int, parts: int) -> AnyArray:
    n = a.shape[axis]
    split = a.reshape(*a.shape[:axis], parts, n // parts, *a.shape[axis + 1 :])
    return np.swapaxes(split, axis, axis + 1).reshape(a.shape)


def parts(case: Evidence) -> Iterator[str]:
    """Right in some entries; in others there is something to be said of how they are wrong."""
    if _how(case):
        yield from places(case)


def places(case: Evidence) -> Iterator[str]:
    """Right in some entries, wrong in others: which ones?"""
    nonzero = case.known & (np.maximum(np.abs(case.analytic), np.abs(case.numeric)) > 0)
    if not (nonzero & ~case.wrong).any():
        return
    how = _how(case) or "right elsewhere"
    x = np.asarray(getattr(case.target, "x", np.zeros(0)))
    if "x" not in case.target.arrays and case.array.ndim == 2 and x.size:
        rows: AnyArray = np.asarray(case.wrong.any(axis=1))
        numbers = x.astype(int).reshape(len(x), -1)
        counts = np.bincount(numbers.reshape(-1), minlength=len(rows))[: len(rows)]
        inside: AnyArray = np.zeros(len(rows), int)
        for row in numbers:
            inside = np.maximum(inside, np.bincount(row, minlength=len(rows))[: len(rows)])
        for number, word in ((inside, " in one sample"), (counts, "")):
            if (number == 1).any() and np.array_equal(rows, number > 1):
                yield (
                    f"wrong in just the rows of {case.name} that are used more than once{word}: "
                    "of equal indices one alone counts, as with += and an index"
                )
    words = where(case.wrong, nonzero, case.owner)
    if words:
        yield f"wrong {words}: {how}"
    for quantity in case.quantities:
        if quantity.array.shape != case.array.shape:
            continue
        if quantity.name == "one_hot(targets)":
            for mask, text in ((quantity.array > 0, "of"), (quantity.array == 0, "beside")):
                if np.array_equal(mask & nonzero, case.wrong & nonzero):
                    yield f"wrong only in the scores {text} the right class: {how}"
        words = beyond(case.wrong, nonzero, quantity.array, quantity.name, case.numbers)
        if words:
            yield f"wrong only {words}: {how}"


def _how(case: Evidence) -> str:
    a, b = case.analytic[case.wrong], case.numeric[case.wrong]
    if not a.any():
        return "analytic is 0 there"
    if np.abs(b).max() <= EXACT * case.scale:
        return "it should be 0 there"
    ratio = constant_ratio(a, b, case.scale) if len(a) > 1 else None
    if ratio is not None:
        return times(ratio, case.numbers)
    if len(a) > 1 and np.ptp(a - b) <= EXACT * case.scale:
        return f"analytic = numeric + {a[0] - b[0]:.6g}"
    f = case.analytic / np.where(case.numeric == 0, 1.0, case.numeric)
    text = expression(f, case.wrong & (case.numeric != 0), case.quantities)
    return f"analytic = numeric {text} there" if text else ""


def factors(case: Evidence) -> Iterator[str]:
    """A factor for each entry, or for each entry of dy."""
    for text, precise in _factors(case):
        if precise:
            yield text


def by_index(case: Evidence) -> Iterator[str]:
    """A factor that depends on the index along some axes alone."""
    for text, precise in _factors(case):
        if not precise:
            yield text


def _factors(case: Evidence) -> Iterator[tuple[str, bool]]:
    for axis in (1, 0):
        if case.claimed is None and axis == 0:
            return
        if case.claimed is None or (axis == 1 and case.u.size == 1):
            if axis == 0:
                return
            a: AnyArray = case.analytic.reshape(1, -1)
            b: AnyArray = case.numeric.reshape(1, -1)
        else:
            a, b = case.claimed, case.jacobian
        shape = case.array.shape
        if axis == 0:
            a, b, shape = a.T, b.T, case.u.shape
        if a.shape[1] == 1:
            continue
        norms = (b * b).sum(axis=0)
        known = norms > (1e-6 * np.abs(b).max()) ** 2
        f = np.where(known, (a * b).sum(axis=0) / np.where(known, norms, 1.0), 1.0)
        if not same(a, b * f, float(np.abs(b).max() + np.abs(a).max())):
            continue
        f, known = f.reshape(shape), known.reshape(shape)
        later = ""
        entries = axis == 1
        text = expression(f, known, case.quantities)
        axes = [k for k in range(f.ndim) if f.shape[k] > 1 and _depends(f, known, k)]
        if text:
            word = "in each entry" if entries else f"for each dy[{'i, j, k, l'[: 3 * f.ndim - 2]}]"
            yield f"analytic = numeric {text}, {word}", True
        elif axes and len(axes) < (np.array(f.shape) > 1).sum() and f.size >= 6:
            names = " and ".join(f"axis {k}" for k in axes)
            kind = case.name if entries else "dy"
            later = f"analytic = numeric times a factor for each index of {names} of {kind}"
        if not entries:
            off = (np.abs(f - 1) > 1e-6) & known
            words = where(off, known, "dy")
            if words:
                values = f[off]
                how = "is wrong"
                if np.ptp(values) < 1e-6:
                    how = "is lost" if abs(values[0]) < 1e-9 else f"counts {values[0]:.6g} times"
                if words.startswith("everywhere but ") and how == "is lost":
                    yield (
                        f"only dy {words[15:]} counts: what comes from the rest of it is lost",
                        True,
                    )
                else:
                    yield f"what comes from dy {words} {how}", how != "is wrong"

        if later:
            yield later, False


def _depends(f: AnyArray, known: AnyArray, axis: int) -> bool:
    low = np.where(known, f, np.inf).min(axis=axis)
    high = np.where(known, f, -np.inf).max(axis=axis)
    return bool((high - low).max() > 1e-6 * np.abs(f).max())
