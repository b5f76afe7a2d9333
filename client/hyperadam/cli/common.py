"""What all commands share: a client, two consoles, and errors as one clear line with an exit code.

Results go to standard output, progress and errors to standard error.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, ParamSpec, TypeVar

import typer

from hyperadam.plain_text import escape_json, make_plain

if TYPE_CHECKING:
    from rich.console import Console

    from hyperadam.api import Client

OK: Final = 0
JOB_FAILED: Final = 1
USAGE: Final = 2
NO_ACCESS: Final = 3
REFUSED: Final = 4
INTERRUPTED: Final = 130
PROJECT: Final = "hyperadam.project"
"""Where a command's context keeps the option `--project`."""
_GATEWAY_STATUSES: Final = (502, 503, 504)
"""What a proxy answers in place of a server that is away."""

PLAIN_WIDTH: Final = 200
"""Characters in a line of a table where there is no terminal."""

P = ParamSpec("P")
T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Wait = Annotated[
    str,
    typer.Option(
        "--wait", metavar="TIME", help="How long the server may be away while it is shown: 90s, 2h."
    ),
]
DEFAULT_WAIT: Final = "1h"


def _find_job(ctx: typer.Context, text: str) -> str:
    """Typer's way from what was typed to a job's id."""
    from hyperadam.cli.job_ids import find_job_id, is_whole

    if is_whole(text) or ctx.resilient_parsing:
        return text
    return command(find_job_id)(ctx, text)


def _complete_job(ctx: typer.Context, incomplete: str) -> list[str]:
    from hyperadam.cli.completion import complete_jobs

    return complete_jobs(ctx, incomplete)


JobId = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="The job's id, or as much of its beginning as tells it apart.",
        callback=_find_job,
        autocompletion=_complete_job,
    ),
]


class UsageProblem(Exception):
    """The command line or a file that it names is not valid."""


def connect(ctx: typer.Context) -> Client:
    """A client of the server that the command line or the environment names."""
    from hyperadam.api import Client, RetryPolicy

    root = ctx.find_root()
    project = root.meta.get(PROJECT)
    return Client(root.obj, retry=RetryPolicy(n_attempts=3), project=project)


def open_output() -> Console:
    """Standard output: results."""
    return make_console(stderr=False)


def open_errors() -> Console:
    """Standard error: progress and errors."""
    return make_console(stderr=True)


def make_console(*, stderr: bool) -> Console:
    """As wide as the terminal; in a pipe or a file, wide enough that no table is squeezed."""
    from hyperadam.cli.plain_console import PlainConsole

    stream = sys.stderr if stderr else sys.stdout
    is_terminal = stream.isatty()
    return PlainConsole(
        stderr=stderr,
        width=None if is_terminal else PLAIN_WIDTH,
        soft_wrap=not is_terminal,
        highlight=False,
        markup=False,
    )


def print_json(value: Any) -> None:
    """One JSON document on one line; escaped where the stream has not every letter."""
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    typer.echo(escape_json(json.dumps(value, ensure_ascii=not is_unicode, default=str)))


def echo(text: object, *, newline: bool = True) -> None:
    """A text on standard output; what may come from others is made plain."""
    typer.echo(make_plain(str(text)), nl=newline)


def command(function: Callable[P, T]) -> Callable[P, T]:
    """A command whose foreseen errors become a line on standard error and an exit code."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            code = choose_exit_code(error)
            if code is None:
                raise
            report_error(error)
            raise typer.Exit(code) from error

    return guarded


def choose_exit_code(error: Exception) -> int | None:
    """What the command ends with; None: not foreseen, a bug."""
    from hyperadam.api import errors
    from hyperadam.names import InvalidName

    usage = (UsageProblem, InvalidName, OSError, errors.ValidationFailed, errors.TooLarge)
    no_access = (
        errors.ConfigurationError,
        errors.ServerUnreachable,
        errors.Unauthorized,
        errors.Forbidden,
        errors.Unavailable,
    )
    if isinstance(error, usage):
        return USAGE
    is_gateway = isinstance(error, errors.ApiError) and error.status in _GATEWAY_STATUSES
    if is_gateway or isinstance(error, no_access):
        return NO_ACCESS
    if isinstance(error, errors.HyperAdamError):
        return REFUSED
    return None


def report_error(error: Exception) -> None:
    """One line on standard error."""
    from rich.text import Text

    from hyperadam.api.errors import ApiError, HyperAdamError

    line = Text("error: ", style="bold red").append(str(error), style="default")
    if isinstance(error, ApiError) and error.problem and not error.errors:
        line.append(f" ({error.problem})", style="dim")
    if isinstance(error, HyperAdamError) and error.request_id:
        line.append(f"\n  request {error.request_id}", style="dim")
    open_errors().print(line)
