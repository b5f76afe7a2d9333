"""What people may change while a study runs: words that the service leaves in the study's run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final, Self

from registry import ArtifactNotFound, Registry

CONTROL_PATH: Final = "study/control.json"


@dataclass(frozen=True, kw_only=True)
class Control:
    """None: as the spec says."""

    trials: int | None = None
    """Meta-trainings in all."""
    parallel_trials: int | None = None
    stopping: bool = False
    """Whether no further trial is to begin; those that run are finished, and the study ends with
    what it has."""

    @classmethod
    def load(cls, registry: Registry, run_id: str) -> Self:
        """What was last asked; nothing for a study that nobody touched."""
        try:
            return cls(**json.loads(registry.get_artifact(run_id, CONTROL_PATH)))
        except ArtifactNotFound:
            return cls()

    def save(self, registry: Registry, run_id: str) -> None:
        registry.put_artifact(run_id, CONTROL_PATH, json.dumps(asdict(self)).encode())
