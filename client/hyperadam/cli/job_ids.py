"""From the beginning of a job's id to the whole of it."""

from __future__ import annotations

import re
from typing import Final

import typer

from hyperadam.cli.common import UsageProblem, connect

_WHOLE: Final = re.compile(r"job_[a-z2-7]{16}")
_PREFIX: Final = re.compile(r"(job_)?[a-z2-7]{1,16}")
_MAX_JOBS: Final = 2_000
"""Jobs that are looked through, newest first."""


def is_whole(text: str) -> bool:
    """Whether it is an id already, or nothing that could begin one."""
    return _WHOLE.fullmatch(text) is not None or _PREFIX.fullmatch(text) is None


def find_job_id(ctx: typer.Context, text: str) -> str:
    """The id of the one job whose id begins so, with or without `job_`; the text where none does.

    Raises:
        UsageProblem: there are several.
    """
    prefix = f"job_{text.removeprefix('job_')}"
    with connect(ctx) as client:
        ids = [job.id for job in client.jobs.list(limit=_MAX_JOBS)]
    matches = [job_id for job_id in ids if job_id == text or job_id.startswith(prefix)]
    if not matches:
        return text  # the server says that there is none
    if len(matches) == 1:
        return matches[0]
    raise UsageProblem(f"{len(matches)} jobs' ids begin with {text}: {', '.join(matches[:5])}")
