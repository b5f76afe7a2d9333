"""What a look at one category found, or removed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Of one category."""

    category: str
    n_items: int = 0
    unit: str
    """What is counted."""
    n_bytes: int | None = None
    """None: not measured."""
    n_jobs: int = 0
    """Jobs that were looked at."""
