"""Whose project is next: the one with the fewest active jobs, of those the one whose last turn was
longest ago, and of those the one whose oldest job waits longest.

So a project that has queued hundreds of jobs, of whatever priority and with however many keys,
keeps another one's job waiting for one free slot at most. Within a project, priorities count, and
keys take turns (`shares`).
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.jobs.lifecycle import ACTIVE, State
from services.jobs.shares import QueueOfKey
from services.jobs.tables import Job
from services.projects.quotas import load_blocks
from services.projects.tables import Project


def read_project_queues(session: Session) -> dict[str, QueueOfKey]:
    """The queue by project."""
    active = _count_active(session)
    turns = {row.name: row.turn for row in session.scalars(select(Project))}
    query = (
        select(Job.project, func.count(), func.min(Job.seq))
        .where(Job.state == State.QUEUED)
        .group_by(Job.project)
    )
    queues = {}
    for name, n_jobs, first_seq in session.execute(query):
        queues[name] = QueueOfKey(
            n_jobs=n_jobs,
            n_active=active[name],
            turn=turns.get(name, 0),
            first_seq=first_seq,
        )
    return queues


def list_in_turn(session: Session) -> list[str]:
    """Projects that have queued jobs of which one may start now, the next one first."""
    queues = read_project_queues(session)
    blocks = load_blocks(session, queues)
    names = [name for name in queues if name not in blocks]

    def order(name: str) -> tuple[int, int, int]:
        own = queues[name]
        return own.n_active, own.turn, own.first_seq

    return sorted(names, key=order)


def take_project_turn(session: Session, name: str) -> None:
    """The project has had its turn: it goes behind all others."""
    newest = session.scalar(select(func.max(Project.turn))) or 0
    project = session.get(Project, name, with_for_update=True)
    if project is not None:
        project.turn = newest + 1
        session.flush()


def _count_active(session: Session) -> Counter[str]:
    states = [state.value for state in ACTIVE]
    query = select(Job.project, func.count()).where(Job.state.in_(states)).group_by(Job.project)
    counts: Counter[str] = Counter()
    for name, count in session.execute(query):
        counts[name] = count
    return counts
