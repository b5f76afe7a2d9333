"""The registry on MLflow: runs are MLflow runs, versions are registered model versions, through
`MlflowClient` alone (no fluent global state, no pyfunc, no server needed). The only package that
imports MLflow.

    connection.py       opens the store (SQLite in WAL mode, Postgres, or an MLflow server), and
                        survives a fork
    places.py           where files lie, also after a move of them all
    locks.py            one writer at a time for what MLflow cannot do atomically
    runs.py, metrics.py, artifacts.py
                        the record of a job
    versions.py, version_tags.py, notes.py
                        numbered Θ, and what is said about them
    aliases.py          the log of alias moves
    bytes_cache.py      Θ files that were verified already
    backend.py          `MLflowRegistry`, which puts them together
"""

from __future__ import annotations

import os
import warnings

from sqlalchemy.exc import SADeprecationWarning

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
# MLflow would take over Alembic's and SQLAlchemy's loggers
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")

# MLflow 3.17 declares its tables in a way that SQLAlchemy 2.1 deprecates
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "The ``noload`` loader strategy", SADeprecationWarning)

    # MLflow reads its environment when it is imported
    from registry.mlflow_backend.backend import MLflowRegistry

__all__ = ["MLflowRegistry"]
