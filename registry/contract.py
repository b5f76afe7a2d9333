"""What a registry promises; every backend passes `tests/registry/contract.py`.

Two things are kept. A *run* is the record of one job: metric series and artifacts (small files
under strict relative names). A *version* is one Θ under an optimizer's name: numbered 1, 2, 3, …
without gaps, immutable, with its lineage. An *alias* is a movable name for a version; every move is
recorded with who, when and why. What people and evaluations say about a version (description, tags,
results) may change; its Θ, number and lineage never do.

All methods may be called from several threads and processes. What was returned is durable. Names
are strict (`hyperadam.names`); nothing that a client sends is ever used as a path or a URL. Bad
arguments raise ValueError (`InvalidName` for names, keys and paths) that names the argument, before
anything is stored; `registry.checks` has the limits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from hyperadam.theta import Theta

from registry.records import (
    AliasChange,
    ArtifactInfo,
    Evaluation,
    MetricPoint,
    RunStatus,
    Version,
    VersionChange,
)


class Registry(ABC):
    """Runs and versions. Backends: `registry.mlflow_backend.MLflowRegistry`,
    `registry.memory.InMemoryRegistry`."""

    def close(self) -> None:
        """Close idle connections, as before a shutdown; a later call opens new ones."""

    @abstractmethod
    def identity(self) -> str:
        """What this registry is known by: the same at another place, and for a copy of it."""

    def check_files(self) -> None:
        """Whether files can be kept now.

        Raises:
            RegistryError: they cannot: their folder is gone, or full.
        """

    @property
    def gather_seconds(self) -> float:
        """How long small files are best gathered before they are put as one."""
        return 1.0

    # --- runs ------------------------------------------------------------------------------------

    @abstractmethod
    def open_run(
        self,
        key: str,
        *,
        name: str,
        tags: Mapping[str, str] | None = None,
        parent_run_id: str | None = None,
    ) -> str:
        """The id of the run with this key (a job's id), created if there is none yet: safe to
        repeat after a crash.

        Args:
            parent_run_id: the run that it is shown below, as a trial's is below its study's.

        Raises:
            RunNotFound: there is no such parent.
        """

    @abstractmethod
    def find_run(self, key: str) -> str | None:
        """The id of the run with this key; None where there is none."""

    @abstractmethod
    def close_run(self, run_id: str, status: RunStatus) -> None:
        """Set the run's status; closing twice, or reopening with `running`, is allowed."""

    @abstractmethod
    def delete_run(self, run_id: str) -> None:
        """Remove the run with its series and artifacts; its key may be opened anew.

        Where the run made versions, their Θ files stay, and with them the run, without its series,
        until the last of them is deleted. A run that is missing, or half deleted, is no error.
        """

    @abstractmethod
    def log_metrics(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        """Append a batch. Of points with the same name and step, readers see the one with the
        latest `time`: a retried attempt repeats steps."""

    @abstractmethod
    def metric_names(self, run_id: str) -> list[str]:
        """Sorted names of the run's series."""

    @abstractmethod
    def metrics(
        self,
        run_id: str,
        name: str,
        *,
        after_step: int = -1,
        limit: int | None = None,
    ) -> list[MetricPoint]:
        """The series' points with `step > after_step`, one a step, in the order of steps."""

    @abstractmethod
    def put_artifact(self, run_id: str, path: str, data: bytes) -> None:
        """Store a file, whole or not at all, replacing one of the same name. `path` is relative, of
        strict segments."""

    @abstractmethod
    def get_artifact(self, run_id: str, path: str) -> bytes:
        """The file's bytes; raises ArtifactNotFound."""

    @abstractmethod
    def list_artifacts(self, run_id: str, folder: str = "") -> list[ArtifactInfo]:
        """Files below a folder, at any depth, sorted by path; empty for an unknown folder."""

    @abstractmethod
    def delete_artifact(self, run_id: str, path: str) -> None:
        """Remove a file; one that is not there is no error."""

    # --- versions --------------------------------------------------------------------------------

    @abstractmethod
    def create_version(
        self,
        optimizer: str,
        theta: Theta,
        *,
        key: str,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Version:
        """A new version, or the existing one with this key (safe to repeat after a crash).

        The Θ file is kept as it is, and is also among the artifacts of its run, at
        `registry.records.theta_path(sha256)`.

        Raises:
            RegistryError: the key was used before with another Θ.
            ThetaError: its manifest is longer than a registry keeps.
        """

    @abstractmethod
    def optimizers(self, *, unlisted: bool = False) -> list[str]:
        """Sorted names that have at least one version that is not archived.

        Args:
            unlisted: also those of which all versions are archived or deleted.
        """

    @abstractmethod
    def versions(self, optimizer: str) -> list[Version]:
        """All versions, archived ones too, newest first; raises OptimizerNotFound."""

    @abstractmethod
    def version(self, optimizer: str, ref: str) -> Version:
        """By number ("3"), alias ("champion") or "latest", the newest that is not archived.

        Raises:
            OptimizerNotFound, VersionNotFound, AliasNotFound.
        """

    @abstractmethod
    def weights(self, optimizer: str, number: int) -> bytes:
        """The Θ file, verified against the version's digest on the way out.

        Raises:
            RegistryError: the file is damaged.
        """

    @abstractmethod
    def annotate(
        self,
        optimizer: str,
        number: int,
        *,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> Version:
        """Change what people say about a version.

        A description of None stays as it is, and so do tags that are not named; a tag of None is
        removed. Repeating the call is harmless, also when the first was cut off half-way.
        """

    @abstractmethod
    def attach_evaluation(self, optimizer: str, number: int, evaluation: Evaluation) -> Version:
        """Add an evaluation's summary, or replace the one with the same key (safe to repeat after a
        crash).

        A version keeps its newest `registry.checks.MAX_EVALUATIONS`.
        """

    @abstractmethod
    def sign_version(self, optimizer: str, number: int, signature: str) -> Version:
        """Keep a signature of the version, in place of one that it has (safe to repeat after a
        crash)."""

    @abstractmethod
    def archive_version(
        self, optimizer: str, number: int, *, actor: str, reason: str = ""
    ) -> Version:
        """Take the version out of lists and from `latest`; once more changes nothing.

        Raises:
            VersionInUse: an alias points at it.
        """

    @abstractmethod
    def restore_version(
        self, optimizer: str, number: int, *, actor: str, reason: str = ""
    ) -> Version:
        """Bring an archived version back; once more changes nothing."""

    @abstractmethod
    def delete_version(self, optimizer: str, number: int, *, actor: str, reason: str = "") -> None:
        """Remove the version with its Θ file; its number is never given again. A deletion that was
        cut off can be repeated.

        Raises:
            VersionInUse: an alias points at it.
            VersionNotFound: it is gone already, or never was.
        """

    @abstractmethod
    def version_history(self, optimizer: str) -> list[VersionChange]:
        """Every archiving, restoring and deletion of the optimizer's versions, oldest first."""

    # --- aliases ---------------------------------------------------------------------------------

    @abstractmethod
    def set_alias(
        self,
        optimizer: str,
        alias: str,
        number: int,
        *,
        actor: str,
        reason: str = "",
        protected: bool | None = None,
        rule: Mapping[str, Any] | None = None,
    ) -> Version:
        """Create or move an alias; a name made of digits, or `latest`, is refused.

        Setting an alias to where it already points changes nothing and is not recorded.

        Args:
            protected: True: from now on only `promote` moves the alias. False: its protection ends,
                and this very call may move it. None: as it is (a new alias is not protected).
            rule: of a protected alias: the rule of its own that promotions go by. None: as it is.

        Raises:
            AliasProtected: the alias is protected, and stays so.
            VersionArchived: the version is.
        """

    @abstractmethod
    def delete_alias(self, optimizer: str, alias: str, *, actor: str, reason: str = "") -> None:
        """Remove an alias; raises AliasNotFound, and AliasProtected."""

    @abstractmethod
    def promote(
        self,
        optimizer: str,
        alias: str,
        number: int,
        *,
        expected: int | None,
        actor: str,
        reason: str = "",
    ) -> bool:
        """Move an alias, protected or not, because a rule says so; what is protected stays so.

        A move to this version that the same actor made before is not made again (safe to repeat
        after a crash, even when others have moved the alias since).

        Args:
            expected: where the alias pointed when the rule was asked; None: nowhere.

        Returns:
            Whether this call moved the alias.

        Raises:
            AliasMoved: the alias points elsewhere now; ask the rule again.
            VersionArchived: the version is.
        """

    @abstractmethod
    def alias_history(self, optimizer: str) -> list[AliasChange]:
        """Every change of every alias of the optimizer, oldest first."""
