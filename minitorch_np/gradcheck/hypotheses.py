"""Hypotheses on frequent mistakes in a gradient.

They concern a factor, an order, some of the entries, a missing path from x to y, or a missing term
of a mean. Each rule yields sentences, the most precise first. A sentence is given only if the
mistake that it names turns the true Jacobian or gradient into exactly the analytic one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.gradcheck.evidence import Evidence, slopes
from minitorch_np.gradcheck.wording import (
    BATCHES,
    EXACT,
    beyond,
    constant_ratio,
    expression,
    same,
    times,
    where,
)


def whole(case: Evidence) -> Iterator[str]:
    """All of it is wrong in the same way."""
    if not case.analytic.any():
        yield "it is zero: the gradient is not computed, or not returned"
    ratio = case.ratio()
    if ratio is not None and abs(ratio - 1) > 3e-7:
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
    true, wrong = case.numeric, case.wrong
    limit, norm = float(np.abs(case.analytic).max()), float(np.linalg.norm(case.analytic))
    for text, candidate in (
        (
            "dy is ignored: ones are taken for it",
            case.gradient(case.jacobian, np.ones(case.u.size)),
        ),
        (
            "dy's size is ignored: only its sign is used",
            case.gradient(case.jacobian, np.sign(case.u)),
        ),
        ("dy's sign is ignored", case.gradient(case.jacobian, np.abs(case.u))),
        ("its absolute value is returned: the sign is lost", np.abs(true)),
        ("only the sign of each entry is returned", np.sign(true)),
        (f"it is clipped to +-{limit:.6g}", np.clip(true, -limit, limit)),
    ):
        if case.fits(candidate):
            yield text
    if case.fits(np.where(wrong, 0.0, true)):
        low = np.abs(true)[wrong].max()
        if low < np.abs(true)[~wrong & case.known].min(initial=np.inf):
            yield f"small entries are set to zero: all up to {low:.3g} in size"
    if case.ratio() is not None and abs(norm - round(norm)) < 1e-7:
        yield f"it is scaled to a norm of {norm:.6g}"


def rounded(case: Evidence) -> Iterator[str]:
    """A difference so small everywhere that it must be rounding."""
    if 1e-10 < float(np.abs(case.residue).max()) / case.scale < 1e-6:
        yield "it agrees to about 7 digits only: is something rounded to float32 on the way?"


def exchanged(case: Evidence) -> Iterator[str]:
    """Another array's gradient is returned."""
    for other, array in case.target.arrays.items():
        if other == case.name or array.shape != case.array.shape:
            continue
        if case.fits(case.gradient(slopes(case.target, array, range(array.size))[0])):
            yield f"it is the gradient of {other} that is returned for {case.name}"


def rearranged(case: Evidence) -> Iterator[str]:
    """The right numbers are in the wrong places."""
    for text, moved in _moves(np.where(case.known, case.numeric, np.nan), case.name):
        if case.fits(moved):
            yield f"the right numbers stand in the wrong places: {text}"


def dy_rearranged(case: Evidence) -> Iterator[str]:
    """dy is right, but read in another order."""
    if case.claimed is not None and case.u.size > 1:
        for text, moved in _moves(case.u, "dy"):
            if moved.size == case.u.size and case.fits(case.gradient(case.jacobian, moved)):
                yield f"dy is read in the wrong order: {text}"


def _moves(a: AnyArray, name: str) -> Iterator[tuple[str, AnyArray]]:
    """Ways to rearrange an array: a description, and the result."""
    axes = range(a.ndim)
    for one, other in itertools.combinations(axes, 2):
        text, swapped = f"axes {one} and {other} of {name} are exchanged", a.swapaxes(one, other)
        yield f"{text} (a transpose too many, or missing)", swapped
        yield f"{text} and the result reshaped", swapped.reshape(a.shape)
        yield f"{text} by a reshape", a.reshape(swapped.shape).swapaxes(one, other)
    for order in itertools.permutations(axes) if a.ndim > 2 else ():
        yield f"the axes of {name} are in the order {order}", a.transpose(order).reshape(a.shape)
    for some in [(k,) for k in axes] + list(itertools.combinations(axes, 2)):
        yield (
            f"{name} is reversed along {' and '.join(f'axis {k}' for k in some)}",
            np.flip(a, some),
        )
    for axis in axes:
        for text, moved in _moves_along(np.moveaxis(a, axis, 0), f"axis {axis}", name):
            yield text, np.moveaxis(moved, 0, axis)


