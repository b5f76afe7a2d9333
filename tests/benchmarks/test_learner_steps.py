"""The table of learner-steps tells speeds as ratios taken in turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from benchmarks import learner_steps
from benchmarks.learner_steps import BASIC, Rate, describe_rate, list_learners, main
from meta_trainer.specs.plain_tasks import NetworkName

N_NETWORKS = len(get_args(NetworkName))


def test_ratios_are_of_speeds() -> None:
    hyperadam = Rate("h", 10, [0.8, 0.4])
    basic = Rate("b", 10, [0.2, 0.2])
    row = describe_rate(Rate("tiny", 5, [0.05, 0.1]), hyperadam, basic)
    assert row["ratios_to_basic"] == [4, 2]
    assert row["ratios_to_hyperadam"] == [16, 4]
    assert row["learner_steps_a_second"] == pytest.approx(1 / 0.075)


def test_every_learner_is_one_task_of_one_shape() -> None:
    learners = list_learners(20)
    assert len({learner.name for learner in learners}) == len(learners) == 4 + N_NETWORKS
    for learner in learners:
        (task,) = learner.spec.validation_tasks
        assert (learner.spec.n_chunks, learner.spec.horizon_of(0)) == (1, 20)
        assert task.batch_size == (128 if BASIC in learner.name else 32)


def test_a_table_of_tiny_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = [learner for learner in list_learners(20) if learner.name == "regression"]
    monkeypatch.setattr(learner_steps, "list_learners", lambda _: 3 * small)
    target = tmp_path / "steps.json"
    main(["--steps", "20", "--rounds", "1", "--json", str(target)])
    rows = json.loads(target.read_text())["rows"]
    assert [row["coordinates"] for row in rows] == [153] * 3
    assert all(row["learner_steps_a_second"] > 0 for row in rows)
    assert capsys.readouterr().out.count("\n|") == 4
