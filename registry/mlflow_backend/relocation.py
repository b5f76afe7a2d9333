"""A registry's database as it is in a backup: which files belong to it, and where they shall be.

MLflow writes absolute places into its tables, and has no command that changes them. What is read
and changed here are columns that its schema has had from the first release of this project on, so
that a backup of an old home can be made, and put back, before anything is upgraded.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from registry.errors import RegistryError
from registry.mlflow_backend.connection import EXPERIMENT, IDENTITY_TAG
from registry.mlflow_backend.models import CHANGE_PREFIX, read_changes
from registry.mlflow_backend.places import BESIDE_TAG, choose_place, local_folder
from registry.mlflow_backend.version_tags import SHA256_TAG
from registry.records import theta_path
from registry.version_log import read_standing

_PLACES: Final = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "model_versions": ["source", "storage_location"],
}
"""Table → its columns that hold absolute places."""
_THETAS: Final = """
    SELECT version.name, version.version, tag.value AS sha256, run.artifact_uri
    FROM model_versions AS version
    JOIN model_version_tags AS tag
      ON tag.name = version.name AND tag.version = version.version AND tag.key = :sha256_tag
    JOIN runs AS run ON run.run_uuid = version.run_id
    ORDER BY version.name, version.version
"""


@dataclass(frozen=True, kw_only=True)
class ThetaFile:
    """Of a version that was not deleted."""

    optimizer: str
    number: int
    sha256: str
    path: str
    """Below the root."""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What a registry's database says of itself and its files."""

    identity: str
    """Empty: it was never opened by a version that gives registries one."""
    root: str
    """Where files lie, as it was recorded: a folder or a URI."""
    is_beside: bool
    """Whether the tag says that they lie beside the database."""
    thetas: tuple[ThetaFile, ...]
    runs: tuple[str, ...]
    """Folders of runs below the root."""

    def find_root(self, database: Path | None, requested: str) -> str:
        """Where the files lie now: a folder or a URI.

        Args:
            database: the file of a registry on SQLite.
            requested: the place that settings say.
        """
        if database is None:
            return self.root
        chosen = choose_place(self.root, database, requested, is_tagged=self.is_beside)
        return chosen.now or self.root


def read_holding(connection: Connection) -> Holding:
    """
    Raises:
        RegistryError: the database is no registry of this project.
    """
    query = text("SELECT experiment_id, artifact_location FROM experiments WHERE name = :name")
    experiment = connection.execute(query, {"name": EXPERIMENT}).one_or_none()
    if experiment is None:
        raise RegistryError(f"the registry has no experiment {EXPERIMENT!r}: it was never opened")

    query = text("SELECT key, value FROM experiment_tags WHERE experiment_id = :id")
    rows = connection.execute(query, {"id": experiment.experiment_id})
    tags = {row.key: row.value for row in rows}
    root = str(experiment.artifact_location).rstrip("/")
    return Holding(
        identity=tags.get(IDENTITY_TAG, ""),
        root=root,
        is_beside=BESIDE_TAG in tags,
        thetas=tuple(_list_thetas(connection, root)),
        runs=tuple(_list_runs(connection, root, experiment.experiment_id)),
    )


def relocate(connection: Connection, root: str) -> None:
    """Record that all files lie below another root, a folder or a URI, wherever they were."""
    before = read_holding(connection).root
    for table, columns in _PLACES.items():
        for column in columns:
            change = f"""
                UPDATE {table} SET {column} = :new || substr({column}, :n_chars + 1)
                WHERE {column} = :old OR substr({column}, 1, :n_chars + 1) = :old_folder
            """
            values = {"new": root, "old": before, "n_chars": len(before)}
            connection.execute(text(change), values | {"old_folder": f"{before}/"})
    if local_folder(root) is None:
        forget = text("DELETE FROM experiment_tags WHERE key = :key")
        connection.execute(forget, {"key": BESIDE_TAG})


def _list_runs(connection: Connection, root: str, experiment_id: int) -> list[str]:
    query = text("SELECT artifact_uri FROM runs WHERE experiment_id = :id ORDER BY run_uuid")
    places = connection.scalars(query, {"id": experiment_id})
    return [str(place).removeprefix(f"{root}/") for place in places if place.startswith(f"{root}/")]


def _list_thetas(connection: Connection, root: str) -> list[ThetaFile]:
    deleted = _read_deleted(connection)
    files = []
    for row in connection.execute(text(_THETAS), {"sha256_tag": SHA256_TAG}):
        if row.version in deleted[row.name]:
            continue
        place = str(row.artifact_uri)
        folder = place.removeprefix(f"{root}/")
        if folder == place:
            raise RegistryError(
                f"the file of {row.name}@{row.version} is in {place}, and not below {root}, where "
                "the registry has its files"
            )
        file = ThetaFile(
            optimizer=row.name,
            number=row.version,
            sha256=row.sha256,
            path=f"{folder}/{theta_path(row.sha256)}",
        )
        files.append(file)
    return files


def _read_deleted(connection: Connection) -> dict[str, frozenset[int]]:
    """Optimizer → numbers whose files are gone, or about to go."""
    tags: dict[str, dict[str, str]] = defaultdict(dict)
    query = text("SELECT name, key, value FROM registered_model_tags")
    for row in connection.execute(query):
        if row.key.startswith(CHANGE_PREFIX):
            tags[row.name][row.key] = row.value
    deleted: dict[str, frozenset[int]] = defaultdict(frozenset)
    for name, changes in tags.items():
        deleted[name] = read_standing({}, read_changes(changes)).deleted
    return deleted
