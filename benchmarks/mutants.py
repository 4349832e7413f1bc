"""Small mistakes, made by machine: a file of the package with one thing changed, for `mutation`."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = "minitorch_np"

COMPARISONS: dict[type[ast.AST], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.AST], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Mod: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}  # fmt: skip


class Mutant(NamedTuple):
    """A file of the package, and what one of its lines becomes."""

    file: str
    line: int
    kind: str
    before: str
    after: str
    text: str


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """What may stand in the place of a node, and what kind of mistake that is."""
    new = copy.deepcopy(node)
    if isinstance(new, ast.Compare):
        new.ops[0] = COMPARISONS[type(new.ops[0])]()
        yield "comparison", new
    elif isinstance(new, (ast.BinOp, ast.AugAssign)) and type(new.op) in ARITHMETIC:
        new.op = ARITHMETIC[type(new.op)]()
        yield "arithmetic", new
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
        yield "boolean", new
    elif isinstance(new, ast.UnaryOp) and isinstance(new.op, (ast.Not, ast.USub)):
        yield "not" if isinstance(new.op, ast.Not) else "sign", new.operand
    elif isinstance(new, ast.Constant) and isinstance(new.value, (bool, int, float)):
        is_flag = isinstance(new.value, bool)
        new.value = not new.value if is_flag else new.value + 1 if new.value < 10 else 0
        yield "constant", new
    elif isinstance(new, ast.Call) and len(new.args) > 1:
        if any(isinstance(argument, ast.Starred) for argument in new.args[:2]):
            return
        new.args[:2] = new.args[1::-1]
        yield "arguments", new
    elif isinstance(new, (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise)):
        yield "statement", ast.Pass()
    elif isinstance(new, ast.Return) and new.value is not None:
        yield "statement", ast.Return(ast.Constant(None))
    elif isinstance(new, ast.If):
        new.test = ast.Constant(True)
        yield "condition", new


def sites(node: ast.AST) -> Iterator[Any]:
    """All nodes that may be changed: no texts, annotations, messages or `if TYPE_CHECKING`."""
    if isinstance(node, (ast.JoinedStr, ast.Import, ast.ImportFrom)):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        if isinstance(node, ast.Raise):
            continue  # what an error says
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from sites(child)


def mutants_of(path: Path) -> list[Mutant]:
    """All mutants of a file; each differs from it in the lines of one node only."""
    return [mutant for mutant in candidates(path) if is_change(mutant)]


def candidates(path: Path) -> list[Mutant]:
    """The mutants of a file, and some that only look like one."""
    source = path.read_text()
    file, found = str(path.relative_to(ROOT)), []
    tree = ast.parse(source)
    for node in [each for each in sites(tree) if hasattr(each, "lineno")]:
        for kind, new in changes(node):
            before = ast.get_source_segment(source, node) or ""
            whole = kind == "condition"
            old = ast.get_source_segment(source, node.test) if isinstance(node, ast.If) else before
            place = node.test if isinstance(node, ast.If) and whole else node
            after = "True" if whole else _inside(ast.unparse(new or ast.Pass()), node)
            text = _replaced(source, place, after)
            found.append(Mutant(file, place.lineno, kind, old or "", after, text))
    return found


def is_change(mutant: Mutant) -> bool:
    """Whether it is Python, and another program."""
    try:
        changed = ast.parse(mutant.text)
    except SyntaxError:
        return False
    return ast.dump(changed) != ast.dump(ast.parse((ROOT / mutant.file).read_text()))


def _inside(text: str, node: ast.AST) -> str:
    """An expression stays one piece wherever it is put."""
    return (
        f"({text})" if isinstance(node, ast.expr) and not isinstance(node, ast.Constant) else text
    )


def _replaced(source: str, node: Any, text: str) -> str:
    """The source with other text in the place of a node (columns are counted in bytes)."""
    lines = source.encode().splitlines(keepends=True)
    first, last = node.lineno - 1, node.end_lineno - 1
    head = b"".join(lines[:first]) + lines[first][: node.col_offset]
    tail = lines[last][node.end_col_offset :] + b"".join(lines[last + 1 :])
    return str(head + text.encode() + tail, "utf-8")
