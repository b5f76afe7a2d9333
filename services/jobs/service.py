"""Reads of what the job store says of jobs: what the endpoints call. Each opens its own transaction
and answers with wire models. (What lies in a job's run is read by `results`.)"""

from __future__ import annotations

import codecs

from services.container import Container
from services.jobs import queries, schemas, views
from services.jobs.filters import JobFilter
from services.pages import cut_page


def show_job(services: Container, job_id: str) -> schemas.JobAnswer:
    """One job."""
    with services.database.read() as session:
        job = views.require_job(session, job_id)
        return views.make_answer(services, session, job)


def list_jobs(
    services: Container, chosen: JobFilter, *, cursor: int | None, limit: int
) -> schemas.JobList:
    """A page of the jobs that pass the filter."""
    with services.database.read() as session:
        rows = queries.list_jobs(session, chosen.conditions(), before=cursor, limit=limit + 1)
        items = views.make_answers(services, session, rows[:limit])
    has_more = len(rows) > limit
    return schemas.JobList(
        items=items,
        next_cursor=str(rows[limit - 1].seq) if has_more else None,
    )


def list_events(services: Container, job_id: str, *, after: int, limit: int) -> schemas.EventList:
    """A page of a job's events, those after the one with this id."""
    with services.database.read() as session:
        views.require_job(session, job_id)
        rows = queries.list_events(session, job_id, after=after, limit=limit + 1)
    items = [schemas.EventAnswer.model_validate(row) for row in rows[:limit]]
    has_more = len(rows) > limit
    return schemas.EventList(
        items=items,
        next_cursor=str(items[-1].id) if has_more else None,
    )


def list_attempts(
    services: Container, job_id: str, *, cursor: str | None, limit: int
) -> schemas.AttemptList:
    """A page of a job's attempts, oldest first."""
    with services.database.read() as session:
        views.require_job(session, job_id)
        rows = queries.list_attempts(session, job_id)
    page = cut_page(rows, cursor, limit)
    items = [schemas.AttemptAnswer.model_validate(row) for row in page.items]
    return schemas.AttemptList(items=items, next_cursor=page.next_cursor)


def read_log_page(services: Container, job_id: str, *, after: int) -> schemas.LogAnswer:
    """A page of the log. A character that is still incomplete at its end is left for the next
    page."""
    with services.database.read() as session:
        job = views.require_job(session, job_id)
        data, attempt = queries.read_log_page(session, job_id, after=after)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    undecoded, _ = decoder.getstate()
    return schemas.LogAnswer(
        text=text,
        next=after + len(data) - len(undecoded),
        attempt=attempt or job.attempt,
    )


def read_log(services: Container, job_id: str) -> bytes:
    """The whole log."""
    with services.database.read() as session:
        job = views.require_job(session, job_id)
        data, _ = queries.read_log_page(
            session,
            job_id,
            after=0,
            max_bytes=job.log_bytes + 1,
        )
    return data
