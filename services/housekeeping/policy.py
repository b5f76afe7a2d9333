"""How long what a job left is kept, as settings say it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from services.settings import Settings

CATEGORIES: Final = (
    "jobs",
    "logs",
    "events",
    "checkpoints",
    "outcomes",
    "datasets",
    "processes",
    "idempotency-keys",
    "audit",
    "people",
)
"""In the order in which they are pruned: what goes with a job needs no second look,
and what nothing refers to any more goes last."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Days that each category is kept for; 0: for ever."""

    days: dict[str, float]

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        fields = {name: f"keep_{name.replace('-', '_')}_days" for name in CATEGORIES}
        return cls(days={name: getattr(settings, field) for name, field in fields.items()})

    def find_cut(self, category: str, moment: datetime) -> datetime | None:
        """What is older goes; None: nothing does."""
        days = self.days[category]
        return moment - timedelta(days=days) if days else None
