"""Which formula is wrong.

A wrong gradient is rarely wrong at random. A factor is missing, a sign, a transposition, a term, a
path, a sample. Each such hypothesis is tried on the whole Jacobian, d y[o] / d x[i] for every pair
of entries: the claimed one is what backward returns for a dy of zeros and a single one, and the
true one comes from central differences. Only what holds in every entry is put into words, and
nothing is said where no hypothesis fits.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.gradcheck.hypotheses import (
    BATCHES,
    EXACT,
    Quantity,
    beyond,
    constant_ratio,
    expression,
    formula,
    number,
    same,
    times,
    where,
)
from minitorch_np.gradcheck.numeric import root_mean_square
from minitorch_np.gradcheck.tape import hypotheses, recorded, slope

MOST_ENTRIES, MOST_PAIRS = 2_000, 300_000
"""Gradients are measured of arrays up to so many entries, Jacobians of so many pairs."""

STEP = 1e-3
"""Of the central differences, over the array's size; half of it for a second opinion."""


def explain(target: Any, claim: Any, tensor: Any) -> str:
    """The cause of a wrong gradient of `tensor.name` in a sentence; "" if nothing fits."""
    kept = {name: array.copy() for name, array in target.arrays.items()}
    try:
        with np.errstate(all="ignore"):
            return _explain(target, claim, tensor)
    except Exception:  # no cause rather than an error about an error
        return ""
    finally:
        for name, array in kept.items():
            target.arrays[name][...] = array


def _explain(target: Any, claim: Any, tensor: Any) -> str:
    if target.arrays[tensor.name].size > MOST_ENTRIES:
        return _of_sample(target, claim, tensor)
    case = Evidence(target, claim, tensor)
    if 2 * case.known.sum() < case.known.size:
        return ""
    if not case.wrong.any():
        return next(rounded(case), "")
    return next((cause for rule in RULES for cause in rule(case)), "")


def _of_sample(target: Any, claim: Any, tensor: Any) -> str:
    """A large array, of which a few entries have been measured."""
    if tensor.sample is None:
        return ""
    places, numeric = tensor.sample
    analytic = np.asarray(claim.gradients[tensor.name]).reshape(-1)[places]
    scale = float(np.abs(numeric).max() + np.abs(analytic).max())
    if not analytic.any():
        return "it is zero where it should not be"
    ratio = constant_ratio(analytic, numeric, scale)
    return (
        ""
        if ratio is None or abs(ratio - 1) < 1e-6
        else times(ratio, _numbers(target, tensor.name))
    )


