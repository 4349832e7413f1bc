"""A comparison as text: tables, curves, and the answer in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minitorch_np.layers.summary import aligned

if TYPE_CHECKING:
    from minitorch_np.experiments.comparison import Comparison
    from minitorch_np.experiments.statistics import Difference

BLOCKS = " .:-=+*#%@"
"""From low to high, for curves in a line."""

PAIRS_TITLE = "Pairs, seed by seed"
"""What the table of pairs is of."""

PAIRS_NOTE = (
    "The difference is the first minus the second. p is a paired t-test's, p (Holm) the same "
    "corrected for the number of pairs; a difference is detected where that is below 0.05. The "
    "effect is the mean difference over the standard deviation of the differences."
)
"""How to read that table."""

WITHOUT_SCIPY = "without SciPy: no tests, and intervals by bootstrap; install the extra stats"
"""What is missing without it."""


def comparison_text(comparison: Comparison) -> str:
    """The configurations, the pairs, the answer, and what was ill."""
    parts = [configurations_table(comparison)]
    if len(comparison.names) > 1 and comparison.common_seeds:
        parts += [pairs_table(comparison), answer(comparison)]
    parts += [curves(comparison), health(comparison)]
    if comparison.failures:
        lines = [
            f"  {run['name']}, seed {run['seed']}: {run['error']}" for run in comparison.failures
        ]
        parts.append("\n".join(["Runs that failed; their seeds are left out above:", *lines]))
    return "\n\n".join(part for part in parts if part)


def configurations_table(comparison: Comparison) -> str:
    """A row a configuration: accuracy and loss with their intervals, when the target was
    reached.
    """
    return f"{configurations_title(comparison)}\n{ruled(configuration_rows(comparison))}"


def configurations_title(comparison: Comparison) -> str:
    """What the table of configurations is of."""
    reading = "each at the best of several rates" if comparison.tuning else "rates as given"
    return f"Test accuracy over {len(comparison.common_seeds)} seeds ({reading})"


def configuration_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """The cells of that table, the first row its head."""
    target = f"steps to {comparison.target:g}"
    rows: list[tuple[str, ...]] = [
        ("configuration", "rate", "accuracy [95 %]", "loss [95 %]", target, "s", "runs")
    ]
    for name in comparison.names:
        reached = comparison.reached(name)
        known = bool(comparison.common_seeds)
        rows.append(
            (
                name,
                f"{comparison.rates[name]:g}",
                str(comparison.interval(name)) if known else "-",
                str(comparison.interval(name, "loss")) if known else "-",
                f"{reached.steps:.0f}" if reached.runs else "never",
                f"{reached.seconds:.2f}" if reached.runs else "-",
                f"{reached.runs} of {len(comparison.seeds)}",
            )
        )
    return rows


def pairs_table(comparison: Comparison) -> str:
    """A row a pair: difference, p-value, effect size, and how many seeds would be needed."""
    return f"{PAIRS_TITLE}\n{ruled(pair_rows(comparison))}"


def pair_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """The cells of that table, the first row its head."""
    needed = f"seeds for {comparison.size:g}"
    rows: list[tuple[str, ...]] = [("pair", "difference [95 %]", "p", "p (Holm)", "effect", needed)]
    for each in comparison.differences:
        rows.append(
            (
                f"{each.first} - {each.second}",
                str(each.difference),
                number(each.p),
                number(each.corrected),
                f"{each.effect:.2f}",
                str(each.seeds_needed) if each.seeds_needed else "-",
            )
        )
    return rows


def answer(comparison: Comparison) -> str:
    """The ranking in words, and what could not be told apart."""
    lines = [f"Answer: {comparison.ranking}"]
    lines += [verdict(each, comparison.size) for each in comparison.differences]
    if any(each.p is None for each in comparison.differences):
        lines.append(f"({WITHOUT_SCIPY})")
    return "\n".join(lines)


def verdict(each: Difference, size: float) -> str:
    """One pair in words."""
    if each.detected:
        better, worse = each.first, each.second
        if each.difference.mean < 0:
            better, worse = worse, better
        gap = abs(each.difference.mean)
        return f"  {better} is better than {worse}, by {gap:.4f}"
    needed = f"; {each.seeds_needed} seeds would show one of {size:g}" if each.seeds_needed else ""
    return f"  {each.first} and {each.second}: no detectable difference{needed}"


def curves(comparison: Comparison) -> str:
    """Mean test accuracy by epoch, as numbers of the first and last and a line of blocks."""
    lines = []
    width = max(map(len, comparison.names))
    means = {}
    for name in comparison.names:
        runs = [
            r["curves"]["test_accuracy"]
            for r in comparison.results
            if r["name"] == name and "error" not in r
        ]
        if runs:
            means[name] = np.mean(runs, axis=0)
    if not means:
        return ""
    low = min(float(mean.min()) for mean in means.values())
    high = max(float(mean.max()) for mean in means.values())
    for name, mean in means.items():
        shares = (mean - low) / ((high - low) or 1.0)
        drawn = "".join(BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)] for share in shares)
        lines.append(f"{name:{width}}  {mean[0]:.3f} {drawn} {mean[-1]:.3f}")
    return "\n".join([f"Test accuracy by epoch, from {low:.3f} to {high:.3f}", *lines])


def health(comparison: Comparison) -> str:
    """What was ill with each configuration's networks at the end."""
    lines = []
    for name in comparison.names:
        words = comparison.words(name)
        lines += [f"  {name}: {text}" for text in words] or [f"  {name}: nothing ill was found"]
    return "\n".join(["Health of the layers at the end", *lines])


def number(value: float | None) -> str:
    """A p-value; a dash where there is none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.1e}" if value < 1e-3 else f"{value:.3f}"


def ruled(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, with a rule under the first row."""
    lines = aligned(rows)
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
