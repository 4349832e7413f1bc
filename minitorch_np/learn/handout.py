"""Makes a chapter's file for learners from the one with the solutions.

The body of each function that has a docstring is replaced by `return ...`; functions without a
docstring are kept. Imports of other chapters become imports of the learner's own files.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from typing import Any

from minitorch_np.learn.task import PACKAGE, Chapter

PLACE = "return ...  # write this"


@functools.cache
def handed_out(file: str, source: str) -> str:
    """A chapter's source without its solutions."""
    lines = source.splitlines()
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)]
    for function in sorted(filter(ast.get_docstring, functions), key=lambda f: -f.lineno):
        start, end = function.body[0].end_lineno, function.end_lineno
        assert start is not None
        indent = " " * function.body[0].col_offset
        lines[start:end] = [indent + PLACE]
    return "\n".join(lines).replace(f"from {PACKAGE}.chapters.", "from ") + "\n"


def chapter_source(chapter: Chapter) -> str:
    """A chapter's file with the solutions."""
    return inspect.getsource(chapter.module)


def text_of(chapter: Chapter) -> str:
    """The text of a chapter that `learn start` writes."""
    return handed_out(chapter.file, chapter_source(chapter))


def function_source(module: Any, name: str) -> str:
    """The source of one solution."""
    return textwrap.dedent(inspect.getsource(getattr(module, name)))


def without_docstrings(source: str) -> str:
    """The source without comments and docstrings, in the form to which changes are applied."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
