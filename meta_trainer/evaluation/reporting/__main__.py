"""Everything that is made of `results.json` files, again.

python -m meta_trainer.evaluation.reporting rebuild FOLDER … [--page README.md] [--check]
python -m meta_trainer.evaluation.reporting fill PAGE … --results FOLDER [--check]

The first makes a report's page, pictures and tables beside the file, the second the regions of
other pages (`regions.py`). With `--check` nothing is written, and what differs is an error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from meta_trainer.evaluation.reporting.rebuild import find_differences, rebuild_report
from meta_trainer.evaluation.reporting.regions import fill_page, is_page_filled


def main(arguments: Sequence[str] | None = None) -> int:
    options = _make_parser().parse_args(arguments)
    try:
        is_right = _rebuild(options) if options.command == "rebuild" else _fill(options)
    except _Unreadable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0 if is_right else 1


class _Unreadable(Exception):
    """A file is not there, or not what it should be; the message says which and why."""


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m meta_trainer.evaluation.reporting")
    commands = parser.add_subparsers(dest="command", required=True)

    rebuild = commands.add_parser("rebuild", help="make page, pictures and tables again")
    rebuild.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    rebuild.add_argument("--page", help="name of the Markdown page, such as README.md")

    fill = commands.add_parser("fill", help="make the marked regions of other pages again")
    fill.add_argument("pages", nargs="+", type=Path, metavar="PAGE")
    fill.add_argument(
        "--results", type=Path, required=True, help="the folder in which those of reports lie"
    )

    for command in (rebuild, fill):
        command.add_argument(
            "--check", action="store_true", help="write nothing; what differs is an error"
        )
    return parser


def _rebuild(options: argparse.Namespace) -> bool:
    differing = []
    for folder in options.folders:
        try:
            if options.check:
                differing += find_differences(folder, options.page or "report.md")
            else:
                _print_paths(rebuild_report(folder, options.page))
        except (OSError, ValueError) as error:
            raise _Unreadable(f"{folder}: {error}") from error
    return _tell_differences(differing)


def _fill(options: argparse.Namespace) -> bool:
    differing = []
    for page in options.pages:
        try:
            if options.check:
                differing += [] if is_page_filled(page, options.results) else [page]
            elif fill_page(page, options.results):
                _print_paths([page])
        except (OSError, ValueError) as error:
            raise _Unreadable(f"{page}: {error}") from error
    return _tell_differences(differing)


def _tell_differences(differing: Sequence[Path]) -> bool:
    """Whether there are none."""
    for path in differing:
        sys.stderr.write(f"{path} is not what results.json says\n")
    return not differing


def _print_paths(paths: Sequence[Path]) -> None:
    for path in paths:
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main())
