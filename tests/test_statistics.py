"""Intervals and tests against SciPy's own, against the bootstrap, and against a planted truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.experiments import statistics
from minitorch_np.experiments.statistics import (
    compare_pairs,
    holm,
    mean_interval,
    paired_p,
    ranking,
    seeds_needed,
)

REPETITIONS = 200


def scipy_stats() -> Any:
    return pytest.importorskip("scipy.stats", reason="SciPy is not installed")


def test_intervals_and_p_values_are_scipys(rng: np.random.Generator) -> None:
    stats = scipy_stats()
    a, b = rng.normal(0.9, 0.01, 10), rng.normal(0.895, 0.01, 10)
    found = mean_interval(a)
    expected = stats.t.interval(0.95, 9, a.mean(), stats.sem(a))
    assert (found.low, found.high) == pytest.approx(expected)
    assert paired_p(a - b) == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_without_scipy_intervals_come_from_resampling(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = rng.normal(0.9, 0.01, 40)
    monkeypatch.setattr(statistics, "_scipy_stats", lambda: None)
    found = mean_interval(sample)
    half = 1.96 * sample.std(ddof=1) / math.sqrt(40)
    assert found.low == pytest.approx(sample.mean() - half, abs=0.15 * half)
    assert found.high == pytest.approx(sample.mean() + half, abs=0.15 * half)
    assert mean_interval(sample) == found  # the same numbers, the same interval
    assert paired_p(sample) is None
    (pair,) = compare_pairs({"a": sample, "b": sample - 0.1}, 0.01)
    assert pair.corrected is None
    assert pair.detected


def test_holm_corrects_as_published() -> None:
    """The example of Holm's method that is in every textbook."""
    found = holm([0.01, 0.04, 0.03, 0.005])
    assert found == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([None, 0.02]) == [None, 0.02]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_corrected_values_keep_the_order_and_are_no_smaller(values: list[float]) -> None:
    found = [p for p in holm(values) if p is not None]
    assert all(q >= p for p, q in zip(values, found, strict=True))
    assert all(q <= 1 for q in found)
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(found)[order]) >= 0).all()


def test_seeds_needed_give_the_power_that_they_promise() -> None:
    """Drawn so many, a paired test sees the difference about four times out of five."""
    stats = scipy_stats()
    rng = np.random.default_rng(1)
    for size in (0.5, 1.0, 2.0):
        pilot = rng.normal(0, 1, 4000)
        n = seeds_needed(pilot, size)
        samples = rng.normal(size, 1, (2000, n))
        seen = np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05)
        assert 0.77 <= seen <= 0.95, (size, n, seen)
    with pytest.raises(mt.ConfigurationError, match="size greater than 0"):
        seeds_needed([1.0, 2.0], 0.0)


def test_one_seed_and_equal_runs() -> None:
    only = mean_interval([0.9])
    assert only.mean == 0.9
    assert math.isnan(only.low)
    (pair,) = compare_pairs({"a": np.full(5, 0.9), "b": np.full(5, 0.9)}, 0.01)
    assert not pair.detected
    assert pair.effect == 0
    (pair,) = compare_pairs({"a": np.array([0.9]), "b": np.array([0.8])}, 0.01)
    assert not pair.detected


def planted(rng: np.random.Generator, gaps: list[float], seeds: int = 10) -> dict[str, Any]:
    """Accuracies that share what a seed brings, and differ by luck and by `gaps`."""
    shared = rng.normal(0.9, 0.01, seeds)
    return {f"c{n}": shared + gap + rng.normal(0, 0.004, seeds) for n, gap in enumerate(gaps)}


def test_no_difference_is_claimed_where_there_is_none() -> None:
    """Four configurations that are the same: any claim among the six pairs is a false one."""
    scipy_stats()
    rng = np.random.default_rng(2)
    false = sum(
        any(pair.detected for pair in compare_pairs(planted(rng, [0.0] * 4), 0.005))
        for _ in range(REPETITIONS)
    )
    print(f"false claims in {false} of {REPETITIONS} repetitions")
    assert false <= 0.05 * REPETITIONS


def test_a_difference_of_a_known_size_is_found() -> None:
    """Two percent better, five times the luck: it is found, and nothing else."""
    scipy_stats()
    rng = np.random.default_rng(3)
    found, others = 0, 0
    for _ in range(REPETITIONS):
        pairs = compare_pairs(planted(rng, [0.02, 0.0, 0.0, 0.0]), 0.005)
        found += all(pair.detected for pair in pairs if pair.first == "c0")
        others += any(pair.detected for pair in pairs if pair.first != "c0")
    print(f"found in {found} of {REPETITIONS}; false claims beside it in {others}")
    assert found >= 0.99 * REPETITIONS
    assert others <= 0.1 * REPETITIONS  # 5 % are expected, 19 of 200 would be three deviations more


def test_the_ranking_in_words() -> None:
    samples = {"low": np.array([0.7, 0.71, 0.69]), "high": np.array([0.9, 0.91, 0.89])}
    pairs = compare_pairs({**samples, "same": samples["high"] + [0.001, -0.002, 0.001]}, 0.01)
    text = ranking({**samples, "same": samples["high"] + [0.001, -0.002, 0.001]}, pairs)
    assert text.startswith("by mean: ")
    assert text.endswith("low; detected: high > low, same > low") or text.endswith(
        "low; detected: same > low, high > low"
    )
    assert ranking(samples, pairs[:1]) == "high > low"
