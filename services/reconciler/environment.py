"""What drivers are told by their environment (docs/runs.md); secrets are no part of it.

Ray shows the environment of a job to everyone who may see its dashboard, and writes it into its
logs. So the registry's password lies in a file, of which only the name is told: one that the
service writes into its home, for drivers of the same machine, or one that is on the drivers'
machine already (`driver_password_path`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from registry.passwords import without_password
from services.secret_files import write_secret
from services.settings import Settings

PASSWORD_FILE: Final = "registry-password"


def driver_environment(settings: Settings) -> dict[str, str]:
    """The variables that a driver's process is started with."""
    tracking_uri, password = without_password(settings.tracking_uri)
    environment = {
        "HYPERADAM_TRACKING_URI": tracking_uri,
        "HYPERADAM_ARTIFACT_LOCATION": settings.artifact_location,
        "HYPERADAM_DATA_DIR": _place(settings, settings.data_dir),
        "HYPERADAM_CACHE_DIR": _place(settings, settings.cache_dir),
        "HYPERADAM_RUNNER": settings.runner,
    }
    if password:
        path = settings.driver_password_path or _write_password(settings, password)
        environment["HYPERADAM_TRACKING_PASSWORD_FILE"] = path
    return environment


def _place(settings: Settings, folder: str) -> str:
    """A folder of this machine in full, as drivers may work elsewhere; one of others as it is."""
    return folder if settings.ray_address else str(Path(folder).resolve())


def _write_password(settings: Settings, password: str) -> str:
    """The password's file in the home; written anew each time, as the password may have changed."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = settings.home / PASSWORD_FILE
    write_secret(file, password)
    return str(file)