def _moves_along(a: AnyArray, axis: str, name: str) -> Iterator[tuple[str, AnyArray]]:
    """Ways to rearrange an array along its first axis, which is called `axis`."""
    n = len(a)
    for shift in range(1, n):
        for way in (shift, -shift):
            rolled, cut = np.roll(a, way, 0), np.roll(a, way, 0)
            cut[: max(way, 0)] = cut[n + min(way, 0) :] = 0
            yield f"{name} is shifted by {way} along {axis}", rolled
            yield f"{name} is shifted by {way} along {axis}", cut
    for parts in (p for p in range(2, n) if n % p == 0):
        text = f"{axis} of {name} is read as {n // parts} times {parts} in the other order"
        yield text, a.reshape(parts, n // parts, -1).swapaxes(0, 1).reshape(a.shape)
    for text, one in (("index 0 stands", a[:1]), ("the last index stands", a[-1:])):
        yield f"{text} for all indices along {axis} of {name}", np.broadcast_to(one, a.shape)
    mean, total = (np.broadcast_to(f(a, axis=0), a.shape) for f in (np.mean, np.sum))
    yield f"along {axis} each entry has the mean of all", mean
    yield f"along {axis} each entry has the sum of all", total
    yield f"the mean along {axis} of {name} is taken off", a - mean


def parts(case: Evidence) -> Iterator[str]:
    """Some entries are right, and the wrong ones differ in a way that has a description."""
    if _how(case):
        yield from places(case)


def places(case: Evidence) -> Iterator[str]:
    """Some entries are right, and the wrong ones are in describable places."""
    nonzero = case.known & ((case.analytic != 0) | (case.numeric != 0))
    if not (nonzero & ~case.wrong).any():
        return
    yield from _repeated_rows(case)
    how = _how(case) or "right elsewhere"
    words = where(case.wrong, nonzero, case.name)
    if words:
        yield f"wrong {words}: {how}"
    for name, array in case.quantities:
        if array.shape != case.array.shape:
            continue
        if name == "one_hot(targets)":
            for mask, text in ((array > 0, "of"), (array == 0, "beside")):
                if np.array_equal(mask & nonzero, case.wrong & nonzero):
                    yield f"wrong only in the scores {text} the right class: {how}"
        words = beyond(case.wrong, nonzero, array, name, case.numbers)
        if words:
            yield f"wrong only {words}: {how}"


def _repeated_rows(case: Evidence) -> Iterator[str]:
    """The wrong rows of a table are those that are looked up more than once."""
    x = np.asarray(getattr(case.target, "x", np.zeros(0)))
    if "x" in case.target.arrays or case.array.ndim != 2 or not x.size:
        return
    n = len(case.array)
    counts = np.array([np.bincount(r, minlength=n)[:n] for r in x.astype(int).reshape(len(x), -1)])
    for uses, word in ((counts.max(axis=0), " in one sample"), (counts.sum(axis=0), "")):
        if (uses == 1).any() and np.array_equal(case.wrong.any(axis=1), uses > 1):
            yield (
                f"wrong in just the rows of {case.name} that are used more than once{word}: "
                "only one of several equal indices counts, as with += and an index"
            )


def _how(case: Evidence) -> str:
    """How the wrong entries differ, in words."""
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
    """There is a factor for each entry, or for each entry of dy."""
    of_dy = f"for each dy[{'i, j, k, l'[: 3 * case.u.ndim - 2]}]"
    a, b, shapes = case.claimed, case.jacobian, {"in each entry": case.array.shape}
    if a is None or case.u.size == 1:
        a, b = case.analytic.reshape(1, -1), case.numeric.reshape(1, -1)
    else:
        shapes[of_dy] = case.u.shape
    for of_what, shape in shapes.items():
        if of_what == of_dy:
            a, b = a.T, b.T
        norms = (b * b).sum(axis=0)
        known = norms > (1e-6 * np.abs(b).max()) ** 2
        f = np.where(known, (a * b).sum(axis=0) / np.where(known, norms, 1.0), 1.0)
        if len(f) == 1 or not same(a, b * f, float(np.abs(b).max() + np.abs(a).max())):
            continue
        f, known = f.reshape(shape), known.reshape(shape)
        text = expression(f, known, case.quantities)
        if text:
            yield f"analytic = numeric {text}, {of_what}"
        off = (np.abs(f - 1) > 1e-6) & known
        words = where(off, known, "dy") if of_what == of_dy else ""
        if words and np.ptp(f[off]) < 1e-6:
            lost = abs(f[off][0]) < 1e-9
            if lost and words.startswith("everywhere but "):
                yield f"only dy {words[15:]} counts: what comes from the rest of it is lost"
            count = "is lost" if lost else f"counts {f[off][0]:.6g} times"
            yield f"what comes from dy {words} {count}"


def terms(case: Evidence) -> Iterator[str]:
    """A term is missing or wrong: analytic - numeric is proportional to something."""
    known, one = case.known, case.u.size == 1  # of a loss: for dy = 1
    unit = float(case.u.flat[0]) if one else 1.0
    residue, size = case.residue[known] / unit, case.scale / abs(unit)
    if np.ptp(residue) <= EXACT * size and case.array.size > 2:
        yield f"a constant is added: analytic = numeric {_signed(residue[0])}"
    for name, array in case.quantities if one else ():
        if array.shape == case.array.shape and np.ptp(array) > 0:
            c = constant_ratio(residue, array[known], size)
            if c is not None:
                word = "too much" if c > 0 else "missing"
                term = f"{_signed(c)} * {name}"
                yield f"analytic = numeric {term}: that term is {word}, or has the wrong factor"
    if case.claimed is None:
        return
    r = case.claimed - case.jacobian
    scale = float(np.abs(case.claimed).max() + np.abs(case.jacobian).max())
    if case.known.all():
        yield from _along_axes(case, r.reshape(len(r), *case.array.shape), scale)


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):.6g}"


