"""Check chapters: one, all of a folder, or all of a class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from minitorch_np.errors import DataError
from minitorch_np.learn.answer import UNWRITTEN, Answer, ChapterAnswer, answer_of
from minitorch_np.learn.folder import Folder, is_ours
from minitorch_np.learn.process import Limits, run_chapter
from minitorch_np.learn.task import FILES, Chapter, chapter, chapter_named

_IMPORT = re.compile(r"^\s*(?:from|import)\s+(ch\d\d_\w+)", re.MULTILINE)


def files() -> tuple[str, ...]:
    """The names of all chapters' files, in their order."""
    return FILES


def check(folder: Folder, about: Chapter, limits: Limits) -> ChapterAnswer:
    """The answer to one chapter of a folder."""
    path = folder.file(about)
    if not path.exists():
        problem = f"{path.name} is missing: `minitorch-np learn start {folder.path}` restores it"
        return ChapterAnswer(about.file, about.title, problem, total=len(about.tasks))
    if folder.is_untouched(about):
        unwritten = [Answer(task.name, UNWRITTEN) for task in about.tasks]
        return ChapterAnswer(about.file, about.title, "", unwritten, len(about.tasks))
    answer = answer_of(about, run_chapter(about, path, limits))
    if not answer.passed:
        answer.uses = [
            file for file in _used(path, folder) if not check(folder, chapter(file), limits).passed
        ]
    return answer


def _used(path: Path, folder: Folder) -> list[str]:
    """The earlier chapters that a learner's file imports, directly or indirectly."""
    found: dict[str, None] = {}
    todo = [path]
    while todo:
        try:
            text = todo.pop().read_text("utf-8", "replace")
        except OSError:
            continue
        for name in _IMPORT.findall(text):
            if name in FILES and name not in found and name != path.stem:
                found[name] = None
                todo.append(folder.path / f"{name}.py")
    return sorted(found)


def check_file(path: Path | str, name: str, limits: Limits | None = None) -> ChapterAnswer:
    """The answer to one chapter of a learner's folder, for tests. Raises DataError as `Folder`."""
    return check(Folder(Path(path)), chapter_named(name), limits or Limits())


def learners(path: Path) -> list[Path]:
    """The folders of a class. Raises DataError if there are none."""
    if not path.is_dir():
        raise DataError(f"--class {path}: expected a folder that contains the learners' folders")
    found = sorted(inner for inner in path.iterdir() if inner.is_dir() and is_ours(inner))
    if not found:
        hint = "; this is one learner's folder: leave --class out" if is_ours(path) else ""
        raise DataError(f"--class {path}: expected folders with chapters in it, found none{hint}")
    return found


def check_class(
    path: Path, chapters: Sequence[Chapter], limits: Limits, jobs: int
) -> Iterator[tuple[str, list[ChapterAnswer]]]:
    """The answers to all learners of a class; each chapter runs in a separate process."""

    def one(learner: Path) -> list[ChapterAnswer]:
        folder = Folder(learner)
        return [check(folder, about, limits) for about in chapters]

    found = learners(path)
    with ThreadPoolExecutor(jobs) as pool:
        for learner, answers in zip(found, pool.map(one, found), strict=True):
            yield learner.name, answers
