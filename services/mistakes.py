"""What an operator can mend is told in a sentence, without a traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from services.setting_names import describe_unknown
from services.settings import Settings

errors = Console(stderr=True)


def read_settings(**options: Any) -> Settings:
    """The settings of the environment, with the options that are not None in their place.

    Raises:
        typer.Exit: they are wrong, which is told.
    """
    unknown = describe_unknown(os.environ, Settings.model_fields)
    if unknown:
        fail("\n".join(unknown))
    overrides = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = ["the settings are wrong:"]
        for problem in error.errors(include_url=False):
            field = ".".join(map(str, problem["loc"]))
            lines.append(f"{field}: {problem['msg']}")
        fail("\n".join(lines))
    except OSError as error:
        fail(f"cannot read {error.filename}: {error.strerror}")


@contextmanager
def report_briefly() -> Iterator[None]:
    """Tell what cannot be opened, and end."""
    from sqlalchemy.exc import SQLAlchemyError

    from registry import RegistryError
    from services.backup.errors import BackupError
    from services.database.facts import ForeignRegistry
    from services.database.marks import LostWrites
    from services.database.migrations import NewerSchema
    from services.embedded.home import HomeInUse, UnusableHome
    from services.oidc.groups import UnknownProject
    from services.serving import CannotListen

    try:
        yield
    except (CannotListen, ForeignRegistry, HomeInUse, UnusableHome) as error:
        fail(str(error))
    except (BackupError, LostWrites, NewerSchema, UnknownProject) as error:
        fail(str(error))
    except RegistryError as error:
        fail(f"the registry cannot be opened: {error}")
    except SQLAlchemyError as error:
        fail(f"the job store cannot be opened: {str(error).splitlines()[0]}")
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        fail(f"cannot use{place}: {error.strerror or error}")


def fail(message: str) -> NoReturn:
    errors.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
