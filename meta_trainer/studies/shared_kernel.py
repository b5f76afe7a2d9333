"""The kernel that all trials of a study have, so that they differ in what is varied alone.

The first trial that begins decides: what its workers have is the study's from then on, over all
attempts and extensions. A rule that has no compiled code runs in plain torch, on vectors of the
same width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from meta_trainer.runners import Runner
from meta_trainer.runs.kernel import check_fused, load_kernel, save_kernel
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.kernel import KernelMissing, fit_kernel, list_kernels
from meta_trainer.training.units import make_rule
from registry import Registry

Agree = Callable[[Sequence[str]], str | None]
"""From the kernels that workers of a trial have to the study's; None: there is none yet, and these
are several."""


class SharedKernel:
    """Gives all trials one answer, whichever asks first.

    Args:
        kernel: what earlier attempts agreed on; None: nothing yet.
    """

    def __init__(self, kernel: str | None) -> None:
        self._kernel = kernel

    def agree(self, found: Sequence[str]) -> str | None:
        if self._kernel is None and len(found) == 1:
            self._kernel = found[0]
        return self._kernel


def keep_shared_kernel(
    spec: MetaTrainingSpec,
    registry: Registry,
    study_run_id: str,
    run_id: str,
    runner: Runner,
    agree: Agree,
) -> str:
    """The kernel of a trial, as the study's has it, written down in both runs.

    Raises:
        KernelMissing: no worker has it, or they have several and the study has none yet, or another
            than the spec asks for.
    """
    found = list_kernels(asdict(spec.rule), runner)
    here = ", ".join(found)
    if spec.kernel == "any":
        return here
    check_fused(spec, found)
    shared = agree(_list_compiled(spec, found, runner))
    if shared is None:
        raise KernelMissing.of_several(here)
    kernel = fit_kernel(shared, make_rule(spec.rule))
    if kernel not in found or load_kernel(registry, run_id) not in (None, kernel):
        raise KernelMissing.of(kernel, here)
    save_kernel(registry, study_run_id, shared)
    save_kernel(registry, run_id, kernel)
    return kernel


def _list_compiled(spec: MetaTrainingSpec, found: Sequence[str], runner: Runner) -> Sequence[str]:
    """What the workers have for a rule that can be compiled: this one, or else the usual one."""
    rule = make_rule(spec.rule)
    if fit_kernel("fused/any", rule) == "fused/any":
        return found
    return list_kernels(asdict(MetaTrainingSpec().rule), runner)
