"""The preset `default`: exact derivatives of tiny learners, chosen by tasks of no suite."""

from __future__ import annotations

import hyperadam
import pytest

from meta_trainer.datasets import Dataset, load
from meta_trainer.learners import Learner
from meta_trainer.specs import ESSpec, MetaTrainingSpec, MLPTaskSpec, TBPTTSpec
from meta_trainer.specs.suites import SUITES
from meta_trainer.tasks import load_data, sample_task
from meta_trainer.tasks.build import build_learner
from meta_trainer.training.units import make_rule

DEFAULT = MetaTrainingSpec.model_validate({"preset": "default"})


@pytest.fixture(scope="module")
def datasets() -> dict[str, Dataset]:
    """The embedded images under every name: sizes are those of MNIST."""
    images = load("mnist5k")
    return dict.fromkeys(("mnist", "fashion_mnist", "cifar10"), images)


def drawn_learners(datasets: dict[str, Dataset], n: int) -> list[Learner]:
    assert DEFAULT.tasks
    tasks = [sample_task(DEFAULT.tasks, 0, episode, 0) for episode in range(n)]
    return [build_learner(task, datasets) for task in tasks]


def test_it_is_exact_over_whole_episodes_of_many_lengths() -> None:
    assert DEFAULT.rule.kind == "hyperadam-tensor"
    assert DEFAULT.estimator == TBPTTSpec(order=2, loss_limit=2.0, adjoint_limit=1.0)
    assert (DEFAULT.unroll.period, DEFAULT.unroll.meta_loss) == (None, "log")
    assert (DEFAULT.n_learners, DEFAULT.n_chunks) == (18, 6)
    assert 30 <= min(DEFAULT.timeline.horizons) < 40 < 250 < max(DEFAULT.timeline.horizons) <= 300


def test_it_moves_how_moments_forget_alone() -> None:
    """Not how long steps are, which is the length, and the sum of what moments count, too."""
    moved = DEFAULT.meta_optimizer.tensors
    assert moved is not None
    held = set(make_rule(DEFAULT.rule).theta_shapes) - set(moved)
    of_weights = {"weight_cell.weight", "weight_cell.bias"}
    assert held == {"length.weight", "length.bias", "length.exponents"} | of_weights


def test_it_trains_as_the_default_theta_is_run() -> None:
    """What follows from it needs no other schedule, and the default may be its parent."""
    shipped = hyperadam.pretrained()
    assert DEFAULT.unroll.rate == shipped.rate
    assert make_rule(DEFAULT.rule).spec == shipped.rule.spec


def test_its_learners_are_tiny(datasets: dict[str, Dataset]) -> None:
    sizes = sorted(learner.n_coordinates for learner in drawn_learners(datasets, 200))
    assert sizes[0] > 50
    assert sizes[len(sizes) // 2] < 4_000
    assert sizes[-1] < 40_000


def test_it_is_chosen_by_larger_learners(datasets: dict[str, Dataset]) -> None:
    largest = max(learner.n_coordinates for learner in drawn_learners(datasets, 200))
    on_images = [task for task in DEFAULT.validation_tasks if task.kind != "lstm"]
    sizes = [build_learner(task, datasets).n_coordinates for task in on_images]
    assert sum(size > largest for size in sizes) >= 3
    assert "mixer" not in DEFAULT.tasks.network.networks  # type: ignore[union-attr]


def test_it_is_chosen_by_no_task_of_a_suite() -> None:
    of_suites = [learner for suite in SUITES.values() for learner in suite.learners.values()]
    assert len(of_suites) > 20
    free = {"dataset", "batch_size", "init_std", "noise_std", "activation"}
    described = [task.model_dump(exclude=free) for task in of_suites]
    for task in DEFAULT.validation_tasks:
        assert task.model_dump(exclude=free) not in described


def test_a_simple_task_takes_the_place_of_its_distribution() -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "default", "task": {"hidden": [5]}})
    assert spec.tasks is None
    assert spec.validation_tasks == [MLPTaskSpec(hidden=(5,))]


def test_synthetic_data_needs_no_folder() -> None:
    assert DEFAULT.tasks
    made_up = [
        task
        for task in DEFAULT.data_tasks
        if getattr(task, "network", "") in ("language", "regression", "text")
    ]
    names = set(load_data(made_up, None))
    assert names == {"language-16-16-1", "regression-0", "characters-2"}


def test_another_estimator_takes_the_place_of_its_own() -> None:
    spec = MetaTrainingSpec.model_validate(
        {"preset": "default", "estimator": {"kind": "es", "n_pairs": 2}}
    )
    assert spec.estimator == ESSpec(n_pairs=2)
    assert spec.unroll.meta_loss == "log"  # of the preset, as before
    of_its_kind = {"preset": "default", "estimator": {"kind": "tbptt", "loss_limit": 3.0}}
    assert MetaTrainingSpec.model_validate(of_its_kind).estimator == TBPTTSpec(
        order=2, loss_limit=3.0, adjoint_limit=1.0
    )
