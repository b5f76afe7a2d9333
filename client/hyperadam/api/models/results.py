"""What jobs leave behind when they have ended."""

from __future__ import annotations

from dataclasses import dataclass

from hyperadam.api.decode import Record
from hyperadam.api.fields import Digest, Name, Number, RelativePath


@dataclass(frozen=True, kw_only=True)
class Artifact(Record):
    """A file of a job's result."""

    path: RelativePath
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Result(Record):
    """What a job left behind; `raw` has all of its `result.json`."""

    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MetaTrainingResult(Result):
    """The version of Θ that a meta-training job registered, and how good it was on the validation
    tasks."""

    optimizer: Name
    number: Number
    sha256: Digest
    best_update: int | None = None
    best_validation_loss: float | None = None
    initial_validation_loss: float | None = None
    n_updates: int | None = None
    wall_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationRow(Record):
    """One optimizer on one task: final losses over paired random starts."""

    task: str
    optimizer: str
    kind: str
    """learned, untrained (a learned optimizer's own start) or baseline."""
    mean: float | None
    """None: not finite."""
    stderr: float | None = None
    rate: float | None = None
    """Learning rate, tuned on other starts for a baseline."""
    n_diverged: int = 0
    n_starts: int | None = None
    finals: tuple[float | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EvaluationResult(Result):
    """Versions of Θ beside tuned baselines."""

    suite: str
    dataset: str
    rows: tuple[EvaluationRow, ...]
    measure: str = "final loss"
    """What the rows' means are of: final loss, or seconds per update."""
    horizon: int | None = None
    n_starts: int | None = None