class Evidence:
    """The two gradients of one array, and the two Jacobians (outputs, entries) behind them.

    `known` entries have a slope; `wrong` ones differ.
    """

    def __init__(self, target: Any, claim: Any, tensor: Any) -> None:
        self.target, self.name, self.u = target, tensor.name, claim.u
        self.array: Array = target.arrays[self.name]
        self.owner = self.name
        self.y: Array = target.value()
        self.analytic = np.asarray(target.gradients(self.u)[self.name], dtype=np.float64)
        self.jacobian, self.known = self.measure(range(self.array.size))
        self.known = self.known.reshape(self.array.shape)
        self.numeric = (self.u.reshape(-1) @ self.jacobian).reshape(self.array.shape)
        if tensor.left.shape == self.array.shape and tensor.left.size:
            mean = (tensor.left + tensor.right) / 2
            size = EXACT * np.abs(mean).max(initial=0.0)
            self.known &= np.abs(mean - self.numeric) <= size
            self.known &= np.abs(tensor.left - tensor.right) <= size
        self.scale = float(np.abs(self.numeric[self.known]).max(initial=0.0))
        self.scale += float(np.abs(self.analytic[self.known]).max(initial=0.0))
        self.residue = np.where(self.known, self.analytic - self.numeric, 0.0)
        self.wrong = np.abs(self.residue) > EXACT * self.scale
        self.numbers = _numbers(target, self.name)
        self.claimed = self._claimed()
        self.quantities = _quantities(target, self.y)

    def measure(self, places: Any) -> tuple[Array, AnyArray]:
        """d y / d each of some entries, a column for each, and whether two steps agree."""
        columns, flat = [], self.array.reshape(-1)
        good, h = [], STEP * root_mean_square(self.array)
        here = self.target.value().reshape(-1)
        for place in places:
            at = float(flat[place])
            moved = []
            for k in (-4, -2, -1, 1, 2, 4):
                flat[place] = at + k * h / 2
                moved.append(self.target.value().reshape(-1))
            flat[place] = at
            a, b, c, d, e, f = moved
            coarse = (8 * (e - b) - (f - a)) / (12 * h)
            fine = (8 * (d - c) - (e - b)) / (6 * h)
            columns.append(fine)
            size = max(float(np.abs(fine).max(initial=0.0)), 1e-9)
            bend = (4 * (d + c) - 6 * here - e - b) / h  # right minus left slope: a corner?
            off = np.abs(np.stack([coarse - fine, 1e-4 * bend]))
            good.append(float(off.max(initial=0.0)) <= 1e-6 * size)
        return np.array(columns).T, np.array(good, bool)

    def _claimed(self) -> Array | None:
        """The analytic Jacobian; None if it is too large, or if backward is not linear in dy."""
        outputs = self.u.size
        if outputs * self.array.size > MOST_PAIRS or outputs > MOST_ENTRIES:
            return None
        rows = []
        for place in range(outputs):
            dy = np.zeros(self.u.shape)
            dy.flat[place] = 1.0
            rows.append(np.array(self.target.gradients(dy)[self.name], np.float64).reshape(-1))
        found = np.array(rows)
        total = (self.u.reshape(-1) @ found).reshape(self.array.shape)
        if not same(total, self.analytic, self.scale):
            return None
        found[:, ~self.known.reshape(-1)] = 0.0
        self.jacobian[:, ~self.known.reshape(-1)] = 0.0
        return found

    def fits(self, candidate: AnyArray) -> bool:
        """Whether a candidate is the analytic gradient, in every entry that is known."""
        shape = candidate.shape == self.analytic.shape
        return shape and same(candidate[self.known], self.analytic[self.known], self.scale)

    def ratio(self) -> float | None:
        """c, if the one Jacobian is c times the other; of gradients, if there are no Jacobians."""
        if self.claimed is not None:
            scale = float(np.abs(self.claimed).max() + np.abs(self.jacobian).max())
            return constant_ratio(self.claimed, self.jacobian, scale)
        if self.known.sum() < 3:
            return None
        return constant_ratio(self.analytic[self.known], self.numeric[self.known], self.scale)


def _numbers(target: Any, name: str) -> list[tuple[str, float]]:
    """Numbers that a formula may have forgotten or had too often."""
    first = next(iter(target.arrays))
    shapes = {first: target.arrays[first].shape, name: target.arrays[name].shape}
    if hasattr(target, "x"):
        shapes = {"x": np.shape(target.x), **shapes}
    shapes["y"] = target.value().shape
    found: list[tuple[str, float]] = []
    for count in range(1, 5):
        for owner, shape in shapes.items():
            for axes in itertools.combinations(range(len(shape)), count):
                size = float(np.prod([shape[k] for k in axes]))
                sample = axes[0] == 0 and owner in BATCHES
                if any(shape[k] == 1 for k in axes) or (sample and owner == "y" and count == 1):
                    continue
                which = f"axis {axes[0]}" if count == 1 else f"axes {', '.join(map(str, axes))}"
                word = f"the size of {which} of {owner}"
                found.append(
                    ("m, the number of samples" if axes == (0,) and sample else word, size)
                )
    for other, array in target.arrays.items():
        if array.size == 1:
            found.insert(0, (other, float(array.reshape(-1)[0])))
    for key, value in target.constants().items():
        found.insert(0, (key, float(value)))
    return found


