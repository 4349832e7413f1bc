"""False alarms of the gradient check: correct layers and losses, with many seeds.

- `defaults`: every component made without arguments, where that is possible;
- `cases`: every case of every component;
- `scales`: one case of every component at input sizes of 1e-6 to 1e6, with one input at exactly 0;
- `twins`: the correct versions of the faulty objects in `tests/material`, with the first seeds;
- `unusual`: the correct but unusual layers of `tests/material/unusual.py`, with the first seeds.

Prints for each group the number of checks, and how many failed (each would be a false alarm), were
inconclusive or raised, with the seed and the reason, and the largest ratio of error to tolerance.

    python -m benchmarks.false_alarms [--seeds 100] [--jobs 2]
"""

import argparse
import contextlib
import importlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt
from benchmarks.gradcheck_scores import LAYERS
from benchmarks.pool import process_pool
from benchmarks.random_models import reasons
from minitorch_np.arrays import parts
from minitorch_np.gradcheck import Case, GradientCheck, components
from minitorch_np.gradcheck.cases import CASES
from minitorch_np.text import aligned
from tests.material.unusual import CORRECT

SCALES = (1e-6, 1e-3, 1.0, 1e3, 1e6)

FEW = 5
"""The number of seeds for the tests' material."""

STATES = ("pass", "fail", "inconclusive", "exception")


class Outcome(NamedTuple):
    """The check's result for one object; `status` may be "exception" too."""

    group: str
    name: str
    status: str
    reason: str
    ratio: float


Check = tuple[str, str, Callable[[], GradientCheck]]
"""The group, the object's name, and how to check it."""


def checks(seed: int) -> Iterator[Check]:
    """All checks with this seed."""
    for cls in components():
        with contextlib.suppress(TypeError, mt.MinitorchError):  # it needs arguments
            yield "defaults", cls.__name__, _checking(cls(), seed)
        for number, case in enumerate(CASES[cls]):
            yield "cases", f"{cls.__name__}, case {number}", _checking(case, seed)
        yield from _at_scales(CASES[cls][seed % len(CASES[cls])], seed)
    if seed < FEW:
        for kind in LAYERS:
            for specimen in importlib.import_module(f"tests.material.{kind}").SPECIMENS:
                case = specimen.case(specimen.cls)
                yield "twins", f"{kind}, {specimen.cls.__name__}", _checking(case, seed)
        for make in CORRECT:
            made = make()
            yield "unusual", _name(make, made), _checking(made, seed)


def _checking(obj: Any, seed: int) -> Callable[[], GradientCheck]:
    if isinstance(obj, Case):
        return lambda: obj.check(seed)
    return lambda: mt.gradcheck(obj, seed=seed)


def _at_scales(case: Case, seed: int) -> Iterator[Check]:
    layer = case.obj
    limits = getattr(layer, "index_limits", [getattr(layer, "index_limit", None)])
    if not isinstance(layer, mt.Layer) or any(limits):
        return
    rng = np.random.default_rng(seed)
    for scale in SCALES:
        several = tuple(rng.normal(size=(3, *shape)) * scale for shape in parts(case.shape))
        for part in several:
            part.reshape(-1)[rng.integers(part.size)] = 0.0
        x = several if several[1:] else several[0]

        def check(x: Any = x) -> GradientCheck:
            return mt.gradcheck(layer, x, seed=seed, contracts=False)

        yield "scales", f"{layer!r} at {scale:g}".replace("\n", " "), check


def _name(make: Callable[[], Any], made: Any) -> str:
    place = inspect.getsourcelines(make)[1]
    return f"{type(made.obj if isinstance(made, Case) else made).__name__} of line {place}"


def check(seed: int) -> list[Outcome]:
    """The outcomes of all checks with this seed."""
    outcomes = []
    for group, name, run in checks(seed):
        try:
            with np.errstate(all="ignore"):  # a loss is tried on scores that do not suit it
                found = run()
            status, why, ratio = found.status, next(reasons(found), ""), found.ratio
        except Exception as error:  # any exception is a finding
            status, why, ratio = "exception", f"{type(error).__name__}: {error}", 0.0
        outcomes.append(Outcome(group, name, status, why, ratio))
    return outcomes


def main() -> None:
    """Check, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    wanted = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    worst: dict[str, float] = {}
    with process_pool(wanted.jobs) as pool:
        for seed, outcomes in enumerate(pool.map(check, range(wanted.seeds))):
            for group, name, status, reason, ratio in outcomes:
                counts.setdefault(group, Counter())[status] += 1
                if status != "pass":
                    print(f"{status}: {group}, {name}, seed {seed}: {reason}", flush=True)
                else:
                    worst[group] = max(worst.get(group, 0.0), ratio)
    rows = [["group", "checks", *STATES, "worst error/tolerance of a pass"]]
    for group, count in counts.items():
        numbers = [str(count[status]) for status in STATES]
        rows.append([group, str(count.total()), *numbers, f"{worst.get(group, 0.0):.2f}"])
    print("\n".join(aligned(rows)))


if __name__ == "__main__":
    main()
