"""Which small changes a source file admits: found in its syntax tree, made in its text.

An edit replaces the text of one node, so that the difference shows nothing else. Left alone is what
no test should notice: annotations, words, logging, and assertions that are there for the type
checker. So is what stands in an f-string, whose parts have no true positions before Python 3.12.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import Any, Final

COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
LOGGERS: Final = ("logger.", "_log.", "logging.", "warnings.")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A piece of text in the place of another; positions are bytes of the file."""

    kind: str
    line: int
    start: int
    end: int
    replacement: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.replacement.encode() + source[self.end :]


def find_edits(source: bytes) -> list[Edit]:
    """Every edit that a file admits, in the order of its text."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return sorted(finder.edits, key=lambda edit: (edit.start, edit.end, edit.kind))


class _Finder(ast.NodeVisitor):
    def __init__(self, source: bytes) -> None:
        self.edits: list[Edit] = []
        self._line_starts = [0]
        for line in source.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))

    # --- what is left alone

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_arg(self, node: ast.arg) -> None:
        pass

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in (node.args, *node.decorator_list, *node.body):
            self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef

    # --- expressions

    def visit_Compare(self, node: ast.Compare) -> None:
        for index, operator in enumerate(node.ops):
            operators = list(node.ops)
            operators[index] = COMPARISONS[type(operator)]()
            self._exchange("comparison", node, ops=operators)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        self._exchange("and/or", node, op=other())
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = ARITHMETIC.get(type(node.op))
        if other is not None:
            self._exchange("arithmetic", node, op=other())
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub):
            self._replace("removed operator", node, f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._exchange("swapped branches", node, body=node.orelse, orelse=node.body)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._change_constant("constant", node)

    # --- statements

    def visit_arguments(self, node: ast.arguments) -> None:
        for default in (*node.defaults, *node.kw_defaults):
            if isinstance(default, ast.Constant):
                self._change_constant("default value", default)
            elif default is not None:
                self.visit(default)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            return
        self._replace("swapped branches", node.test, f"(not ({ast.unparse(node.test)}))")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            self._drop(node)
            return
        if not isinstance(node.value, ast.Constant):
            self._replace("return value", node.value, "None")
        self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            if ast.unparse(node.value.func).startswith(LOGGERS):
                return
            self._drop(node)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.targets[0], ast.Attribute | ast.Subscript):
            self._drop(node)
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._drop(node)
        self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._drop(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._drop(node)

    def visit_Break(self, node: ast.Break) -> None:
        self._drop(node)

    # --- how

    def _change_constant(self, kind: str, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._replace(kind, node, str(not value))
        elif isinstance(value, int):
            self._replace(kind, node, str(value + 1))
        elif isinstance(value, float):
            self._replace(kind, node, str(2 * value if value else 1.0))

    def _exchange(self, kind: str, node: ast.expr, **parts: Any) -> None:
        """The same expression with other parts."""
        changed = copy.copy(node)
        for name, part in parts.items():
            setattr(changed, name, part)
        self._replace(kind, node, f"({ast.unparse(changed)})")

    def _drop(self, node: ast.stmt) -> None:
        self._replace("dropped statement", node, "pass")

    def _replace(self, kind: str, node: ast.expr | ast.stmt, replacement: str) -> None:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        edit = Edit(
            kind=kind,
            line=node.lineno,
            start=self._line_starts[node.lineno - 1] + node.col_offset,
            end=self._line_starts[node.end_lineno - 1] + node.end_col_offset,
            replacement=replacement,
        )
        self.edits.append(edit)
