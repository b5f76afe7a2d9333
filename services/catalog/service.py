"""Presets and what they cost on this service."""

from __future__ import annotations

from meta_trainer.datasets.catalog import FORMS
from meta_trainer.specs.catalog import Preset, list_presets
from meta_trainer.tasks.costs import Cost, estimate_cost
from meta_trainer.tasks.sizes import Forms
from services.catalog import schemas
from services.container import Container
from services.database.facts import read_nodes
from services.jobs.specs import AnyJobSpec, is_job_spec


def list_all_presets(services: Container) -> schemas.PresetList:
    """Presets by kind, each with its complete spec."""
    n_cores = count_cores(services)
    return schemas.PresetList(items=[_describe(preset, n_cores) for preset in list_presets()])


def describe_cost(spec: AnyJobSpec, n_cores: int, forms: Forms = FORMS) -> schemas.CostAnswer:
    """What a job takes on so many cores.

    Args:
        forms: of the examples of all datasets that the spec names.
    """
    cost = estimate_cost(spec, forms)
    return schemas.CostAnswer(
        n_updates=cost.n_updates,
        n_learner_steps=cost.n_learner_steps,
        core_seconds=cost.core_seconds,
        n_parallel=cost.n_parallel,
        memory_bytes=cost.memory_bytes,
        seconds=_spread(cost, n_cores),
    )


def count_cores(services: Container) -> int:
    """Cores of all nodes that are known; at least one."""
    with services.database.read() as session:
        nodes = read_nodes(session)
    return max(1, int(sum(node.get("CPU", 0.0) for node in nodes)))


def _describe(preset: Preset, n_cores: int) -> schemas.PresetAnswer:
    spec = preset.spec
    return schemas.PresetAnswer(
        name=preset.name,
        kind=preset.kind,
        purpose=preset.purpose,
        cost=describe_cost(spec, n_cores) if is_job_spec(spec) else None,
        spec=preset.content,
    )


def _spread(cost: Cost, n_cores: int) -> float:
    return cost.core_seconds / max(1, min(cost.n_parallel, n_cores))
