"""The REST API as a document: `python -m services.api_document FILE` writes what `/openapi.json`
serves.

docs/openapi.json is this document; a test holds it against the code, so that no change of the wire
goes unnoticed.
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


def document() -> dict[str, Any]:
    """The OpenAPI document. The same for every deployment: nothing is opened, and no setting shows
    in it."""
    settings = Settings.model_validate({})
    services = Container(
        settings=settings, database=Database(settings.database_url), registry=InMemoryRegistry()
    )
    return create_app(services).openapi()


def text() -> str:
    """The document as it stands in a file: keys in the order of the code, one to a line, for
    readable changes."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), "utf-8")