def _quantities(target: Any, y: Array) -> list[Quantity]:
    """Arrays that a formula may have forgotten, or may hold wrongly."""
    found = [Quantity(name, array.copy()) for name, array in target.arrays.items()]
    found.append(Quantity("y", y))
    if hasattr(target, "x"):
        found.append(Quantity("x", np.asarray(target.x)))
    targets = getattr(target, "targets", None)
    if targets is not None:
        found.append(Quantity("targets", np.asarray(targets)))
        scores = target.arrays["scores"]
        if np.shape(targets) == scores.shape:
            found.append(Quantity("(scores - targets)", scores - targets))
        if np.ndim(targets) == 1 and scores.ndim == 2 and np.asarray(targets).dtype.kind in "iu":
            found.append(Quantity("one_hot(targets)", np.eye(scores.shape[1])[targets]))
    weight = getattr(target, "sample_weight", None)
    if weight is not None:
        found.append(Quantity("sample_weight", np.asarray(weight)))
    for owner in ("layer", "loss"):
        for key, value in getattr(getattr(target, owner, None), "__dict__", {}).items():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                found.append(Quantity(key, value.copy()))
    with contextlib.suppress(Exception):
        forward = target.forward
        cache = forward(target.arrays["scores"].copy())[1] if targets is not None else forward()[1]
        found += _flat(cache, "cache")
    m = len(y)
    found += [
        Quantity(f"{q.name}[0]", np.broadcast_to(q.array[:1], q.array.shape))
        for q in found
        if q.array.ndim > 1 and len(q.array) == m and q.name not in target.arrays
    ]
    unique: list[Quantity] = []
    for quantity in found:
        array = quantity.array
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all() or array.size < 2:
            continue
        if any(q.array.shape == array.shape and (q.array == array).all() for q in unique):
            continue
        unique.append(Quantity(quantity.name, array.astype(float)))
    return unique


def _flat(cache: Any, name: str) -> list[Quantity]:
    """All arrays in nested tuples, lists and dictionaries."""
    if isinstance(cache, np.ndarray):
        return [Quantity(name, cache.copy())]
    items: Any = ()
    if isinstance(cache, dict):
        items = cache.items()
    elif isinstance(cache, (tuple, list)):
        items = enumerate(cache)
    return [q for key, value in items for q in _flat(value, f"{name}[{key!r}]")][:24]


# The rules, the most precise first. Each yields sentences that are true.


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
    relative = np.abs(case.residue) / np.where(case.numeric == 0, 1.0, np.abs(case.numeric))
    if 1e-10 < worst < 2e-3 and np.median(relative) < 2e-3 and case.wrong.mean() > 0.5:
        digits = int(-np.log10(worst))
        yield (
            f"it agrees to about {digits} digits, no more: is something rounded on the way, or a "
            "small number such as eps left out?"
        )


def rearranged(case: Evidence) -> Iterator[str]:
    """The right numbers in the wrong places."""
    for text, move in _moves(case.array.shape, case.owner):
        if case.fits(move(case.numeric)):
            yield f"the right numbers stand in the wrong places: {text}"


def exchanged(case: Evidence) -> Iterator[str]:
    """Another array's gradient is returned."""
    for other, array in case.target.arrays.items():
        if other != case.name and array.shape == case.array.shape:
            there = Evidence.__new__(Evidence)
            there.target, there.array = case.target, array
            jacobian, _ = there.measure(range(array.size))
            if case.fits((case.u.reshape(-1) @ jacobian).reshape(array.shape)):
                yield f"it is the gradient of {other} that is returned for {case.name}"


def dy_rearranged(case: Evidence) -> Iterator[str]:
    """dy is right, but read in another order."""
    if case.claimed is not None and case.u.size > 1:
        for text, move in _moves(case.u.shape, "dy"):
            moved = (move(case.u).reshape(-1) @ case.jacobian).reshape(case.array.shape)
            if case.fits(moved):
                yield f"dy is read in the wrong order: {text}"


