"""The server under a clock that is wrong by so many seconds.

    python -m tests.chaos.wrong_clock SECONDS COMMAND…

The service has one clock, `services.database.base.now`; it is set before anything else is imported.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

from services.database import base


def set_clock(seconds: float) -> None:
    """From now on, the service's clock is ahead by so much (behind, where it is below 0)."""
    read_clock = base.now
    offset = timedelta(seconds=seconds)

    def read_wrong_clock() -> datetime:
        return read_clock() + offset

    base.now = read_wrong_clock


def main() -> None:
    set_clock(float(sys.argv[1]))
    sys.argv = ["hyperadam-server", *sys.argv[2:]]
    from services.cli import main as run_command

    run_command()


if __name__ == "__main__":
    main()
