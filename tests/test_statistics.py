"""Tests and intervals against brute force, against SciPy's own, and against a planted truth."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.experiments import statistics
from minitorch_np.experiments.statistics import (
    LEVEL,
    Interval,
    SignFlip,
    fewest_seeds,
    fisher,
    hedges_g,
    holm,
    median_interval,
    proportion_interval,
    seeds_needed,
    sign_patterns,
)
from minitorch_np.experiments.verdicts import Sample, Verdict, groups, verdicts

COLLAPSING = [0.005, 0.0005, -0.001, 0.1855, 0.006, 0.009, 0.1055, 0.0925, 0.377, 0.0985]
"""Ten seeds of relu+softmax minus relu+relu at the rate 0.05, which collapsed in five of them."""


def brute_force_p(values: Any, mean: float = 0.0) -> float:
    gaps = np.asarray(values) - mean
    signs = np.array(list(itertools.product([1, -1], repeat=len(gaps))))
    flipped = np.abs(signs @ gaps)
    return float(np.mean(flipped >= abs(gaps.sum()) - 1e-12))


numbers = st.integers(-40, 40).map(lambda n: n / 2000)  # accuracies of 2,000 samples: many ties


@given(st.lists(numbers, min_size=1, max_size=8), numbers)
def test_the_sign_flip_test_tries_all_signs(values: list[float], mean: float) -> None:
    assert SignFlip(values).p() == pytest.approx(brute_force_p(values))
    shifted = SignFlip(np.asarray(values) - mean)
    assert shifted.p() == pytest.approx(brute_force_p(values, mean))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9), st.sampled_from([0.2, 0.05, 0.01]))
def test_the_interval_is_what_the_test_does_not_reject(values: list[float], level: float) -> None:
    test = SignFlip(values)
    low, high = test.interval(level)
    assert low <= test.mean + 1e-12
    assert high >= test.mean - 1e-12
    assert (low <= 0 <= high) == (test.p() > level)
    if math.isfinite(low):  # subset means never leave the data
        assert min(values) - 1e-12 <= low
        assert high <= max(values) + 1e-12
        outside = low - 1e-6
        assert SignFlip(np.asarray(values) - outside).p() <= level
        assert brute_force_p(values, outside) <= level


def test_many_seeds_take_fixed_draws_and_find_what_all_signs_would(
    rng: np.random.Generator,
) -> None:
    assert sign_patterns(13).shape == (10_000, 13)
    assert sign_patterns(13)[0].all()
    assert (sign_patterns(13) == sign_patterns(13)).all()
    values = rng.normal(0.3, 1, 15)
    exact = brute_force_p(values)
    assert SignFlip(values).p() == pytest.approx(exact, abs=4 * math.sqrt(exact / 10_000))


def test_it_sees_what_a_t_test_overlooks() -> None:
    """Nine of ten differences on one side, of very different sizes: a t-test's p is 0.045."""
    assert SignFlip(COLLAPSING).p() == pytest.approx(6 / 1024)


def test_equal_differences_are_no_evidence_from_few_seeds() -> None:
    assert SignFlip([0.01, 0.01]).p() == 0.5
    assert SignFlip([0.01]).p() == 1
    assert SignFlip([0.0] * 9).p() == 1
    assert SignFlip([0.01, 0.01]).interval() == (-math.inf, math.inf)
    assert [fewest_seeds(pairs) for pairs in (1, 6, 7, 10, 28)] == [8, 8, 9, 9, 11]


