"""The chapters themselves: what is handed out, and whether their mistakes are mistakes."""

from __future__ import annotations

import ast

import pytest

from minitorch_np.learn.handout import chapter_source, function_source, text_of, without_docstrings
from minitorch_np.learn.inputs import CASES, ONE, RANDOM, SQUARE, TINY
from minitorch_np.learn.naming import FITS, Evidence, agree, edited, made_function, reference
from minitorch_np.learn.task import FILES, Task, chapter
from tests.sampling import every

TASKS = [(file, task) for file in FILES for task in chapter(file).tasks]


@pytest.mark.parametrize("file", FILES)
def test_what_is_handed_out_has_no_solutions(file: str) -> None:
    about = chapter(file)
    text, solved = text_of(about), chapter_source(about)
    assert "minitorch_np.learn" not in text
    compile(text, file, "exec")
    for task in about.tasks:
        node = next(n for n in ast.parse(text).body if getattr(n, "name", "") == task.name)
        for function in ast.walk(node):
            if isinstance(function, ast.FunctionDef) and ast.get_docstring(function):
                assert [ast.unparse(n) for n in function.body[1:]] == ["return ..."]
        assert ast.unparse(node) not in ast.unparse(ast.parse(solved))
        assert task.hints
        assert task.says
    assert text.startswith("# %% [markdown]\n")
    assert max(map(len, text.splitlines())) <= 100


def test_the_sizes_are_of_their_kind() -> None:
    for case in CASES:
        one, *others = case.sizes.values()
        assert (case.kind == ONE) == (one == 1 and case.kind != TINY)
        assert case.kind not in (SQUARE, RANDOM) or (case.kind == SQUARE) == (set(others) == {one})


def test_the_solutions_run_on_all_inputs() -> None:
    for file, task in TASKS:
        right = reference(chapter(file), task)
        assert all(one.complete and not one.changed for one in right), (task.name, right)


def test_each_listed_mistake_is_an_edit_of_the_solution() -> None:
    for file, task in TASKS:
        source = without_docstrings(function_source(chapter(file).module, task.name))
        for listed in task.mistakes:
            changed = edited(source, listed.edits)
            assert changed, f"{listed.words}: no such piece in\n{source}"
            assert changed != source
            assert " " in listed.words


@pytest.mark.parametrize("pair", every(4, TASKS, lambda pair: f"{pair[0]}-{pair[1].name}"))
def test_listed_mistakes_are_wrong_and_differ_from_each_other(pair: tuple[str, Task]) -> None:
    file, task = pair
    about = chapter(file)
    right = reference(about, task)
    assert all(one.complete and not one.changed for one in right), right
    source = without_docstrings(function_source(about.module, task.name))
    evidence = Evidence(about, task, task.used(), right, right)
    seen: dict[str, Evidence] = {}
    for listed in task.mistakes:
        changed = edited(source, listed.edits)
        assert changed, f"{listed.words}: no such piece in\n{source}"
        made = list(evidence.run(made_function(about, task.name, changed)))
        assert any(one.values for one in made), f"{listed.words}: {made[0]}"
        wrong = [
            not agree(one, other, task.tolerance)
            for one, other in zip(made, right, strict=True)
            if one.values
        ]
        assert any(wrong), f"{listed.words}: gives the right numbers"
        for words, other in seen.items():
            assert other.explained(made) != FITS, f"the same numbers:\n{words}\n{listed.words}"
        seen[listed.words] = evidence._replace(learner=made)


def test_random_cases_are_enough_to_name_by() -> None:
    for _, task in TASKS:
        assert sum(case.kind in (RANDOM, SQUARE) for case in task.used()) >= 3, task.name
