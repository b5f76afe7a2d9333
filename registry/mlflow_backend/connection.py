"""Opening the store that a tracking URI names, and our experiment in it.

A SQLite file is made under another name, in WAL mode, and gets its own when its tables are there:
MLflow cannot go on where the making of its tables was cut off. First connections take a lock, since
MLflow's migrations of an empty database must not run twice at once. Connection pools do not survive
a fork: a child starts with empty ones.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import uuid
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as ModelStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError

from registry.errors import RegistryError
from registry.mlflow_backend.errors import ALREADY_EXISTS, translate_errors
from registry.mlflow_backend.locks import FileLocks, LeaseLocks, Locks, PostgresLocks
from registry.mlflow_backend.objects import check_driver
from registry.mlflow_backend.places import FOLDER, NOWHERE_ELSE, Place, find_place, local_folder

EXPERIMENT: Final = "hyperadam"
IDENTITY_TAG: Final = "hyperadam.registry"

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


@dataclass(frozen=True)
class Store:
    """An open tracking store."""

    client: MlflowClient
    experiment: Experiment
    locks: Locks
    engine: Engine | None
    """For reads that `MlflowClient` cannot express; None behind an MLflow server."""
    place: Place = NOWHERE_ELSE

    @property
    def experiment_id(self) -> str:
        return str(self.experiment.experiment_id)

    @property
    def identity(self) -> str:
        """What this registry is known by, also as a copy or at another place."""
        return str(self.experiment.tags[IDENTITY_TAG])

    def make_root(self) -> Path | None:
        """The local folder of all files, made if it is not there; None: they lie elsewhere."""
        root = local_folder(self.place.now or str(self.experiment.artifact_location))
        if root is None or self.engine is None:
            return None
        with suppress(OSError):  # told by whoever keeps a file
            root.mkdir(parents=True, exist_ok=True)
        return root

    def close(self) -> None:
        """Close the pooled connections to this database; the next use opens new ones."""
        for engine in _all_engines():
            if self.engine is not None and engine.url == self.engine.url:
                engine.dispose()


def open_store(tracking_uri: str, artifact_location: str) -> Store:
    """Open (and, where it is empty, create) the store; errors as `registry.connect` says."""
    check_driver(artifact_location)
    store = _open(tracking_uri, artifact_location)
    check_driver(str(store.experiment.artifact_location))
    return store


def _open(tracking_uri: str, artifact_location: str) -> Store:
    scheme = urlsplit(tracking_uri).scheme
    if scheme == "sqlite":
        return _open_sqlite(tracking_uri, artifact_location)
    if scheme == "postgresql+psycopg":
        return _open_postgres(tracking_uri, artifact_location)
    if scheme in ("http", "https"):
        client = MlflowClient(tracking_uri, tracking_uri)
        experiment = _ensure_experiment(client, artifact_location)
        return Store(client, experiment, LeaseLocks(client), engine=None)
    raise ValueError(
        "tracking_uri must begin with sqlite:///, postgresql+psycopg://, http://, https:// or "
        f"memory://, got the scheme {scheme!r}"
    )


def _open_sqlite(uri: str, artifact_location: str) -> Store:
    database = make_url(uri).database
    if not database or database == ":memory:":
        raise ValueError(
            "tracking_uri must name a file, as in sqlite:////var/lib/hyperadam/registry.db"
        )

    path = Path(database).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    requested = _absolute(artifact_location)
    locks = FileLocks(path.with_name(f"{path.name}.lock"))
    absolute_uri = f"sqlite:///{path}"

    with locks.hold("connect"), _name_file(path):
        if not path.exists():
            _make_sqlite(path)
        _write_ahead(path)
        client = open_migrated_client(absolute_uri)
        experiment = _ensure_experiment(client, requested or str(path.parent / FOLDER))
        place = find_place(client, experiment, path, requested)
    return Store(client, experiment, locks, _make_engine(absolute_uri), place)


def _make_sqlite(path: Path) -> None:
    """A file with all of MLflow's tables: whole, or not there."""
    part = path.with_name(f".{path.name}.part")
    for left in path.parent.glob(f"{part.name}*"):
        left.unlink()
    uri = f"sqlite:///{part}"
    _write_ahead(part)
    open_migrated_client(uri)
    for engines in (TrackingStore._engine_map, ModelStore._engine_map):
        engine = engines.get(uri)
        if engine is not None:
            engine.dispose()
    with closing(sqlite3.connect(part, timeout=60)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    part.replace(path)


def _write_ahead(path: Path) -> None:
    """Put a file into WAL mode, in which readers do not wait; one that was copied may not be."""
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


@contextmanager
def _name_file(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be opened.

    Raises:
        RegistryError: it cannot.
    """
    try:
        yield
    except (RegistryError, sqlite3.Error) as error:
        raise RegistryError(f"{path} cannot be opened: {error}") from error


def _open_postgres(uri: str, artifact_location: str) -> Store:
    try:
        engine = _make_engine(uri)
    except ArgumentError as error:
        raise ValueError("tracking_uri is not a database URL") from error

    locks = PostgresLocks(engine)
    with translate_errors(), locks.hold("connect"):
        client = open_migrated_client(uri)
        if not artifact_location and client.get_experiment_by_name(EXPERIMENT) is None:
            raise ValueError(
                "artifact_location must be given for a new registry on Postgres: a folder or URI"
            )
        experiment = _ensure_experiment(client, artifact_location)
    return Store(client, experiment, locks, engine)


def _make_engine(uri: str) -> Engine:
    engine = create_engine(uri, pool_pre_ping=True)
    _engines.add(engine)
    return engine


def open_migrated_client(uri: str) -> MlflowClient:
    """A client of a SQL store whose tables exist, made if the database is empty."""
    with translate_errors(), _silence("mlflow.store.db.utils"), _silence("alembic.runtime"):
        client = MlflowClient(uri, uri)
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
        return client


def _ensure_experiment(client: MlflowClient, artifact_location: str) -> Experiment:
    """Our experiment with its identity, created if there is none; where two create it at once, that
    of the first."""
    experiment = _find_experiment(client, artifact_location)
    if IDENTITY_TAG not in experiment.tags:
        with translate_errors():
            client.set_experiment_tag(experiment.experiment_id, IDENTITY_TAG, uuid.uuid4().hex)
        experiment = _find_experiment(client, artifact_location)
    return experiment


def _find_experiment(client: MlflowClient, artifact_location: str) -> Experiment:
    location = _absolute(artifact_location) or None
    with translate_errors():
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            try:
                client.create_experiment(EXPERIMENT, location)
            except MlflowException as error:
                if error.error_code != ALREADY_EXISTS:
                    raise
            experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None or experiment.lifecycle_stage != "active":
            raise RegistryError(
                f"the experiment {EXPERIMENT!r} was deleted in MLflow: restore it there"
            )
        return experiment


def _absolute(artifact_location: str) -> str:
    """URIs as they are; a folder as an absolute path."""
    if not artifact_location or urlsplit(artifact_location).scheme:
        return artifact_location
    return str(Path(artifact_location).resolve())


@contextmanager
def _silence(logger_name: str) -> Iterator[None]:
    """Keep one logger's announcements of its migrations out of the logs."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _all_engines() -> list[Engine]:
    """Our engines, and those that MLflow keeps for as long as the process lives."""
    return [*_engines, *TrackingStore._engine_map.values(), *ModelStore._engine_map.values()]


def _forget_inherited_connections() -> None:
    for engine in _all_engines():
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_inherited_connections)
