"""Artifacts: small files in a run's own place.

Where that place is a local folder, files are written beside their final name, flushed to the disk
and moved into place, so that a reader sees a whole file or none (MLflow's own copy is not atomic).
Elsewhere MLflow's repositories do it (`objects.py`). Paths are strict, and no segment begins with a
dot: unfinished files do, and are therefore invisible.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path

from mlflow import MlflowClient

from registry import checks
from registry.durable_files import write_whole
from registry.errors import ArtifactNotFound, RegistryError
from registry.mlflow_backend.connection import Store
from registry.mlflow_backend.objects import (
    check_objects,
    is_object_store,
    open_repository,
    read_object,
    translate_failures,
    walk_files,
)
from registry.mlflow_backend.places import local_folder
from registry.mlflow_backend.runs import Runs
from registry.records import ArtifactInfo


class Artifacts:
    """Files of runs, by run id and strict relative path."""

    def __init__(self, store: Store, runs: Runs) -> None:
        self._client: MlflowClient = store.client
        self._runs = runs
        self._root = store.make_root()
        self._location = str(store.experiment.artifact_location)

    @property
    def are_objects(self) -> bool:
        """Whether each file is an object in a bucket."""
        return self._root is None and is_object_store(self._location)

    def check(self) -> None:
        """Keep a few bytes, where all files are, and remove them."""
        root = self._root
        if root is None:
            if local_folder(self._location) is None:  # else it is a folder of the MLflow server
                check_objects(self._location, self._client.tracking_uri)
            return
        probe = root / f".{uuid.uuid4().hex}.probe"
        try:
            probe.write_bytes(b"probe" * 1000)
        except OSError as error:
            raise RegistryError(f"files cannot be kept in {root}: {error.strerror}") from error
        finally:
            with suppress(OSError):
                probe.unlink()

    def put(self, run_id: str, path: str, data: bytes) -> None:
        checks.check_artifact_path(path)
        root = local_folder(self._runs.artifact_uri(run_id))
        if root is None:
            self._upload(run_id, path, data)
            return
        try:
            write_whole(root / path, data)
        except OSError as error:
            raise RegistryError(f"artifact {path!r} cannot be stored: {error.strerror}") from error

    def get(self, run_id: str, path: str) -> bytes:
        checks.check_artifact_path(path)
        root = local_folder(self._runs.artifact_uri(run_id))
        if root is None:
            return self._download(run_id, path)
        try:
            return (root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise _not_found(run_id, path) from None
        except OSError as error:
            raise RegistryError(f"artifact {path!r} cannot be read: {error.strerror}") from error

    def list_files(self, run_id: str, folder: str) -> list[ArtifactInfo]:
        if folder:
            checks.check_artifact_path(folder)
        root = local_folder(self._runs.artifact_uri(run_id))
        files = self._list_remote(run_id, folder) if root is None else _list_local(root, folder)
        return sorted(files, key=lambda info: info.path)

    def delete(self, run_id: str, path: str) -> None:
        checks.check_artifact_path(path)
        uri = self._runs.artifact_uri(run_id)
        root = local_folder(uri)
        if root is not None:
            with suppress(FileNotFoundError, NotADirectoryError):
                (root / path).unlink()
        elif self._is_remote_file(run_id, path):
            with translate_failures():
                open_repository(uri, self._client.tracking_uri).delete_artifacts(path)

    def remove_folders(self, run_id: str, *, with_files: bool) -> None:
        """Of a run in a local folder: its own with all that is in it, or those that are empty."""
        root = local_folder(self._runs.artifact_uri(run_id))
        if root is None:
            return
        if with_files:
            shutil.rmtree(root, ignore_errors=True)
        for current, _, _ in os.walk(root, topdown=False):
            with suppress(OSError):  # something is left in it
                Path(current).rmdir()
        with suppress(OSError):
            root.parent.rmdir()

    def _upload(self, run_id: str, path: str, data: bytes) -> None:
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as scratch, translate_failures():
            file = Path(scratch, name)
            file.write_bytes(data)
            self._client.log_artifact(run_id, str(file), folder or None)

    def _download(self, run_id: str, path: str) -> bytes:
        uri = self._runs.artifact_uri(run_id)
        if is_object_store(uri):
            data = read_object(uri, path, self._client.tracking_uri)
            if data is None:
                raise _not_found(run_id, path)
            return data
        if not self._is_remote_file(run_id, path):
            raise _not_found(run_id, path)
        with tempfile.TemporaryDirectory() as scratch, translate_failures():
            return Path(self._client.download_artifacts(run_id, path, scratch)).read_bytes()

    def _list_remote(self, run_id: str, folder: str) -> list[ArtifactInfo]:
        with translate_failures():
            files = list(walk_files(partial(self._client.list_artifacts, run_id), folder))
        return [ArtifactInfo(path=file.path, size_bytes=int(file.file_size or 0)) for file in files]

    def _is_remote_file(self, run_id: str, path: str) -> bool:
        folder, _, _ = path.rpartition("/")
        with translate_failures():
            siblings = self._client.list_artifacts(run_id, folder or None)
        return any(info.path == path and not info.is_dir for info in siblings)


def _list_local(root: Path, folder: str) -> list[ArtifactInfo]:
    files = []
    for current, folders, names in os.walk(root / folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith("."):
                continue
            file = Path(current, name)
            path = file.relative_to(root).as_posix()
            files.append(ArtifactInfo(path=path, size_bytes=file.stat().st_size))
    return files


def _not_found(run_id: str, path: str) -> ArtifactNotFound:
    return ArtifactNotFound(f"run {run_id} has no artifact {path!r}")
