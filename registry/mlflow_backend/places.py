"""Where the files of a registry lie now.

MLflow writes absolute places into its database. A folder that holds a SQLite database, and beside
it `artifacts`, can be moved and copied all the same: of a place below `artifacts`, only what
follows counts. So a copy never reads, writes or deletes the files of what it was copied from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient
from mlflow.entities import Experiment

from registry.mlflow_backend.errors import translate_errors

BESIDE_TAG: Final = "hyperadam.artifacts-beside"
"""On the experiment: its files lie in `artifacts`, beside the database."""
FOLDER: Final = "artifacts"


@dataclass(frozen=True)
class Place:
    """The folder of all files, as it was recorded and as it is now; empty: wherever MLflow says."""

    recorded: str = ""
    now: str = ""

    def find(self, uri: str) -> str:
        """Where something lies now that MLflow says is at `uri`."""
        if self.recorded and uri.startswith(f"{self.recorded}/"):
            return self.now + uri.removeprefix(self.recorded)
        return uri


NOWHERE_ELSE: Final = Place()


def find_place(
    client: MlflowClient, experiment: Experiment, database: Path, requested: str
) -> Place:
    """The place of a registry on SQLite; `requested` is the place that the settings say."""
    recorded = str(experiment.artifact_location)
    is_tagged = BESIDE_TAG in experiment.tags
    is_default = not requested or Path(requested) == database.parent / FOLDER
    if is_default and not is_tagged and local_folder(recorded) == database.parent / FOLDER:
        with translate_errors():
            client.set_experiment_tag(experiment.experiment_id, BESIDE_TAG, "true")
    return choose_place(recorded, database, requested, is_tagged=is_tagged)


def choose_place(recorded: str, database: Path, requested: str, *, is_tagged: bool) -> Place:
    """The place, by what the database says: `recorded`, and whether it has `BESIDE_TAG`."""
    beside = database.parent / FOLDER
    if requested and Path(requested) != beside:
        return NOWHERE_ELSE
    if local_folder(recorded) == beside:
        return NOWHERE_ELSE
    if is_tagged or _were_beside(recorded, beside):
        return Place(recorded.rstrip("/"), str(beside))
    return NOWHERE_ELSE


def _were_beside(recorded: str, beside: Path) -> bool:
    """Whether files of a registry that was made before `BESIDE_TAG` lie beside its database."""
    folder = local_folder(recorded)
    if folder is None or folder.name != FOLDER:
        return False
    return beside.is_dir() or not folder.is_dir()


def local_folder(uri: str) -> Path | None:
    """The folder that a local path or file: URI names; None for a store elsewhere."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme:
        return None
    return Path(uri)
