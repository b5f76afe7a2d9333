"""Opens the job store and the registry of the settings, which belong together."""

from __future__ import annotations

from pathlib import Path

from registry import Registry, connect
from services.database.base import Database
from services.database.facts import check_registry
from services.database.migrations import upgrade
from services.settings import Settings


def make_folder_of(database_url: str, home: Path) -> None:
    """The home, if the job store lies in it."""
    if database_url == f"sqlite:///{home / 'jobs.db'}":
        home.mkdir(parents=True, exist_ok=True, mode=0o700)


def open_stores(settings: Settings) -> tuple[Database, Registry]:
    """Both, with their tables up to date.

    Raises:
        ForeignRegistry: they are no pair.
        RegistryError, SQLAlchemyError: one of them cannot be opened.
    """
    make_folder_of(settings.database_url, settings.home)
    database = Database(settings.database_url)
    upgrade(database)
    registry = connect(settings.tracking_uri, settings.artifact_location)
    check_registry(database, registry)
    return database, registry
