"""The shipped Θ still reaches what docs/reproduction says of it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import stdev

import hyperadam
import pytest
from hyperadam.theta import Theta

from meta_trainer.datasets import load
from meta_trainer.evaluation.baselines import HandDesigned
from meta_trainer.evaluation.untrained import rebuild_start
from meta_trainer.learners import MLP
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.baselines import BASELINES
from meta_trainer.specs.suites import SUITES
from meta_trainer.tasks import build_optimizee, load_data
from meta_trainer.tasks.optimizees import Supervised
from meta_trainer.training.adjustment import adjust_theta
from meta_trainer.unrolls.optimizers import Learned
from meta_trainer.unrolls.rollout import rollout

pytestmark = pytest.mark.slow

RECORD = Path(__file__).with_name("shipped_finals.json")
"""Final losses after 100 steps of the basic MLP on MNIST, start by start: Θ by name, the start of
`hyperadam-v1` untrained, and Adam with its schedule at the best of a grid of rates.
HYPERADAM_REWRITE_GOLDEN=1 records them anew."""
ACTIVATION_NAMES = ("sigmoid", "relu", "elu", "tanh")
N_STARTS = 6
N_STEPS = 100
OWN = [name for name in hyperadam.pretrained_names() if name.startswith("hyperadam-v")]
RECORDED_THETAS = (*OWN, "untrained")
TWINS = {"hyperadam-v8": ["hyperadam-v9"], "hyperadam-v9": ["hyperadam-v8"]}
"""Those that are one in runs as short as these."""


def make_problem(activation: str, data_dir: Path) -> Supervised:
    dataset = load("mnist", data_dir)
    learner = MLP((dataset.n_features, 20, dataset.n_classes), activation)
    return Supervised(learner, dataset, 5, "test-shipped", [(i,) for i in range(N_STARTS)])


def run_theta(theta: Theta, activation: str, data_dir: Path) -> list[float]:
    optimizer = Learned(theta.rule, theta.vector, theta.rate)
    return rollout(optimizer, make_problem(activation, data_dir), N_STEPS).final_losses.tolist()


def run_best_adam(activation: str, data_dir: Path) -> list[float]:
    """With the schedule of `hyperadam-v1`; its rate is the best on these very starts."""
    own = hyperadam.pretrained("hyperadam-v1").rate
    baseline = BASELINES["adam-1e-12-scheduled"].beside(own)
    problem = make_problem(activation, data_dir)
    runs = [
        rollout(HandDesigned(baseline, [2 ** (k / 2)] * N_STARTS), problem, N_STEPS).final_losses
        for k in range(-14, -4)
    ]
    return min(runs, key=lambda finals: float(finals.mean())).tolist()


def is_the_recorded(finals: Sequence[float], recorded: Sequence[float]) -> bool:
    """Whether every start ends where it did, within a quarter of the spread over starts."""
    tolerance = stdev(recorded) / 4
    differences = [abs(a - b) for a, b in zip(finals, recorded, strict=True)]
    return max(differences) <= tolerance


def find_theta(name: str) -> Theta:
    if name == "untrained":
        return rebuild_start(hyperadam.pretrained("hyperadam-v1"), lambda _: None)
    return hyperadam.pretrained(name)


def record_finals(name: str, activation: str, finals: Sequence[float]) -> None:
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    record.setdefault(name, {})[activation] = list(finals)
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize("activation", ACTIVATION_NAMES)
@pytest.mark.parametrize("name", RECORDED_THETAS)
def test_every_start_ends_where_it_did(name: str, activation: str, data_dir: Path) -> None:
    finals = run_theta(find_theta(name), activation, data_dir)
    if os.environ.get("HYPERADAM_REWRITE_GOLDEN") == "1":
        record_finals(name, activation, finals)
        record_finals("adam", activation, run_best_adam(activation, data_dir))
    assert is_the_recorded(finals, json.loads(RECORD.read_text())[name][activation])


@pytest.mark.parametrize("activation", ACTIVATION_NAMES)
@pytest.mark.parametrize("name", OWN)
def test_nothing_else_passes_for_it(name: str, activation: str) -> None:
    """The comparison tells each from all others but a twin, from an untrained start and from Adam,
    tuned."""
    record = json.loads(RECORD.read_text())
    recorded = record[name][activation]
    others = sorted({*RECORDED_THETAS, "adam"} - {name})
    passing = [o for o in others if is_the_recorded(record[o][activation], recorded)]
    assert passing == TWINS.get(name, [])


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
    assert theta.rate == MetaTrainingSpec.model_validate({"preset": "mlps-784"}).unroll.rate
    assert theta.provenance["spec"]["unroll"]["decay_after"] == theta.rate.decay_after > 0


def test_the_second_was_trained_from_the_first_adjusted_as_its_job_says() -> None:
    first = hyperadam.pretrained("hyperadam-v0")
    second = hyperadam.pretrained("hyperadam-v1")
    spec = MetaTrainingSpec.model_validate(second.provenance["spec"])
    assert second.provenance["parent"] == {"version": spec.parent, "sha256": first.sha256}
    assert second.rate == spec.unroll.rate
    assert second.rule.spec == spec.rule
    start = second.rule.pack(adjust_theta(first.tensors, spec.adjustment))
    assert 0 < (second.vector - start).norm() < 0.1 * (first.vector - start).norm()


def test_adam_has_the_schedule_of_the_default_among_the_baselines() -> None:
    own = hyperadam.pretrained().rate
    beside = BASELINES["adam-scheduled"].beside(own)
    assert beside.schedule == replace(own, lr=1.0, weight_decay=0.0)
