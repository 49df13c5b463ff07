"""Mutants of Python sources: one operator, constant or statement changed. It imports nothing of oxnor: the process that
runs tests on mutants must not have loaded what it changes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.Add,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.Pow: ast.Mult,
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "ceil": "floor", "floor": "ceil"}


@dataclass(frozen=True)
class Mutation:
    """A change of a node.

    Parameters
    ----------
    line : int
    before, after : str
        Source of the statement's part that changes.
    node : int
        Number of the node in the order of :func:`ast.walk`.
    variant : int
        Which of the node's changes it is.
    """

    line: int
    before: str
    after: str
    node: int
    variant: int

    def __str__(self) -> str:
        return f"{self.line}: {self.before} -> {self.after}"


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node may become."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in _COMPARISONS.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [other()], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS and not _is_text(node):
        yield ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.AugAssign) and type(node.op) in _OPERATORS:
        yield ast.AugAssign(node.target, _OPERATORS[type(node.op)](), node.value)
        yield ast.Pass()
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.If | ast.While) and not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
        yield type(node)(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if name in _NAMES:
            function: ast.expr = ast.Name(_NAMES[name], ast.Load())
            if isinstance(node.func, ast.Attribute):
                function = ast.Attribute(node.func.value, _NAMES[name], ast.Load())
            yield ast.Call(function, node.args, node.keywords)
    elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)) or isinstance(
        node, ast.Continue | ast.Break
    ):
        yield ast.Pass()


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(n, ast.Constant | ast.JoinedStr) and not _number(n) for n in (node.left, node.right))


def _number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _left_out(tree: ast.AST) -> set[int]:
    """Return the nodes that are not changed, by id: texts for people, types, assertions, decorators."""
    out: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
            parts = [node]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef):
            arguments = [*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs]
            parts = [node.returns, *node.decorator_list, *(a.annotation for a in arguments)]
        elif isinstance(node, ast.ClassDef):
            parts = [*node.decorator_list]
        elif isinstance(node, ast.keyword) and node.arg == "strict":
            parts = [node]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reshape":
            # Any number below 0 is what is left.
            parts = [a for a in node.args if isinstance(a, ast.UnaryOp) and isinstance(a.operand, ast.Constant)]
        elif (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)) or (
            isinstance(node, ast.FunctionDef) and node.name in ("__repr__", "__str__")
        ):
            parts = [node]
        for part in parts:
            if part is not None:
                out |= {id(n) for n in ast.walk(part)}
    return out


def mutations(source: str) -> list[Mutation]:
    """Return every mutation of a source."""
    tree = ast.parse(source)
    out, found = _left_out(tree), []
    parents = {id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for k, node in enumerate(ast.walk(tree)):
        if id(node) in out:
            continue
        before, around = _first(node), node
        while isinstance(around, ast.Constant | ast.UnaryOp | ast.Slice | ast.Tuple):
            around = parents[id(around)]
        # A number alone says little.
        if around is not node and isinstance(
            around, ast.expr | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return
        ):
            before = f"{_first(around)}: {before}"
        for v, other in enumerate(_variants(node)):
            found.append(Mutation(getattr(node, "lineno", 0), before, _first(other), k, v))
    return found


def _first(node: ast.AST) -> str:
    """Return the source of a node, or its first line."""
    if isinstance(node, ast.If | ast.While):
        return f"if {ast.unparse(node.test)}"
    text = ast.unparse(ast.fix_missing_locations(node)).split("\n")[0]
    return text if len(text) <= 80 else f"{text[:79]}…"


def place(source: str, node: int) -> tuple[int, int]:
    """Return the first and the last line of the statement that a node is in, or of its head if others are in it."""
    tree = ast.parse(source)
    target = list(ast.walk(tree))[node]
    found = (0, 0)
    for statement in ast.walk(tree):
        # Outer statements come first.
        if isinstance(statement, ast.stmt) and any(n is target for n in ast.walk(statement)):
            body = getattr(statement, "body", None)
            found = statement.lineno, body[0].lineno - 1 if body else statement.end_lineno or 0
            found = found[0], max(found)
    return found


def mutated(source: str, node: int, variant: int) -> ast.Module:
    """Return the tree of a source with one of its mutations."""
    tree = ast.parse(source)
    target = list(ast.walk(tree))[node]
    other = list(_variants(target))[variant]
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, other)
            elif isinstance(value, list):
                value[:] = [other if item is target else item for item in value]
    ast.copy_location(other, target)
    return ast.fix_missing_locations(tree)
