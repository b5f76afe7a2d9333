"""The files of a job's result, in a folder of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hyperadam.cli.common import UsageProblem

if TYPE_CHECKING:
    from hyperadam.api import Client


def download(client: Client, job_id: str, folder: Path) -> list[Path]:
    """Fetch all files of a job's result; returns where they are."""
    paths = {"result.json"} | {artifact.path for artifact in client.jobs.result(job_id).artifacts}
    return [
        client.jobs.download_result(job_id, path, _folder_of(path, folder))
        for path in sorted(paths)
    ]


def _folder_of(path: str, folder: Path) -> Path:
    """Where a file of a result goes: below `folder`, as deep as it lies in the result."""
    target = (folder / path).parent
    if not target.resolve().is_relative_to(folder.resolve()):
        raise UsageProblem(f"the result has a file that would lie outside of {folder}: {path!r}")
    target.mkdir(parents=True, exist_ok=True)
    return target
