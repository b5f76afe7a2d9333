"""`hyperadam-server prune`: what is old, and its removal."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.housekeeping.settings import NO_ARCHIVE
from services.mistakes import fail, read_settings, report_briefly
from services.near_names import find_near
from services.setting_names import drop_unprefixed

if TYPE_CHECKING:
    from services.database.base import Database

CATEGORY_NAMES = (
    "jobs, logs, events, checkpoints, outcomes, datasets, processes, idempotency-keys, audit, "
    "people"
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the command was asked for."""

    categories: Sequence[str]
    older_than_days: float | None
    does_remove: bool


def prune(
    home: Annotated[
        Path | None, typer.Option(help="Folder of the service.", show_default=False)
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {CATEGORY_NAMES}; may be repeated.", show_default="all"),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            min=0, help="Days; for what --only names.", show_default="as settings say: keep_…_days"
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without: only show it.")] = False,
) -> None:
    """Show what is older than it has to be kept, and with --yes remove it."""
    from services.housekeeping.policy import CATEGORIES

    for name in only or []:
        if name not in CATEGORIES:
            near = find_near(name, CATEGORIES)
            hint = f": did you mean {near}?" if near else f": there are {CATEGORY_NAMES}"
            fail(f"--only {name} is nothing that is kept{hint}")
    if older_than is not None and not only:
        fail("--older-than needs --only: what is it that may go?")
    if home is not None:
        drop_unprefixed(os.environ)
    wish = Wish(categories=only or CATEGORIES, older_than_days=older_than, does_remove=yes)
    _prune(home, wish)


def _prune(home: Path | None, wish: Wish) -> None:
    settings = read_settings(home=home)
    if settings.keeps_jobs_at_home and not (settings.home / "jobs.db").exists():
        fail(f"there is no home in {settings.home}")
    from services.audit.log import record_by_hand
    from services.database.base import now
    from services.housekeeping.policy import Policy
    from services.housekeeping.pruner import Pruner
    from services.stores import open_stores

    policy = Policy.from_settings(settings)
    table = Table("what", "older than", "found" if not wish.does_remove else "removed", "bytes")
    with report_briefly():
        database, registry = open_stores(settings)
        pruner = Pruner(
            settings=settings, database=database, registry=registry, dry=not wish.does_remove
        )
        for category in wish.categories:
            days = policy.days[category] if wish.older_than_days is None else wish.older_than_days
            if wish.older_than_days is None and days == 0:
                table.add_row(category, "kept for ever", "–", "–")
                continue
            if category == "audit" and wish.does_remove and not settings.audit_archive:
                fail(NO_ARCHIVE)
            finding = pruner.prune(category, now() - timedelta(days=days))
            if wish.does_remove and finding.n_items:
                words = f"{finding.n_items} {finding.unit}, older than {days:g} days"
                record_by_hand(database, "PRUNE", category, 200, words)
            n_bytes = "–" if finding.n_bytes is None else f"{finding.n_bytes:,}"
            table.add_row(
                category, f"{days:g} days", f"{finding.n_items:,} {finding.unit}", n_bytes
            )
        table.add_row(*_prune_ray_folders(does_remove=wish.does_remove))
        if wish.does_remove:
            _shrink(database)
        registry.close()
        database.dispose()
    console = Console()
    console.print(table)
    if not wish.does_remove:
        console.print("Nothing was removed; --yes removes it.")


def _shrink(database: Database) -> None:
    """Rows leave room in their file, which new ones would take; give it back."""
    try:
        database.shrink()
    except sqlite3.OperationalError as error:
        Console(stderr=True).print(f"the job store keeps its size for now: {error}")


def _prune_ray_folders(*, does_remove: bool) -> tuple[str, str, str, str]:
    """Folders of local Ray clusters that were killed."""
    from services.embedded.ray_folder import choose_parent, list_left_folders, remove_left_folders
    from services.housekeeping.folders import measure

    parent = choose_parent()
    left = list_left_folders(parent)
    n_bytes = sum(measure(folder) for folder in left)
    if does_remove:
        remove_left_folders(parent)
    return "Ray's folders", "their cluster", f"{len(left)} folders", f"{n_bytes:,}"
