"""Which learners a task source gives."""

from __future__ import annotations

import pytest
import torch

from meta_trainer.datasets import Dataset, load
from meta_trainer.learners import MLP
from meta_trainer.specs import (
    MetaTrainingSpec,
    MLPTaskSpec,
)
from meta_trainer.tasks import SpecTaskSource, build_training_optimizee
from meta_trainer.tasks.optimizees import Supervised

OFF = {"random_scaling": 0, "convex_dimension": 0}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("mnist5k")


def test_activations_take_turns(dataset: Dataset) -> None:
    spec = MetaTrainingSpec.model_validate(
        {"task": {"activations": ["relu", "tanh", "elu"]}, "tricks": OFF}
    )
    activations = []
    for episode in range(3):
        for chunk in range(spec.n_chunks):
            optimizee = build_training_optimizee(spec, dataset, episode, chunk)
            assert isinstance(optimizee, Supervised)
            assert isinstance(optimizee.learner, MLP)
            activations.append(optimizee.learner.activation)
    assert activations == ["relu", "tanh", "elu"] * 4


def test_batching_does_not_change_what_a_learner_sees(dataset: Dataset) -> None:
    spec = MetaTrainingSpec()
    source = SpecTaskSource({dataset.name: dataset})
    task = MLPTaskSpec(activation="relu")
    together = source.build_validation_of(spec, task, range(4))
    apart = source.build_validation_of(spec, task, range(2, 3))
    assert torch.equal(together.start()[2:3], apart.start())
    w = together.start()
    torch.testing.assert_close(together.losses(w, 9)[2:3], apart.losses(w[2:3], 9))
