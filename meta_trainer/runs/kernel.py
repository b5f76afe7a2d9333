"""The kernel that a job keeps from its first attempt to its last.

Θ would hang on where an attempt happened to run otherwise (`meta_trainer.training.kernel`). So the
first attempt writes down what its workers have, and one that has something else does not go on in
its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Final

from meta_trainer.runners import Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.kernel import KernelMissing, list_kernels
from registry import ArtifactNotFound, Registry

KERNEL_PATH: Final = "kernel.json"
KERNELS_PATH: Final = "kernels.json"
"""Of an evaluation."""


def keep_kernel(spec: MetaTrainingSpec, registry: Registry, run_id: str, runner: Runner) -> str:
    """The kernel of the workers, which is the job's from its first attempt on.

    Later attempts need one worker that has it: calls take its name along, and the others refuse
    them.

    Raises:
        KernelMissing: they have others than the job's, or in the first attempt than each other, or
            than the spec asks for.
    """
    found = list_kernels(asdict(spec.rule), runner)
    here = ", ".join(found)
    if spec.kernel == "any":
        return here
    kept = load_kernel(registry, run_id)
    if kept in found:
        return kept
    check_fused(spec, found)
    if kept is not None:
        raise KernelMissing.of(kept, here)
    if len(found) > 1:
        raise KernelMissing.of_several(here)
    save_kernel(registry, run_id, here)
    return here


def check_fused(spec: MetaTrainingSpec, found: Sequence[str]) -> None:
    """
    Raises:
        KernelMissing: the spec asks for a compiled kernel, and workers have others.
    """
    if spec.kernel == "fused" and any(not name.startswith("fused/") for name in found):
        here = ", ".join(found)
        raise KernelMissing(f"kernel is to be fused; the workers have {here}: is there a compiler?")


def load_kernel(registry: Registry, run_id: str) -> str | None:
    """What the first attempt wrote down; None: this is the first."""
    kept = _load(registry, run_id, KERNEL_PATH)
    return None if kept is None else kept["kernel"]


def save_kernel(registry: Registry, run_id: str, kernel: str) -> None:
    """Write it down for later attempts; nothing, where it stands there already."""
    if load_kernel(registry, run_id) is None:
        registry.put_artifact(run_id, KERNEL_PATH, json.dumps({"kernel": kernel}).encode())


def keep_kernels(
    find: Callable[[], Mapping[str, str]], registry: Registry, run_id: str
) -> dict[str, str]:
    """Those of an evaluation, which are the job's from its first attempt on.

    Args:
        find: says which the workers have.
    """
    kept = _load(registry, run_id, KERNELS_PATH)
    if kept is None:
        kept = dict(find())
        registry.put_artifact(run_id, KERNELS_PATH, json.dumps(kept).encode())
    return kept


def _load(registry: Registry, run_id: str, path: str) -> dict[str, str] | None:
    """What the first attempt wrote down; None: this is the first."""
    try:
        kept: dict[str, str] = json.loads(registry.get_artifact(run_id, path))
    except ArtifactNotFound:
        return None
    return kept
