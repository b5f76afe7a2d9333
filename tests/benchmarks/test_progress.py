"""Optimizers that are compared by the tasks of validation."""

from __future__ import annotations

import pytest

from benchmarks import lengths
from benchmarks.judgements import compare
from benchmarks.thetas import read_theta
from meta_trainer.specs import MetaTrainingSpec, MLPTaskSpec
from meta_trainer.tasks import load_data


def test_all_are_compared_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "HORIZON", 5)
    spec = MetaTrainingSpec.model_validate({"preset": "default"})
    task = MLPTaskSpec(dataset="mnist5k", hidden=(4,))
    names = ("untrained", "hyperadam-v2")
    thetas = {name: read_theta(name, spec) for name in names}
    first, other = compare(thetas, [task, task], load_data([task], None), 1, names[0])
    assert first.difference == 0.0
    assert other.difference != 0.0
    assert other.standard_error == 0.0
