"""One run in memory: its series and artifacts. The registry around it keeps other threads out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from registry.errors import ArtifactNotFound, RegistryError
from registry.records import THETA_FOLDER, ArtifactInfo, MetricPoint, RunStatus


class MemoryRun:
    """Series by name and artifacts by path."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.status: RunStatus = "running"
        self.is_left = False
        """Whether it was deleted but for the files of its versions."""
        self._series: dict[str, dict[int, MetricPoint]] = {}
        self._artifacts: dict[str, bytes] = {}

    def log(self, points: Sequence[MetricPoint]) -> None:
        for point in points:
            series = self._series.setdefault(point.name, {})
            time = to_milliseconds(point.time)
            if point.step not in series or series[point.step].time <= time:
                series[point.step] = replace(point, value=float(point.value), time=time)

    def metric_names(self) -> list[str]:
        return sorted(self._series)

    def metrics(self, name: str, after_step: int, limit: int | None) -> list[MetricPoint]:
        series = self._series.get(name, {})
        points = [series[step] for step in sorted(series) if step > after_step]
        return points[:limit]

    def put(self, path: str, data: bytes) -> None:
        folders = {path[:i] for i, character in enumerate(path) if character == "/"}
        is_below_a_file = not folders.isdisjoint(self._artifacts)
        is_a_folder = any(other.startswith(f"{path}/") for other in self._artifacts)
        if is_below_a_file or is_a_folder:
            raise RegistryError(
                f"artifact {path!r} cannot be stored: a file would be in the place of a folder"
            )
        self._artifacts[path] = bytes(data)

    def get(self, path: str) -> bytes:
        try:
            return self._artifacts[path]
        except KeyError:
            raise ArtifactNotFound(f"run {self.run_id} has no artifact {path!r}") from None

    def list_artifacts(self, folder: str) -> list[ArtifactInfo]:
        prefix = f"{folder}/" if folder else ""
        paths = sorted(path for path in self._artifacts if path.startswith(prefix))
        return [ArtifactInfo(path=path, size_bytes=len(self._artifacts[path])) for path in paths]

    def delete(self, path: str) -> None:
        self._artifacts.pop(path, None)

    def keep_only_versions(self) -> bool:
        """Delete series, and all artifacts but the files of versions; whether any is left."""
        self._series.clear()
        self.is_left = True
        for path in list(self._artifacts):
            if not path.startswith(f"{THETA_FOLDER}/"):
                del self._artifacts[path]
        return bool(self._artifacts)


def to_milliseconds(time: datetime) -> datetime:
    """The time in UTC, cut to the millisecond."""
    utc = time.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
