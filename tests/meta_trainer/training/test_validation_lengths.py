"""The line search over the length of steps: what is kept, what is told, and who may ask for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from meta_trainer.datasets import load
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.units import make_rule
from tests.meta_trainer.conftest import MemoryRecorder

TENSOR: dict[str, Any] = {
    "rule": {"kind": "hyperadam-tensor", "n_candidates": 2, "n_hidden": 4},
    "task": {"hidden": [3], "batch_size": 8, "activations": ["relu"]},
    "unroll": {"horizon": 4, "period": None},
    "n_learners": 1,
    "chunk_size": 1,
    "n_episodes": 1,
    "seed": 7,
}


def train(recorder: MemoryRecorder, *lengths: float) -> MetaTraining:
    validation = {"n_learners": 2, "lengths": lengths}
    spec = MetaTrainingSpec.model_validate({**TENSOR, "validation": validation})
    training = MetaTraining(spec, load("mnist5k"), InProcessRunner(), recorder)
    training.run()
    return training


def told(recorder: MemoryRecorder) -> list[dict[str, Any]]:
    return [dict(data) for kind, data in recorder.events if kind == "validation"]


def test_the_best_length_of_each_theta_is_told() -> None:
    alone: dict[float, list[dict[str, Any]]] = {}
    for length in (0.01, 1.0, 4.0):
        recorder = MemoryRecorder()
        train(recorder, length)
        alone[length] = told(recorder)

    together = MemoryRecorder()
    train(together, 0.01, 1.0, 4.0)
    for number, event in enumerate(told(together)):
        candidates = [events[number] for events in alone.values()]
        best = min(candidates, key=lambda candidate: candidate["loss"])
        assert event["loss"] == best["loss"]
        assert event["length"] == best["length"]
    assert set(together.series("validation_length").values()) <= {0.01, 1.0, 4.0}


def test_the_theta_that_is_kept_has_the_length_and_training_goes_on_without_it() -> None:
    plain = train(MemoryRecorder())
    long = train(MemoryRecorder(), 2.0)
    assert torch.equal(long.theta, plain.theta)

    rule = make_rule(plain._spec.rule)
    kept = rule.unpack(long._make_result().theta)
    expected = rule.unpack(plain._make_result().theta)
    torch.testing.assert_close(kept["length.bias"], expected["length.bias"] + torch.tensor(2).log())
    assert torch.equal(kept["state_cell.weight"], expected["state_cell.weight"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": {"kind": "hyperadam"}}, "length of its steps is no part of Θ"),
        ({"validation": {"lengths": [2.0, 1.0]}}, "lengths must rise"),
        ({"validation": {"lengths": [0.0]}}, "greater than or equal to 0.01"),
    ],
)
def test_lengths_that_cannot_be_searched_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MetaTrainingSpec.model_validate({**TENSOR, "validation": {"lengths": [1.0]}, **changes})
