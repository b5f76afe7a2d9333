"""Warm starts: Θ begins at a registered version's, and its lineage says so."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.datasets import load
from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import MetaTrainingSpec, merge
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.units import make_rule
from registry import Registry, connect
from tests.meta_trainer.driver.jobs import open_job, read_done

SETTINGS = DriverSettings(tracking_uri="memory://", runner="in-process")


@pytest.fixture
def registry(tiny_spec: MetaTrainingSpec) -> Registry:
    """With one version of the job's own rule."""
    registry = connect("memory://")
    rule = make_rule(tiny_spec.rule)
    tensors = rule.init_theta(torch.Generator().manual_seed(9), "adam-ensemble")
    theta = Theta(rule, {name: tensor.float() for name, tensor in tensors.items()}, Rate(lr=0.01))
    registry.create_version("older", theta, key="k")
    return registry


def run(registry: Registry, spec: MetaTrainingSpec, **fields: Any) -> dict[str, Any]:
    """Carry out a job; returns its last word."""
    run_id = open_job(registry, **merge(spec.model_dump(mode="json"), fields))
    run_attempt(registry, run_id, 1, SETTINGS)
    return {**read_done(registry, run_id), "run": run_id}


def test_a_job_starts_at_its_parent_and_says_so(
    registry: Registry, tiny_spec: MetaTrainingSpec
) -> None:
    parent = registry.version("older", "1")
    word = run(registry, tiny_spec, parent="older@1")
    assert word["outcome"] == "succeeded"
    manifest = registry.version("hyperadam", "latest").manifest
    assert manifest["provenance"]["parent"] == {"version": "older@1", "sha256": parent.sha256}
    start = Theta.from_bytes(registry.get_artifact(word["run"], "result/initial.safetensors"))
    original = Theta.from_bytes(registry.weights("older", 1))
    assert all(
        torch.equal(start.tensors[name], tensor) for name, tensor in original.tensors.items()
    )
    assert start.provenance["made_by"] == "parent older@1"


def test_a_start_that_was_adjusted_says_so(registry: Registry, tiny_spec: MetaTrainingSpec) -> None:
    word = run(registry, tiny_spec, parent="older@1", adjustment={"memory": -0.5})
    assert word["outcome"] == "succeeded"
    start = Theta.from_bytes(registry.get_artifact(word["run"], "result/initial.safetensors"))
    original = Theta.from_bytes(registry.weights("older", 1))
    n_candidates = original.tensors["weight_cell.bias"].numel()
    moved = start.tensors["adam_cell.bias"] - original.tensors["adam_cell.bias"]
    torch.testing.assert_close(moved, torch.tensor([-0.5] * n_candidates + [0.0] * n_candidates))
    assert start.provenance["made_by"] == "parent older@1, adjusted"


def test_without_a_parent_lineage_says_none(
    registry: Registry, tiny_spec: MetaTrainingSpec
) -> None:
    assert run(registry, tiny_spec)["outcome"] == "succeeded"
    assert registry.version("hyperadam", "latest").manifest["provenance"]["parent"] is None


def test_a_parent_of_another_rule_is_refused(
    registry: Registry, tiny_spec: MetaTrainingSpec
) -> None:
    word = run(registry, tiny_spec, parent="older@1", rule={"n_candidates": 4})
    assert word["outcome"] == "failed"
    assert "parent older@1 has rule.n_candidates 3, but the job has 4" in word["error"]["message"]


def test_a_parents_directions_may_have_had_other_limits(
    registry: Registry, tiny_spec: MetaTrainingSpec
) -> None:
    word = run(
        registry,
        tiny_spec,
        parent="older@1",
        rule={"skip_zero_gradients": False, "direction_bound": 7.5},
    )
    assert word["outcome"] == "succeeded"
    theta = Theta.from_bytes(registry.weights("hyperadam", 1))
    assert (theta.rule.spec.skip_zero_gradients, theta.rule.spec.direction_bound) == (False, 7.5)
    assert (
        registry.version("older", "1").manifest["rule"]["direction_bound"]
        == tiny_spec.rule.direction_bound
    )


def test_a_parent_must_be_given_where_the_spec_names_one(tiny_spec: MetaTrainingSpec) -> None:
    spec = tiny_spec.model_copy(update={"parent": "older@1"})
    with pytest.raises(ValueError, match="parent is 'older@1' in the spec, but no Θ was given"):
        MetaTraining(spec, load("mnist5k"), InProcessRunner(), LogRecorder())
