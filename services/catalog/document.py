"""The specs of jobs in `/openapi.json`: the body of a submission is one of three, told apart by its
`kind`, and each spec has all its fields.

A request's `spec` is read as a plain object first, because a preset may be laid under it; its
schema comes from the models all the same (`meta_trainer.specs.schema`).

The document is made and written as JSON once, off the event loop: it is half a megabyte, and a
hundred clients that asked for it stopped every other answer for five seconds.
"""

from __future__ import annotations

import json
import threading
from functools import lru_cache
from typing import Any, Final

from fastapi import FastAPI, Request, Response

from meta_trainer.specs.schema import SPEC_MODELS, build_schemas

_PATH: Final = "/openapi.json"
_REQUEST: Final = "JobRequest"
_NAMES: Final = {
    "meta-training": "MetaTrainingRequest",
    "evaluation": "EvaluationRequest",
    "study": "StudyRequest",
}


def install(app: FastAPI) -> None:
    """Put the specs' schemas into the application's document."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        document = original()
        schemas = document["components"]["schemas"]
        if "oneOf" not in schemas[_REQUEST]:  # the document is made once
            schemas |= build_schemas()
            _tell_kinds_apart(schemas)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    _serve(app)


def _serve(app: FastAPI) -> None:
    """Answer with the document, which says below which path the service is."""
    making = threading.Lock()

    @lru_cache(maxsize=8)
    def encode(root_path: str) -> bytes:
        content = app.openapi()
        if root_path:
            content = {**content, "servers": [{"url": root_path}]}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()

    def answer(request: Request) -> Response:
        with making:
            content = encode(request.scope.get("root_path", "").rstrip("/"))
        return Response(content, media_type="application/json")

    app.add_route(_PATH, answer, include_in_schema=False)


def _tell_kinds_apart(schemas: dict[str, Any]) -> None:
    """One request for each kind of job, in the place of the one with a free object."""
    request = schemas[_REQUEST]
    references = {}
    for kind, name in _NAMES.items():
        spec = {"$ref": f"#/components/schemas/{SPEC_MODELS[kind].__name__}"}
        properties = request["properties"] | {"kind": {"type": "string", "const": kind}}
        properties["spec"] = spec
        required = ["kind", "spec"] if kind != "meta-training" else ["kind"]
        schemas[name] = {**request, "title": name, "properties": properties, "required": required}
        references[kind] = f"#/components/schemas/{name}"
    schemas[_REQUEST] = {
        "title": _REQUEST,
        "description": request["description"],
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "kind", "mapping": references},
    }
