"""Whose turn it is: of equal priority, the API key with the fewest active jobs goes first, of those
the one whose last turn was longest ago, and of a key's jobs the oldest.

So a key that has queued a thousand jobs does not keep another one waiting for all of them. With
`queue_order` `oldest`, all jobs count as one key's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from services.jobs import queries
from services.jobs.lifecycle import State
from services.jobs.tables import Job, KeyTurn


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What each key has had."""

    is_fair: bool
    active: Counter[str]
    """Active jobs of each key."""
    turns: Mapping[str, int]

    @property
    def owner(self) -> ColumnElement[str]:
        """Of a job: the key whose turn it takes."""
        return func.coalesce(Job.api_key_id, "") if self.is_fair else literal("")

    def order(self) -> list[ColumnElement[int] | InstrumentedAttribute[int]]:
        """The order in which the jobs of one priority start."""
        if not self.is_fair:
            return [Job.seq]
        n_active = _look_up(self.owner, self.active)
        turn = _look_up(self.owner, self.turns)
        return [n_active, turn, Job.seq]


def read_shares(session: Session, *, is_fair: bool) -> Shares:
    """As they are now."""
    active: Counter[str] = Counter()
    turns: dict[str, int] = {}
    if is_fair:
        for key_id, count in queries.count_active_by_key(session).items():
            active[key_id or ""] += count
        turns = {row.api_key_id: row.turn for row in session.scalars(select(KeyTurn))}
    return Shares(is_fair=is_fair, active=active, turns=turns)


def take_turn(session: Session, key_id: str | None) -> None:
    """The key has had its turn: it goes behind all others."""
    newest = session.scalar(select(func.max(KeyTurn.turn))) or 0
    session.merge(KeyTurn(api_key_id=key_id or "", turn=newest + 1))
    session.flush()


@dataclass(frozen=True, kw_only=True)
class QueueOfKey:
    """The jobs of one priority that one key has in the queue, or all those of one project."""

    n_jobs: int
    n_active: int
    turn: int
    first_seq: int

    def find_level(self, rank: int) -> int:
        """How many jobs the key has had when its job of this rank (1: its next) starts."""
        return self.n_active + rank - 1

    @property
    def tie(self) -> tuple[int, int, int]:
        """Which key goes first where both have had as many: whoever had them before was not served
        since, and of those the one that was served longest ago."""
        return (-self.n_active, self.turn, self.first_seq)

    def count_before(self, level: int, tie: tuple[int, int, int]) -> int:
        """How many of the key's jobs start before a job of another key, if none ends meanwhile."""
        n_lower = min(max(level - self.n_active, 0), self.n_jobs)
        has_equal = self.n_active <= level < self.n_active + self.n_jobs
        return n_lower + (has_equal and self.tie < tie)


def read_queues(
    session: Session, shares: Shares, priority: int, is_among: ColumnElement[bool]
) -> dict[str, QueueOfKey]:
    """The queue of one priority, by key, of the jobs of which `is_among` holds."""
    query = (
        select(shares.owner.label("owner"), func.count(), func.min(Job.seq))
        .where(Job.state == State.QUEUED, Job.priority == priority, is_among)
        .group_by("owner")
    )
    queues = {}
    for key_id, n_jobs, first_seq in session.execute(query):
        queues[key_id] = QueueOfKey(
            n_jobs=n_jobs,
            n_active=shares.active[key_id],
            turn=shares.turns.get(key_id, 0),
            first_seq=first_seq,
        )
    return queues


def find_place(queues: Mapping[str, QueueOfKey], key_id: str, rank: int) -> int:
    """The place among the jobs of its priority (1: the next) of a key's job of this rank."""
    own = queues[key_id]
    level = own.find_level(rank)
    n_before = rank - 1
    for other_id, other in queues.items():
        if other_id != key_id:
            n_before += other.count_before(level, own.tie)
    return n_before + 1


def _look_up(owner: ColumnElement[str], numbers: Mapping[str, int]) -> ColumnElement[int]:
    """What stands under the owner; 0 where nothing does."""
    if not numbers:
        return literal(0)
    return case(dict(numbers), value=owner, else_=0)
