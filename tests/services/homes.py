"""A new home with a key, as `migrate` and `keys create` leave it: made in this process, for each of
the two commands takes seconds to import everything."""

from __future__ import annotations

from pathlib import Path

from services.auth.service import ApiKeys
from services.settings import Settings
from services.stores import open_stores


def make_home(folder: Path, name: str) -> str:
    """Make it; returns the key, which may do everything.

    Args:
        name: of the key.
    """
    database, registry = open_stores(Settings(home=folder, executor="process"))
    try:
        return ApiKeys(database).create(name, ["admin"]).key
    finally:
        registry.close()
        database.dispose()
