"""`hyperadam verify`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from hyperadam.cli.common import Json, UsageProblem, command, connect, echo, print_json


@command
def verify(
    ctx: typer.Context,
    reference: Annotated[
        str, typer.Argument(metavar="NAME@REF", help="REF: a number, an alias or latest.")
    ],
    file: Annotated[
        Path | None,
        typer.Option(help="A Θ file that should be this version, in place of the server's own."),
    ] = None,
    trusted_keys: Annotated[
        Path | None,
        typer.Option(help="A file of keys, in place of the one in HYPERADAM_TRUSTED_KEYS."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check who has signed a version, over every byte of its Θ file; prints whose key it was."""
    with connect(ctx) as client:
        verified = client.optimizers.verify(reference, trusted_keys=trusted_keys)
    version = verified.version
    if file is not None:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        if sha256 != version.sha256:
            raise UsageProblem(f"{file} is not {version}: its sha256 is {sha256}")

    if as_json:
        print_json({"version": str(version), "sha256": version.sha256, "signer": verified.signer})
    else:
        echo(f"{version} is signed by {verified.signer}")
