"""The data of chapters and tasks.

A chapter's text is a Python file in `chapters`, with the solutions; learners get the same file
without the bodies of the functions (`handout`). The solutions are also the reference for a
learner's functions. A module of `checks` lists a `Task` for each function, with makers of its
inputs, hints, the line of the notes, and frequent mistakes, each an edit of the solution's source.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from minitorch_np.arrays import Generator
from minitorch_np.errors import ConfigurationError
from minitorch_np.learn.inputs import CASES, Case, Maker, Sizes, generator
from minitorch_np.signature import nearest

PACKAGE = "minitorch_np.learn"

Observe = Callable[[Any, tuple[Any, ...]], Any]
"""(learner's function or class, inputs) -> the result to compare: the returned object, or a
dictionary of several results."""

FILES = (
    "ch01_data", "ch02_sums", "ch03_activations", "ch04_softmax", "ch05_loss", "ch06_output_error",
    "ch07_second_layer", "ch08_hidden_error", "ch09_first_layer", "ch10_update",
    "ch11_loop", "ch12_batches", "ch13_initial_weights", "ch14_gradient_check", "ch15_compare",
    "ch16_own_activation", "ch17_own_layer", "ch18_own_loss", "ch19_residual", "ch20_attention",
)  # fmt: skip
"""The chapters' files, in their order."""


class Mistake(NamedTuple):
    """A mistake by name: edits of the solution's source, as (old, new), that reproduce it."""

    words: str
    edits: tuple[tuple[str, str], ...]


def mistake(words: str, *pieces: str) -> Mistake:
    """`mistake("...", old, new, old, new)`."""
    return Mistake(words, tuple(zip(pieces[::2], pieces[1::2], strict=True)))


def call(function: Any, inputs: tuple[Any, ...]) -> Any:
    """The result that most tasks compare: the returned object."""
    return function(*inputs)


class Task(NamedTuple):
    """One function, or class, to write.

    - `inputs` are makers, one per argument, or one function that makes all of them;
    - `says` describes what is expected, with shapes; `notes` is the line of the notes;
    - `arguments` are the inputs' names, if they are not those of the function;
    - `outputs` are the results' names if there are several;
    - `observe` runs the learner's function and returns the result to compare;
    - `without` are kinds of cases that do not apply;
    - `second` is a further test if all results are right: of a class's gradients, or of a network's
      training. It returns a description of an error, or "", and a remark, or "".
    """

    name: str
    inputs: tuple[Maker, ...] | Callable[[Generator, Sizes, str], tuple[Any, ...]]
    says: str
    notes: str = ""
    hints: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    arguments: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    observe: Observe = call
    without: tuple[str, ...] = ()
    cases: tuple[Case, ...] = CASES
    second: Callable[[Any], tuple[str, str]] | None = None
    tolerance: float = 1e-4

    def made(self, case: Case) -> tuple[Any, ...]:
        """The inputs of a case."""
        rng = generator(self.name, case)
        if callable(self.inputs):
            return self.inputs(rng, case.sizes, case.kind)
        return tuple(make(rng, case.sizes, case.kind) for make in self.inputs)

    def used(self) -> list[Case]:
        """The cases that apply."""
        return [case for case in self.cases if case.kind not in self.without]


class Chapter(NamedTuple):
    """A chapter: the name of its file without .py, its title, and its tasks."""

    file: str
    title: str
    tasks: tuple[Task, ...]

    @property
    def number(self) -> int:
        """The number of the chapter, counted from 1."""
        return FILES.index(self.file) + 1

    @property
    def module(self) -> Any:
        """The module with the text and the solutions."""
        return importlib.import_module(f"{PACKAGE}.chapters.{self.file}")


def chapter(file: str) -> Chapter:
    """The chapter with that file name, such as "ch04_softmax"."""
    found = importlib.import_module(f"{PACKAGE}.checks.{file}")
    return Chapter(file, found.TITLE, found.TASKS)


def chapter_named(text: str) -> Chapter:
    """A chapter by its number, its name or its file. Raises ConfigurationError for others."""
    wanted = text.rpartition("/")[2].removesuffix(".py")
    if wanted.isdigit() and 1 <= int(wanted) <= len(FILES):
        return chapter(FILES[int(wanted) - 1])
    for file in FILES:
        if wanted in (file, file[:4], file[5:]):
            return chapter(file)
    meant = nearest(wanted, [name for file in FILES for name in (file, file[5:])])
    advice = f"did you mean {meant}?" if meant else "`minitorch-np learn` lists them"
    raise ConfigurationError(
        f"learn: expected a chapter from 1 to {len(FILES)} or its name, got {text!r}: {advice}"
    )
