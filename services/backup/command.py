"""`hyperadam-server backup` and `restore`."""

from __future__ import annotations

import os
from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from services.mistakes import fail, read_settings, report_briefly
from services.setting_names import drop_unprefixed

if TYPE_CHECKING:
    from services.backup.manifest import Manifest
    from services.settings import Settings


def backup(
    folder: Annotated[Path, typer.Argument(help="Where it goes: a folder that is new, or empty.")],
    home: Annotated[
        Path | None, typer.Option(help="Folder of the service.", show_default=False)
    ] = None,
) -> None:
    """Copy job store, registry and files of runs, while the service runs or stands still."""
    settings = _read_settings(home)
    if settings.keeps_jobs_at_home and not (settings.home / "jobs.db").exists():
        fail(f"there is no home in {settings.home}")
    with report_briefly():
        from services.backup.making import back_up  # the registry's libraries take seconds

        manifest = back_up(settings, folder.expanduser().resolve())
    _tell(f"Made {folder}", manifest)


def restore(
    folder: Annotated[Path, typer.Argument(help="What `backup` made.")],
    home: Annotated[
        Path | None, typer.Option(help="Folder of the new service.", show_default=False)
    ] = None,
) -> None:
    """Verify a backup, and put it into a home, or databases, that are new."""
    settings = _read_settings(home)
    with report_briefly():
        from services.backup.restoring import restore as put_back

        manifest = put_back(settings, folder.expanduser().resolve())
    _tell(f"Restored {folder}", manifest)


def _read_settings(home: Path | None) -> Settings:
    if home is not None:
        drop_unprefixed(os.environ)
    return read_settings(home=home)


def _tell(deed: str, manifest: Manifest) -> None:
    text = (
        f"{deed}: {_count(manifest.thetas, 'version')}, {_count(manifest.files, 'file')}, "
        f"{manifest.n_bytes:,} bytes, of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def _count(items: Sized, noun: str) -> str:
    n_items = len(items)
    return f"{n_items:,} {noun}" if n_items == 1 else f"{n_items:,} {noun}s"
