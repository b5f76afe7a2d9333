"""Which jobs of a list somebody wants to see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement

from services.jobs.tables import Job


def check_moment(moment: datetime | None) -> datetime | None:
    """The moment, if a database can compare it: in UTC, its year has four digits.

    Raises:
        ValueError: it cannot.
    """
    try:
        return moment if moment is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside of the years 1 to 9999 in UTC") from error


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """What must be true of a job; what is empty admits all."""

    kinds: Sequence[str] = ()
    """One of these."""
    states: Sequence[str] = ()
    """One of these."""
    labels: Sequence[str] = ()
    """All of these, each as `name:value`."""
    name: str | None = None
    """Part of the job's name, in any case of letters."""
    actor: str | None = None
    """Name of the key that submitted it."""
    projects: Collection[str] | None = None
    """One of these; None admits all, an empty collection none."""
    created_after: datetime | None = None
    """From this moment on."""
    created_before: datetime | None = None
    """Before this moment."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for the job store."""
        conditions: list[ColumnElement[bool]] = []
        if self.projects is not None:
            conditions.append(Job.project.in_(self.projects))
        if self.kinds:
            conditions.append(Job.kind.in_(self.kinds))
        if self.states:
            conditions.append(Job.state.in_(self.states))
        for label in self.labels:
            key, _, value = label.partition(":")
            conditions.append(Job.labels[key].as_string() == value)
        if self.name is not None:
            conditions.append(Job.name.icontains(self.name, autoescape=True))
        if self.actor is not None:
            conditions.append(Job.actor == self.actor)
        if self.created_after is not None:
            conditions.append(Job.created_at >= self.created_after)
        if self.created_before is not None:
            conditions.append(Job.created_at < self.created_before)
        return conditions
