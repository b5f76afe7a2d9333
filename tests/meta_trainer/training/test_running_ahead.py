"""Chunks that run ahead of others: what they did is in the log, and the log repeats it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from meta_trainer.datasets import load
from meta_trainer.runners import Agents, InProcessRunner, Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.checkpoints import Checkpoint
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.units import make_rule

STALENESS = 2


class Uneven(InProcessRunner):
    """Its agents answer in an order of the generator's, some of them much later than others."""

    def __init__(self, seed: int) -> None:
        super().__init__(branch_size=1)
        self.random = random.Random(seed)

    def employ(self, make: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Agents:
        return _UnevenAgents([make(self, *each) for each in arguments], self.random)


class _UnevenAgents(Agents):
    def __init__(self, agents: Sequence[Any], generator: random.Random) -> None:
        super().__init__(agents)
        self._random = generator

    def collect(self, at_least: int = 1) -> list[tuple[int, Any]]:
        place = min(self._random.randrange(len(self._answers)) for _ in range(2))
        return [self._answers.pop(place)]


def make_spec(tiny_spec: MetaTrainingSpec, staleness: int = STALENESS) -> MetaTrainingSpec:
    fields = {
        "n_learners": 4 * tiny_spec.chunk_size,
        "n_episodes": 3,
        "staleness": staleness,
        "checkpoint_every_updates": 1,
    }
    return MetaTrainingSpec.model_validate(tiny_spec.model_dump(exclude=set(fields)) | fields)


def train(
    spec: MetaTrainingSpec,
    runner: Runner,
    recorder: Any,
    *,
    resume: bytes | None = None,
    log: Tensor | None = None,
) -> Tensor:
    training = MetaTraining(spec, load("mnist5k"), runner, recorder, log=log)
    if resume is not None:
        training.restore(resume)
    return training.run().final_theta


def read_log(spec: MetaTrainingSpec, recorder: Any) -> Tensor:
    newest = recorder.checkpoints[max(recorder.checkpoints)]
    log = Checkpoint.from_bytes(newest, make_rule(spec.rule)).staleness
    assert log is not None
    return log


@pytest.mark.slow
def test_a_log_repeats_the_training_bit_for_bit(tiny_spec: MetaTrainingSpec, recorder: Any) -> None:
    spec = make_spec(tiny_spec)
    theta = train(spec, Uneven(0), recorder)
    log = read_log(spec, recorder)
    assert log.shape == (spec.n_updates, spec.n_chunks)
    assert set(log.flatten().tolist()) == set(range(STALENESS + 1))

    repeated = type(recorder)()
    assert torch.equal(train(spec, InProcessRunner(), repeated, log=log), theta)
    assert torch.equal(read_log(spec, repeated), log)
    assert torch.equal(train(spec, Uneven(1), type(recorder)(), log=log), theta)
    in_step = train(make_spec(tiny_spec, 0), InProcessRunner(), type(recorder)())
    assert not torch.equal(theta, in_step), "the log says nothing"


@pytest.mark.slow
def test_a_training_that_was_interrupted_is_repeated_by_its_log(
    tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    spec = make_spec(tiny_spec)
    train(spec, Uneven(2), recorder)
    within = next(update for update in recorder.checkpoints if spec.timeline.locate(update).period)
    resumed = type(recorder)()
    theta = train(spec, Uneven(3), resumed, resume=recorder.checkpoints[within])
    log = read_log(spec, resumed)
    assert torch.equal(log[:within], read_log(spec, recorder)[:within])
    assert torch.equal(train(spec, InProcessRunner(), type(recorder)(), log=log), theta)


@pytest.mark.slow
def test_one_worker_has_nobody_to_run_ahead_of(tiny_spec: MetaTrainingSpec, recorder: Any) -> None:
    theta = train(make_spec(tiny_spec), InProcessRunner(), recorder)
    in_step = train(make_spec(tiny_spec, 0), InProcessRunner(), type(recorder)())
    assert torch.equal(theta, in_step)
    assert not read_log(make_spec(tiny_spec), recorder).any()


def test_a_log_of_another_job_is_refused(tiny_spec: MetaTrainingSpec, recorder: Any) -> None:
    spec = make_spec(tiny_spec)
    with pytest.raises(ValueError, match="log must be of at most"):
        train(spec, InProcessRunner(), recorder, log=torch.zeros(1, 3, dtype=torch.uint8))
    too_old = torch.full((1, spec.n_chunks), STALENESS + 1, dtype=torch.uint8)
    with pytest.raises(ValueError, match="log must hold at most 2"):
        train(spec, InProcessRunner(), recorder, log=too_old)
