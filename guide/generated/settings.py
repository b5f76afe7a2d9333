"""Every setting of the server, from the class that reads them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from services.setting_names import PREFIX
from services.settings import Settings


def render_settings() -> str:
    """A row for each field: its variable, its default, what it is."""
    sentences = _read_sentences()
    rows = ["| variable | default | what |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = _render_default(name, field.default)
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {sentences.get(name, '')} |")
    return "\n".join(rows)


def _render_default(name: str, default: Any) -> str:
    if name in ("home", "python"):
        return {"home": "`~/.local/share/hyperadam`", "python": "this one"}[name]
    if default is PydanticUndefined or default in ("", None):
        return ""
    if isinstance(default, SecretStr):
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _read_sentences() -> dict[str, str]:
    """Field → the text below it in the source."""
    sentences: dict[str, str] = {}
    for each in Settings.__mro__:
        if each.__module__.startswith("services."):
            sentences |= _read_sentences_of(each)
    return sentences


def _read_sentences_of(settings: type) -> dict[str, str]:
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(definition, ast.ClassDef)
    sentences = {}
    for line, after in zip(definition.body, definition.body[1:], strict=False):
        if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            sentences[line.target.id] = " ".join(str(after.value.value).split()).replace("|", r"\|")
    return sentences
