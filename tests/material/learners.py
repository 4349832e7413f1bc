"""Learners' functions, wrong and right, and a folder in which one of them stands.

They are written as learners write, and not made with the mistakes that `minitorch_np.learn` knows:
those would be named because they are the same.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

from minitorch_np.learn.handout import chapter_source
from minitorch_np.learn.task import FILES, PACKAGE, chapter

HERE = Path(__file__).parent


class Written(NamedTuple):
    """One function as a learner wrote it; `said` is what an answer has to say, or a remark."""

    file: str
    name: str
    said: str
    code: str

    @property
    def id(self) -> str:
        return f"{self.file[:4]}-{self.name}-{self.said}"


def written(kind: str) -> list[Written]:
    """All of a kind, "wrong" or "right"."""
    found = []
    for block in (HERE / f"learners_{kind}.txt").read_text().split("\n### ")[1:]:
        head, code = block.split("\n", 1)
        place, said = head.split(" | ", 1)
        file, name = place.split()
        found.append(Written(file, name, said, code + "\n"))
    return found


def solved(folder: Path) -> None:
    """Write all chapters with their solutions."""
    folder.mkdir(exist_ok=True)
    for file in FILES:
        text = chapter_source(chapter(file)).replace(f"{PACKAGE}.chapters.", "")
        (folder / f"{file}.py").write_text(text)


def hand_in(one: Written, folder: Path) -> Path:
    """Write a chapter with its solutions, and this function in the place of one."""
    text = chapter_source(chapter(one.file)).replace(f"{PACKAGE}.chapters.", "")
    node = next(n for n in ast.parse(text).body if getattr(n, "name", "") == one.name)
    lines = text.splitlines(keepends=True)
    assert node.end_lineno is not None
    lines[node.lineno - 1 : node.end_lineno] = ["import numpy as np\n", one.code]
    path = folder / f"{one.file}.py"
    path.write_text("".join(lines))
    return path
