"""The environment of a driver; read nowhere else in the meta-trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from registry.passwords import with_password

_PASSWORD_FILE: Final = "HYPERADAM_TRACKING_PASSWORD_FILE"
_RUNNERS: Final = ("ray", "in-process")


@dataclass(frozen=True, kw_only=True)
class DriverSettings:
    """How one driver runs: `docs/runs.md` describes the variables."""

    tracking_uri: str
    artifact_location: str = ""
    data_dir: str | None = None
    cache_dir: str | None = None
    runner: str = "ray"
    ray_address: str = ""
    """Ray tells its jobs in RAY_ADDRESS which cluster they are of."""
    max_workers: int | None = None
    """At most so many cores at a time; None: as many as there are."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """
        Raises:
            ValueError: a variable is missing or has an unknown value.
        """
        runner = environment.get("HYPERADAM_RUNNER", "ray")
        tracking_uri = _read_tracking_uri(environment)
        if runner not in _RUNNERS:
            raise ValueError(f"HYPERADAM_RUNNER must be ray or in-process, got {runner!r}")

        return cls(
            tracking_uri=tracking_uri,
            artifact_location=environment.get("HYPERADAM_ARTIFACT_LOCATION", ""),
            data_dir=environment.get("HYPERADAM_DATA_DIR") or None,
            cache_dir=environment.get("HYPERADAM_CACHE_DIR") or None,
            runner=runner,
            ray_address=environment.get("RAY_ADDRESS", ""),
            max_workers=int(environment.get("HYPERADAM_MAX_WORKERS", "0")) or None,
        )


def _read_tracking_uri(environment: Mapping[str, str]) -> str:
    """The registry's address, with the password of the password file in it."""
    tracking_uri = environment.get("HYPERADAM_TRACKING_URI", "")
    if not tracking_uri:
        raise ValueError("HYPERADAM_TRACKING_URI is not set")
    password_file = environment.get(_PASSWORD_FILE)
    if not password_file:
        return tracking_uri
    return with_password(tracking_uri, _read_password(Path(password_file)))


def _read_password(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError as error:
        problem = f"which cannot be read: {error.strerror}"
        raise ValueError(f"{_PASSWORD_FILE} names {file}, {problem}") from error
