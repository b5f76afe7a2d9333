"""The command `hyperadam-server`: `up` is everything in one; the others are its parts.

Settings come from the environment (`services.settings`); options here override them.
"""

from __future__ import annotations

import logging
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from hyperadam import __version__
from rich.console import Console
from rich.table import Table

from services.backup.command import backup, restore
from services.housekeeping.command import prune
from services.mistakes import fail, read_settings, report_briefly
from services.setting_names import drop_unprefixed

if TYPE_CHECKING:
    from services.database.base import Database
    from services.embedded.home import Home
    from services.settings import Settings

console = Console()

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="The HyperAdam service.",
)
keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API keys.")
app.add_typer(keys, name="keys")
app.command("backup")(backup)
app.command("restore")(restore)
app.command("prune")(prune)

HomeOption = Annotated[
    Path | None,
    typer.Option(help="Folder of everything that the service keeps.", show_default=False),
]
HostOption = Annotated[
    str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].", show_default=False)
]
PortOption = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port; 0: a free one [default: 8400].", show_default=False),
]


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"hyperadam-server {__version__}")
        raise typer.Exit


@app.callback()
def read_options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """The HyperAdam service."""


@app.command()
def up(home: HomeOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Run the whole service on this machine: API, reconciler and a local Ray cluster."""
    ignored = drop_unprefixed(os.environ)
    settings = read_settings(home=home, host=host, port=port)
    from services.embedded.home import Home

    home_folder = Home(settings.home)
    with report_briefly(), home_folder.lock():
        _up(settings, home_folder, ignored)


def _up(settings: Settings, home: Home, ignored: list[str]) -> None:
    with console.status("Starting …"):  # the imports take seconds
        from services.embedded.up import up as run_service

    _configure_logs(settings)
    run_service(settings, home, console, ignored)


@app.command()
def api(host: HostOption = None, port: PortOption = None) -> None:
    """Run the REST API alone; any number of such processes may serve one database."""
    settings = read_settings(host=host, port=port)
    _configure_logs(settings)
    from services.container import Container
    from services.oidc.groups import check_groups
    from services.serving import ApiServer, format_url, listen
    from services.stop_limit import API_SECONDS, StopLimit
    from services.stores import open_stores

    with report_briefly():
        listener = listen(settings.host, settings.port)
        database, registry = open_stores(settings)
        check_groups(settings, database)

    def on_ready() -> None:
        logging.getLogger("services.cli").info("ready at %s", format_url(listener))

    services = Container(settings=settings, database=database, registry=registry)
    server = ApiServer(services, on_ready, settles=True, stop_limit=StopLimit(API_SECONDS))
    server.run(sockets=[listener])
    database.dispose()


@app.command()
def reconciler() -> None:
    """Run the reconciler alone; of several, one works and the others stand by."""
    settings = read_settings()
    _configure_logs(settings)
    from services.executors.make import make_executor
    from services.first_answer import settle_memory
    from services.reconciler.loop import Reconciler
    from services.stop_limit import RECONCILER_SECONDS, StopLimit, stop_at_signals
    from services.stores import open_stores

    if settings.executor == "ray" and not settings.ray_address:
        fail(
            "RAY_ADDRESS is not set: the reconciler needs the URL of a Ray dashboard, "
            "or HYPERADAM_EXECUTOR=process"
        )

    stop = threading.Event()
    stop_at_signals(stop, StopLimit(RECONCILER_SECONDS))
    with report_briefly():
        database, registry = open_stores(settings)

    loop = Reconciler(settings, database, registry, make_executor(settings))
    settle_memory()  # Python walks over it all at the end, which takes seconds
    loop.run(stop)
    database.dispose()


@app.command()
def migrate(home: HomeOption = None) -> None:
    """Bring the job store's tables, and the registry's, up to date; make what is not there yet."""
    if home is not None:
        drop_unprefixed(os.environ)
    settings = read_settings(home=home)
    from services.stores import open_stores

    with report_briefly():
        database, registry = open_stores(settings)
        registry.close()
        database.dispose()
    console.print("The tables are up to date.")


@app.command("signing-key")
def make_signing_key(
    file: Annotated[
        Path, typer.Argument(help="Where the private key goes; must not be there yet.")
    ],
    name: Annotated[str, typer.Option(help="Whose key it is, for those who trust it.")] = "",
) -> None:
    """Make a key that signs versions; prints the line by which clients trust it.

    The service signs with it where HYPERADAM_SIGNING_KEY_FILE names its file.
    """
    from hyperadam.signatures import format_key, make_key_id

    from services.secret_files import write_secret
    from services.signing import make_private_key

    if file.exists():
        fail(f"{file} is there already: a key is never overwritten")
    pem, public_bytes = make_private_key()
    with report_briefly():
        write_secret(file, pem)
    line = format_key(public_bytes, name or make_key_id(public_bytes))
    console.print(line, markup=False, highlight=False, soft_wrap=True)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Whose key it is; stands in jobs and histories.")],
    scope: Annotated[
        list[str], typer.Option(help="read, submit or admin; each implies those before it.")
    ] = ["read"],  # noqa: B006
    expires_in_days: Annotated[
        float | None,
        typer.Option(
            min=0, max=3650, help="It is worthless after so many days.", show_default="never"
        ),
    ] = None,
    project: Annotated[
        str, typer.Option(help="Where its holder acts; made first by POST /v1/projects.")
    ] = "default",
    home: HomeOption = None,
) -> None:
    """Make an API key and print it, alone, on one line. It cannot be shown again."""
    from services.audit.log import record_by_hand
    from services.auth.service import ApiKeys

    expires_at = None
    if expires_in_days is not None:
        expires_at = datetime.now(UTC) + timedelta(days=expires_in_days)
    try:
        database = _open_database(home)
        new = ApiKeys(database).create(name, scope, expires_at=expires_at, project=project)
    except ValueError as error:
        fail(str(error))
    subject = f"key {new.record.id} of {name}"
    record_by_hand(database, "POST", "/v1/keys", 201, subject, project)
    console.print(new.key, markup=False, highlight=False, soft_wrap=True)


@keys.command("list")
def list_keys(home: HomeOption = None) -> None:
    """Show all keys, without their secrets."""
    table = Table("id", "name", "scopes", "created", "last used", "expires", "revoked")
    from services.auth.service import ApiKeys

    for key in ApiKeys(_open_database(home)).list():
        moments = (key.created_at, key.last_used_at, key.expires_at, key.revoked_at)
        table.add_row(key.id, key.name, " ".join(key.scopes), *map(_format_moment, moments))
    console.print(table)


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")],
    home: HomeOption = None,
) -> None:
    """Make a key worthless."""
    from services.audit.log import record_by_hand
    from services.auth.service import ApiKeys

    database = _open_database(home)
    if not ApiKeys(database).revoke(key_id):
        fail(f"no API key has the id {key_id!r}")
    record_by_hand(database, "DELETE", f"/v1/keys/{key_id}", 204)
    console.print(f"Revoked {key_id}.")


def _format_moment(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _open_database(home: Path | None) -> Database:
    from services.database.base import Database
    from services.database.marks import check_mark
    from services.database.migrations import upgrade
    from services.embedded.home import check_restored

    if home is not None:
        drop_unprefixed(os.environ)
    settings = read_settings(home=home)
    if settings.keeps_jobs_at_home and not (settings.home / "jobs.db").exists():
        fail(
            f"there is no home in {settings.home}: "
            f"`hyperadam-server up --home {settings.home}` makes one"
        )
    with report_briefly():
        check_restored(settings.home)
        database = Database(settings.database_url)
        check_mark(database)
        upgrade(database)
    return database


def _configure_logs(settings: Settings) -> None:
    from services.observability import configure_logs
    from services.observability.log_limits import OwnRotatingFile

    handler = None
    if settings.log_file:
        with report_briefly():
            handler = OwnRotatingFile(
                Path(settings.log_file), settings.max_log_file_bytes, settings.n_log_files - 1
            )
    configure_logs(
        as_json=settings.log_json,
        lines_per_second=settings.log_lines_per_second,
        handler=handler,
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