def _moves(
    shape: tuple[int, ...], owner: str
) -> Iterator[tuple[str, Callable[[AnyArray], AnyArray]]]:
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
        for shift in range(1, shape[axis]):
            for way in (shift, -shift):
                text = f"{owner} is shifted by {way} along axis {axis}"
                yield text, lambda a, w=way, k=axis: np.roll(a, w, k)
                yield text, lambda a, w=way, k=axis: _shifted(a, w, k)
        text = f"its running sum along axis {axis} is taken"
        yield text, lambda a, k=axis: np.cumsum(a, axis=k)
        yield (
            f"{text}, from the end",
            lambda a, k=axis: np.flip(np.cumsum(np.flip(a, k), axis=k), k),
        )
        n = shape[axis]
        for parts in range(2, n):
            if n % parts == 0:
                text = f"axis {axis} of {owner} is regrouped as {n // parts} times {parts}"
                yield (
                    f"{text}, not {parts} times {n // parts}",
                    lambda a, k=axis, p=parts: _regrouped(a, k, p),
                )
        for parts in (2, 3, 4, 6):
            for one, other in itertools.combinations(range(parts if n % parts == 0 else 0), 2):
                text = f"of {parts} parts along axis {axis} of {owner}, {one} and {other} are exchanged"
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
    """Right in some entries, wrong in others: which ones?"""
    nonzero = case.known & (np.maximum(np.abs(case.analytic), np.abs(case.numeric)) > 0)
    if not (nonzero & ~case.wrong).any():
        return
    how = _how(case) or "right elsewhere"
    x = getattr(case.target, "x", np.zeros(0))
    if x.dtype.kind in "iu" or (
        case.target.arrays.get("x") is None and case.array.ndim == 2 and x.size
    ):
        rows = case.wrong.any(axis=1)
        numbers = x.astype(int).reshape(len(x), -1)
        counts = np.bincount(numbers.reshape(-1), minlength=len(rows))[: len(rows)]
        inside = np.zeros(len(rows), int)
        for row in numbers:
            inside = np.maximum(inside, np.bincount(row, minlength=len(rows))[: len(rows)])
        for number, word in ((inside, " in one sample"), (counts, "")):
            if (number == 1).any() and np.array_equal(rows, number > 1):
                yield (
                    f"wrong in just the rows of {case.name} that are used more than once{word}: "
                    "of equal indices one alone counts, as with += and an index"
                )
    words = where(case.wrong, nonzero, case.owner)
    if words.startswith("everywhere but at index") and "(the last)" in words:
        how += ". Is it carried wrongly from index to index?" if how == "right elsewhere" else ""
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
            if axis == 1:
                a, b = case.analytic.reshape(1, -1), case.numeric.reshape(1, -1)
            else:
                return
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


def same_as_elsewhere(case: Evidence) -> Iterator[str]:
    """It is the gradient of the same function with something in it changed."""
    order = np.argsort(-np.abs(case.residue).reshape(-1), kind="stable")
    probes = [int(p) for p in order[:3] if case.wrong.flat[p]]
    for text, change in _changes(case):
        with contextlib.suppress(Exception), change():
            if case.target.value().shape != case.u.shape:
                continue
            quick, _ = case.measure(probes)
            found = case.u.reshape(-1) @ quick
            if not same(found, case.analytic.reshape(-1)[probes], case.scale):
                continue
            full, _ = case.measure(range(case.array.size))
            if case.fits((case.u.reshape(-1) @ full).reshape(case.array.shape)):
                yield f"it would be right for {text}"


def _changes(case: Evidence) -> Iterator[tuple[str, Any]]:
    target = case.target
    owners = (
        [layer for layer in getattr(target, "layer", None).walk()]
        if hasattr(target, "layer")
        else []
    )
    owners += [target.loss] if hasattr(target, "loss") else []
    for owner in owners:
        for key, value in getattr(owner, "__dict__", {}).items():
            if key.startswith("_") or key in ("built", "trainable"):
                continue
            if isinstance(value, bool):
                yield f"{key} = {not value}", _setting(owner, key, not value)
            elif isinstance(value, float) or (isinstance(value, int) and value > 0):
                for other in (
                    0.0,
                    1.0,
                    2.0,
                    -value,
                    1 - value,
                    1 / value if value else 0.0,
                    value**2,
                ):
                    if other != value:
                        words = f"{key} = {other:.6g}, not {value:.6g}"
                        yield words, _setting(owner, key, type(value)(other))
    for name, array in target.arrays.items():
        if name in ("x", "scores"):
            changes = {
                f"y in the place of {name}": case.y,
                f"abs({name}) in the place of {name}": np.abs(array),
                f"-{name} in the place of {name}": -array,
                f"{name} = 0": np.zeros_like(array),
                "sample 0 in the place of all samples": np.broadcast_to(array[:1], array.shape),
            }
        else:
            changes = {f"{name} = 1": np.ones_like(array), f"{name} = 0": np.zeros_like(array)}
            if array.ndim == 2 and array.shape[0] == array.shape[1]:
                changes[f"{name} transposed"] = array.T
                changes[f"{name} = the identity"] = np.eye(len(array))
        for axis in range(array.ndim):
            changes[f"{name} reversed along axis {axis}"] = np.flip(array, axis)
        for other, second in target.arrays.items():
            if other != name and second.shape == array.shape:
                changes[f"{other} in the place of {name}"] = second.copy()
        for text, value in changes.items():
            if value.shape == array.shape and not np.array_equal(value, array):
                yield text, _moved(target, name, value.copy() - array)
    if hasattr(target, "train"):
        yield (
            "prediction" if target.train else "training",
            _setting(target, "train", not target.train),
        )
    if getattr(target, "sample_weight", None) is not None:
        yield "no sample weights", _setting(target, "sample_weight", None)
    if hasattr(target, "targets") and np.asarray(target.targets).dtype.kind == "f":
        for text, value in (("0", 0 * target.targets), ("1", 0 * target.targets + 1)):
            yield f"targets = {text}", _setting(target, "targets", value)


