"""Files that hold a secret: readable by their owner alone, and never half written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_secret(path: Path, secret: str) -> None:
    """Put the secret into the file, in place of what it held."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    # private from the first moment on: `chmod` would come after the file is there
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
    part.replace(path)
