"""Chunks in branches: the same bits as one by one, also where an agent has forgotten everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from meta_trainer.datasets import load
from meta_trainer.runners import Agents, InProcessRunner, Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.branches import PackedOutcomes
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.units import PeriodOutcome

FIELDS: dict[str, dict[str, Any]] = {
    "tbptt": {},
    "clipped": {"meta_optimizer": {"clip_learners": 1.5}},
    "mixed": {
        "estimator": {
            "kind": "mix",
            "parts": [
                {"estimator": {"kind": "pes", "n_pairs": 1}},
                {"estimator": {"kind": "tbptt"}},
            ],
        }
    },
}


def make_spec(tiny_spec: MetaTrainingSpec, kind: str) -> MetaTrainingSpec:
    fields = {"n_learners": 5 * tiny_spec.chunk_size, "n_episodes": 2, **FIELDS[kind]}
    return MetaTrainingSpec.model_validate(tiny_spec.model_dump(exclude=set(fields)) | fields)


def train(
    spec: MetaTrainingSpec, runner: Runner, recorder: Any, resume: bytes | None = None
) -> torch.Tensor:
    training = MetaTraining(spec, load("mnist5k"), runner, recorder)
    if resume is not None:
        training.restore(resume)
    return training.run().final_theta


@pytest.mark.slow
@pytest.mark.parametrize("kind", FIELDS)
def test_branches_do_not_show(tiny_spec: MetaTrainingSpec, recorder: Any, kind: str) -> None:
    spec = make_spec(tiny_spec, kind)
    expected = train(spec, InProcessRunner(), recorder)
    assert torch.equal(train(spec, InProcessRunner(branch_size=2), type(recorder)()), expected)


@pytest.mark.slow
def test_checkpoints_within_an_episode_cross_from_one_to_the_other(
    tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    spec = make_spec(tiny_spec, "tbptt")
    other = type(recorder)()
    expected = train(spec, InProcessRunner(), recorder)
    train(spec, InProcessRunner(branch_size=2), other)
    update = next(u for u in recorder.checkpoints if spec.timeline.locate(u).period)
    for checkpoint in (recorder.checkpoints[update], other.checkpoints[update]):
        for size in (None, 3):
            runner = InProcessRunner(branch_size=size)
            assert torch.equal(train(spec, runner, type(recorder)(), checkpoint), expected)


class Forgetful(InProcessRunner):
    """Its agents are made anew before everything that they are asked."""

    n_made = 0

    def employ(self, make: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Agents:
        return _ForgetfulAgents(self, make, arguments)


class _ForgetfulAgents(Agents):
    def __init__(self, runner: Forgetful, make: Any, arguments: Sequence[tuple[Any, ...]]) -> None:
        super().__init__([None] * len(arguments))
        self._runner = runner
        self._make = make
        self._of_each = arguments

    def begin(self, position: int, method: str, arguments: tuple[Any, ...]) -> None:
        self._runner.n_made += 1
        self._agents[position] = self._make(self._runner, *self._of_each[position])
        super().begin(position, method, arguments)


@pytest.mark.slow
def test_an_agent_that_was_lost_makes_its_states_again(
    tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    spec = make_spec(tiny_spec, "tbptt")
    expected = train(spec, InProcessRunner(), recorder)
    runner = Forgetful(branch_size=2)
    assert torch.equal(train(spec, runner, type(recorder)()), expected)
    assert runner.n_made > 3 * spec.n_updates
    within = next(u for u in recorder.checkpoints if spec.timeline.locate(u).period)
    resumed = train(spec, Forgetful(branch_size=2), type(recorder)(), recorder.checkpoints[within])
    assert torch.equal(resumed, expected)


def test_outcomes_travel_as_one_message() -> None:
    outcomes = [
        PeriodOutcome(torch.full((3,), float(chunk)), torch.tensor([chunk + 0.5]), (torch.ones(2),))
        for chunk in range(4)
    ]
    unpacked = PackedOutcomes.pack(outcomes).unpack()
    for before, after in zip(outcomes, unpacked, strict=True):
        assert torch.equal(before.gradient, after.gradient)
        assert torch.equal(before.losses, after.losses)
        assert torch.equal(before.slopes[0], after.slopes[0])
