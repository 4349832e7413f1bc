"""The answer of a check: whether each function is right, and if not, what is known.

The mistake is named if it can be reproduced; otherwise the answer gives the shape, the error with
its line, or the places where the numbers differ. Then follows the smallest example that goes wrong.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray
from minitorch_np.gradcheck.wording import beyond, where
from minitorch_np.learn.handout import function_source
from minitorch_np.learn.inputs import RANDOM, SQUARE, TINY
from minitorch_np.learn.naming import Evidence, agree, names_of, reference, same
from minitorch_np.learn.outcome import Outcome
from minitorch_np.learn.process import Ran
from minitorch_np.learn.task import Chapter, Task
from minitorch_np.text import printable

PASSED, WRONG, UNWRITTEN = "passed", "wrong", "not written"

SHOWN = 400
"""Arrays that do not fit into this many characters are shown by their shape."""


@dataclass
class Answer:
    """The answer to one function.

    `mistake` is its name if the learner's numbers are those of exactly this mistake; `known` is
    what is known otherwise; `lines` are the example and further text.
    """

    name: str
    status: str
    mistake: str = ""
    known: str = ""
    lines: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        head = {PASSED: "right", WRONG: "WRONG", UNWRITTEN: "to do"}[self.status]
        what = self.mistake or self.known
        text = "\n".join([f"{head}  {self.name}{': ' if what else ''}{what}", *self.lines])
        return text.replace("\n", "\n       ")


@dataclass
class ChapterAnswer:
    """The answer to a chapter; `problem` is set if its file could not be read; `uses` are imported
    chapters that are not right themselves."""

    file: str
    title: str
    problem: str = ""
    functions: list[Answer] = field(default_factory=list)
    total: int = 0
    uses: list[str] = field(default_factory=list)

    @property
    def right(self) -> int:
        """The number of functions that are right."""
        return sum(answer.status == PASSED for answer in self.functions)

    @property
    def passed(self) -> bool:
        """Whether all of them are."""
        return not self.problem and self.right == self.total

    @property
    def begun(self) -> bool:
        """Whether anything was written."""
        return bool(self.problem) or any(a.status != UNWRITTEN for a in self.functions)

    def __str__(self) -> str:
        head = f"{self.file}: {self.right} of {self.total} right"
        body = [self.problem] if self.problem else [str(answer) for answer in self.functions]
        if self.uses:
            body.insert(0, f"It uses {', '.join(self.uses)}, not right yet: correct that first.")
        return printable("\n".join([head, *body]))

    def to_dict(self) -> dict[str, Any]:
        """As plain dictionaries, for JSON."""
        counts = {"right": self.right, "passed": self.passed}
        return {**asdict(self), **counts}


def answer_of(chapter: Chapter, ran: dict[str, Ran] | str) -> ChapterAnswer:
    """The answer to a chapter, from the outcomes of its functions."""
    result = ChapterAnswer(chapter.file, chapter.title, total=len(chapter.tasks))
    if isinstance(ran, str):
        result.problem = ran
        return result
    for task in chapter.tasks:
        source = function_source(chapter.module, task.name)
        called = [
            before.name
            for before in result.functions
            if before.status == WRONG and re.search(rf"\b{before.name}\(", source)
        ]
        answer = judged(chapter, task, ran[task.name], deep=not called)
        if answer.status == WRONG and called:
            answer.lines.append(f"{called[0]} is wrong too: if you call it, correct it first")
        result.functions.append(answer)
    return result


def judged(chapter: Chapter, task: Task, ran: Ran, deep: bool = True) -> Answer:
    """The answer to one function."""
    printed = _printed(ran)
    if ran.refused:
        return Answer(task.name, WRONG, known=ran.refused, lines=[*_expected(task), *printed])
    if all(one.unwritten for one in ran.outcomes):
        return Answer(task.name, UNWRITTEN)
    evidence = Evidence(chapter, task, task.used(), ran.outcomes, reference(chapter, task))
    bad = [i for i in range(len(evidence.cases)) if _is_bad(evidence, i)]
    if not bad:
        problem, remark = ran.second
        if problem:
            return Answer(task.name, WRONG, known=problem, lines=printed)
        return Answer(task.name, PASSED, known=remark, lines=[*_remarks(evidence), *printed])
    named = _names(evidence, bad, deep)
    known = "" if named else _known(evidence, bad)
    changed = _changed(evidence, bad)
    if changed and changed not in known:
        named, known = (
            [f"{words}; and {changed}" for words in named],
            known and f"{known}; {changed}",
        )
    lines = [*_expected(task), *_example(evidence, _smallest(evidence, bad)), *printed]
    return Answer(task.name, WRONG, " or ".join(named), known, lines)


def _names(evidence: Evidence, bad: list[int], deep: bool) -> list[str]:
    """The mistake by name, if one can be reproduced."""
    numbers = [i for i in bad if evidence.learner[i].values and _differs(evidence, i)]
    try:
        return names_of(evidence, deep) if numbers else []
    except Exception:  # naming must not hide the answer
        return []


def _differs(evidence: Evidence, i: int) -> bool:
    return not agree(evidence.learner[i], evidence.reference[i], evidence.task.tolerance)


def _is_bad(evidence: Evidence, i: int) -> bool:
    one = evidence.learner[i]
    if not one.complete or one.changed:
        return True
    return _differs(evidence, i)


def _smallest(evidence: Evidence, bad: list[int]) -> int:
    """The first case that shows the mistake, with numbers if possible."""
    differing = [i for i in bad if evidence.learner[i].complete and _differs(evidence, i)]
    return (differing or bad)[0]


def _known(evidence: Evidence, bad: list[int]) -> str:
    """A description of the error if the mistake has no name."""
    task, first = evidence.task, evidence.learner[_smallest(evidence, bad)]
    if first.raised:
        line = f"line {first.line}: {first.source}\n" if first.line else ""
        return f"it raises an error\n{line}{first.raised}{_advice(first)}"
    if first.unwritten:
        return "part of it is not written yet: it returns `...`"
    if first.problem:
        right = all(agree(evidence.learner[i], evidence.reference[i], task.tolerance) for i in bad)
        numbers = "the numbers are right, but " if right and first.values else ""
        advice = ": is a `return` missing?" if "nothing" in first.problem else ""
        advice = ": np.array(...) converts it" if "not an array" in first.problem else advice
        return f"{numbers}it returns {first.problem}{advice}"
    if first.changed and not any(_differs(evidence, i) for i in bad):
        return f"the result is right, but {_changed(evidence, bad)}"
    return _difference(evidence, bad)


def _changed(evidence: Evidence, bad: list[int]) -> str:
    """A sentence on the argument that is changed; "" if none is."""
    numbers = [number for i in bad for number in evidence.learner[i].changed]
    if not numbers:
        return ""
    names = _parameters(evidence)
    which = f" {names[numbers[0]]}" if numbers[0] < len(names) else ""
    return (
        f"the function changes its argument{which}, which the caller still needs: use a copy, or "
        "create a new array"
    )


def _difference(evidence: Evidence, bad: list[int]) -> str:
    """A description of where numbers differ: results, shapes, kinds of inputs, entries."""
    i = _smallest(evidence, bad)
    mine, right = evidence.learner[i], evidence.reference[i]
    parts = []
    wrong = [n for n in right.values if _wrong_anywhere(evidence, n)]
    if len(right.values) > 1:
        fine = [n for n in right.values if n not in wrong]
        parts.append(f"wrong: {', '.join(wrong)}{'; right: ' * bool(fine)}{', '.join(fine)}")
    for name in wrong:
        a, b = mine.values.get(name), right.values[name]
        if a is not None and a.shape != b.shape:
            of = f" for {name}" if name else ""
            wanted = f"the shape {b.shape}" if b.shape else "one number"
            parts.append(f"expected {wanted}{of}, got an array of shape {a.shape}")
            return "; ".join(parts)
    kinds = _kinds(evidence, bad)
    if kinds:
        parts.append(kinds)
    place = _places(evidence, bad, wrong[0]) if wrong else ""
    return "; ".join([*parts, *([place] if place else [])]) or "the numbers are not those expected"


def _wrong_anywhere(evidence: Evidence, name: str) -> bool:
    return any(
        name in mine.values and not same(mine.values[name], right.values[name], 1e-4)
        for mine, right in zip(evidence.learner, evidence.reference, strict=True)
    )


def _kinds(evidence: Evidence, bad: list[int]) -> str:
    """Which kinds of inputs are right and which are wrong, or ""."""
    kinds = [case.kind for case in evidence.cases]
    wrong = {kinds[i] for i in bad}
    if {RANDOM, SQUARE} & wrong:
        fine = [k for k in dict.fromkeys(kinds) if k not in wrong and k != TINY]
        return f"right for {', '.join(fine)}, wrong elsewhere" if "one sample" in fine else ""
    return f"right for random numbers, wrong for {', '.join(sorted(wrong))}"


def _places(evidence: Evidence, bad: list[int], name: str) -> str:
    """The entries in which a result differs, if they are a simple set in several cases."""
    texts = set()
    for i in bad:
        a, b = evidence.learner[i].values.get(name), evidence.reference[i].values.get(name)
        if a is None or b is None or a.shape != b.shape or evidence.cases[i].kind != RANDOM:
            continue
        scale = float(np.abs(b[np.isfinite(b)]).max(initial=0.0))
        mask = np.asarray(~(np.abs(a.astype(float) - b) <= 1e-4 * scale + 1e-7))
        texts.add(_place(mask, evidence, i, name))
    return texts.pop() if len(texts) == 1 else ""


def _place(mask: AnyArray, evidence: Evidence, i: int, name: str) -> str:
    if mask.all():
        return ""
    inputs = evidence.task.made(evidence.cases[i])
    known = np.ones(mask.shape, bool)
    for argument, value in zip(_parameters(evidence), inputs, strict=False):
        fits = isinstance(value, np.ndarray) and value.shape == mask.shape
        if found := beyond(mask, known, value, argument, []) if fits else "":
            return f"wrong {found}"
    found = where(mask, known, name or "the result")
    return f"wrong {found}" if found else ""


def _parameters(evidence: Evidence) -> list[str]:
    solution = getattr(evidence.chapter.module, evidence.task.name)
    return list(evidence.task.arguments or inspect.signature(solution).parameters)


def _advice(first: Outcome) -> str:
    """Advice on frequent errors of learners."""
    text = first.raised
    if "matmul" in text or "not aligned" in text:
        return (
            "\nA product of matrices (a, b) @ (b, c) needs the inner sizes to be equal. "
            "Print the shapes; a transpose may be missing, or the two are exchanged."
        )
    if "could not be broadcast" in text:
        return "\nFor elementwise operations, sizes must be equal, or 1 where they differ."
    if "read-only" in text or "casting rule" in text:
        return "\n`/=` and `-=` change the argument's array: write Z = Z / 2 instead."
    if text.startswith("RecursionError"):
        return "\nThe function calls itself endlessly."
    if text.startswith("MemoryError") or "Unable to allocate" in text:
        return "\nIt creates an array that is far too large."
    if text.startswith(("FileNotFoundError", "PermissionError", "IsADirectoryError")):
        return "\nNo chapter needs a file: a function gets everything as arguments."
    return ""


def _expected(task: Task) -> list[str]:
    lines = [f"expected: {task.says}"]
    return [*lines, f"notes: {task.notes}"] if task.notes else lines


def _example(evidence: Evidence, i: int) -> list[str]:
    """The inputs of a case, the expected results, and the learner's."""
    mine, right = evidence.learner[i], evidence.reference[i]
    case = evidence.cases[i]
    lines = [f"example ({'the smallest' if case.kind == TINY else case.kind}):"]
    for name, value in zip(_parameters(evidence), evidence.task.made(case), strict=False):
        lines.append(_shown(f"  {name} = ", value))
    for name in right.values:
        a, b = mine.values.get(name), right.values[name]
        if a is not None and same(a, b, evidence.task.tolerance) and len(right.values) > 1:
            continue
        of = f"{name} " if name else ""
        lines.append(_shown(f"  expected {of}", b))
        if a is not None:
            lines.append(_shown(f"  got {of}", a))
    return lines


