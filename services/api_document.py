"""The REST API as a document: `python -m services.api_document FILE` writes it to a file.

It is what `/openapi.json` serves. docs/openapi.json is this document; a test holds it against the
code, so that no change of the wire goes unnoticed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from registry.memory import InMemoryRegistry
from services.app import create_app
from services.container import Container
from services.database.base import Database
from services.settings import Settings


def build_document() -> dict[str, Any]:
    """The OpenAPI document.

    It is the same for every deployment: nothing is opened, and no setting shows in it.
    """
    settings = Settings.model_validate({})
    services = Container(
        settings=settings,
        database=Database(settings.database_url),
        registry=InMemoryRegistry(),
    )
    return create_app(services).openapi()


def format_document() -> str:
    """The document as it stands in a file: keys in the order of the code, one to a line."""
    return json.dumps(build_document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(format_document(), "utf-8")
