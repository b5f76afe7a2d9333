"""Rules, tasks, suites and baselines, as the specs' own tables have them."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any, get_args

from hyperadam.extensions import BrokenExtension, Extension, list_broken
from hyperadam.rules import installed_rules, rule_from_spec

from meta_trainer.learners.installed import installed_learners
from meta_trainer.specs import AnyTaskSpec, PlainTaskSpec, RuleSpec, TaskDistribution
from meta_trainer.specs.baselines import BASELINES
from meta_trainer.specs.installed import installed_tasks
from meta_trainer.specs.plain_tasks import NetworkName
from meta_trainer.specs.schema import first_paragraph
from meta_trainer.specs.suites import SUITES
from meta_trainer.specs.types import find_kind, list_members
from services.catalog.schemas import (
    BrokenAnswer,
    OriginAnswer,
    RuleAnswer,
    SuiteAnswer,
    TaskCatalog,
    TaskKindAnswer,
)

_NOT_FAMILIES = frozenset({"horizon", "random_scaling", "convex_scaling", "validation"})


@cache
def list_tasks() -> TaskCatalog:
    """All that specs may name."""
    families = [name for name in TaskDistribution.model_fields if name not in _NOT_FAMILIES]
    return TaskCatalog(
        rules=[_describe_rule(spec) for spec in list_members(RuleSpec)],
        tasks=[_describe_task(model) for model in list_members(AnyTaskSpec)],
        families=families,
        networks=list(get_args(NetworkName)),
        suites=[
            SuiteAnswer(
                name=name,
                title=suite.title,
                learners=list(suite.learners),
                may_decide=suite.may_decide,
            )
            for name, suite in SUITES.items()
        ],
        baselines=list(BASELINES),
        broken=[BrokenAnswer(**asdict(extension)) for extension in list_broken_extensions()],
    )


def list_broken_extensions() -> list[BrokenExtension]:
    """What is installed and could not be loaded, of every group."""
    installed_rules()
    installed_tasks()
    installed_learners()
    return list_broken()


def _describe_rule(spec: Any) -> RuleAnswer:
    rule = rule_from_spec(asdict(spec()))
    return RuleAnswer(
        kind=spec.kind,
        inits=list(rule.inits),
        purpose=first_paragraph(type(rule).__doc__ or ""),
        installed=_describe_origin(installed_rules().get(spec.kind)),
    )


def _describe_task(model: Any) -> TaskKindAnswer:
    kind = find_kind(model) or ""
    return TaskKindAnswer(
        kind=kind,
        model=model.__name__,
        purpose=first_paragraph(model.__doc__ or ""),
        trainable=model in list_members(PlainTaskSpec),
        installed=_describe_origin(installed_tasks().get(kind)),
    )


def _describe_origin(extension: Extension | None) -> OriginAnswer | None:
    if extension is None:
        return None
    return OriginAnswer(distribution=extension.distribution, version=extension.version)