def test_holm_corrects_as_published() -> None:
    """The example of Holm's method that is in every textbook."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_corrected_values_keep_the_order_and_are_no_smaller(values: list[float]) -> None:
    found = holm(values)
    assert all(q >= p for p, q in zip(values, found, strict=True))
    assert all(q <= 1 for q in found)
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(found)[order]) >= 0).all()


# scipy.stats 1.17.1: binomtest(k, n).proportion_ci(), and fisher_exact against 0, 2, 5 and n of n.
FROM_SCIPY = {
    (0, 20): [0.0, 0.168433470983, 1.0, 0.487179487179, 0.047124047124, 1.45088891e-11],
    (11, 20): [0.315278133041, 0.769422103224,
               0.00014530659692, 0.00573567370008, 0.105340267965, 0.00122850122850],
    (20, 20): [0.831566529017, 1.0, 1.45088891e-11, 3.351553383e-09, 7.708572781e-07, 1.0],
    (1, 200): [0.000126581028009, 0.0275418984576, 1.0, 1.0, 0.215216723696, 3.904713334e-117],
    (3, 7): [0.0989882784424, 0.81594843236, 0.192307692308, 1.0, 0.592074592075, 0.0699300699301],
}  # fmt: skip


@pytest.mark.parametrize(("k", "n"), FROM_SCIPY)
def test_proportions_and_tables_are_scipys(k: int, n: int) -> None:
    *expected, p0, p2, p5, pn = FROM_SCIPY[k, n]
    assert proportion_interval(k, n) == pytest.approx(tuple(expected), abs=1e-9)
    for other, p in ((0, p0), (2, p2), (5, p5), (n, pn)):
        assert fisher(k, n, other, n) == pytest.approx(p, rel=1e-7, abs=0)


def test_effect_sizes_are_corrected_for_few() -> None:
    gaps = np.array([0.01, 0.03, 0.02, 0.04])
    d = gaps.mean() / gaps.std(ddof=1)
    assert hedges_g(gaps) == pytest.approx((1 - 3 / 11) * d)
    assert hedges_g([0.01] * 4) == math.inf
    assert hedges_g([0.0] * 4) == 0
    assert math.isnan(hedges_g([0.1, 0.2]))


def test_the_median_has_the_binomials_interval(rng: np.random.Generator) -> None:
    values = rng.normal(size=20)
    assert median_interval(values) == (np.sort(values)[5], np.sort(values)[14])  # any textbook
    assert median_interval(values[:5]) == (-math.inf, math.inf)


def test_seeds_needed_give_the_power_that_they_promise() -> None:
    """Told from pilots of ten, and kept by new experiments of so many seeds."""
    rng = np.random.default_rng(1)
    seen = []
    for _ in range(20):
        n = seeds_needed(rng.normal(0, 1, 10), 1.0, 0.01)
        assert n is not None
        seen += [SignFlip(rng.normal(1, 1, n)).p() <= 0.01 for _ in range(8)]
    assert np.mean(seen) >= 0.75
    assert seeds_needed(rng.normal(0, 1, 10), 0.001) is None
    assert seeds_needed([0.1], 0.1) is None
    with pytest.raises(mt.ConfigurationError, match="size greater than 0"):
        seeds_needed([1.0, 2.0], 0.0)


@pytest.mark.parametrize("enough", [1, 8, 9, 10, 15, 16, 17, 31, 100, 128, 129, 1000, 1001, 9999])
def test_the_fewest_seeds_are_found_that_have_the_power(
    enough: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least eight, and at most a thousand."""
    asked: list[int] = []

    def power(sample: Any, size: float, n: int, level: float) -> float:
        asked.append(n)
        assert (list(sample), size, level) == ([0.5, 1.5], 0.25, 0.01)
        return 0.8 if n >= enough else 0.79

    monkeypatch.setattr(statistics, "_power", power)
    assert seeds_needed([0.5, 1.5], 0.25, 0.01) == (max(8, enough) if enough <= 1000 else None)
    assert min(asked) == 8
    assert len(asked) == len(set(asked)) <= 20


def test_the_power_of_experiments() -> None:
    """Of differences without a spread a sign-flip test sees all that 8 seeds can show."""
    alike = np.array([0.5, 0.5, 0.5])
    assert statistics._power(alike, 1.0, 8, 0.05) == 1
    assert statistics._power(alike, 1.0, 3, 0.05) == 0  # a quarter of the patterns is as far
    assert statistics._power(alike, 1.0, 60, 0.05) == 1
    assert statistics._power(alike, 0.0, 8, 1.0) == 1  # a p-value of 1, as large as the level
    rng = np.random.default_rng(3)
    gaps = rng.normal(size=30)
    gaps /= gaps.std()
    for n in (20, 80):  # by patterns, and as normal: a t-test's power is that of two deviations
        found = statistics._power(gaps, 2.0 / math.sqrt(n), n, 0.05)
        assert found == pytest.approx(0.49, abs=0.07)
        assert statistics._power(gaps, 1e-9, n, 0.05) == pytest.approx(0.05, abs=0.03)


# Verdicts


def samples(**accuracies: Any) -> dict[str, Sample]:
    found = {name: np.asarray(column, dtype=float) for name, column in accuracies.items()}
    return {name: Sample(column, column < 0.5) for name, column in found.items()}


def noisy(rng: np.random.Generator, gaps: list[float], seeds: int = 20) -> dict[str, Any]:
    """Accuracies that share what a seed brings, and differ by luck and by `gaps`."""
    shared = rng.normal(0.9, 0.005, seeds)
    return {f"c{n}": shared + gap + rng.normal(0, 0.003, seeds) for n, gap in enumerate(gaps)}


