"""What somebody may have meant who wrote a name that is none."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CUTOFF = 0.6
"""How alike two names must be, from 0 to 1, to be a typing error of each other."""


def find_near(name: str, known: Iterable[str], cutoff: float = CUTOFF) -> str | None:
    """The known name that is most like it; None where none is."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=cutoff)
    return near[0] if near else None
