"""Which way the periods of a job are run: one by one, in branches, or with some running ahead."""

from __future__ import annotations

import math

from torch import Tensor

from meta_trainer.runners import Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.branches import BranchedEpisode, cut_branches
from meta_trainer.training.episode import Episodes, EpisodeUnderWay
from meta_trainer.training.handles import JobHandles
from meta_trainer.training.running_ahead import RunningAhead


def choose_way(
    runner: Runner, job: JobHandles, spec: MetaTrainingSpec, log: Tensor | None = None
) -> Episodes:
    """In branches where the runner says that there are that many chunks; with `staleness`, a branch
    for every worker, or more.

    Args:
        log: of a training with `staleness` that is repeated, shape (updates, chunks).

    Raises:
        ValueError: the log is not one of this spec.
    """
    size = runner.find_branch_size(spec.n_chunks)
    if log is not None:
        _check_log(log, spec)
        return RunningAhead(runner, job, spec, cut_branches(spec.n_chunks, 1), log)
    if spec.staleness:
        size = size or math.ceil(spec.n_chunks / runner.n_workers)
        return RunningAhead(runner, job, spec, cut_branches(spec.n_chunks, size))
    if size is None:
        return EpisodeUnderWay(runner, job, spec.n_chunks)
    return BranchedEpisode(runner, job, cut_branches(spec.n_chunks, size))


def _check_log(log: Tensor, spec: MetaTrainingSpec) -> None:
    n_updates, n_chunks = log.shape
    if n_chunks != spec.n_chunks or n_updates > spec.n_updates:
        raise ValueError(
            f"log must be of at most {spec.n_updates} updates of {spec.n_chunks} chunks, "
            f"got {n_updates} of {n_chunks}"
        )
    if (log > spec.staleness).any():
        raise ValueError(f"log must hold at most {spec.staleness}, the staleness of the spec")
