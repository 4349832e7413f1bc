"""The verdicts of a comparison: the conclusion on each pair, with its evidence.

Every statement on a pair follows from one interval and one p-value of the same test, so that the
table of intervals and the sentences can't disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.experiments.statistics import (
    LEVEL,
    Interval,
    SignFlip,
    fewest_seeds,
    fisher,
    hedges_g,
    holm,
    proportion_interval,
    seeds_needed,
)

Kind: TypeAlias = Literal["better", "slightly better", "equal", "undecided", "too few seeds"]


class Sample(NamedTuple):
    """One configuration's accuracies by seed, and whether each run collapsed."""

    accuracies: Array
    collapsed: AnyArray


class Verdict(NamedTuple):
    """The difference of two configurations, the first minus the second, over seeds.

    - `kind`: "better" if a difference was detected, "slightly better" if it is also smaller than
      `size`, "equal" if any difference is smaller than `size`; else "undecided", or "too few
      seeds";
    - `interval` of the difference, simultaneous with those of all other pairs;
    - `p` of the sign-flip test, `corrected` after Holm;
    - `effect`: Hedges' g_z, the mean over the standard deviation of the differences;
    - `wins` and `losses`: the number of seeds in which the first was better, and worse;
    - `collapse_p` compares the numbers of collapses, after Holm; None if there were none;
    - `seeds_for_difference` and `seeds_for_size`: the numbers of seeds needed to detect the
      observed difference, and one of `size`; None if the pair is decided, if runs collapsed, or if
      the number is too large.
    """

    first: str
    second: str
    kind: Kind
    difference: float
    interval: Interval
    p: float
    corrected: float
    effect: float
    wins: int
    losses: int
    seeds: int
    collapse_p: float | None = None
    seeds_for_difference: int | None = None
    seeds_for_size: int | None = None

    @property
    def detected(self) -> bool:
        """Whether one of the two was found to be better."""
        return self.kind in ("better", "slightly better")

    @property
    def collapses_differ(self) -> bool:
        """Whether one of the two was found to collapse more often."""
        return self.collapse_p is not None and self.collapse_p <= LEVEL

    @property
    def turned(self) -> Verdict:
        """The same with the better one, by mean, first."""
        if self.difference >= 0:
            return self
        return self._replace(
            first=self.second,
            second=self.first,
            difference=-self.difference,
            interval=Interval(0.0 - self.interval.high, 0.0 - self.interval.low),
            effect=-self.effect,
            wins=self.losses,
            losses=self.wins,
        )

    @property
    def share(self) -> Interval:
        """The interval of the fraction of seeds in which the first is better."""
        return proportion_interval(self.wins, self.seeds)


def verdicts(
    samples: dict[str, Sample], size: float, reference: str | None = None, plan: bool = True
) -> list[Verdict]:
    """The verdicts on all pairs of samples, or all with the `reference`, which then comes second.

    `size` is the smallest difference that matters. With `plan` the numbers of needed seeds are
    computed, which takes the most time.
    """
    names = list(samples)
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    if reference is not None:
        pairs = [(name, reference) for name in names if name != reference]
    gaps = [samples[a].accuracies - samples[b].accuracies for a, b in pairs]
    tests = [SignFlip(gap) for gap in gaps]
    p_values = [test.p() for test in tests]
    collapses = _compared_collapses(
        [(samples[a].collapsed, samples[b].collapsed) for a, b in pairs]
    )
    found = []
    for pair, gap, test, p, corrected, collapse_p in zip(
        pairs, gaps, tests, p_values, holm(p_values), collapses, strict=True
    ):
        interval = _agreeing(test, corrected <= LEVEL, len(pairs))
        verdict = Verdict(
            first=pair[0],
            second=pair[1],
            kind=_kind(interval, corrected, len(gap), size, collapse_p is None, len(pairs)),
            difference=test.mean,
            interval=interval,
            p=p,
            corrected=corrected,
            effect=hedges_g(gap),
            wins=int(np.sum(gap > 0)),
            losses=int(np.sum(gap < 0)),
            seeds=len(gap),
            collapse_p=collapse_p,
        )
        if plan and verdict.kind == "undecided" and collapse_p is None:
            verdict = _planned(verdict, gap, size, LEVEL / len(pairs))
        found.append(verdict)
    return found


def _agreeing(test: SignFlip, detected: bool, pairs: int) -> Interval:
    """The interval that is simultaneous for all pairs, each at LEVEL over their number.

    Holm's method detects slightly more than these intervals; then the interval is cut at 0.
    """
    low, high = test.interval(LEVEL / pairs)
    if not detected:
        return Interval(low, high)
    return Interval(max(low, 0.0), high) if test.mean > 0 else Interval(low, min(high, 0.0))


def _kind(
    interval: Interval, corrected: float, seeds: int, size: float, whole: bool, pairs: int
) -> Kind:
    if seeds < fewest_seeds(pairs):
        return "too few seeds"
    small = whole and interval.inside(size)
    if corrected <= LEVEL:
        return "slightly better" if small else "better"
    return "equal" if small else "undecided"


def _planned(verdict: Verdict, gap: Array, size: float, level: float) -> Verdict:
    seen = abs(verdict.difference)
    return verdict._replace(
        seeds_for_difference=seeds_needed(gap, seen, level) if seen else None,
        seeds_for_size=seeds_needed(gap, size, level),
    )


def _compared_collapses(pairs: Iterable[tuple[AnyArray, AnyArray]]) -> list[float | None]:
    """Fisher's p-values after Holm, for the pairs with collapsed runs; None for others."""
    found: list[float | None] = []
    for one, other in pairs:
        a, b = int(np.sum(one)), int(np.sum(other))
        found.append(fisher(a, len(one), b, len(other)) if a or b else None)
    corrected = iter(holm([p for p in found if p is not None]))
    return [None if p is None else next(corrected) for p in found]


def groups(order: Sequence[str], found: Iterable[Verdict]) -> dict[str, str]:
    """Letters for each name: two that share one were not found to differ.

    Names are in `order`, the best first, so that "a" is the best group. Every pair with a detected
    difference, in accuracy or in the number of collapses, splits each group that contains both
    (Piepho 2004, "An algorithm for a letter-based representation of all-pairwise comparisons").
    """
    sets = [frozenset(order)]
    for each in found:
        if each.detected or each.collapses_differ:
            split = [
                part
                for group in sets
                for part in (
                    (group - {each.first}, group - {each.second})
                    if {each.first, each.second} <= group
                    else (group,)
                )
            ]
            sets = [one for one in dict.fromkeys(split) if not any(one < two for two in split)]
    place = {name: number for number, name in enumerate(order)}
    sets.sort(key=lambda group: sorted(place[name] for name in group))
    return {
        name: "".join(_letter(n) for n, group in enumerate(sets) if name in group) for name in order
    }


def _letter(number: int) -> str:
    letter = chr(ord("a") + number % 26)
    return letter if number < 26 else f"({letter}{number // 26})"