def _moved(target: Any, name: str, step: Array) -> Any:
    return lambda: target.moved({name: step})


def _setting(owner: Any, key: str, value: Any) -> Any:
    @contextlib.contextmanager
    def change() -> Iterator[None]:
        before = getattr(owner, key)
        setattr(owner, key, value)
        try:
            yield
        finally:
            setattr(owner, key, before)

    return change


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
    yield from _products(case)
    yield from _along_axes(case, r, scale)


def _products(case: Evidence) -> Iterator[str]:
    """analytic - numeric = c times a product of dy and one quantity, such as p.T @ dy."""
    if case.array.size < 3 or not case.known.all():
        return
    dy = "abcd"[: case.u.ndim]
    sizes = dict(zip(dy, case.u.shape, strict=True))
    for quantity in case.quantities:
        options = []
        for k, n in enumerate(quantity.array.shape):
            options.append([c for c in dy if sizes[c] == n] + ["wxyz"[k]])
        for labels in itertools.islice(itertools.product(*options), 100):
            if len(set(labels)) < len(labels):
                continue
            every = {**sizes, **dict(zip(labels, quantity.array.shape, strict=True))}
            for out in itertools.permutations(every, case.array.ndim):
                if any(every[c] != n for c, n in zip(out, case.array.shape, strict=True)):
                    continue
                if any(c in "wxyz" and c not in out for c in labels):
                    continue
                form = f"{dy},{''.join(labels)}->{''.join(out)}"
                term = np.einsum(form, case.u, quantity.array)
                ratio = constant_ratio(case.residue, term, case.scale)
                if ratio is not None:
                    name = f"einsum('{form}', dy, {quantity.name})"
                    yield _term(ratio, name)


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
                groups = _grouped(q, [k + 1 for k in some], n)
                centered = groups - groups.mean(axis=1, keepdims=True)
                ones = np.ones_like(groups)
                for basis, text in (
                    ([groups], quantity.name),
                    ([centered], f"{quantity.name} less its mean"),
                    ([ones, centered], f"a + b * {quantity.name}"),
                ):
                    if n < 2 + len(basis):
                        continue
                    left = rows.copy()
                    for b in basis:
                        norm = (b * b).sum(axis=1, keepdims=True)
                        left -= (
                            b * (left * b).sum(axis=1, keepdims=True) / np.where(norm > 0, norm, 1)
                        )
                    if same(left, 0 * left, scale):
                        kind = "is" if len(basis) > 1 else "is proportional to"
                        if case.u.size == 1:
                            yield (
                                f"analytic - numeric {kind} {text} along {word} of {case.owner}: "
                                "such a term is missing, or has the wrong factor"
                            )
                        yield (
                            f"analytic - numeric {kind} {text} along {word} of {case.owner}, for "
                            "each dy: the term of the mean, variance, norm or sum over it is "
                            "missing, or wrong"
                        )
                        return


def _grouped(a: AnyArray, axes: list[int], n: int) -> AnyArray:
    moved = np.moveaxis(a, axes, range(-len(axes), 0))
    return moved.reshape(-1, n)


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
        if p == q and (has & ~needs).any() and not (needs & off).any():
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