def test_the_four_kinds(rng: np.random.Generator) -> None:
    base = rng.normal(0.9, 0.004, 20)
    tiny = rng.normal(0, 0.0003, 20)
    found = verdicts(
        samples(
            a=base,
            better=base + 0.02 + tiny,
            slightly=base + 0.0006 + tiny,
            equal=base + tiny - tiny.mean(),
            unclear=base + 0.004 + rng.normal(0, 0.02, 20),
        ),
        0.005,
        reference="a",
    )
    assert {each.first: each.kind for each in found} == {
        "better": "better",
        "slightly": "slightly better",
        "equal": "equal",
        "unclear": "undecided",
    }
    unclear = found[-1]
    assert unclear.seeds_for_size is not None
    assert unclear.seeds_for_size > 20
    assert [each.seeds_for_size for each in found[:3]] == [None] * 3


def test_a_pair_of_which_one_collapsed_is_never_equal(rng: np.random.Generator) -> None:
    base = rng.normal(0.9, 0.004, 40)
    other = base.copy()
    other[0] = 0.89
    two = samples(a=base, b=other)
    assert verdicts(two, 0.005)[0].kind == "equal"
    two["b"].collapsed[0] = True
    (pair,) = verdicts(two, 0.005)
    assert pair.kind == "undecided"
    assert pair.collapse_p == pytest.approx(1)
    assert pair.seeds_for_size is None


def test_too_few_seeds_for_any_claim() -> None:
    for n in (1, 2, 7):
        (pair,) = verdicts(samples(a=np.full(n, 0.9), b=np.full(n, 0.8)), 0.005)
        assert pair.kind == "too few seeds"
        assert not pair.detected
    assert verdicts(samples(a=np.full(8, 0.9), b=np.full(8, 0.8)), 0.005)[0].kind == "better"
    many = samples(**{f"c{k}": np.full(8, 0.5 + k / 100) for k in range(5)})
    assert {each.kind for each in verdicts(many, 0.005)} == {"too few seeds"}  # ten pairs need nine


def test_table_and_sentence_never_disagree(rng: np.random.Generator) -> None:
    """Whatever is said of a pair follows from its interval."""
    for _ in range(60):
        n = int(rng.integers(9, 16))
        gaps = list(rng.choice([0.0, 0.001, 0.004, 0.02], 4))
        columns = noisy(rng, gaps, n)
        for column in columns.values():
            column[rng.random(n) < rng.choice([0.0, 0.2])] -= 0.5
        for each in verdicts(samples(**columns), 0.005, plan=False):
            low, high = each.interval
            assert (low >= 0 or high <= 0) == each.detected
            assert (each.corrected <= LEVEL) == each.detected
            within = low > -0.005 and high < 0.005 and each.collapse_p is None
            assert within == (each.kind in ("equal", "slightly better"))
            assert low <= each.difference <= high


def test_no_difference_is_claimed_where_there_is_none() -> None:
    """Four configurations that are the same: any claim among the six pairs is a false one."""
    rng = np.random.default_rng(2)
    false = 0
    for _ in range(200):
        columns = noisy(rng, [0.0] * 4, 10)
        for column in columns.values():
            column[rng.random(10) < 0.1] = 0.4
        false += any(each.detected for each in verdicts(samples(**columns), 0.005, plan=False))
    assert false <= 16  # 5 % are expected, and that would be two deviations more


def test_turned_the_same_is_said() -> None:
    pair = Verdict("a", "b", "better", -0.1, Interval(-0.2, -0.05), 0.01, 0.02, -1.0, 2, 7, 10)
    turned = pair.turned
    assert turned.first == "b"
    assert turned.interval == (0.05, 0.2)
    assert (turned.wins, turned.losses) == (7, 2)
    assert turned.turned is turned


def test_letters_show_who_was_told_apart() -> None:
    """c is beaten by a alone, d by all: an example worked by hand."""

    def pair(first: str, second: str) -> Verdict:
        return Verdict(first, second, "better", 0.1, Interval(0, 1), 0, 0, 1, 9, 0, 9)

    found = groups("abcd", [pair("a", "c"), pair("a", "d"), pair("b", "d"), pair("c", "d")])
    assert found == {"a": "a", "b": "ab", "c": "b", "d": "c"}
    assert groups("abc", []) == {"a": "a", "b": "a", "c": "a"}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_two_share_a_letter_exactly_where_nothing_was_detected(pairs: Any) -> None:
    told = {frozenset(pair) for pair in pairs if pair[0] != pair[1]}
    found = groups(
        "012345",
        [
            Verdict(str(min(pair)), str(max(pair)), "better", 0.1, Interval(0, 1), 0, 0, 1, 9, 0, 9)
            for pair in told
        ],
    )
    for a, b in itertools.combinations(range(6), 2):
        assert bool(set(found[str(a)]) & set(found[str(b)])) == (frozenset((a, b)) not in told)
