"""Identifies the mistake in a learner's function.

A mistake is reproduced: the solution is run with the mistake in it, on the same inputs. It is named
only if the learner's numbers are those of the mistake in all cases in which both ran, including
several random ones. The chapter's own mistakes are tried first, then results that are transposed,
of the other sign or off by a factor, then every small change of the solution, then two mistakes at
once. If several of one kind fit, all are named; if none does, none.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.learn.child import outcome
from minitorch_np.learn.handout import function_source, without_docstrings
from minitorch_np.learn.inputs import ONE, RANDOM, SQUARE, TINY, Case, Sizes
from minitorch_np.learn.mutations import mutants
from minitorch_np.learn.outcome import Outcome
from minitorch_np.learn.task import Chapter, Task

NEEDED = 2
"""The number of random cases in which a mistake must have given the same wrong numbers."""

ORDINARY = (TINY, RANDOM, SQUARE, ONE)
"""Kinds of cases that are compared first; the special ones follow."""

NEARLY, FITS = 1, 2
BESIDES = "and something else where numbers are special"

MOST_PAIRS = 500
"""The most pairs of mistakes of a kind that are tried."""

FAINT = 1e-7
"""Numbers below this are considered equal to zero."""

Form = Callable[[AnyArray, Sizes], AnyArray]


def _factor(name: str, power: int) -> Form:
    return lambda y, sizes: y * float(sizes[name]) ** power


FORMS: list[tuple[str, Form]] = [
    ("the sign is wrong: all numbers are those expected with the other sign", lambda y, _: -y),
    ("the result is transposed: rows stand where columns belong", lambda y, _: y.T),
    ("all numbers are twice as large as expected", lambda y, _: 2 * y),
    ("all numbers are half of what is expected", lambda y, _: y / 2),
]
for _name in ("m", "classes", "units", "inputs"):
    FORMS += [
        (f"all numbers are {_name} times too large: divide by {_name}", _factor(_name, 1)),
        (f"all numbers are {_name} times too small: a division by {_name} too much",
         _factor(_name, -1)),
    ]  # fmt: skip
"""Mistakes that affect a whole result. A size that is not one of the function's does no harm, since
it would have to be the factor in every case."""


def same(a: AnyArray, b: AnyArray, tolerance: float) -> bool:
    """Whether two results are equal: shapes, numbers, and where they are not finite."""
    if a.shape != b.shape and not (a.size == b.size == 1 and 0 in (a.ndim, b.ndim)):
        return False
    x, y = np.asarray(a, float).reshape(-1), np.asarray(b, float).reshape(-1)
    finite = np.isfinite(y)
    if not np.array_equal(finite, np.isfinite(x)):
        return False
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return False
    scale = float(np.abs(y[finite]).max(initial=0.0))
    apart = np.abs(x[finite] - y[finite])
    return bool(apart.max(initial=0.0) <= tolerance * scale + FAINT)


def agree(one: Outcome, other: Outcome, tolerance: float) -> bool:
    """Whether two calls that went well gave the same results."""
    return one.values.keys() == other.values.keys() and all(
        same(array, other.values[name], tolerance) for name, array in one.values.items()
    )


class Evidence(NamedTuple):
    """A task, and the outcomes of the learner's function and the solution for each case."""

    chapter: Chapter
    task: Task
    cases: list[Case]
    learner: list[Outcome]
    reference: list[Outcome]
    only: str = ""

    def run(self, function: Any) -> Iterator[Outcome]:
        """The outcomes of a function for the cases, one after the other, limited to the result
        `only` if it is set."""
        for case in self.cases:
            made = outcome(self.task, function, self.task.made(case), None)
            yield _alone(made, self.only) if self.only else made

    def explained(self, others: Iterable[Outcome]) -> int:
        """Whether the learner's numbers are these, wherever both have numbers: FITS, or NEARLY if
        they differ where numbers are special, or 0."""
        seen, needed = 0, NEEDED if self._wrong_at_random else 1
        for case, mine, other, right in zip(
            self.cases, self.learner, others, self.reference, strict=False
        ):
            if not mine.values or not other.values:
                continue
            if not agree(mine, other, self.task.tolerance):
                special = self._wrong_at_random and case.kind not in ORDINARY
                return NEARLY if special and seen >= needed else 0
            wrong = not agree(mine, right, self.task.tolerance)
            random = case.kind in (RANDOM, SQUARE)
            seen += wrong and (random or not self._wrong_at_random)
        return FITS if seen >= needed else 0

    @property
    def _wrong_at_random(self) -> bool:
        return any(
            mine.values and not agree(mine, right, self.task.tolerance)
            for case, mine, right in zip(self.cases, self.learner, self.reference, strict=True)
            if case.kind in (RANDOM, SQUARE)
        )


def reference(chapter: Chapter, task: Task) -> list[Outcome]:
    """The outcomes of the solution for each case."""
    solution = getattr(chapter.module, task.name)
    return [outcome(task, solution, task.made(case), None) for case in task.used()]


def names_of(evidence: Evidence, deep: bool = True) -> list[str]:
    """Descriptions of the mistakes that explain the learner's numbers; empty if none does.

    Two mistakes at once are tried only if `deep`.
    """
    if not any(one.values for one in evidence.learner):
        return []
    nearly: list[str] = []
    for kind in (_listed, _whole, _small, _scaled):
        fitting = [(evidence.explained(others()), words) for words, others in kind(evidence)]
        found = dict.fromkeys(words for fit, words in fitting if fit == FITS)
        if found:
            return list(found)
        nearly = nearly or [f"{words}; {BESIDES}" for fit, words in fitting if fit == NEARLY]
    if nearly:
        return nearly[:1]
    return (_each_result(evidence) or _pairs(evidence)) if deep else []


