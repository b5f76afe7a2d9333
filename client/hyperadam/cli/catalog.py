"""`hyperadam presets`, and dry runs: what a spec may be made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hyperadam.cli.common import (
    USAGE,
    Json,
    command,
    connect,
    echo,
    open_errors,
    open_output,
    print_json,
)

if TYPE_CHECKING:
    from hyperadam.api import Cost, DryRun

_GIB: Final = 2**30

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show the complete spec, its cost, and what is wrong.")
]
"""Of every command that submits a job: nothing is submitted."""


@command
def list_presets(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Option(help="meta-training, study or tasks.")] = None,
    as_json: Json = False,
) -> None:
    """List the presets that a spec may begin from, with what they are for and what they cost."""
    from hyperadam.cli.render import make_presets_table

    with connect(ctx) as client:
        presets = [each for each in client.specs.presets() if kind in (None, each.kind)]
    if as_json:
        print_json([preset.raw for preset in presets])
    else:
        open_output().print(make_presets_table(presets))


def show_dry_run(tried: DryRun, *, as_json: bool) -> None:
    """The complete spec on standard output, its cost beside it; exits with 2 where it would be
    refused."""
    if as_json:
        print_json(tried.raw)
    else:
        _describe(tried)
    if not tried.accepted:
        raise typer.Exit(USAGE)


def _describe(tried: DryRun) -> None:
    errors = open_errors()
    for note in tried.notes:
        errors.print(note)
    for mistake in tried.errors:
        errors.print(f"{mistake.field}: {mistake.message}")
    if tried.spec is not None:
        echo(json.dumps(tried.spec, indent=2, ensure_ascii=False))
    if tried.cost is not None:
        errors.print(describe_cost(tried.cost))


def describe_cost(cost: Cost) -> str:
    """One line."""
    from hyperadam.cli.render import format_duration

    parts = [
        f"{cost.n_updates:,} updates" if cost.n_updates else "",
        f"{cost.n_learner_steps:,} learner-steps",
        f"about {format_duration(cost.seconds)}",
        f"{cost.memory_bytes / _GIB:.1f} GiB a process",
    ]
    return ", ".join(part for part in parts if part)
