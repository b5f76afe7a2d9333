"""MLflow's exceptions, turned into the contract's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError

NOT_FOUND: Final = "RESOURCE_DOES_NOT_EXIST"
ALREADY_EXISTS: Final = "RESOURCE_ALREADY_EXISTS"


@contextmanager
def translate_errors(missing: RegistryError | None = None) -> Iterator[None]:
    """Raise `missing` where MLflow says that something does not exist, and RegistryError for all
    its other refusals."""
    try:
        yield
    except MlflowException as error:
        if missing is not None and error.error_code == NOT_FOUND:
            raise missing from None
        raise RegistryError(f"the tracking store refused: {_first_line(error)}") from error
    except SQLAlchemyError as error:
        raise RegistryError(f"the tracking store failed: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
