"""A comparison in whole sentences: the question, the answer, and what each picture shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minitorch_np.experiments.comparison import Comparison
from minitorch_np.reports.plots import accuracies, activations


def question(comparison: Comparison) -> str:
    """What was asked."""
    if len(comparison.names) == 1:
        return f"How well does {comparison.names[0]} learn?"
    return f"Which learns best: {joined(comparison.names, 'or')}?"


def headline(comparison: Comparison) -> str:
    """The answer, before any table."""
    seeds = comparison.common_seeds
    if not seeds:
        return (
            "There is no answer: there is no seed from which all configurations could be trained."
        )
    order = by_accuracy(comparison)
    best, mean = order[0], comparison.interval(order[0]).mean
    if len(order) == 1:
        return f"{best} has a test accuracy of {comparison.interval(best)} over {_seeds(seeds)}."
    if len(seeds) == 1:
        return (
            f"From one seed, {best} has the highest test accuracy ({mean:.4f}), but one seed can't "
            "tell a difference from chance."
        )
    pairs = [d for d in comparison.differences if best in (d.first, d.second)]
    beaten = [d.first if d.second == best else d.second for d in pairs if d.detected]
    level = [name for name in order[1:] if name not in beaten]
    beaten = [name for name in order if name in beaten]
    over = f"over {_seeds(seeds)}"
    if not level:
        return (
            f"{best} is better than {joined(beaten)}: its mean test accuracy {over} is {mean:.4f}."
        )
    said = (
        f"{best} has the highest mean test accuracy {over} ({mean:.4f}), but no difference from "
        f"{joined(level)} could be detected."
    )
    return f"{said} It is better than {joined(beaten)}." if beaten else said


def by_accuracy(comparison: Comparison) -> list[str]:
    """The names, the best mean test accuracy first."""
    return sorted(comparison.names, key=lambda name: -comparison.interval(name).mean)


def rates_in_words(comparison: Comparison) -> str:
    """At which learning rates they were compared, and how those were come by."""
    rates = ", ".join(f"{name} at {comparison.rates[name]:g}" for name in comparison.names)
    if comparison.tuning:
        return (
            "each at the rate that was best for it, chosen on a part of the training data and from "
            f"seeds that are not compared: {rates}"
        )
    return f"as given, not tuned: {rates}. At other rates the answer may be another."


def rates_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """A row a configuration, a column a learning rate that was tried: the mean accuracy."""
    found: dict[tuple[str, float], list[float]] = {}
    for run in comparison.tuning:  # a rate at which training fails is worth 0
        found.setdefault((run["name"], run["rate"]), []).append(run.get("accuracy", 0.0))
    rates = sorted({rate for _, rate in found})
    rows: list[tuple[str, ...]] = [("configuration", *(f"{rate:g}" for rate in rates))]
    for name in comparison.names:
        means = [found.get((name, rate)) for rate in rates]
        rows.append((name, *("-" if each is None else f"{np.mean(each):.4f}" for each in means)))
    return rows


def curves_in_words(comparison: Comparison) -> str:
    """What the learning curves show."""
    said = []
    for name in comparison.names:
        runs = accuracies(comparison, name)
        if len(runs):
            mean = runs.mean(axis=0)
            said.append(f"{name} from {mean[0]:.3f} to {mean[-1]:.3f}")
    return (
        f"Learning curves, mean test accuracy from the first epoch to the last: {'; '.join(said)}."
    )


def differences_in_words(comparison: Comparison) -> str:
    """What the picture of the pairs shows."""
    said = [
        f"{d.first} minus {d.second} {d.difference}{'' if d.detected else ', not detected'}"
        for d in comparison.differences
    ]
    return f"Differences of test accuracies, seed by seed: {'; '.join(said)}."


def functions_in_words(comparison: Comparison) -> str:
    """What the picture of the activation functions shows."""
    names = joined(list(activations(comparison)))
    return f"Graphs of {names} and of their derivatives, from -4 to 4."


def joined(names: Sequence[str], word: str = "and") -> str:
    """a, b and c."""
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def _seeds(seeds: Sequence[int]) -> str:
    return f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'}"
