"""Where the files of runs lie: in a folder of this machine, or in a bucket."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from registry.mlflow_backend.objects import Bucket, check_driver, is_object_store
from registry.mlflow_backend.places import local_folder
from services.backup.errors import BackupError
from services.backup.manifest import StoredFile
from services.backup.objects import copy_checked, copy_file, describe_file, find_object, list_files

AT_ONCE: Final = 16
"""Objects of a bucket that are under way at a time: each takes some milliseconds of waiting."""


class RunFiles(ABC):
    """All files below one root, by their path there."""

    at_once: int = 1
    """How many are best fetched or put at a time."""

    def __init__(self, root: str) -> None:
        self.root: Final = root

    @abstractmethod
    def list_paths(self, runs: Iterable[str]) -> Iterator[str]:
        """The paths of all files.

        Args:
            runs: folders below the root that the database names.
        """

    @abstractmethod
    def fetch(self, path: str, target: Path) -> StoredFile:
        """Copy a file to a new one of this machine.

        Raises:
            FileNotFoundError: it is gone.
        """

    @abstractmethod
    def put(self, backup: Path, stored: StoredFile, path: str) -> None:
        """Copy a file out of a backup, whole or not at all.

        Raises:
            BackupError: its bytes are not what they were.
        """

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether there is no file yet."""

    def clear(self) -> None:
        """Remove what was left unfinished."""


class FolderOfRuns(RunFiles):
    """Everything that lies in a folder, whether the database names it or not."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._folder = folder

    def list_paths(self, runs: Iterable[str]) -> Iterator[str]:  # noqa: ARG002
        for path, _ in list_files(self._folder):
            yield path

    def fetch(self, path: str, target: Path) -> StoredFile:
        return copy_file(self._folder / path, target)

    def put(self, backup: Path, stored: StoredFile, path: str) -> None:
        copy_checked(find_object(backup, stored.sha256), stored, self._folder / path)

    def is_empty(self) -> bool:
        return not self._folder.is_dir() or not any(self._folder.iterdir())

    def clear(self) -> None:
        for part in self._folder.rglob(".*.part"):
            part.unlink()


class BucketOfRuns(RunFiles):
    """Of a bucket, the objects of the runs that the database names: others may have theirs
    there."""

    at_once = AT_ONCE

    def __init__(self, uri: str, tracking_uri: str) -> None:
        super().__init__(uri)
        check_driver(uri)
        self._bucket = Bucket(uri, tracking_uri)

    def list_paths(self, runs: Iterable[str]) -> Iterator[str]:
        for run in runs:
            for path in self._bucket.list_files(run):
                if not any(part.startswith(".") for part in path.split("/")):
                    yield path

    def fetch(self, path: str, target: Path) -> StoredFile:
        if not self._bucket.fetch(path, target):
            raise FileNotFoundError(path)
        return describe_file(target)

    def put(self, backup: Path, stored: StoredFile, path: str) -> None:
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch, name)
            copy_checked(find_object(backup, stored.sha256), stored, file)
            self._bucket.put(file, folder)

    def is_empty(self) -> bool:
        return next(self._bucket.list_files(), None) is None


def open_files(place: str, tracking_uri: str) -> RunFiles:
    """
    Raises:
        BackupError: the place is neither a folder nor a bucket.
        RegistryError: the driver of the bucket is not installed.
    """
    place = place.rstrip("/")
    if is_object_store(place):
        return BucketOfRuns(place, tracking_uri)
    folder = local_folder(place) if place else None
    if folder is None:
        raise BackupError(
            f"files of runs are in {place or 'no place that is set'}: a backup takes them from a "
            "folder or a bucket (s3://…, gs://…), and puts them into one "
            "(HYPERADAM_ARTIFACT_LOCATION)"
        )
    return FolderOfRuns(folder.resolve())
