"""Mistakes that are not listed: small changes of a solution's source, each with a description.

If a learner's function gives the same numbers as a solution without `+ b`, it lacks `+ b`, however
it is written. So each frequent change of one place in the solution is tried: an operator, an
operand, a transpose, an axis, a sum for a mean, one argument for another.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**"}
SWAPS: dict[Any, tuple[Any, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.MatMult, ast.Div),
    ast.Div: (ast.Mult,), ast.MatMult: (ast.Mult,),
}  # fmt: skip
COMPARED = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!="}
FLIPS: dict[Any, tuple[Any, ...]] = {
    ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE), ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
}  # fmt: skip
TWINS = {
    "sum": ("mean", "max"), "mean": ("sum",), "max": ("min", "sum"), "min": ("max",),
    "maximum": ("minimum",), "minimum": ("maximum",), "argmax": ("argmin", "max"),
    "log": ("log2", "log10"), "exp": ("exp2",), "std": ("var",), "square": ("abs",),
    "expm1": ("exp",), "abs": ("square",), "zeros_like": ("ones_like",),
}  # fmt: skip
"""Functions that are easily confused."""


class Mutant(NamedTuple):
    """A changed source, and a description of the change."""

    words: str
    source: str


@functools.cache
def mutants(source: str) -> tuple[Mutant, ...]:
    """All changes of one place of a function or class."""
    return tuple(_mutants(source))


def _mutants(source: str) -> Iterator[Mutant]:
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        arguments = [a.arg for a in function.args.args if a.arg != "self"]
        own = [n for n in ast.walk(function) if isinstance(n, ast.Name)]
        names = [*arguments, *sorted({n.id for n in own if isinstance(n.ctx, ast.Store)})]
        for statement in function.body:
            for node in ast.walk(statement):
                for words, other in _changes(node, names):
                    yield Mutant(words, _with(tree, node, other))


def _with(tree: ast.AST, node: ast.AST, other: ast.AST) -> str:
    """The source with one node replaced by another."""

    class Exchange(ast.NodeTransformer):
        def visit(self, visited: ast.AST) -> Any:
            return other if visited is node else self.generic_visit(_shallow(visited))

    return ast.unparse(Exchange().visit(tree))


def _shallow(node: ast.AST) -> ast.AST:
    """A copy whose lists may be changed without changing the tree."""
    twin = copy.copy(node)
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            setattr(twin, name, list(value))
    return twin


def _changes(node: ast.AST, names: list[str]) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.BinOp):
        yield from _of_operator(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield f"the minus sign before `{ast.unparse(node.operand)}` is missing", node.operand
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield f"the transpose of `{ast.unparse(node.value)}` is missing", node.value
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        old = type(node.ops[0])
        for new in FLIPS.get(old, ()):
            words = f"`{COMPARED[new]}` stands where `{COMPARED[old]}` belongs"
            yield words, ast.Compare(node.left, [new()], node.comparators)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        for other in names:
            if other != node.id:
                yield f"`{other}` stands where `{node.id}` belongs", ast.Name(other, node.ctx)
    elif isinstance(node, ast.AugAssign) and type(node.op) in SWAPS:
        for new in SWAPS[type(node.op)]:
            words = f"`{SIGNS[new]}=` stands where `{SIGNS[type(node.op)]}=` belongs"
            yield words, ast.AugAssign(node.target, new(), node.value)


def _of_operator(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    kind = type(node.op)
    if kind not in SIGNS:
        return
    sign, left, right = SIGNS[kind], ast.unparse(node.left), ast.unparse(node.right)
    shown = f"({right})" if isinstance(node.right, ast.BinOp) else right
    lost = {"/": f"the division by `{right}` is missing", "**": f"`**{shown}` is missing"}
    yield lost.get(sign, f"`{sign} {shown}` is missing"), node.left
    if kind not in (ast.Pow, ast.Div):
        yield f"`{left} {sign}` is missing", node.right
    for new in SWAPS.get(kind, ()):
        words = f"`{SIGNS[new]}` stands where `{sign}` belongs, before `{right}`"
        yield words, ast.BinOp(node.left, new(), node.right)
    if kind in (ast.Sub, ast.Div, ast.MatMult):
        words = f"`{left}` and `{right}` are exchanged around `{sign}`"
        yield words, ast.BinOp(node.right, node.op, node.left)
    if kind is ast.Div:
        words = f"the division by `{right}` is there twice"
        yield words, ast.BinOp(node, ast.Div(), node.right)
    if kind is ast.MatMult:
        for name, operand in (("left", node.left), ("right", node.right)):
            if not (isinstance(operand, ast.Attribute) and operand.attr == "T"):
                other = ast.Attribute(operand, "T", ast.Load())
                pair = (other, node.right) if name == "left" else (node.left, other)
                words = f"`{ast.unparse(operand)}` is transposed where it should not be"
                yield words, ast.BinOp(pair[0], node.op, pair[1])
        turned = ast.BinOp(_turned(node.right), node.op, _turned(node.left))
        yield "the product is transposed", turned


def _turned(node: ast.expr) -> ast.expr:
    """A matrix transposed; a transposed one loses its .T."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T", ast.Load())


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    for twin in TWINS.get(name, ()):
        assert isinstance(node.func, ast.Attribute)
        func = ast.Attribute(node.func.value, twin, ast.Load())
        yield f"`{twin}` stands where `{name}` belongs", ast.Call(func, node.args, node.keywords)
    for number, keyword in enumerate(node.keywords):
        rest = [k for i, k in enumerate(node.keywords) if i != number]
        text = f"{keyword.arg}={ast.unparse(keyword.value)}"
        yield f"`{text}` is missing", ast.Call(node.func, node.args, rest)
        if text in ("axis=0", "axis=1"):
            axis = 1 - int(text[-1])
            other = ast.keyword("axis", ast.Constant(axis))
            words = f"{name} goes along axis {axis}, not along axis {1 - axis}"
            yield words, ast.Call(node.func, node.args, [*rest, other])
    if name == "where" and len(node.args) == 3:
        a, b, c = node.args
        yield "the two sides of the choice are exchanged", ast.Call(node.func, [a, c, b], [])
    if len(node.args) == 1 and not node.keywords and name in ("exp", "log", "sqrt", "abs", "tanh"):
        yield f"`{name}` is missing", node.args[0]
