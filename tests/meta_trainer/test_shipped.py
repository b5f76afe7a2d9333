"""The shipped Θ still reaches what docs/reproduction says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hyperadam
import pytest
import torch

from meta_trainer.datasets import load
from meta_trainer.learners import MLP
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.baselines import BASELINES
from meta_trainer.specs.suites import SUITES
from meta_trainer.tasks import build_optimizee, load_data
from meta_trainer.tasks.optimizees import Supervised
from meta_trainer.training.adjustment import adjust_theta
from meta_trainer.unrolls.rollout import Learned, rollout

pytestmark = pytest.mark.slow

TABLE_1 = {
    "hyperadam-v0": {"sigmoid": 0.2757, "relu": 0.2514, "elu": 0.2324, "tanh": 0.2693},
    "hyperadam-v1": {"sigmoid": 0.2508, "relu": 0.2351, "elu": 0.2214, "tanh": 0.2423},
}
"""Means over 20 starts; the standard error over 6 starts is at most 0.008."""


@pytest.mark.parametrize(
    ("name", "activation"), [(name, each) for name, row in TABLE_1.items() for each in row]
)
def test_table_1(name: str, activation: str, data_dir: Path) -> None:
    theta, dataset = hyperadam.pretrained(name), load("mnist", data_dir)
    learner = MLP((dataset.n_features, 20, dataset.n_classes), activation)
    problem = Supervised(learner, dataset, 5, "test-shipped", [(i,) for i in range(6)])
    with torch.no_grad():
        result = rollout(Learned(theta.rule, theta.vector, theta.rate), problem, 100)
    assert float(result.final_losses.mean()) == pytest.approx(TABLE_1[name][activation], abs=0.03)


@pytest.mark.parametrize("name", SUITES["unseen"].learners)
def test_networks_that_it_never_saw_learn_by_it(name: str) -> None:
    theta = hyperadam.pretrained()
    learner = SUITES["unseen"].learners[name].model_copy(update={"batch_size": 16})
    problem = build_optimizee(
        learner, load_data([learner], None), 5, "test-shipped", [(i,) for i in range(3)]
    )
    result = rollout(Learned(theta.rule, theta.vector, theta.rate), problem, 100)
    assert bool((result.final_losses < 0.8 * result.curves[0]).all())


def test_the_first_has_the_rate_of_the_preset_that_made_it() -> None:
    theta = hyperadam.pretrained("hyperadam-v0")
    assert theta.rate == MetaTrainingSpec.model_validate({"preset": "default"}).unroll.rate
    assert theta.provenance["spec"]["unroll"]["decay_after"] == theta.rate.decay_after > 0


def test_the_default_was_trained_from_the_first_adjusted_as_its_job_says() -> None:
    first, default = hyperadam.pretrained("hyperadam-v0"), hyperadam.pretrained("hyperadam-v1")
    spec = MetaTrainingSpec.model_validate(default.provenance["spec"])
    assert default.provenance["parent"] == {"version": spec.parent, "sha256": first.sha256}
    assert default.rate == spec.unroll.rate
    assert default.rule.spec == spec.rule
    start = default.rule.pack(adjust_theta(first.tensors, spec.adjustment))
    assert 0 < (default.vector - start).norm() < 0.1 * (first.vector - start).norm()


def test_adam_has_the_schedule_of_the_default_among_the_baselines() -> None:
    own = hyperadam.pretrained().rate
    beside = BASELINES["adam-scheduled"].beside(own)
    assert beside.schedule == replace(own, lr=1.0, weight_decay=0.0)
