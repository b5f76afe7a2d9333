"""The kernel that a job's numbers come from: which code runs the rule, on vectors of which width.

A fused kernel, plain torch and another instruction set round differently, so that Θ would hang on
where an attempt happened to run. So a job's first attempt writes down what it has, and one that has
something else does not go on in its place.
"""

from __future__ import annotations

import json
from typing import Final

import torch
from hyperadam.kernels import ReferenceStepper, open_stepper

from meta_trainer.runners import NoRoom, Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.base import RuleSpec
from meta_trainer.training.units import make_rule
from registry import ArtifactNotFound, Registry

KERNEL_PATH: Final = "kernel.json"


class KernelMissing(NoRoom):
    """The kernel that a job is to have is not where this attempt runs."""


def name_kernel(rule_spec: RuleSpec) -> str:
    """What runs a rule in this process: `fused` or `plain`, and the instruction set, as torch names
    it (`fused/AVX512`)."""
    rule = make_rule(rule_spec)
    stepper = open_stepper(rule, torch.zeros(rule.n_theta))
    kind = "plain" if isinstance(stepper, ReferenceStepper) else "fused"
    return f"{kind}/{torch.backends.cpu.get_cpu_capability()}"


def keep_kernel(spec: MetaTrainingSpec, registry: Registry, run_id: str, runner: Runner) -> str:
    """The kernel of the workers, which is the job's from its first attempt on.

    Raises:
        KernelMissing: they have others than the job's, or than each other, or than the spec asks
            for.
    """
    calls = [runner.call(name_kernel, spec.rule)[0] for _ in range(runner.n_workers)]
    found = sorted(set(runner.get(calls)))
    here = ", ".join(found)
    if spec.kernel == "any":
        return here
    if spec.kernel == "fused" and any(not name.startswith("fused/") for name in found):
        raise KernelMissing(f"kernel is to be fused; the workers have {here}: is there a compiler?")
    if len(found) > 1:
        raise KernelMissing(f"the workers have different kernels: {here}; kernel 'any' allows it")
    kept = _load(registry, run_id)
    if kept is None:
        content = json.dumps({"kernel": here}).encode()
        registry.put_artifact(run_id, KERNEL_PATH, content)
    elif kept != here:
        raise KernelMissing(
            f"the job began with the kernel {kept}, and the workers have {here}: it waits for such "
            "a machine; a clone with kernel 'any' goes on with any"
        )
    return here


def _load(registry: Registry, run_id: str) -> str | None:
    """What the first attempt had; None: this is the first."""
    try:
        return str(json.loads(registry.get_artifact(run_id, KERNEL_PATH))["kernel"])
    except ArtifactNotFound:
        return None
