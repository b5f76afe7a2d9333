"""What goes wrong in the numbers: learners are left out and told of, a lost cause is stopped by the
stated rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from meta_trainer.datasets import load
from meta_trainer.runners import Handle, InProcessRunner
from meta_trainer.specs import DivergenceSpec, MetaTrainingSpec
from meta_trainer.training.checkpoints import BEST_CHECKPOINT, Checkpoint
from meta_trainer.training.divergence import DivergenceWatch
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Trained
from meta_trainer.training.units import PeriodOutcome, make_rule, run_period
from tests.meta_trainer.conftest import TINY, MemoryRecorder

SPEC = MetaTrainingSpec.model_validate(
    {**TINY, "divergence": {"updates": 3, "validations": 2, "factor": 2.0}}
)


class Poisoned(InProcessRunner):
    """Puts NaN into the meta-gradients of some chunks, from a period on."""

    def __init__(self, chunks: Sequence[int], from_period: int = 0) -> None:
        self._chunks = chunks
        self._from_period = from_period
        self._period = -1

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        results = super().call(function, *arguments, n_returns=n_returns)
        if function is not run_period:
            return results
        chunk = arguments[4]
        self._period += chunk == 0
        if chunk not in self._chunks or self._period < self._from_period:
            return results
        outcome: PeriodOutcome = results[0]
        return outcome._replace(gradient=torch.full_like(outcome.gradient, torch.nan)), results[1]


def train(
    runner: InProcessRunner, recorder: MemoryRecorder, resume: bytes | None = None
) -> Trained:
    training = MetaTraining(SPEC, load("mnist5k"), runner, recorder)
    if resume:
        training.restore(resume)
    return training.run()


def test_chunk_with_a_gradient_that_is_not_finite_is_left_out_counted_and_told_of(
    recorder: MemoryRecorder,
) -> None:
    trained = train(Poisoned([1]), recorder)
    assert trained.diverged is None
    assert trained.final_theta.isfinite().all()
    assert not trained.final_theta.equal(trained.initial_theta)
    assert set(recorder.series("n_diverged").values()) == {2.0}
    events = [data for kind, data in recorder.events if kind == "learners.diverged"]
    assert events[0] == {"update": 1, "seed": 7, "episode": 0, "learners": [2, 3]}
    assert [data["episode"] for data in events] == [0, 1, 2]  # once an episode


def test_run_whose_learners_all_diverge_is_stopped_with_the_best_theta_kept(
    recorder: MemoryRecorder,
) -> None:
    sound = train(Poisoned([], 0), MemoryRecorder())
    assert sound.diverged is None
    trained = train(Poisoned([0, 1], from_period=2), recorder)
    validated = recorder.series("validation_loss")
    assert (trained.n_updates, trained.best_update) == (
        5,
        min(validated, key=validated.__getitem__),
    )
    assert trained.diverged is not None
    assert trained.diverged.startswith("in 3 updates in a row")
    assert trained.theta.isfinite().all()
    assert recorder.events[-1][0] == "diverged"
    best = Checkpoint.from_bytes(recorder.artifacts[BEST_CHECKPOINT], make_rule(SPEC.rule))
    assert (best.update, best.states) == (trained.best_update, ())
    assert best.best_theta.equal(trained.theta)


def test_counts_of_the_rule_are_part_of_checkpoints(recorder: MemoryRecorder) -> None:
    expected = train(Poisoned([0, 1], from_period=2), recorder)
    resumed = train(Poisoned([0, 1]), MemoryRecorder(), recorder.checkpoints[4])
    assert (resumed.n_updates, resumed.diverged) == (expected.n_updates, expected.diverged)


@pytest.mark.parametrize(
    ("losses", "stopped_after"),
    [
        ([1.0, 2.0, 2.0, 2.0], None),
        ([1.0, 2.1, 2.1], 3),
        ([1.0, 2.1, 1.9, 2.1, math.inf], 5),
        ([math.inf, 5.0, math.inf, math.inf], 4),
    ],
)
def test_validations_above_the_factor_in_a_row(
    losses: list[float], stopped_after: int | None
) -> None:
    watch = DivergenceWatch(DivergenceSpec(validations=2, factor=2.0))
    verdicts = []
    for loss in losses:
        watch.note_validation(loss, initial_loss=losses[0])
        verdicts.append(watch.verdict)
    first = next((number for number, verdict in enumerate(verdicts, start=1) if verdict), None)
    assert first == stopped_after


def test_rules_can_be_switched_off() -> None:
    watch = DivergenceWatch(DivergenceSpec(updates=0, validations=0))
    for _ in range(1000):
        watch.note_update(8, 8, skipped=True)
        watch.note_validation(math.inf, 1.0)
    assert watch.verdict is None
