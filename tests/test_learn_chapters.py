"""The chapters themselves: what is handed out, and whether their mistakes are mistakes."""

from __future__ import annotations

import ast
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.learn.checks import ch12_batches
from minitorch_np.learn.handout import chapter_source, function_source, text_of, without_docstrings
from minitorch_np.learn.inputs import CASES, ONE, RANDOM, SQUARE, TINY, ZEROS
from minitorch_np.learn.naming import FITS, Evidence, agree, edited, made_function, reference
from minitorch_np.learn.task import FILES, Task, chapter
from minitorch_np.training.step import propagate
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
        if task.name == "batches":  # what has to be true of them
            facts = [a for one in right for a in one.values.values() if a.dtype == bool]
            assert len(facts) >= 6
            assert all(facts)


@pytest.mark.parametrize("nothing", [..., None])
def test_what_returns_nothing_has_no_facts(nothing: object) -> None:
    (task,) = (task for _, task in TASKS if task.name == "batches")
    assert ch12_batches._facts(lambda *given: nothing, task.made(CASES[3])) is nothing


def test_inputs_are_of_their_kind() -> None:
    (task,) = (task for _, task in TASKS if task.name == "gradients")
    for case in CASES:
        x, y, *_ = task.made(case)
        np.testing.assert_array_equal(np.sort(y, axis=0)[-2:].T, [[0, 1]] * y.shape[1])  # one-hot
        assert (case.kind == ZEROS) == (not x.any())
        assert np.abs(x).max() < 10


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


def test_the_solutions_are_the_network_of_the_package(rng: np.random.Generator) -> None:
    """Functions of columns, beside a model, the gradients of its loss, and its steps."""
    found: Any = SimpleNamespace(
        **{task.name: getattr(chapter(file).module, task.name) for file, task in TASKS}
    )
    model = mt.Sequential(mt.Dense(4), "relu", mt.Dense(3), input_shape=5, seed=0, dtype=np.float64)
    rows, labels = rng.normal(size=(7, 5)), np.arange(7) % 3
    loss, scores, wanted = propagate(model, mt.SoftmaxCrossEntropy(), rows, labels, None, rng)
    before = model.state_dict()
    w1, b1, w2, b2 = (array.reshape(len(array), -1) for array in before.values())
    x, y = rows.T, np.eye(3)[labels].T
    z1 = found.weighted_sums(w1, x, b1)
    a1 = found.relu(z1)
    z2 = found.weighted_sums(w2, a1, b2)
    a2 = found.softmax(z2)
    np.testing.assert_allclose(z2.T, scores)
    assert found.cross_entropy(a2, y) == pytest.approx(loss)
    dz2 = found.output_error(a2, y)
    dz1 = found.hidden_error(w2, dz2, z1, a1, found.relu_derivative)
    by_step = (
        found.first_weight_gradient(dz1, x), found.first_bias_gradient(dz1),
        found.weight_gradient(dz2, a1), found.bias_gradient(dz2),
    )  # fmt: skip
    at_once = found.gradients(x, y, w1, b1, w2, b2)
    for one, other, right in zip(by_step, at_once, map(wanted.get, before), strict=True):
        assert right is not None
        np.testing.assert_allclose(one.reshape(right.shape), right, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(other.reshape(right.shape), right, rtol=1e-10, atol=1e-12)
    mt.Trainer(model, "softmax_cross_entropy", "sgd(0.1)").step(rows, labels)
    stepped = found.step(x, y, w1, b1, w2, b2, 0.1)
    for one, now in zip(stepped, model.state_dict().values(), strict=True):
        np.testing.assert_allclose(one.reshape(now.shape), now, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(found.predict(x, *stepped), model.predict_classes(rows))
