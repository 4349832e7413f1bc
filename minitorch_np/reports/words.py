"""A comparison in sentences: the question, the answer, the verdicts and their scope."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minitorch_np.experiments.comparison import Comparison
from minitorch_np.experiments.measure import ACCURACY
from minitorch_np.experiments.statistics import MOST_SEEDS, Interval, fewest_seeds
from minitorch_np.experiments.tuning import means_by_rate
from minitorch_np.experiments.verdicts import Verdict

MANY = 6
"""A question lists at most this many names."""


def question(comparison: Comparison) -> str:
    """The question that the comparison answers."""
    names = comparison.names
    if len(names) == 1:
        return f"How well does {names[0]} learn?"
    if comparison.reference is not None:
        others = [name for name in names if name != comparison.reference]
        return f"Which is better than {comparison.reference}: {joined(others, 'or')}?"
    if len(names) > MANY:
        return f"Which of {len(names)} configurations learns best?"
    return f"Which learns best: {joined(names, 'or')}?"


def headline(comparison: Comparison) -> str:
    """The answer in short: how good the configurations are, and how often their runs collapse."""
    summaries = [comparison.summaries[name] for name in comparison.ranking]
    lost = [each for each in summaries if each.collapsed]
    all_failed = len(comparison.failures) == len(comparison.results)
    if len(summaries) == 1 or all_failed or not lost:
        return _standing(comparison)
    counts = joined([f"{each.name} in {each.collapsed} of {each.runs}" for each in lost])
    return f"{_standing(comparison)} Runs that collapsed: {counts}."


def _standing(comparison: Comparison) -> str:
    """A sentence on which configurations are better."""
    best = comparison.summaries[comparison.ranking[0]]
    measured = comparison.measure.name
    over = f"over {counted(len(comparison.seeds), 'seed')}"
    if len(comparison.failures) == len(comparison.results):
        return "There is no answer: all runs failed."
    if len(comparison.names) == 1:
        said = (
            f"{best.name} has a median test {measured} of {best.median:.4f}{_within(best.interval)}"
        )
        return f"{said} {over}; {_collapses(comparison, best.name)} collapsed."
    first = [n for n in comparison.ranking if comparison.summaries[n].mean == best.mean]
    alone = len(first) == 1
    if any(each.kind == "too few seeds" for each in comparison.verdicts):
        return (
            f"{_too_few(comparison)}. By mean, {joined(first)} {'is' if alone else 'are'} first "
            f"({best.mean:.4f}), which may be luck."
        )
    centre = comparison.reference or best.name
    found = _against(comparison, centre)
    if comparison.reference:
        mean = comparison.summaries[centre].mean
        return (
            f"Compared with {centre} (mean test {measured} {mean:.4f} {over}): {'; '.join(found)}."
        )
    highest = f"highest mean test {measured} {over} ({best.mean:.4f})"
    if alone:
        return f"{best.name} has the {highest}: it is {'; '.join(found)}."
    return f"{joined(first)} have the same, {highest}: {best.name} is {'; '.join(found)}."


def _against(comparison: Comparison, centre: str) -> list[str]:
    """How one configuration compares with all others: a phrase for each kind of verdict."""
    size = f"{comparison.size:g}"
    kinds: dict[str, list[str]] = {}
    for each in comparison.verdicts:
        if centre in (each.first, each.second):
            other = each.second if each.first == centre else each.first
            side = "" if not each.detected else " up" if each.first == centre else " down"
            if not each.detected and each.collapses_differ:
                side = " more" if _collapses_more(comparison, each) == centre else " less"
            kinds.setdefault(each.kind + side, []).append(other)
    if comparison.reference:
        phrases = {
            "better down": "better: {}",
            "slightly better down": f"better, but by less than {size}: {{}}",
            "equal": f"equal within {size}: {{}}",
            "undecided": "undecided: {}",
            "undecided less": "undecided by mean, but collapses more often: {}",
            "undecided more": "undecided by mean, but collapses less often: {}",
            "slightly better up": f"worse, but by less than {size}: {{}}",
            "better up": "worse: {}",
        }
    else:
        phrases = {
            "better up": "better than {}",
            "slightly better up": f"better than {{}}, but by less than {size}",
            "equal": f"equal to {{}} within {size}",
            "undecided": "not told apart from {}",
            "undecided less": "not told apart by mean from {}, but collapses less often",
            "undecided more": "not told apart by mean from {}, but collapses more often",
        }
    place = {name: number for number, name in enumerate(comparison.ranking)}
    return [
        phrase.format(joined(sorted(kinds[kind], key=lambda name: place[name])))
        for kind, phrase in phrases.items()
        if kind in kinds
    ]


def verdict(comparison: Comparison, each: Verdict) -> str:
    """One pair in a sentence or two."""
    a, b, size = each.first, each.second, f"{comparison.size:g}"
    if each.kind == "too few seeds":
        return f"{a} and {b}: {_too_few(comparison)[0].lower()}{_too_few(comparison)[1:]}."
    if each.kind == "equal":
        return f"{a} and {b} are equal within {size}: the difference lies in {each_range(each)}."
    if each.kind == "undecided":
        said = f"{a} and {b}: undecided, the difference lies in {each_range(each)}"
        if each.collapses_differ:
            said += f"; but {_collapses_more(comparison, each)} collapses more often"
        return (
            f"{said}. {_plan(each, size) if each.collapse_p is None else _worked(comparison, each)}"
        )
    less = f", but by less than {size}" if each.kind == "slightly better" else ""
    share = f"{each.wins} of {each.seeds} seeds{_within(each.share, percent)}"
    return (
        f"{a} is better than {b}{less}: by {each.difference:.4f} on average {each_range(each)}, in "
        f"{share}. {_worked(comparison, each)}"
    )


def _plan(each: Verdict, size: str) -> str:
    """A sentence on the number of seeds needed for a decision."""
    seen = f"the difference seen ({each.difference:.4f})"
    needed = [(each.seeds_for_size, f"one of {size}")]
    if each.difference:
        needed.insert(0, (each.seeds_for_difference, seen))
    said = [f"{f'about {n}' if n else f'more than {MOST_SEEDS}'} for {what}" for n, what in needed]
    return f"Seeds needed: {', '.join(said)}."


def _worked(comparison: Comparison, each: Verdict) -> str:
    """A sentence on the medians of the runs that worked, and on the collapses."""
    one, other = comparison.summaries[each.first], comparison.summaries[each.second]
    medians = [
        "none" if math.isnan(summary.worked) else f"{summary.worked:.4f}"
        for summary in (one, other)
    ]
    worked = f"Median of the runs that worked: {medians[0]} and {medians[1]}; collapsed: "
    if each.collapse_p is None:
        return f"{worked}none of {one.runs} each{_within(one.collapses, percent)}."
    counts = " and ".join(_collapses(comparison, name) for name in (each.first, each.second))
    return f"{worked}{counts} (Fisher, p = {number(each.collapse_p)} after Holm)."


def _collapses_more(comparison: Comparison, each: Verdict) -> str:
    """The name of the configuration with more collapsed runs."""
    return max(each.first, each.second, key=lambda name: comparison.summaries[name].collapsed)


def _collapses(comparison: Comparison, name: str) -> str:
    summary = comparison.summaries[name]
    return f"{summary.collapsed} of {summary.runs} runs{_within(summary.collapses, percent)}"


def _too_few(comparison: Comparison) -> str:
    pairs = len(comparison.verdicts)
    return (
        f"Too few seeds for any claim: {len(comparison.seeds)}, where {counted(pairs, 'pair')} "
        f"{'needs' if pairs == 1 else 'need'} {fewest_seeds(pairs)}"
    )


def each_range(each: Verdict) -> str:
    """A pair's interval; open at 0 if the difference was detected."""
    if each.detected and each.interval.low == 0:
        return f"(0, {each.interval.high:.4f}]"
    return _within(each.interval, lambda value: f"{value:.4f}").strip() or "an unknown range"


