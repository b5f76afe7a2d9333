"""Orders for drivers that are ready before their job is: for each a folder, with one file that is
written once.

Whoever writes it first decides what the driver does: the service, which gives it a job, or the
driver itself, which ends because nobody is left to give it one. The file is linked into its place
whole, so there are no two first ones.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

FILE: Final = "order.json"
READY: Final = "ready"
"""Beside the order: a file that is there as soon as the driver is ready."""
ALIVE: Final = "alive"
"""Beside the folders: the file by whose time of change those that wait know that somebody may still
need them."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a waiting driver is to do."""

    process_id: str
    """What the service calls the process from now on; empty: the driver is to end."""
    run_id: str
    attempt: int

    @classmethod
    def from_json(cls, text: str) -> Self:
        content = json.loads(text)
        return cls(
            process_id=content["process_id"],
            run_id=content["run_id"],
            attempt=int(content["attempt"]),
        )


NOTHING: Final = Order(process_id="", run_id="", attempt=0)
"""There is no job for this driver, and none will come."""


def give_order(folder: Path, order: Order) -> bool:
    """Give the driver of this folder its order; False if it has one already."""
    part = folder / f"{secrets.token_hex(4)}.part"
    part.write_text(json.dumps(asdict(order)))
    try:
        os.link(part, folder / FILE)
    except FileExistsError:
        return False
    finally:
        part.unlink()
    return True


def read_order(folder: Path) -> Order | None:
    """The order; None while there is none."""
    try:
        return Order.from_json((folder / FILE).read_text())
    except FileNotFoundError:
        return None