def _each_result(evidence: Evidence) -> list[str]:
    """The mistake of each result, if several are wrong."""
    wrong = [name for name in evidence.reference[0].values if _is_wrong(evidence, name)]
    solution = getattr(evidence.chapter.module, evidence.task.name)
    if not (evidence.task.outputs or isinstance(solution, type)):
        return []  # facts about one result
    found, rest = [], []
    for name in wrong:
        alone = evidence._replace(
            only=name,
            learner=[_alone(one, name) for one in evidence.learner],
            reference=[_alone(one, name) for one in evidence.reference],
        )
        words = [
            words
            for source in (_listed(alone), _whole(alone), _small(alone))
            for words, others in source
            if alone.explained(others())
        ]
        if words:
            found.append(f"{name}: {words[0]}")
        else:
            rest.append(name)
    too = [f"{', '.join(rest)} wrong too"] if rest else []
    return ["; and ".join([*found, *too])] if found else []


def _alone(one: Outcome, name: str) -> Outcome:
    """An outcome with one of its results."""
    return Outcome({name: one.values[name]} if name in one.values else {})


Tried = tuple[str, Callable[[], Iterable[Outcome]]]
"""A description of a mistake, and the outcomes of the function with it."""


def made_function(chapter: Chapter, name: str, source: str) -> Any:
    """The function or class of a solution with a changed source."""
    scope = {**vars(chapter.module), "__name__": "changed"}
    exec(compile(source, f"<{name}>", "exec"), scope)
    return scope[name]


def edited(source: str, edits: tuple[tuple[str, str], ...]) -> str:
    """The source with the pieces replaced; "" if one does not occur."""
    for old, new in edits:
        if old not in source:
            return ""
        source = source.replace(old, new)
    return source


def _source(evidence: Evidence) -> str:
    return function_source(evidence.chapter.module, evidence.task.name)


def _outcomes(evidence: Evidence, source: str) -> Iterator[Outcome]:
    try:
        function = made_function(evidence.chapter, evidence.task.name, source)
    except Exception:  # an invalid change explains nothing
        return
    yield from evidence.run(function)


def _listed(evidence: Evidence) -> list[Tried]:
    """The mistakes that the chapter lists."""
    source = without_docstrings(_source(evidence))
    return [
        (m.words, functools.partial(_outcomes, evidence, edited(source, m.edits)))
        for m in evidence.task.mistakes
    ]


def _small(evidence: Evidence) -> list[Tried]:
    """All small changes of the solution."""
    plain = without_docstrings(_source(evidence))
    return [(m.words, functools.partial(_outcomes, evidence, m.source)) for m in mutants(plain)]


def _pairs(evidence: Evidence) -> list[str]:
    """Two mistakes at once: two listed ones, or one and a small change."""
    plain = without_docstrings(_source(evidence))
    listed = [(m, edited(plain, m.edits)) for m in evidence.task.mistakes]
    both = (
        (one.words, other.words, edited(source, other.edits))
        for (one, source), (other, _) in itertools.permutations(listed, 2)
    )
    small = (
        (one.words, other.words, other.source)
        for one, source in listed
        for other in mutants(source)
    )
    for pairs in (both, small):
        for words, others, source in itertools.islice(pairs, MOST_PAIRS):
            if source and evidence.explained(_outcomes(evidence, source)):
                return [f"two mistakes: {words}; and {others}"]
    return []


def _whole(evidence: Evidence) -> list[Tried]:
    """Results that are right except for the sign, a factor or a transpose."""
    wrong = [name for name in evidence.reference[0].values if _is_wrong(evidence, name)]
    where = f", in {', '.join(wrong)}" if wrong != [""] else ""
    return [
        (words + where, functools.partial(_formed, evidence, wrong, form)) for words, form in FORMS
    ]


def _scaled(evidence: Evidence) -> list[Tried]:
    """Results that are right except for a constant factor."""
    wrong = [name for name in evidence.reference[0].values if _is_wrong(evidence, name)]
    factor = _constant(evidence, wrong)
    if factor is None:
        return []
    words = f"all numbers are {factor:.4g} times those expected"
    return [(words, functools.partial(_formed, evidence, wrong, lambda y, _: y * factor))]


def _constant(evidence: Evidence, wrong: list[str]) -> float | None:
    """The ratio of the results' sizes in random cases, if it is constant."""
    for case, mine, right in zip(evidence.cases, evidence.learner, evidence.reference, strict=True):
        for name in wrong if case.kind == RANDOM and mine.values.keys() >= set(wrong) else ():
            size = float(np.linalg.norm(right.values[name].astype(float)))
            ratio = float(np.linalg.norm(mine.values[name].astype(float))) / size if size else 0.0
            return ratio if np.isfinite(ratio) and ratio > 0 else None
    return None


def _is_wrong(evidence: Evidence, name: str) -> bool:
    """Whether a result differs in any case."""
    return any(
        name in mine.values
        and name in right.values
        and not same(mine.values[name], right.values[name], evidence.task.tolerance)
        for mine, right in zip(evidence.learner, evidence.reference, strict=True)
    )


def _formed(evidence: Evidence, wrong: list[str], form: Form) -> list[Outcome]:
    """The reference's outcomes, with some of the results changed."""
    return [
        Outcome(
            {
                n: form(y.astype(float), case.sizes) if n in wrong else y
                for n, y in right.values.items()
            }
        )
        for case, right in zip(evidence.cases, evidence.reference, strict=True)
    ]