def difference(each: Verdict) -> str:
    """A pair's difference and its interval, if that is known."""
    return f"{each.difference:.4f} {each_range(each)}".replace(" an unknown range", "")


def _within(interval: Interval, form: object = None) -> str:
    """ " [low, high]", or "" if it is unknown."""
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return ""
    low, high = (form(each) if callable(form) else f"{each:.4f}" for each in interval)
    return f" [{low}, {high}]"


def interval(value: float, around: Interval, form: object = None) -> str:
    """A number and its interval, if that is known."""
    return f"{form(value) if callable(form) else f'{value:.4f}'}{_within(around, form)}"


def percent(share: float) -> str:
    """A fraction in percent, without decimals."""
    return f"{100 * share:.0f} %"


def number(value: float) -> str:
    """A p-value as text."""
    return f"{value:.1e}" if value < 1e-3 else f"{value:.3f}"


def reasons(comparison: Comparison, name: str) -> list[str]:
    """The relevant findings in a configuration's networks at the end, one per line."""
    runs = comparison.runs[name]
    whole = len(comparison.whole(name))
    found = comparison.findings(name)
    lines = []
    if whole < len(runs):
        lines.append(f"{len(runs) - whole} of {len(runs)} runs failed")
    for each in found:
        if each.kind != "lost class" and (each.ill or each.kind == "bounded scores"):
            seen = "" if each.kind == "bounded scores" else f" ({each.runs} of {whole} runs)"
            said = str(each._replace(since=None) if each.kind == "bounded scores" else each)
            lines.append(f"{said}{seen}")
    lost = sorted((each for each in found if each.kind == "lost class"), key=lambda f: f.value)
    if lost:
        classes = joined([f"{each.value:g} ({counted(each.runs, 'run')})" for each in lost])
        lines.append(f"classes with no test sample recognized: {classes}")
    return lines or ["nothing ill was found"]


