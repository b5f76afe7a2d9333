"""What a job registers as, and the names of toys: `quick` jobs and ready studies begin with a name
that is everybody's, which each project has for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec
from meta_trainer.specs.study import StudySpec
from services.auth.scopes import DEFAULT_PROJECT
from services.jobs.specs import AnyJobSpec
from services.optimizers.owners import COMMON_NAMES, name_toy


def find_name(spec: AnyJobSpec) -> str | None:
    """The name that the job will register under, which is its submitter's from its submission
    on."""
    if isinstance(spec, EvaluationSpec):
        return None
    return spec.base.register_as if isinstance(spec, StudySpec) else spec.register_as


def name_toys(spec: AnyJobSpec, project: str) -> AnyJobSpec:
    """The spec with the project's own name of a toy in place of everybody's."""
    match spec:
        case MetaTrainingSpec():
            return _name_toy(spec, project)
        case StudySpec():
            return spec.model_copy(update={"base": _name_toy(spec.base, project)})
        case EvaluationSpec():
            return spec


def describe_toy(content: Mapping[str, Any], project: str) -> list[str]:
    """What was decided for the client."""
    name = content.get("base", content).get("register_as")
    toys = [toy for toy in COMMON_NAMES if name == name_toy(toy, project)]
    if project == DEFAULT_PROJECT or not toys:
        return []
    return [f"versions are called {name!r}: {toys[0]!r} is of the project {DEFAULT_PROJECT!r}"]


def _name_toy(spec: MetaTrainingSpec, project: str) -> MetaTrainingSpec:
    if spec.register_as not in COMMON_NAMES:
        return spec
    return spec.model_copy(update={"register_as": name_toy(spec.register_as, project)})
