"""`hyperadam inspect`: what a Θ does inside, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyperadam.cli.common import UsageProblem, command, echo


@command
def inspect(
    theta: Annotated[
        str, typer.Argument(metavar="THETA", help="A Θ file, or the name of a pretrained one.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page that is written.")
    ] = Path("inside.html"),
    steps: Annotated[int, typer.Option(min=2, help="How long the small training is.")] = 300,
    every: Annotated[int, typer.Option(min=1, help="Steps between two looks.")] = 5,
) -> None:
    """Train a small network with a Θ, look into it, and write an HTML page with charts: losses,
    lengths of steps by tensor, decay rates, and weights of the mixture."""
    from hyperadam.inside.page import write_page
    from hyperadam.inside.recording import record_training
    from hyperadam.shipped import pretrained, pretrained_names
    from hyperadam.theta import Theta, ThetaError

    try:
        loaded = pretrained(theta) if theta in pretrained_names() else Theta.load(theta)
    except ThetaError as error:
        raise UsageProblem(f"{theta}: {error}") from error
    recording = record_training(loaded, n_steps=steps, every=every)
    output.write_text(write_page(loaded, recording), encoding="utf-8")
    echo(output)