def footer(comparison: Comparison) -> list[str]:
    """Sentences on the scope and the limits of the claims."""
    train, test = comparison.samples
    about = "other initial weights and batch orders"
    if comparison.resampled:
        about += f", and other training samples like these {train:,}"
    said = f"The claims hold for {about}; the "
    if not comparison.resampled:
        said += f"{train:,} training samples and the "
    said += f"{test:,} test samples are always the same."
    best = comparison.summaries[comparison.ranking[0]].mean
    if (
        comparison.measure == ACCURACY
        and test
        and len(comparison.failures) < len(comparison.results)
    ):
        error = math.sqrt(best * (1 - best) / test)
        extent = (
            f"has a standard error of {error:.4f}"
            if error
            else f"may be off by up to {min(1, 3 / test):.4f} (95 %)"  # the rule of three
        )
        said += (
            f" As an estimate for other samples, an accuracy of {best:.4f} {extent} from the test "
            "samples alone, which more seeds do not reduce."
        )
    lines = [said, rates_in_words(comparison)]
    for name in comparison.edges:
        lines.append(
            f"The best rate of {name} ({comparison.summaries[name].rate:g}) is the lowest or "
            "highest that was tried: a better one may lie beyond."
        )
    return lines + comparison.notes


def rates_in_words(comparison: Comparison) -> str:
    """The learning rates that were compared, and how they were chosen."""
    tuned = {run["name"] for run in comparison.tuning}

    def listed(names: list[str]) -> str:
        return ", ".join(f"{name} at {comparison.summaries[name].rate:g}" for name in names)

    chosen = [name for name in comparison.names if name in tuned]
    given = [name for name in comparison.names if name not in tuned]
    said = []
    if chosen:
        said.append(
            "Learning rates: for each the best of several, chosen on a part of the training data "
            f"and with other seeds: {listed(chosen)}."
        )
    if given:
        said.append(
            f"Learning rates as given, not tuned: {listed(given)}. Other rates may change the "
            "answer."
        )
    return " ".join(said)


def rates_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """The mean accuracy for each configuration (row) and learning rate (column); in brackets if it
    is from fewer seeds than others."""
    rates = sorted({run["rate"] for run in comparison.tuning})
    rows: list[tuple[str, ...]] = [("configuration", *(f"{rate:g}" for rate in rates))]
    for name in comparison.names:
        means = means_by_rate(name, comparison.tuning)
        most = max((seeds for _, seeds in means.values()), default=0)
        cells = [means.get(rate) for rate in rates]
        if most:
            rows.append(
                (
                    name,
                    *(
                        "-" if c is None else f"{c[0]:.4f}" if c[1] == most else f"({c[0]:.4f})"
                        for c in cells
                    ),
                )
            )
    return rows


def joined(names: Sequence[str], word: str = "and") -> str:
    """The names as a list in words, such as "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def counted(n: int, what: str) -> str:
    """A count with its noun, such as "1 seed" or "2 seeds"."""
    return f"{n} {what}{'' if n == 1 else 's'}"
