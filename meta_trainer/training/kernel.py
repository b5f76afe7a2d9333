"""The kernel that numbers come from: which code runs a rule, on vectors of which width.

A fused kernel, plain torch and another instruction set round differently. So every call of a job
takes the name of its kernel along, and a worker that has another one does not begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from hyperadam.kernels import ReferenceStepper, can_be_fused, forget_libraries, open_stepper
from hyperadam.kernels.blockwise import BlockwiseStepper
from hyperadam.rules import Rule, rule_from_spec

from meta_trainer.runners import Runner, WorkRefused


class KernelMissing(WorkRefused):
    """The kernel that a job is to have is not where this work runs."""

    @classmethod
    def of(cls, kernel: str, here: str) -> Self:
        """A job began with one kernel, and here there is another one."""
        return cls(
            f"the job began with the kernel {kernel}, and the workers have {here}: it waits for "
            "such a machine; a clone with kernel 'any' goes on with any"
        )

    @classmethod
    def of_several(cls, here: str) -> Self:
        """A job begins, and its workers do not agree."""
        return cls(f"the workers have different kernels: {here}; kernel 'any' allows it")


def name_kernel(rule: Rule[Any] | None) -> str:
    """What runs a rule in this process: `fused` or `plain`, and the instruction set, as torch names
    it (`fused/AVX512`). Without a rule it is that of torch alone."""
    width = torch.backends.cpu.get_cpu_capability()
    if rule is None:
        return f"plain/{width}"
    stepper = open_stepper(rule, torch.zeros(rule.n_theta))
    is_plain = isinstance(stepper, ReferenceStepper | BlockwiseStepper)
    return f"{'plain' if is_plain else 'fused'}/{width}"


def fit_kernel(kernel: str, rule: Rule[Any] | None) -> str:
    """What runs a rule where this kernel runs those that can be compiled: this one, or plain torch
    on vectors of the same width."""
    if rule is not None and can_be_fused(rule):
        return kernel
    return f"plain/{kernel.partition('/')[2]}"


def demand_kernel(rule: Rule[Any] | None, kernel: str | None) -> None:
    """See to it that what runs a rule here is the kernel of the job.

    Args:
        kernel: as `name_kernel` names it; None: any.

    Raises:
        KernelMissing: it is another one. What could not be compiled here is then forgotten, so that
            the next call looks for a compiler again.
    """
    if kernel is None:
        return
    here = name_kernel(rule)
    if here != kernel:
        forget_libraries()
        raise KernelMissing.of(kernel, here)


def list_kernels(rule_fields: Mapping[str, Any] | None, runner: Runner) -> list[str]:
    """Names of the kernels that the workers have for the rule of these fields, each once; without
    them, for torch alone."""
    calls = [runner.call(_name_kernel_of, rule_fields)[0] for _ in range(runner.n_workers)]
    return sorted(set(runner.get(calls)))


def _name_kernel_of(rule_fields: Mapping[str, Any] | None) -> str:
    return name_kernel(None if rule_fields is None else rule_from_spec(rule_fields))