def misplaced(case: Evidence) -> Iterator[str]:
    """The right values for each dy, or for each entry, at wrong indices."""
    if case.claimed is None or case.u.size == 1:
        return
    a, b = case.claimed, case.jacobian
    scale = float(np.abs(a).max() + np.abs(b).max())
    if same(np.sort(a, axis=1), np.sort(b, axis=1), scale):
        yield f"each dy reaches {case.name} with the right numbers, but at wrong indices"
    if same(np.sort(a, axis=0), np.sort(b, axis=0), scale):
        yield f"the entries of {case.name} get the right multiples of dy, but from wrong indices of dy"
    if same(a.sum(axis=1), b.sum(axis=1), scale) and case.array.size > 2 and a.sum(axis=1).any():
        yield f"each dy is spread over {case.name} with the right sum, but not in the right shares"


def spoiled(case: Evidence) -> Iterator[str]:
    """Backward is right for a forward of which one operation has another derivative."""
    if case.array.size > 400:
        return
    rng = np.random.default_rng(0)
    step = STEP / 2 * root_mean_square(case.array)
    directions = [np.where(case.known, rng.normal(size=case.array.shape), 0.0) for _ in range(2)]
    u, start = case.u.reshape(-1), case.array.copy()
    goals = [float(np.vdot(case.analytic, d)) for d in directions]
    true = [float(np.vdot(case.numeric, d)) for d in directions]
    limit = 1e-6 * case.scale * float(np.sqrt(case.array.size))

    def along(direction: Array) -> Callable[[float], None]:
        def move(t: float) -> None:
            case.array[...] = start + t * step * direction

        return move

    with recorded(case.target) as tape:
        for words, change in hypotheses(tape):
            slopes = []
            with contextlib.suppress(Exception):
                for d in directions:
                    slopes.append(float(u @ slope(case.target, tape, change, along(d))) / step)
            if len(slopes) < 2:
                continue
            factor = 0.0
            if change.kind == "fixed":  # a path that counts c times: analytic is linear in c
                paths = [t - s for t, s in zip(true, slopes, strict=True)]
                if max(map(abs, paths)) <= limit:
                    continue
                k = int(abs(paths[1]) > abs(paths[0]))
                factor = (goals[k] - slopes[k]) / paths[k]
                if abs(factor - 1) < 1e-5:
                    continue
                slopes = [s + factor * p for s, p in zip(slopes, paths, strict=True)]
            if any(abs(s - g) > limit for s, g in zip(slopes, goals, strict=True)):
                continue
            if case.array.size < 3 and abs(factor) > 1e-6 and number(factor).startswith("0."):
                continue
            found = np.zeros((u.size, case.array.size))
            for place in np.flatnonzero(case.known):
                one = np.zeros(case.array.size)
                one[place] = 1.0
                move = along(one.reshape(case.array.shape))
                found[:, place] = slope(case.target, tape, change, move) / step
            found += factor * (case.jacobian - found)
            goal = case.claimed
            if goal is None:
                fitting = case.fits((u @ found).reshape(case.array.shape))
            else:
                fitting = same(found, goal, float(np.abs(goal).max() + np.abs(found).max()))
            if fitting:
                yield _of_spoiled(words, change.kind, factor)
                return


def _of_spoiled(words: str, kind: str, factor: float) -> str:
    if kind == "fixed":
        if abs(factor) < 1e-6:
            return f"the path through {words} is missing: it is taken for a constant"
        return f"the path through {words} counts {number(factor)} times"
    if kind == "at output":
        return f"the derivative of {words} is taken at its output, not at its input"
    if kind == "transposed":
        return f"{words} should be transposed, or should not, on the way back"
    return f"the derivative of {words} is taken as {kind}"


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


RULES: list[Callable[[Evidence], Iterator[str]]] = [
    whole,
    not_linear,
    rounded,
    exchanged,
    rearranged,
    factors,
    dy_rearranged,
    spoiled,
    paths,
    parts,
    same_as_elsewhere,
    terms,
    formulas,
    misplaced,
    by_index,
    outputs,
    others,
]
