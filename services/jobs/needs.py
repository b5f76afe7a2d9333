"""What a job needs of nodes, and whether any node could ever hold it: without database or executor.

Only studies say what they need: a process for each trial, with cores and further resources, and a
core for each of its workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from meta_trainer.specs.study_parts import ResourcesSpec


def describe_shortage(
    kind: str, spec: Mapping[str, Any], nodes: Sequence[Mapping[str, float]]
) -> str | None:
    """Why no trial of the job can ever be placed on these nodes; None: it can, or nothing is known
    of nodes."""
    if kind != "study" or not nodes:
        return None
    try:
        resources = ResourcesSpec.model_validate(spec.get("resources") or {})
    except ValidationError:  # of another version; its driver says what is wrong
        return None
    trial = {"CPU": resources.cpus, **resources.custom}
    if not any(_holds(node, trial) for node in nodes):
        return _describe_trial(trial, nodes)

    n_cores = resources.cpus + resources.workers
    largest = _largest("CPU", nodes)
    if resources.placement == "strict-pack" and n_cores > largest:
        return f"needs {n_cores:g} CPUs on one node; the largest node has {largest:g}"
    if resources.placement == "strict-spread" and resources.workers >= len(nodes):
        return f"needs {resources.workers + 1} nodes; there are {len(nodes)}"
    n_all = sum(node.get("CPU", 0.0) for node in nodes)
    if n_cores > n_all:
        return f"needs {n_cores:g} CPUs; all nodes together have {n_all:g}"
    return None


def _holds(node: Mapping[str, float], needs: Mapping[str, float]) -> bool:
    return all(node.get(name, 0.0) >= amount for name, amount in needs.items())


def _describe_trial(trial: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> str:
    """The first resource of which no node has enough, or that no node has all of them."""
    for name, amount in trial.items():
        largest = _largest(name, nodes)
        if amount > largest:
            unit = "CPUs" if name == "CPU" else f"of {name!r}"
            return f"needs {amount:g} {unit}; the largest node has {largest:g}"
    listed = ", ".join(f"{amount:g} of {name!r}" for name, amount in trial.items())
    return f"needs {listed} on one node; no node has all of it"


def _largest(name: str, nodes: Sequence[Mapping[str, float]]) -> float:
    return max(node.get(name, 0.0) for node in nodes)
