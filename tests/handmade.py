"""Comparisons whose runs are written by hand, so that all that is said of them is known."""

from __future__ import annotations

from typing import Any

import minitorch_np as mt
from minitorch_np.experiments.configuration import Configuration
from minitorch_np.experiments.diagnostics import Finding
from minitorch_np.experiments.measure import EXPLAINED

DEAD = Finding("1", "ReLU()", "dead", 6, units=10, since=3)._asdict()
IDLE = Finding("1", "ReLU()", "idle", 1, units=10, ill=False, since=1)._asdict()
BOUNDED = Finding("3", "Sigmoid()", "bounded scores", 1.46)._asdict()


def run(name: str, seed: int, accuracy: float, **more: Any) -> dict[str, Any]:
    """A run of three epochs that ends at that accuracy, and a little lower on other data."""
    curve = [round(accuracy * share, 6) for share in (0.5, 0.9, 1.0)]
    return {
        "name": name,
        "seed": seed,
        "rate": 0.05,
        "accuracy": accuracy,
        "loss": round(1.5 - accuracy, 6),
        "seconds": 2.0 + seed / 8,
        "steps": 300,
        "lost": [],
        "findings": [],
        "curves": {"accuracy": [each + 0.01 for each in curve], "test_accuracy": curve},
    } | more


def four() -> mt.Comparison:
    """Ten seeds each: `good` is best, `near` a little worse, `wild` is sometimes lost, and of
    `poor` a run failed; the rates were chosen.
    """
    seeds = list(range(10))
    good = [0.950, 0.952, 0.948, 0.951, 0.949, 0.953, 0.947, 0.950, 0.952, 0.948]
    less = [0.001, 0.0015, 0.002, 0.001, 0.0025, 0.0015, 0.001, 0.002, 0.0015, 0.001]
    wild = [0.97, 0.30, 0.96, 0.25, 0.98, 0.2, 0.955, 0.1, 0.965, 0.96]
    runs = []
    for n in seeds:
        lost = [3, 7][: 1 + n % 2] if wild[n] < 0.5 else []
        of_lost = [Finding("3", "Dense(10)", "lost class", k, since=2)._asdict() for k in lost]
        runs += [
            run("good", n, good[n], findings=[IDLE] if n < 4 else []),
            run("near", n, round(good[n] - less[n], 6), rate=0.1, findings=[BOUNDED]),
            run("wild", n, wild[n], rate=0.2, lost=lost, findings=[*of_lost, DEAD][: 3 - n % 2]),
            run("poor", n, round(0.9 - n / 200, 6), rate=0.01),
        ]
    runs[4 * 6 + 3] = {"name": "poor", "seed": 6, "rate": 0.01, "error": "DivergenceError: 1 < 2"}
    layers: dict[str, Any] = {
        "good": [mt.Dense(10), "leaky_relu(0.1)", mt.Dense(10)],
        "near": [mt.Dense(10), "sigmoid", mt.Dense(10), "sigmoid"],
        "wild": [mt.Dense(10), mt.Sequential("relu", "tanh"), mt.Dense(10)],
        "poor": [mt.Dense(10), "elu", mt.Dense(10)],
    }
    rates = {"good": 0.05, "near": 0.1, "wild": 0.2, "poor": 0.01}
    made = [
        Configuration(name, of_one, rates[name], "adam" if name == "poor" else "sgd", 3, 50)
        for name, of_one in layers.items()
    ]
    tuning = [
        {"name": name, "seed": seed, "rate": rate, "tuning": True, "accuracy": accuracy}
        for name, seed, rate, accuracy in [
            ("good", 20, 0.02, 0.9), ("good", 20, 0.05, 0.94), ("good", 21, 0.05, 0.92),
            ("good", 21, 0.1, 0.88), ("good", 20, 0.1, 0.91), ("near", 20, 0.1, 0.9),
            ("wild", 20, 0.2, 0.6), ("wild", 21, 0.2, 0.7), ("wild", 20, 0.1, 0.5),
        ]
    ]  # fmt: skip
    return mt.Comparison(
        made, seeds, runs, tuning, ["wild", "near"], 0.94, 0.005, None, (1200, 400), 10, False,
        ["Two machines were used."],
    )  # fmt: skip