def _along_axes(case: Evidence, r: Array, scale: float) -> Iterator[str]:
    """The residue is proportional to something along some axes, for each dy."""
    shape = case.array.shape
    axes = [k for k, n in enumerate(shape) if n > 1]
    for count in range(1, len(axes) + 1):
        for some in itertools.combinations(axes, count):
            rows = _grouped(r, some)
            if rows.shape[1] < 3:
                continue
            words = f"{'axis' if count == 1 else 'axes'} {' and '.join(map(str, some))}"
            along = f"along {words} of {case.name}"
            if same(rows, rows[:, :1], scale):
                yield (
                    f"analytic - numeric is the same all {along}: "
                    "the term of a sum or a mean over it is missing, or wrong"
                )
                return
            for name, array in case.quantities:
                if array.shape != shape:
                    continue
                basis = _grouped(np.broadcast_to(array, r.shape), some)
                if _are_lines(rows, basis, scale):
                    yield (
                        f"analytic - numeric is a + b * {name} {along}, for each dy: the term of "
                        "the mean, variance, norm or sum over it is missing, or wrong"
                    )


def _are_lines(rows: Array, q: Array, scale: float) -> bool:
    """Whether each row is a + b q, with its own a and b."""
    rows, q = (t - t.mean(axis=1, keepdims=True) for t in (rows, q))
    norm = (q * q).sum(axis=1, keepdims=True)
    slope = (rows * q).sum(axis=1, keepdims=True) / np.where(norm > 0, norm, 1)
    return len(rows) * (rows.shape[1] - 2) >= 2 and same(rows, slope * q, scale)


def _grouped(a: AnyArray, axes: tuple[int, ...]) -> AnyArray:
    """The array with some axes of x flattened into rows."""
    n = int(np.prod([a.shape[k + 1] for k in axes]))
    return np.moveaxis(a, [k + 1 for k in axes], range(-len(axes), 0)).reshape(-1, n)


def paths(case: Evidence) -> Iterator[str]:
    """Paths from entries to outputs are missing, described by their indices along an axis."""
    if case.claimed is None or case.u.size == 1:
        return
    true, shape = case.jacobian, (*case.u.shape, *case.array.shape)
    tables, ys = {}, case.u.ndim
    limit = EXACT * (np.abs(case.claimed).max() + np.abs(true).max())
    pairs = itertools.product(range(ys), range(case.array.ndim))
    for p, q in sorted(pairs, key=lambda pair: (pair[0] != pair[1], pair)):
        if case.u.shape[p] == case.array.shape[q] > 1:
            others = tuple(k for k in range(len(shape)) if k not in (p, ys + q))
            tables[p, q] = [
                np.abs(t).reshape(shape).max(axis=others) > limit
                for t in (case.claimed, true, case.claimed - true)
            ]
    for (p, q), (has, needs, _) in tables.items():
        axis = f"axis {q}{' (samples)' * (q == 0)}"
        mixed = (needs & ~np.eye(len(has), dtype=bool)).any()
        if p == q and case.name in BATCHES and needs.any() and (has & ~needs).any() and not mixed:
            yield (
                f"dy is mixed along {axis}, though an entry of {case.name} changes y at its own "
                "index alone: a sum or a mean runs along the wrong axis, or an index is wrong"
            )
    for (p, q), (has, needs, wrong) in tables.items():
        axis = f"axis {q} of {case.name}{' (samples)' * (q == 0 and case.name in BATCHES)}"
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
    """A description of the pairs (index of y, index of x) in `mask`; "" if there is none."""
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
    }
    return next((w for w, r in relations.items() if np.array_equal(mask, r & among)), "")


def outputs(case: Evidence) -> Iterator[str]:
    """The contributions of some outputs are right, those of others wrong."""
    if case.claimed is None or case.u.size == 1:
        return
    r, true = np.abs(case.claimed - case.jacobian), np.abs(case.jacobian)
    limit = EXACT * (np.abs(case.claimed).max() + true.max())
    wrong = (r.max(axis=1) > limit).reshape(case.u.shape)
    used = np.maximum(true, r).max(axis=1).reshape(case.u.shape) > limit
    words = where(wrong, used, "dy") if (used & ~wrong).any() else ""
    if words:
        yield f"what comes from dy {words} is wrong; the rest is right"
