"""A report's page, pictures and tables again from its `results.json`.

python -m meta_trainer.evaluation.reporting rebuild FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from meta_trainer.evaluation.reporting.rebuild import rebuild_report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m meta_trainer.evaluation.reporting")
    commands = parser.add_subparsers(dest="command", required=True)
    rebuild = commands.add_parser("rebuild", help="make page, pictures and tables again")
    rebuild.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    rebuild.add_argument("--page", help="name of the Markdown page, such as README.md")
    options = parser.parse_args(arguments)

    for folder in options.folders:
        try:
            paths = rebuild_report(folder, options.page)
        except (OSError, ValueError) as error:
            sys.stderr.write(f"{folder}: {error}\n")
            return 1
        for path in paths:
            sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
