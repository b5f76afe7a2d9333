"""The files of a job's result, in a folder of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hyperadam.cli.common import UsageProblem

if TYPE_CHECKING:
    from hyperadam.api import Client


def download_files(client: Client, job_id: str, folder: Path) -> list[Path]:
    """Fetch all files of a job's result; returns where they are."""
    result = client.jobs.result(job_id)
    paths = {"result.json", *(artifact.path for artifact in result.artifacts)}
    files: list[Path] = []
    for path in sorted(paths):
        target = _make_folder(path, folder)
        files.append(client.jobs.download_result(job_id, path, target))
    return files


def _make_folder(path: str, folder: Path) -> Path:
    """Where a file of a result goes: below `folder`, as deep as it lies in the result."""
    target = (folder / path).parent
    if not target.resolve().is_relative_to(folder.resolve()):
        raise UsageProblem(f"the result has a file that would lie outside of {folder}: {path!r}")
    target.mkdir(parents=True, exist_ok=True)
    return target