def against_reference() -> mt.Comparison:
    """Of `four` those that did not fail, against `near`, each seed on other samples, as given."""
    found = four()
    kept = [run for run in found.results if run["name"] != "poor"]
    made = [each for each in found.configurations if each.name != "poor"]
    return mt.Comparison(
        made, found.seeds, kept, target=0.94, reference="near", samples=(1200, 400), resampled=True
    )


def many() -> mt.Comparison:
    """Seven names, so many that most pairs are not drawn; each 0.02 worse than the one before."""
    names = [f"n{k}" for k in range(7)]
    runs = [
        run(name, seed, round(0.9 - 0.02 * k + (seed % 3) / 1000, 6))
        for k, name in enumerate(names)
        for seed in range(12)
    ]
    made = [Configuration(name, ["relu"], 0.05) for name in names]
    return mt.Comparison(made, list(range(12)), runs, samples=(1000, 100))


def of_numbers() -> mt.Comparison:
    """A regression: R2, of which one run is below 0; too few seeds for any claim."""
    runs = []
    for name, values in (("line", [0.5, -0.25, 0.75]), ("curve", [0.8, 0.9, 0.7])):
        for seed, value in enumerate(values):
            made = run(name, seed, value)
            curves = {"r2": [0.1, value], "test_r2": [0.0, value]}
            runs.append({k: v for k, v in made.items() if k != "accuracy"})
            runs[-1] |= {"r2": value, "curves": curves, "loss": 12345.678 * (1 - value)}
    configurations = [
        Configuration(name, [mt.Dense(1)], 0.05, loss="mean_squared_error")
        for name in ("line", "curve")
    ]
    return mt.Comparison(
        configurations, [0, 1, 2], runs, samples=(90, 30), outputs=1, measure=EXPLAINED
    )


def unsure() -> mt.Comparison:
    """Of twenty seeds: `same` is equal to `base`, `noisy` undecided without a collapse, and
    `often` and `seldom` are told apart by their collapses alone. One has more digits of loss.
    """
    base = [0.9 + (seed * 7 % 20) / 1000 for seed in range(20)]
    columns = {
        "base": base,
        "same": [a + (0.001, -0.001)[seed % 2] for seed, a in enumerate(base)],
        "noisy": [a + (seed * 3 % 20 - 8) / 200 for seed, a in enumerate(base)],
        "often": [0.3 if seed < 9 else 0.97 for seed in range(20)],
        "seldom": [a - 0.24 for a in base],
    }
    runs = [
        run(name, seed, round(accuracy, 6), lost=[1] if accuracy < 0.5 else [])
        for name, column in columns.items()
        for seed, accuracy in enumerate(column)
    ]
    made = [Configuration(name, ["relu"], 0.05) for name in columns]
    return mt.Comparison(made, list(range(20)), runs, samples=(1000, 100))


def alone() -> mt.Comparison:
    """One configuration, of one epoch and eight seeds."""
    runs = [run("one", seed, 0.6 + seed / 100) for seed in range(8)]
    for each in runs:
        each["curves"] = {"accuracy": [0.5], "test_accuracy": [each["accuracy"]]}
    return mt.Comparison([Configuration("one", ["tanh"], 0.3)], list(range(8)), runs, target=0.5)


def none_worked() -> mt.Comparison:
    """Two configurations, all of whose runs failed."""
    made = [Configuration(name, ["relu"], 0.05) for name in ("a", "b")]
    runs = [
        {"name": each.name, "seed": seed, "rate": 0.05, "error": "OverflowError: too large"}
        for each in made
        for seed in range(2)
    ]
    return mt.Comparison(made, [0, 1], runs, samples=(10, 5))


COMPARISONS = {
    each.__name__: each
    for each in (four, against_reference, many, of_numbers, unsure, alone, none_worked)
}
