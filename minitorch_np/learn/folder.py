"""A learner's folder: the chapters' files, and a small file with the progress.

Existing files are never overwritten; if the package has a newer text of one, this is reported.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.io.atomic import replacing
from minitorch_np.learn.answer import PASSED, ChapterAnswer
from minitorch_np.learn.handout import text_of
from minitorch_np.learn.task import FILES, Chapter, chapter

PROGRESS = "learn_progress.json"
FORMAT = 1
TEST = "test_chapters.py"
TEST_TEXT = '''"""All chapters as tests: `pytest`, or `pytest --junitxml=result.xml` for XML."""

from pathlib import Path

import pytest

from minitorch_np.learn.check import check_file, files


@pytest.mark.parametrize("name", files())
def test_chapter(name):
    answer = check_file(Path(__file__).parent, name)
    assert answer.passed, str(answer)
'''


@dataclass
class Started:
    """The result of `start`: files written, files kept, and files kept that have a newer text."""

    folder: str
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    older: list[str] = field(default_factory=list)


class Folder:
    """A folder with chapters in it, and its progress file. Raises DataError if it is neither."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not is_ours(path):
            raise DataError(
                f"{path}: expected a folder made by `minitorch-np learn start`, with files such as "
                f"{FILES[0]}.py; run it there, or give --dir FOLDER"
            )
        self.state = _read(path / PROGRESS)

    def file(self, about: Chapter) -> Path:
        """The path of a chapter's file, which may not exist."""
        return self.path / f"{about.file}.py"

    def is_untouched(self, about: Chapter) -> bool:
        """Whether a chapter's file is unchanged."""
        with contextlib.suppress(OSError):
            found = _digest(self.file(about).read_bytes())
            return found in (
                _digest(text_of(about).encode()),
                self.state["handed_out"].get(about.file),
            )
        return False

    def remember(self, answer: ChapterAnswer) -> None:
        """Store the result of a check, if the folder is writable."""
        if answer.begun and answer.file not in self.state["tried"]:
            self.state["tried"].append(answer.file)
        right = [f.name for f in answer.functions if f.status == PASSED]
        self.state["right"][answer.file] = right
        with contextlib.suppress(OSError):
            self.save()

    def is_right(self, about: Chapter) -> list[str]:
        """The functions of a chapter that were right when it was last checked."""
        return list(self.state["right"].get(about.file, []))

    def next_hint(self, about: Chapter, function: str | None) -> tuple[str, str, int, int]:
        """A function's name, its next hint ("" after the last), the hint's number and their count.

        The default is the first function that is not right yet. Raises ConfigurationError for an
        unknown one.
        """
        names = [task.name for task in about.tasks]
        if function is not None and function not in names:
            raise ConfigurationError(
                f"learn hint: expected a function of {about.file}, {', '.join(names)}; "
                f"got {function!r}"
            )
        right = self.is_right(about)
        name = function or next((n for n in names if n not in right), names[-1])
        hints = about.tasks[names.index(name)].hints
        key = f"{about.file}.{name}"
        given = min(self.state["hints"].get(key, 0) + 1, len(hints) + 1)
        self.state["hints"][key] = given
        self.save()
        return name, hints[given - 1] if given <= len(hints) else "", given, len(hints)

    def save(self) -> None:
        """Write the progress file."""
        with replacing(self.path / PROGRESS) as file:
            file.write(json.dumps(self.state, indent=1).encode())


def is_ours(path: Path) -> bool:
    """Whether there is a progress file, or a chapter."""
    return any((path / name).exists() for name in (PROGRESS, *(f"{file}.py" for file in FILES)))


def find(given: str | None) -> Path:
    """The folder for a command: the given one, the current one, or `learn` in it."""
    if given is not None:
        return Path(given)
    return next((path for path in (Path(), Path("learn")) if is_ours(path)), Path())


def start(path: Path) -> Started:
    """Write the missing chapters. Raises DataError for a folder with other files."""
    if path.exists() and not path.is_dir():
        raise DataError(f"{path}: expected a folder or a new name, got a file")
    if path.is_dir() and any(path.iterdir()) and not is_ours(path):
        raise DataError(
            f"{path}: expected a new or empty folder, or one made by `learn start`; this one has "
            "other files in it: give another name, as in `minitorch-np learn start my_network`"
        )
    path.mkdir(parents=True, exist_ok=True)
    result, state = Started(str(path)), _read(path / PROGRESS)
    texts = {f"{file}.py": text_of(chapter(file)) for file in FILES}
    for name, text in {**texts, TEST: TEST_TEXT}.items():
        file, digest = path / name, _digest(text.encode())
        known = state["handed_out"].get(name.removesuffix(".py"))
        if not file.exists():
            with replacing(file) as out:
                out.write(text.encode())
            state["handed_out"][name.removesuffix(".py")] = digest
            result.written.append(name)
        elif known is not None and known != digest:
            result.older.append(name)
        else:
            result.kept.append(name)
    with replacing(path / PROGRESS) as out:
        out.write(json.dumps(state, indent=1).encode())
    return result


def _digest(content: bytes) -> str:
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """The progress file's content. Raises DataError for one that is damaged or too new."""
    fresh: dict[str, Any] = {
        "format": FORMAT,
        "handed_out": {},
        "tried": [],
        "right": {},
        "hints": {},
    }
    if not path.exists():
        return fresh
    try:
        found = json.loads(path.read_bytes())
        number = found["format"]
        kinds = all(isinstance(found.get(name), type(value)) for name, value in fresh.items())
    except (ValueError, KeyError, TypeError, RecursionError):
        number, kinds = FORMAT, False
    if isinstance(number, int) and number > FORMAT:
        raise DataError(
            f"{path}: expected format {FORMAT}, got {number}, of a newer minitorch_np: update it"
        )
    if not kinds:
        raise DataError(
            f"{path}: expected the progress file of `learn`, got a damaged one: delete it and run "
            "`minitorch-np learn start` here again; your chapters are kept"
        )
    return {**fresh, **found}
