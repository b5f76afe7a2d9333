"""Opens the job store and the registry of the settings, which belong together."""

from __future__ import annotations

from contextlib import ExitStack

from registry import Registry, connect
from services.database.base import Database
from services.database.facts import check_registry
from services.database.marks import check_mark
from services.database.migrations import upgrade
from services.embedded.home import check_restored
from services.settings import Settings


def open_stores(settings: Settings) -> tuple[Database, Registry]:
    """Both, with their tables up to date; where it fails, neither stays open.

    Raises:
        ForeignRegistry: they are no pair.
        LostWrites: the job store has lost what was written last.
        RegistryError, SQLAlchemyError: one of them cannot be opened.
        UnusableHome: a restore was cut off in it.
    """
    check_restored(settings.home)
    if settings.keeps_jobs_at_home:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as opened:
        database = Database(settings.database_url)
        opened.callback(database.dispose)
        check_mark(database)
        upgrade(database)
        registry = connect(settings.tracking_uri, settings.artifact_location)
        opened.callback(registry.close)
        check_registry(database, registry)
        opened.pop_all()
    return database, registry