def _shown(head: str, value: Any) -> str:
    """`Z = [[1. 2.]]`, with aligned lines; only the shape of a large array."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=4, suppress_small=True, max_line_width=76)
        if len(text) > SHOWN:
            text = f"an array of shape {value.shape}"
    else:
        text = getattr(value, "__name__", None) or (
            f"{value:.6g}" if isinstance(value, float) else repr(value)[:SHOWN]
        )
        text = "a random generator" if isinstance(value, np.random.Generator) else text
    return head + text.replace("\n", "\n" + " " * len(head))


def _remarks(evidence: Evidence) -> list[str]:
    """Remarks on things that are not wrong, but good to know."""
    arrays = [array for one in evidence.learner for array in one.values.values()]
    if any(a.dtype == bool for a in arrays) and not any(
        a.dtype == bool for one in evidence.reference for a in one.values.values()
    ):
        return ["(True and False count as 1 and 0 in a product, but `-` does not accept them.)"]
    return []


def _printed(ran: Ran) -> list[str]:
    """The first lines that the function printed."""
    lines = ran.printed.rstrip("\n").split("\n")
    if not ran.printed.strip():
        return []
    more = f" (the first 5 of {ran.lines} lines)" if ran.lines > 5 else ""
    return [f"it printed{more}:", *(f"  | {line[:100]}" for line in lines[:5])]
