"""Alembic migrations, shipped inside the package.

`upgrade` brings a database of any earlier version up to date.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from services.database.base import Database

FOLDER: Final = Path(__file__).parent


class NewerSchema(Exception):
    """The database has a schema that this version does not know."""


def make_configuration(database: Database) -> Config:
    """Alembic's configuration for this database.

    The environment script finds the database in `attributes`.
    """
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["database"] = database
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema up to date; several processes may do so at once.

    Raises:
        NewerSchema: a newer version of this program made it.
    """
    try:
        command.upgrade(make_configuration(database), revision)
    except CommandError as error:
        if "Can't locate revision" not in str(error):
            raise
        raise NewerSchema(
            "the job store was made by a newer version of HyperAdam: install that, "
            "or take a backup from before"
        ) from error
