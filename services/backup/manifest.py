"""`manifest.json`: all that a backup holds, with digests.

It is written last and by renaming: a folder without one is no backup. Its own digest stands in it.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from services.backup.errors import BackupError

MANIFEST_FILE: Final = "manifest.json"


def _check_path(path: str) -> str:
    """A path below a folder; whoever can write a backup must not choose where its files go."""
    parts = PurePosixPath(path).parts
    is_plain = bool(parts) and not any(part.startswith((".", "/")) for part in parts)
    if not is_plain or "\0" in path:
        raise ValueError(f"must be a relative path without hidden parts, got {path!r}")
    return path


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PlainPath = Annotated[str, AfterValidator(_check_path)]
Kind = Literal["sqlite", "postgres"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredFile(_Record):
    """One file's bytes."""

    sha256: Digest
    size_bytes: int = Field(ge=0)


class StoredDatabase(_Record):
    """A database that was written into a file of the backup."""

    kind: Kind
    name: Literal["jobs", "registry"]
    content: StoredFile

    @property
    def file_name(self) -> str:
        return f"{self.name}.{self.kind}"


class StoredTheta(_Record):
    """A version whose Θ is in the backup."""

    optimizer: str
    number: int
    sha256: Digest
    path: PlainPath
    """Among `files`."""


class Manifest(_Record):
    """What a backup holds."""

    format: Literal[1] = 1
    made_at: datetime
    code_version: str
    schema_revision: str
    """Of the job store's tables."""
    registry_identity: str
    job_store: StoredDatabase
    registry: StoredDatabase
    files: dict[PlainPath, StoredFile]
    """Path below the folder of runs' files → its bytes."""
    thetas: list[StoredTheta]
    api_key: StoredFile | None = None
    """The key that the home's first start made, where it is still there."""

    @property
    def n_bytes(self) -> int:
        """Of the files of runs, each content once."""
        sizes = {file.sha256: file.size_bytes for file in self.files.values()}
        return sum(sizes.values())


def find_missing(manifest: Manifest) -> list[StoredTheta]:
    """Versions whose Θ is not among the files, or is another one there."""
    missing = []
    for theta in manifest.thetas:
        file = manifest.files.get(theta.path)
        if file is None or file.sha256 != theta.sha256:
            missing.append(theta)
    return missing


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make the folder a backup. The caller has flushed every other file of it to the disk."""
    content = manifest.model_dump_json()
    digest = hashlib.sha256(content.encode()).hexdigest()
    part = folder / f".{MANIFEST_FILE}.part"
    with part.open("w") as file:
        json.dump({"sha256": digest, "content": content}, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / MANIFEST_FILE)


def read_manifest(folder: Path) -> Manifest:
    """
    Raises:
        BackupError: the folder is no whole backup, or its manifest was changed.
    """
    path = folder / MANIFEST_FILE
    try:
        envelope = json.loads(path.read_text("utf-8"))
        content = str(envelope["content"])
        digest = str(envelope["sha256"])
    except (FileNotFoundError, NotADirectoryError):
        raise BackupError(
            f"{folder} is no whole backup: it has no {MANIFEST_FILE}, which is written last"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{path} cannot be read: {error}") from error

    if hashlib.sha256(content.encode()).hexdigest() != digest:
        raise BackupError(f"{path} was changed after it had been written")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        raise BackupError(f"{path} says nothing usable of {field}: {problem['msg']}") from error
