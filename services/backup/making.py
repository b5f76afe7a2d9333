"""From a running service to a backup.

The order makes it consistent: first the job store, then the registry, then the files. What a job
store names, its registry has by then; and a Θ is written before its version. Only what is deleted
meanwhile may be missing: then the registry is taken once more.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from alembic.migration import MigrationContext
from hyperadam import __version__
from sqlalchemy import Connection

from registry.durable_files import flush_to_disk
from registry.mlflow_backend.relocation import Holding, ThetaFile, read_holding
from services.backup.databases import describe_database, dump_database, find_file, find_kind
from services.backup.errors import BackupError
from services.backup.manifest import (
    Kind,
    Manifest,
    StoredDatabase,
    StoredFile,
    StoredTheta,
    find_missing,
    write_manifest,
)
from services.backup.objects import FOLDER as FILES
from services.backup.objects import add_object, describe_file
from services.backup.run_files import open_files
from services.embedded.home import KEY_FILE
from services.own_files import open_own
from services.secret_files import write_secret
from services.settings import Settings

_TRIES: Final = 3


def back_up(settings: Settings, folder: Path) -> Manifest:
    """Make a backup in a new folder.

    Raises:
        BackupError: the folder is in use, or what the settings name cannot be backed up.
        RegistryError: the registry is none, or a bucket with its files does not answer.
    """
    kinds = {
        "jobs": find_kind(settings.database_url, "DATABASE_URL"),
        "registry": find_kind(settings.tracking_uri, "MLFLOW_TRACKING_URI"),
    }
    _make_folder(folder)
    target = folder / f"jobs.{kinds['jobs']}"
    with dump_database(settings.database_url, target) as connection:
        revision = read_revision(connection)
    job_store = describe_database("jobs", kinds["jobs"], describe_file(target))
    key = _keep_key(settings, folder)
    for _ in range(_TRIES):
        registry, holding = _dump_registry(settings, folder, kinds["registry"])
        manifest = Manifest(
            made_at=datetime.now(UTC),
            code_version=__version__,
            schema_revision=revision,
            registry_identity=holding.identity,
            job_store=job_store,
            registry=registry,
            files=_keep_files(settings, holding, folder),
            thetas=[_describe_theta(file) for file in holding.thetas],
            api_key=key,
        )
        missing = find_missing(manifest)
        if not missing:
            _flush(folder)
            write_manifest(folder, manifest)
            flush_to_disk(folder)
            return manifest
    names = ", ".join(f"{theta.optimizer}@{theta.number} ({theta.path})" for theta in missing)
    raise BackupError(f"the file of a version is gone, or is another: {names}")


def read_revision(connection: Connection) -> str:
    """Which of our migrations made the tables.

    Raises:
        BackupError: none did.
    """
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise BackupError("DATABASE_URL names a database that is no job store")
    return revision


def _make_folder(folder: Path) -> None:
    """Of this user alone: the job store and the key are secrets."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError as error:
        raise BackupError(f"{folder} is a file: take a folder that is not there yet") from error
    if any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty: each backup gets a folder of its own")
    folder.chmod(0o700)


def _dump_registry(settings: Settings, folder: Path, kind: Kind) -> tuple[StoredDatabase, Holding]:
    target = folder / f"registry.{kind}"
    target.unlink(missing_ok=True)
    with dump_database(settings.tracking_uri, target) as connection:
        holding = read_holding(connection)
    return describe_database("registry", kind, describe_file(target)), holding


def _keep_files(settings: Settings, holding: Holding, folder: Path) -> dict[str, StoredFile]:
    place = holding.find_root(find_file(settings.tracking_uri), settings.artifact_location)
    source = open_files(place, settings.tracking_uri)

    def keep(path: str) -> tuple[str, StoredFile] | None:
        try:
            return path, add_object(folder, partial(source.fetch, path))
        except FileNotFoundError:  # an older checkpoint went meanwhile
            return None

    with ThreadPoolExecutor(source.at_once) as pool:
        kept = pool.map(keep, source.list_paths(holding.runs))
        return dict(entry for entry in kept if entry is not None)


def _keep_key(settings: Settings, folder: Path) -> StoredFile | None:
    source = settings.home / KEY_FILE
    if not settings.keeps_jobs_at_home or not source.exists():
        return None
    with open_own(source, "rb") as file:
        write_secret(folder / KEY_FILE, file.read().decode("ascii"))
    return describe_file(folder / KEY_FILE)


def _flush(folder: Path) -> None:
    """Databases, and the names of all files; the files themselves were flushed one by one."""
    for path in folder.iterdir():
        flush_to_disk(path)
    for path in (folder / FILES).glob("*"):
        flush_to_disk(path)


def _describe_theta(file: ThetaFile) -> StoredTheta:
    return StoredTheta(
        optimizer=file.optimizer, number=file.number, sha256=file.sha256, path=file.path
    )
