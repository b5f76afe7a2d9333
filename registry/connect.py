"""From a tracking URI to a registry: only this file knows which backend serves which scheme."""

from __future__ import annotations

from registry.contract import Registry


def connect(tracking_uri: str, artifact_location: str = "") -> Registry:
    """The registry behind a URI. The first call on an empty database makes MLflow's tables, which
    takes seconds.

    Args:
        tracking_uri: `sqlite:///FILE`, `postgresql+psycopg://…`, `http(s)://` of an MLflow server,
            or `memory://` for a new registry that lives and dies with this process.
        artifact_location: folder or URI for artifacts, used when the store is new. Empty:
            `artifacts` beside the SQLite file, or whatever the MLflow server decides; Postgres
            needs one.

    Raises:
        ValueError: the URI's scheme is not one of these, or an artifact location is missing.
        RegistryError: the store cannot be opened.
    """
    if tracking_uri == "memory://":
        from registry.memory import InMemoryRegistry

        return InMemoryRegistry()
    from registry.mlflow_backend import MLflowRegistry  # MLflow takes seconds to import

    return MLflowRegistry(tracking_uri, artifact_location)
