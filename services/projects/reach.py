"""Which project a thing belongs to, and whether a principal sees it.

The guard of every endpoint (`services.auth.dependencies`) asks here for what the path names. What
is of a project that the principal does not see is not there for it: the answer is the very 404 that
an id gets which nothing has. Where the path names something, the request goes on as one in that
thing's project.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from hyperadam.names import NAME_PATTERN
from sqlalchemy import select

from meta_trainer.specs.datasets import BUILT_IN_DATASETS
from registry import OptimizerNotFound
from services.auth.scopes import DEFAULT_PROJECT, Principal
from services.database.base import Database
from services.datasets.tables import RegisteredDataset
from services.jobs import errors
from services.jobs.tables import Job
from services.optimizers.tables import OptimizerName
from services.problems import NotFound
from services.projects.tables import PROJECT_PATTERN, Project

MEMORY_SECONDS: Final = 5.0
"""What was looked up counts for so long: names of optimizers may change hands."""
MAX_REMEMBERED: Final = 10_000
Kind = Literal["job", "optimizer", "project", "dataset"]

RULES: Final[Mapping[tuple[str, str], Kind]] = {
    ("/v1/jobs/", "job_id"): "job",
    ("/v1/optimizers/", "name"): "optimizer",
    ("/v1/projects/", "name"): "project",
    ("/v1/datasets/", "name"): "dataset",
}
"""Prefix of a path, and the parameter that names a thing below it. A path with a parameter that no
rule takes is for the scope `admin` alone."""
_UPLOAD: Final = re.compile(r"/v1/optimizers/[^/]+/versions")
"""What a POST there names may be made by it: a name of another project is taken, not missing. So it
is with what a PUT of a dataset names."""
_FORMS: Final[Mapping[Kind, re.Pattern[str]]] = {
    "job": re.compile(r"[A-Za-z0-9_-]{1,40}"),
    "optimizer": re.compile(NAME_PATTERN.strip("^$")),
    "project": re.compile(PROJECT_PATTERN.strip("^$")),
    "dataset": re.compile(NAME_PATTERN.strip("^$")),
}
"""What a database may refuse to compare is the name of nothing."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What a path names."""

    kind: Kind
    name: str
    may_be_made: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a thing is."""

    project: str
    shared: bool = False
    """Whether other projects may read it."""


def find_thing(method: str, path: str, parameters: Mapping[str, str]) -> Thing | None:
    """What a request's path names, if it names something that has a project.

    Args:
        path: as the application sees it, below whatever proxies put in front.
        parameters: those of the path.

    Raises:
        LookupError: its parameters name something of which no rule says whose it is.
    """
    for (prefix, parameter), kind in RULES.items():
        if not path.startswith(prefix) or parameter not in parameters:
            continue
        name = parameters[parameter]
        if _FORMS[kind].fullmatch(name):
            is_upload = method == "POST" and bool(_UPLOAD.fullmatch(path))
            may_be_made = is_upload or (method == "PUT" and kind == "dataset")
            return Thing(kind=kind, name=name, may_be_made=may_be_made)
        return None
    if parameters:
        raise LookupError(f"no rule says whose {', '.join(parameters)} are")
    return None


class Reach:
    """Looks up the places of things, and remembers them for a moment. Thread-safe."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._places: dict[Thing, tuple[Place, float]] = {}
        """Thing → its place, and when to forget that."""

    def recall(self, thing: Thing, principal: Principal) -> Place | None:
        """The place of a thing that need not be looked up; never blocks. What the principal does
        not see is always looked up: the answer takes as long as where there is none such."""
        with self._lock:
            place, forget_at = self._places.get(thing, (None, float("-inf")))
        if place is None or self._clock() >= forget_at:
            return None
        return place if place.shared or principal.sees(place.project) else None

    def find(self, thing: Thing, principal: Principal) -> Place | None:
        """Where the thing is; None: nobody's yet, or there is none such."""
        remembered = self.recall(thing, principal)
        if remembered is not None:
            return remembered
        place = self._look_up(thing)
        with self._lock:
            if len(self._places) >= MAX_REMEMBERED:
                self._places.clear()
            if place is not None:  # what is not there may be made at any moment
                self._places[thing] = (place, self._clock() + MEMORY_SECONDS)
        return place

    def forget(self) -> None:
        """Something has changed hands; the other processes follow within seconds."""
        with self._lock:
            self._places.clear()

    def enter(self, thing: Thing, principal: Principal) -> Principal:
        """The principal in the thing's project, or where it was, if it may only read the thing.

        Raises:
            NotFound, OptimizerNotFound: it does not see the thing.
        """
        place = self.find(thing, principal)
        if place is None:
            if thing.kind == "project":
                raise project_not_found(thing.name)
            if thing.kind == "optimizer" and not thing.may_be_made:
                _check_seen(thing, principal.sees(DEFAULT_PROJECT))
            is_built_in = thing.kind == "dataset" and thing.name in BUILT_IN_DATASETS
            if thing.kind in ("job", "dataset"):  # here, as where another project has it
                _check_seen(thing, thing.may_be_made or is_built_in)
            return principal
        if principal.sees(place.project):
            return principal.enter(place.project)
        _check_seen(thing, place.shared or thing.may_be_made)
        return principal

    def sees_name(self, name: str, principal: Principal) -> bool:
        """Whether the versions of an optimizer are for the principal to read. A name that nobody
        has claimed is from before there were projects, or is not there."""
        if principal.places is None:
            return True
        place = self.find(Thing(kind="optimizer", name=name), principal)
        if place is None:
            return principal.sees(DEFAULT_PROJECT)
        return place.shared or principal.sees(place.project)

    def has_project(self, name: str) -> bool:
        """Whether there is such a project."""
        return self._look_up(Thing(kind="project", name=name)) is not None

    def _look_up(self, thing: Thing) -> Place | None:
        with self._database.read() as session:
            match thing.kind:
                case "job":
                    project = session.scalar(select(Job.project).where(Job.id == thing.name))
                    return None if project is None else Place(project=project)
                case "project":
                    is_there = session.get(Project, thing.name) is not None
                    return Place(project=thing.name) if is_there else None
                case "dataset":
                    dataset = session.get(RegisteredDataset, thing.name)
                    return None if dataset is None else Place(project=dataset.project)
                case "optimizer":
                    row = session.get(OptimizerName, thing.name)
                    if row is None:
                        return None
                    return Place(project=row.project, shared=row.shared)


def _check_seen(thing: Thing, is_seen: bool) -> None:
    if is_seen:
        return
    match thing.kind:
        case "job":
            raise errors.job_not_found(thing.name)
        case "optimizer":
            raise OptimizerNotFound.named(thing.name)
        case "project":
            raise project_not_found(thing.name)
        case "dataset":
            raise NotFound(f"there is no dataset {thing.name!r}")


def project_not_found(name: str) -> NotFound:
    return NotFound(f"There is no project {name[:100]!r}.")
