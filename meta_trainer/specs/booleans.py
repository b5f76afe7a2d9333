"""`true` is no number, though pydantic takes it for 1 where a number is expected.

A spec with `"seed": true` is a slip, and one that is kept as 1 says something else than its author
did.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_NUMBERS: Final = ("int", "float", "literal")
"""Kinds of schemas that take `true` for 1; a literal compares equal to it."""
_NO_SCHEMAS: Final = ("default", "metadata", "serialization", "config")


class Numeric:
    """Mixed into models whose numbers are no truth values."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _visit(schema, handler, set())
        return schema


def _refuse_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError(
            "boolean_for_number",
            "must not be {value}, a truth value",
            {"value": str(value).lower()},
        )
    return value


def _visit(node: Any, handler: GetCoreSchemaHandler, visited: set[int]) -> Any:
    """The node with every number in it guarded, in place where that can be.

    Schemas of other classes stand as references, which are followed once.
    """
    if isinstance(node, tuple):
        return tuple(_visit(item, handler, visited) for item in node)
    if isinstance(node, list):
        node[:] = [_visit(item, handler, visited) for item in node]
        return node
    if not isinstance(node, dict) or id(node) in visited:
        return node
    visited.add(id(node))

    if node.get("type") == "definition-ref":
        _visit(handler.resolve_ref_schema(node), handler, visited)
        return node
    if _is_guarded(node):
        return node
    if _takes_boolean(node):
        return core_schema.no_info_before_validator_function(_refuse_boolean, dict(node))
    for name, member in node.items():
        if name not in _NO_SCHEMAS:
            node[name] = _visit(member, handler, visited)
    return node


def _is_guarded(node: dict[str, Any]) -> bool:
    function = node.get("function")
    return isinstance(function, dict) and function.get("function") is _refuse_boolean


def _takes_boolean(node: dict[str, Any]) -> bool:
    if node.get("type") == "literal":
        expected = node["expected"]
        return any(type(value) in (int, float) for value in expected)
    return node.get("type") in _NUMBERS
