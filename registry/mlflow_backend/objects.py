"""Object stores: files of runs in a bucket of S3 (or MinIO) or of Google Cloud Storage.

MLflow's repositories do the work, with drivers that come by an extra each. What they raise becomes
the contract's error; that a driver is missing is said when a registry is opened.
"""

from __future__ import annotations

import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from registry.errors import RegistryError
from registry.mlflow_backend.errors import translate_errors

PROBE_FOLDER: Final = ".probe"
PROBE_BYTES: Final = b"probe" * 1000


class Driver(NamedTuple):
    """What talks to a kind of store."""

    module: str
    extra: str
    """Of `hyperadam-server`."""


DRIVERS: Final = {
    "s3": Driver("boto3", "s3"),
    "gs": Driver("google.cloud.storage", "gcs"),
}
_FAILURES: Final = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("boto3.exceptions", "Boto3Error"),
    ("google.api_core.exceptions", "GoogleAPIError"),
    ("google.auth.exceptions", "GoogleAuthError"),
)
_MISSING: Final = frozenset({404, "404", "NoSuchKey"})


def is_object_store(uri: str) -> bool:
    return urlsplit(uri).scheme in DRIVERS


def check_driver(uri: str) -> None:
    """
    Raises:
        RegistryError: files are to be in a store whose driver is not installed.
    """
    driver = DRIVERS.get(urlsplit(uri).scheme)
    if driver is None:
        return
    try:
        import_module(driver.module)
    except ImportError as error:
        raise RegistryError(
            f"artifacts in {uri} need {driver.module}, which is not installed: "
            f"pip install 'hyperadam-server[{driver.extra}]'"
        ) from error


def open_repository(uri: str, tracking_uri: str) -> Any:
    return get_artifact_repository(uri, tracking_uri=tracking_uri)


@contextmanager
def translate_failures() -> Iterator[None]:
    """Raise RegistryError for what a store, or the way to it, refuses."""
    with translate_errors():
        try:
            yield
        except _list_failures() as error:
            raise RegistryError(f"the artifact store failed: {_describe(error)}") from error


class Bucket:
    """The objects below a URI, by their path there. Thread-safe."""

    def __init__(self, uri: str, tracking_uri: str) -> None:
        with translate_failures():
            self._repository = open_repository(uri, tracking_uri)

    def list_files(self, folder: str = "") -> Iterator[str]:
        """Paths of all objects in a folder, but for probes."""
        with translate_failures():
            for file in walk_files(self._repository.list_artifacts, folder):
                if not file.path.startswith(f"{PROBE_FOLDER}/"):
                    yield str(file.path)

    def fetch(self, path: str, target: Path) -> bool:
        """Copy an object into a file, by one request for it; False: there is none."""
        with translate_failures():
            try:
                self._repository._download_file(path, str(target))
            except _list_failures() as error:
                if _read_code(error) in _MISSING:
                    return False
                raise
        return True

    def put(self, file: Path, folder: str) -> None:
        """Copy a file into a folder, under its own name."""
        with translate_failures():
            self._repository.log_artifact(str(file), folder or None)


def walk_files(list_folder: Callable[[str | None], Iterable[Any]], folder: str) -> Iterator[Any]:
    """All files in a folder, and in the folders there.

    Args:
        list_folder: what is in one folder, files and folders, as MLflow's `FileInfo`.
    """
    pending = [folder]
    while pending:
        for child in list_folder(pending.pop() or None):
            if child.is_dir:
                pending.append(child.path)
            else:
                yield child


def read_object(uri: str, path: str, tracking_uri: str) -> bytes | None:
    """The object below the URI; None: there is none."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "object")
        return file.read_bytes() if Bucket(uri, tracking_uri).fetch(path, file) else None


def check_objects(uri: str, tracking_uri: str) -> None:
    """Put an object below the URI, read it and remove it.

    Raises:
        RegistryError: one of the three failed.
    """
    name = f"{uuid.uuid4().hex}.probe"
    with tempfile.TemporaryDirectory() as scratch, translate_failures():
        repository = open_repository(uri, tracking_uri)
        sent = Path(scratch, name)
        sent.write_bytes(PROBE_BYTES)
        repository.log_artifact(str(sent), PROBE_FOLDER)
        path = f"{PROBE_FOLDER}/{name}"
        received = Path(scratch, "received")
        repository._download_file(path, str(received))
        repository.delete_artifacts(path)
        if received.read_bytes() != PROBE_BYTES:
            raise RegistryError("the artifact store gave back other bytes than it was given")


def _list_failures() -> tuple[type[Exception], ...]:
    """What drivers raise, of those that are imported: others raise nothing. `requests` raises
    OSErrors."""
    failures: list[type[Exception]] = [OSError]
    for module_name, name in _FAILURES:
        module = sys.modules.get(module_name)
        if module is not None:
            failures.append(getattr(module, name))
    return tuple(failures)


def _read_code(error: Exception) -> object:
    """The status, or the store's own word, of a refusal."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return response.get("Error", {}).get("Code")
    with suppress(AttributeError):
        return error.code  # type: ignore[attr-defined]
    return None


def _describe(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
