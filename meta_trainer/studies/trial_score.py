"""The score of a trial's Θ on a suite."""

from __future__ import annotations

import math

from hyperadam.theta import Theta

from meta_trainer.evaluation import EvaluationData, evaluate
from meta_trainer.evaluation.kernels import OF_BASELINES
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import Runner
from meta_trainer.specs.study_parts import SuiteObjective
from meta_trainer.training.kernel import fit_kernel
from registry import Registry


def score_theta(
    objective: SuiteObjective,
    theta: Theta,
    runner: Runner,
    data_dir: str | None,
    registry: Registry,
    kernel: str | None = None,
) -> float:
    """The geometric mean over the suite's tasks of the mean final loss; infinite where a start
    diverged, or a mean is not above 0.

    Args:
        kernel: what is to run Θ; None: any.

    Raises:
        KernelMissing: no worker has it.
    """
    name = "trial@1"
    spec = objective.evaluation(name)
    data = EvaluationData.load(spec, data_dir, registry)
    kernels = None
    if kernel is not None:
        kernels = {name: kernel, OF_BASELINES: fit_kernel(kernel, None)}
    report = evaluate(spec, {name: theta}, data, runner, LogRecorder(), kernels=kernels)

    logs = []
    for row in report.rows:
        mean_loss = row.final.mean
        if row.n_diverged or mean_loss <= 0:
            return math.inf
        logs.append(math.log(mean_loss))
    return math.exp(math.fsum(logs) / len(logs))
