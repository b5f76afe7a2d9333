"""Optimizers that are compared by the tasks of validation."""

from __future__ import annotations

from pathlib import Path

import hyperadam
import pytest
import torch

from benchmarks import lengths
from benchmarks.judgements import compare
from benchmarks.progress import read_theta
from meta_trainer.specs import MetaTrainingSpec, MLPTaskSpec
from meta_trainer.tasks import load_data
from meta_trainer.training.initial_theta import make_initial_theta


def test_where_an_optimizer_comes_from(tmp_path: Path) -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "default"})
    untrained = read_theta("untrained", spec)
    assert torch.equal(untrained.vector, make_initial_theta(spec))
    path = tmp_path / "theta.safetensors"
    untrained.save(path)
    assert torch.equal(read_theta(str(path), spec).vector, untrained.vector)
    shipped = read_theta("hyperadam-v2", spec)
    assert torch.equal(shipped.vector, hyperadam.pretrained("hyperadam-v2").vector)


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
