"""From a backup to a new home.

Everything is verified before anything is put in place. While that goes on, a file `restoring` lies
in the home: no service opens it, and a restore that was cut off is carried on by the same command.
The home that comes of it stands by itself: its registry says that files lie in its own folder,
wherever those of the original are (decision 36).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic.script import ScriptDirectory
from alembic.util import CommandError

from registry.mlflow_backend.relocation import ThetaFile, read_holding, relocate
from services.backup.databases import (
    change_database,
    check_empty,
    find_file,
    find_kind,
    load_database,
)
from services.backup.errors import BackupError
from services.backup.manifest import Manifest, StoredDatabase, find_missing, read_manifest
from services.backup.objects import check_file, copy_checked, find_object
from services.backup.run_files import RunFiles, open_files
from services.database.migrations import FOLDER as MIGRATIONS
from services.embedded.home import KEY_FILE, RESTORING_FILE, Home
from services.settings import Settings

_PART_FILE: Final = f".{RESTORING_FILE}.part"
_WITH_ANY_HOME: Final = {"lock", "data", "cache", RESTORING_FILE, _PART_FILE}
"""What may lie in a home that is new: nothing of a service's own."""


def restore(settings: Settings, backup: Path) -> Manifest:
    """Put a backup into the home, or the databases, that the settings name.

    Raises:
        BackupError: the backup is not whole, or the place is in use.
        HomeInUse, UnusableHome: as `Home.lock`.
    """
    manifest = read_manifest(backup)
    files = _check_target(settings, manifest)
    verify(backup, manifest)
    with Home(settings.home).lock(), _mark(settings, manifest, files):
        _put_files(backup, manifest, files)
        _load(backup, manifest.job_store, settings.database_url)
        _load(backup, manifest.registry, settings.tracking_uri)
        with change_database(settings.tracking_uri) as connection:
            relocate(connection, files.root)
            _compare_thetas(manifest, read_holding(connection).thetas)
        _check_thetas(manifest, files)
        if manifest.api_key is not None and settings.keeps_jobs_at_home:
            copy_checked(backup / KEY_FILE, manifest.api_key, settings.home / KEY_FILE)
            (settings.home / KEY_FILE).chmod(0o600)
    return manifest


def verify(backup: Path, manifest: Manifest) -> None:
    """Read all of it, and compare every digest.

    Raises:
        BackupError: it is not whole, or does not fit together.
    """
    try:
        ScriptDirectory(str(MIGRATIONS)).get_revision(manifest.schema_revision)
    except CommandError as error:
        raise BackupError(
            f"the backup was made by a newer version of HyperAdam, {manifest.code_version}: "
            "install that"
        ) from error
    for theta in find_missing(manifest):
        raise BackupError(f"the backup has no file of {theta.optimizer}@{theta.number}")
    for database in (manifest.job_store, manifest.registry):
        check_file(backup / database.file_name, database.content)
    if manifest.api_key is not None:
        check_file(backup / KEY_FILE, manifest.api_key)
    contents = {stored.sha256: stored for stored in manifest.files.values()}
    for sha256, stored in sorted(contents.items()):
        check_file(find_object(backup, sha256), stored)


def _put_files(backup: Path, manifest: Manifest, files: RunFiles) -> None:
    with ThreadPoolExecutor(files.at_once) as pool:
        done = [
            pool.submit(files.put, backup, stored, path) for path, stored in manifest.files.items()
        ]
        for each in done:
            each.result()


def _check_target(settings: Settings, manifest: Manifest) -> RunFiles:
    """Where files of runs go, when all can be put."""
    targets = {
        "DATABASE_URL": (settings.database_url, manifest.job_store),
        "MLFLOW_TRACKING_URI": (settings.tracking_uri, manifest.registry),
    }
    for setting, (url, database) in targets.items():
        if find_kind(url, setting) != database.kind:
            raise BackupError(
                f"{setting} names no {database.kind} database, which the backup was made of: "
                "name an empty one"
            )
    return open_files(settings.artifact_location, settings.tracking_uri)


@contextmanager
def _mark(settings: Settings, manifest: Manifest, files: RunFiles) -> Iterator[None]:
    """Keep services off until the block has ended well."""
    marker = settings.home / RESTORING_FILE
    order = f"{manifest.registry.content.sha256} {files.root}"
    if marker.exists():
        if marker.read_text() != order:
            raise BackupError(
                f"{settings.home} is half restored from another backup, or with its files "
                "elsewhere: empty both, or take another home"
            )
        _clear(settings, files)
    _check_new(settings, manifest, files, goes_on=marker.exists())
    part = settings.home / _PART_FILE
    part.write_text(order)
    part.replace(marker)
    yield
    marker.unlink()


def _clear(settings: Settings, files: RunFiles) -> None:
    """Remove what a restore that was cut off has left: databases in files, and unfinished files."""
    files.clear()
    for url in (settings.database_url, settings.tracking_uri):
        file = find_file(url)
        if file is None:
            continue
        for left in [file, *file.parent.glob(".*.part"), *file.parent.glob(f"{file.name}-*")]:
            left.unlink(missing_ok=True)


def _check_new(settings: Settings, manifest: Manifest, files: RunFiles, *, goes_on: bool) -> None:
    """
    Raises:
        BackupError: something is there that is not of this backup.
    """
    for url in (settings.database_url, settings.tracking_uri):
        check_empty(url)
    if goes_on:
        return
    found = {path.name for path in settings.home.iterdir()} - _WITH_ANY_HOME
    if settings.keeps_jobs_at_home and found:
        raise BackupError(
            f"{settings.home} is not empty ({min(found)}): a backup is put into a new home only"
        )
    if not files.is_empty():
        raise BackupError(
            f"{files.root} is not empty: {len(manifest.files)} files of runs go there, and nothing "
            "else may be there"
        )


def _load(backup: Path, database: StoredDatabase, url: str) -> None:
    load_database(backup / database.file_name, database.content, url)


def _compare_thetas(manifest: Manifest, thetas: Sequence[ThetaFile]) -> None:
    """
    Raises:
        BackupError: the registry that came of it names other files than the backup has.
    """
    expected = {(theta.path, theta.sha256) for theta in manifest.thetas}
    found = {(theta.path, theta.sha256) for theta in thetas}
    if found != expected:
        raise BackupError("the restored registry names other versions than the backup")


def _check_thetas(manifest: Manifest, files: RunFiles) -> None:
    """Read every Θ where it was put.

    Raises:
        BackupError: one has another digest there.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for theta in manifest.thetas:
            target = Path(scratch, "theta")
            if files.fetch(theta.path, target).sha256 != theta.sha256:
                raise BackupError(
                    f"{files.root}/{theta.path} is not what was put there: its digest is another"
                )
            target.unlink()
