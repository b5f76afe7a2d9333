"""What followers are told of how far a training is, and what its checkpoints say before the first
validation."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from meta_trainer.datasets import load
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.checkpoints import Checkpoint
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.meta_optimizer import MetaUpdate
from meta_trainer.training.progress import ProgressReporter
from meta_trainer.training.units import make_rule
from tests.meta_trainer.conftest import MemoryRecorder


def test_the_time_left_follows_from_the_updates_since_the_start(
    tiny_spec: MetaTrainingSpec, recorder: MemoryRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("meta_trainer.training.progress.time", clock)
    reporter = ProgressReporter(tiny_spec, InProcessRunner(), recorder)
    losses = torch.tensor([1.0, 3.0, math.nan])
    meta_update = MetaUpdate(1.0, 0.1, skipped=False)

    now[0] = 1000.0  # of what is no update
    reporter.start(2)
    for update in (3, 4):
        now[0] += 5.0
        reporter.report_update(update, losses, meta_update, period_steps=3, period_seconds=4.0)

    events = [data for kind, data in recorder.events if kind == "progress"]
    assert [event["eta_seconds"] for event in events] == [15.0, 10.0]
    assert events[0]["meta_loss"] == 2.0
    assert recorder.series("learner_steps_per_second") == {3: 3.0, 4: 3.0}
    assert recorder.series("n_diverged") == {3: 1.0, 4: 1.0}


def test_a_checkpoint_before_the_first_validation_has_no_initial_loss(
    tiny_spec: MetaTrainingSpec, recorder: MemoryRecorder
) -> None:
    training = MetaTraining(tiny_spec, load("mnist5k"), InProcessRunner(), recorder)
    training.checkpoint()
    rule = make_rule(tiny_spec.rule)
    checkpoint = Checkpoint.from_bytes(recorder.checkpoints[0], rule)
    assert checkpoint.initial_loss is None
    assert b"NaN" in recorder.checkpoints[0]
    diverged = replace(checkpoint, initial_loss=math.inf).to_bytes()
    assert Checkpoint.from_bytes(diverged, rule).initial_loss == math.inf
