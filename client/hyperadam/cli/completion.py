"""What a shell offers after TAB: presets, suites, ids and names, as the server has them.

A server that is not there or is slow offers nothing, and says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from hyperadam.api import Client

SECONDS: Final = 2.0
MAX_OFFERED: Final = 200


def complete_jobs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of jobs, newest first."""
    return _offer(ctx, incomplete, lambda client: (job.id for job in client.jobs.list(limit=200)))


def complete_optimizers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of optimizers; after an `@` their aliases and the latest."""
    return _offer(ctx, incomplete, _list_references)


def complete_presets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Presets of meta-trainings and studies."""
    return _offer(ctx, incomplete, lambda client: _list_presets(client, "meta-training", "study"))


def complete_studies(ctx: typer.Context, incomplete: str) -> list[str]:
    """Presets of studies."""
    return _offer(ctx, incomplete, lambda client: _list_presets(client, "study"))


def complete_suites(ctx: typer.Context, incomplete: str) -> list[str]:
    """Suites of evaluations."""
    return _offer(ctx, incomplete, _list_suites)


def complete_baselines(ctx: typer.Context, incomplete: str) -> list[str]:
    """Baselines of evaluations."""
    return _offer(ctx, incomplete, lambda client: client.specs.tasks().baselines)


def complete_datasets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Datasets that a spec may name."""
    return _offer(ctx, incomplete, lambda client: (each.name for each in client.specs.datasets()))


def _list_suites(client: Client) -> Iterable[str]:
    return (suite.name for suite in client.specs.tasks().suites)


def _list_presets(client: Client, *kinds: str) -> Iterable[str]:
    return (preset.name for preset in client.specs.presets() if preset.kind in kinds)


def _list_references(client: Client) -> Iterable[str]:
    for optimizer in client.optimizers.list():
        yield optimizer.name
        yield f"{optimizer.name}@latest"
        yield from (f"{optimizer.name}@{alias}" for alias in sorted(optimizer.aliases))


def _offer(
    ctx: typer.Context, incomplete: str, list_names: Callable[[Client], Iterable[Any]]
) -> list[str]:
    """Names that begin so."""
    from hyperadam.api import Client, HyperAdamError, RetryPolicy

    url = ctx.find_root().params.get("url") or os.environ.get("HYPERADAM_URL")
    offered: list[str] = []
    try:
        with Client(url, timeout=SECONDS, retry=RetryPolicy(n_attempts=1)) as client:
            for name in list_names(client):
                if str(name).startswith(incomplete):
                    offered.append(str(name))
                if len(offered) == MAX_OFFERED:
                    break
    except (HyperAdamError, OSError):
        return []
    return offered
