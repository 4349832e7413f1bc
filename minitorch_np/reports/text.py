"""A comparison as text: tables, curves, and the answer in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minitorch_np.experiments.comparison import Comparison
from minitorch_np.experiments.measure import ACCURACY
from minitorch_np.reports.words import (
    counted,
    difference,
    footer,
    headline,
    interval,
    number,
    percent,
    reasons,
    verdict,
)
from minitorch_np.text import SHADES, folded, terminal_width

PAIRS_TITLE = "Pairs, seed by seed, the better one by mean first"
"""The title of the table of pairs."""

PAIRS_NOTE = (
    "Intervals are simultaneous, with 95 % confidence. p is from the sign-flip test of the mean "
    "difference, after Holm's correction for the number of pairs; a difference is detected if "
    "p is at most 0.05. Hedges' g is the mean difference over the differences' standard deviation."
)
"""An explanation of that table."""

GROUPS_NOTE = "Configurations that share a letter were not told apart, by mean or by collapses."
"""An explanation of the letters in the column "group"."""


def comparison_text(comparison: Comparison) -> str:
    """The whole report: the answer, the configurations, the pairs, and the reasons."""
    parts = [headline(comparison), configurations_table(comparison)]
    if comparison.verdicts:
        parts += [pairs_table(comparison), verdicts(comparison)]
    parts += [curves(comparison), health(comparison), failures(comparison)]
    parts.append("\n".join(footer(comparison)))
    return "\n\n".join(part for part in parts if part)


def configurations_table(comparison: Comparison) -> str:
    """The table of configurations, the best mean first."""
    table = f"{configurations_title(comparison)}\n{ruled(configuration_rows(comparison))}"
    return f"{table}\n{GROUPS_NOTE}" if any(comparison.groups.values()) else table


def configurations_title(comparison: Comparison) -> str:
    """The title of the table of configurations."""
    rates = "each at the best of several rates" if comparison.tuning else "rates as given"
    return f"Test {comparison.measure.name} over {counted(len(comparison.seeds), 'seed')} ({rates})"


def configuration_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """The cells of that table; the first row is the header."""
    steps = f"steps to {comparison.target:g} (training)"
    head = ("configuration", "group", "rate", "mean", "median [95 %]", "collapsed [95 %]")
    rows: list[tuple[str, ...]] = [(*head, "loss", "seconds a run", steps)]
    for name in comparison.ranking:
        each = comparison.summaries[name]
        collapsed = f"{each.collapsed} of {each.runs}"
        low, high = map(percent, each.collapses)
        rows.append(
            (
                name,
                comparison.groups[name] or "-",
                f"{each.rate:g}",
                f"{each.mean:.4f}",
                interval(each.median, each.interval),
                f"{collapsed} [{low}, {high}]",
                "-"
                if math.isnan(each.loss)
                else f"{each.loss:.4{'f' if each.loss < 1e4 else 'g'}}",
                "-" if math.isnan(each.seconds) else f"{each.seconds:.2f}",
                f"{each.steps:.0f}" if math.isfinite(each.steps) else _seldom(each.reached),
            )
        )
    return rows


def _seldom(reached: int) -> str:
    return f"never in most runs ({reached} did)" if reached else "never"


def pairs_table(comparison: Comparison) -> str:
    """The table of pairs: difference, p-value, effect size, verdict."""
    return f"{PAIRS_TITLE}\n{ruled(pair_rows(comparison))}\n{PAIRS_NOTE}"


def pair_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """The cells of that table; the first row is the header."""
    rows: list[tuple[str, ...]] = [
        ("pair", "difference [95 %]", "p (Holm)", "Hedges' g", "seeds won", "verdict")
    ]
    for each in comparison.verdicts:
        rows.append(
            (
                f"{each.first} - {each.second}",
                difference(each),
                number(each.corrected),
                "-" if math.isnan(each.effect) else f"{each.effect:.2f}",
                f"{each.wins} of {each.seeds}",
                each.kind,
            )
        )
    return rows


def verdicts(comparison: Comparison) -> str:
    """A sentence or two for each pair."""
    said = [f"  {verdict(comparison, each)}" for each in comparison.verdicts]
    if any(each.kind == "too few seeds" for each in comparison.verdicts):
        said = said[:1]  # the same for all
    return "\n".join(["Verdicts", *said])


def curves(comparison: Comparison) -> str:
    """The median test accuracy, or R2, by epoch: the first and last, and a curve of blocks."""
    medians = {
        name: comparison.curves[name] for name in comparison.ranking if name in comparison.curves
    }
    if not medians:
        return ""
    low = min(float(each.min()) for each in medians.values())
    high = max(float(each.max()) for each in medians.values())
    width = max(map(len, medians))
    lines = []
    for name, curve in medians.items():
        shares = (curve - low) / ((high - low) or 1.0)
        drawn = "".join(SHADES[min(int(share * len(SHADES)), len(SHADES) - 1)] for share in shares)
        lines.append(f"{name:{width}}  {curve[0]:.3f} {drawn} {curve[-1]:.3f}")
    head = f"Median test {comparison.measure.name} by epoch, blocks from {low:.3f} to {high:.3f}"
    return "\n".join([head, *lines])


def health(comparison: Comparison) -> str:
    """The problems found in the layers of each configuration's networks at the end."""
    lines = [
        f"  {name}: {line}" for name in comparison.ranking for line in reasons(comparison, name)
    ]
    return "\n".join(["What was found in the networks at the end", *lines])


def failures(comparison: Comparison) -> str:
    """The list of failed runs; "" if there are none."""
    if not comparison.failures:
        return ""
    lines = [f"  {run['name']}, seed {run['seed']}: {run['error']}" for run in comparison.failures]
    head = f"Runs that failed; they count as {failed_worth(comparison)} above:"
    return "\n".join([head, *lines])


def failed_worth(comparison: Comparison) -> str:
    """The value that a failed run counts as: chance, or an R2 of 0."""
    if comparison.measure == ACCURACY:
        return f"chance ({comparison.chance:.4g})"
    return "no better than the mean of the targets (an R2 of 0)"


def ruled(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, with a rule under the first row; folded to the terminal's width."""
    return "\n".join(folded(rows, terminal_width()))
