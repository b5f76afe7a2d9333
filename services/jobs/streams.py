"""Server-sent events of one job: everything after the last event that the client has, then what
comes, until the end.

Each process follows the job store by itself (`tails`), so that any API process can serve any
stream, and a client that reconnects to another one with `Last-Event-ID` misses and repeats nothing.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Final

import anyio
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import format_sse_event

from services.auth.scopes import Principal
from services.container import Container
from services.jobs import service
from services.jobs.lifecycle import ENDED, State
from services.jobs.schemas import EventAnswer
from services.jobs.tails import GONE, POLL_SECONDS

_PAGE: Final = 500
KEY_SECONDS: Final = 5.0
"""Time between two looks whether who opened the stream may still read it."""


async def stream_events(
    services: Container, job_id: str, after: int, principal: Principal
) -> AsyncIterator[bytes]:
    """Wire bytes: events, and comments where nothing happens for long.

    It ends with the job, which is when `job.ended` is the last event that there is (a retry adds
    more), with the job's deletion, with the server, or with the
    end of the key or token that it was opened with.
    """
    last_sign = time.monotonic()
    checked_at = last_sign
    yield format_sse_event(comment="events of " + job_id)
    job = await run_in_threadpool(service.show_job, services, job_id)
    is_over = State(job.state) in ENDED  # if nothing comes now, the client has `job.ended` already
    with services.tails.follow(job_id, principal.project):
        while not services.stopping.is_set():
            if time.monotonic() - checked_at >= KEY_SECONDS:
                checked_at = time.monotonic()
                if not await run_in_threadpool(services.may_go_on, principal):
                    return
            newest = await services.tails.find_newest(job_id)
            if newest == GONE:
                return
            if newest is None or newest > after:
                page = await run_in_threadpool(
                    service.list_events, services, job_id, after=after, limit=_PAGE
                )
                for event in page.items:
                    yield _encode(event)
                    after = event.id
                    last_sign = time.monotonic()
                    is_over = event.type == "job.ended"
                if page.next_cursor is not None:
                    continue
            if is_over:
                return
            if time.monotonic() - last_sign >= services.settings.heartbeat_seconds:
                yield format_sse_event(comment="still here")
                last_sign = time.monotonic()
            await anyio.sleep(POLL_SECONDS)


def _encode(event: EventAnswer) -> bytes:
    return format_sse_event(id=str(event.id), event=event.type, data_str=event.model_dump_json())
