"""Every route of the REST API, from `docs/openapi.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs/openapi.json"
_METHODS: Final = ("get", "head", "post", "put", "patch", "delete")


def render_routes() -> str:
    """A section for each tag, and in it a heading for each operation."""
    sections: dict[str, list[str]] = {}
    for path, operations in json.loads(DOCUMENT.read_text("utf-8"))["paths"].items():
        for method in _METHODS:
            if method in operations:
                operation = operations[method]
                [tag, *_] = operation.get("tags", ["service"])
                sections.setdefault(tag, []).append(_render(path, method, operation))
    return "\n\n".join(
        "\n\n".join([f"## {tag.capitalize()}", *texts]) for tag, texts in sections.items()
    )


def _render(path: str, method: str, operation: dict[str, Any]) -> str:
    lines = [f"### `{method.upper()} {path}`", "", operation.get("description", "")]
    for parameter in operation.get("parameters", []):
        if parameter["in"] in ("query", "header"):
            text = " ".join(parameter.get("description", "").split())
            lines.append(
                f"\n- {parameter['in']} `{parameter['name']}`{': ' + text if text else ''}"
            )
    statuses = ", ".join(f"`{status}`" for status in operation["responses"])
    return "\n".join([*lines, "", f"Answers: {statuses}."])
