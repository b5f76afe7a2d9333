"""docs/specs.md, made of the specs' schemas: `python -m meta_trainer.specs.reference FILE`."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from meta_trainer.specs.catalog import list_presets
from meta_trainer.specs.datasets import BUILT_IN_DATASETS
from meta_trainer.specs.schema import SPEC_MODELS, Schema, build_schemas
from meta_trainer.specs.suites import SUITES

_HEAD: Final = """\
# What a spec may say

This page is made of the code (`make openapi`): every field of every spec with its default, its
bounds and its sentence. The same schemas are in [openapi.json](openapi.json), and a server gives
them at `/openapi.json`, the presets at `GET /v1/presets`, the datasets at `GET /v1/datasets`.

Begin with a preset and change what you want to be different:

```console
hyperadam jobs submit --preset quick --set seed=3 --dry-run   # its cost, and what is wrong with it
hyperadam jobs submit --preset quick --set seed=3
```

A field that is left out has its default. `--set` takes dotted paths: `unroll.horizon=200`.

Where "a dataset" stands, the name of a built-in one ({built_in}) may, or of one that
you registered ([datasets.md](datasets.md)).
""".replace("{built_in}", ", ".join(f"`{name}`" for name in BUILT_IN_DATASETS))
_OPENINGS: Final = {
    "meta-training": "## Meta-training",
    "evaluation": "## Evaluation",
    "study": "## Study",
}
_MAX_DEFAULT_CHARS: Final = 60
_MAX_CELL_CHARS: Final = 190
"""Of a table's cell; what is longer goes on below the table."""
_LINE_CHARS: Final = 120
_MARK: Final = "#/$defs/"


def render_reference() -> str:
    """The page."""
    schemas = build_schemas(_MARK + "{model}")
    parts = [_HEAD, _render_presets(), _render_suites()]
    rendered: set[str] = set()
    for kind, model in SPEC_MODELS.items():
        parts.append(_OPENINGS[kind])
        names = [name for name in _walk(model.__name__, schemas) if name not in rendered]
        parts += [_render_object(name, schemas[name]) for name in names]
        rendered.update(names)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _render_presets() -> str:
    rows = ["| kind | preset | what it is for |", "|---|---|---|"]
    rows += [f"| {each.kind} | `{each.name}` | {each.purpose} |" for each in list_presets()]
    return "\n".join(["## Presets", "", *rows])


def _render_suites() -> str:
    rows = ["| suite | what it runs |", "|---|---|"]
    rows += [f"| `{name}` | {suite.title} |" for name, suite in SUITES.items()]
    return "\n".join(["## Suites", "", *rows])


def _walk(name: str, schemas: Mapping[str, Schema]) -> Iterator[str]:
    """An object and those in it, each once, outer ones first."""
    waiting = [name]
    known = {name}
    while waiting:
        name = waiting.pop(0)
        yield name
        for inner in _list_references(schemas[name]):
            if inner not in known:
                known.add(inner)
                waiting.append(inner)


def _list_references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix(_MARK)
        for key, value in schema.items():
            if key not in ("default", "examples"):
                yield from _list_references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _list_references(item)


def _render_object(name: str, schema: Schema) -> str:
    lines = [f"### {name}", "", textwrap.fill(schema["description"], _LINE_CHARS)]
    properties = schema.get("properties")
    if properties:
        lines += ["", "| field | may be | default | |", "|---|---|---|---|"]
        notes: list[str] = []
        lines += [_render_field(field, properties[field], schema, notes) for field in properties]
        if notes:
            lines += ["", *notes]
    return "\n".join(lines)


def _render_field(name: str, field: Schema, schema: Schema, notes: list[str]) -> str:
    """A row.

    Args:
        notes: takes what is too long for a cell.
    """
    is_required = name in schema.get("required", ())
    default = "must be given" if is_required else _render_default(field)
    kind = _render_type(field)
    if len(kind) > _MAX_CELL_CHARS:
        notes.append(_wrap(f"- `{name}` may be {kind}."))
        kind = "see below"
    text, rest = _split_sentences(field["description"])
    if rest:
        notes.append(_wrap(f"- `{name}`: {rest}"))
    cells = [f"`{name}`", kind, default, text]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _split_sentences(text: str) -> tuple[str, str]:
    """As much of a text as a cell takes, and the rest."""
    text = " ".join(text.split())
    if len(text) <= _MAX_CELL_CHARS:
        return text, ""
    ends = [end for mark in (". ", ": ", "; ", ", ") for end in _find_all(mark, text)]
    cut = max(end for end in ends if end <= _MAX_CELL_CHARS)
    sentences = [end for end in _find_all(". ", text) if end <= _MAX_CELL_CHARS]
    cut = max(sentences, default=cut)
    return text[:cut], text[cut:].strip()


def _find_all(mark: str, text: str) -> list[int]:
    """Where each mark ends, without the space after it."""
    return [match.end() - 1 for match in re.finditer(re.escape(mark), text)]


def _wrap(text: str) -> str:
    return textwrap.fill(text, _LINE_CHARS, subsequent_indent="  ", break_long_words=False)


def _render_default(field: Schema) -> str:
    if "default" not in field:
        return ""
    text = json.dumps(field["default"], ensure_ascii=False)
    return f"`{text}`" if len(text) <= _MAX_DEFAULT_CHARS else "its own defaults"


def _render_type(field: Schema) -> str:
    """What a field may be, in words."""
    if "$ref" in field:
        name = field["$ref"].removeprefix(_MARK)
        return f"[{name}](#{name.lower()})"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(word)}`".replace('"', "") for word in field["enum"])
    for several in ("anyOf", "oneOf"):
        if several in field:
            return " or ".join(_render_type(part) for part in field[several])
    return _render_plain(field)


def _render_plain(field: Schema) -> str:
    kind = field.get("type")
    if field.get("format") == "dataset":
        return "a dataset"
    if kind in ("integer", "number"):
        return f"{'whole number' if kind == 'integer' else 'number'}{_render_bounds(field)}"
    if kind == "array" and "prefixItems" in field:
        first = _render_type(field["prefixItems"][0])
        return f"[lowest, highest] of {first}"
    if kind == "array":
        return f"list of {_render_type(field['items'])}"
    if kind == "object":
        values = field.get("patternProperties", {})
        inner = next(iter(values.values()), field.get("additionalProperties", {}))
        return f"object of {_render_type(inner)}" if inner else "object"
    return {"string": "text", "boolean": "true or false", "null": "null"}.get(str(kind), "any JSON")


def _render_bounds(field: Schema) -> str:
    words = {
        "minimum": "≥",
        "exclusiveMinimum": ">",
        "maximum": "≤",
        "exclusiveMaximum": "<",
        "multipleOf": "multiple of",
    }
    bounds = [f"{word} {_render_bound(field[key])}" for key, word in words.items() if key in field]
    return f" {', '.join(bounds)}" if bounds else ""


def _render_bound(bound: float) -> str:
    if bound == int(bound) and abs(bound) < 1e6:
        return f"{int(bound):,}"
    return f"{bound:g}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_reference(), "utf-8")
