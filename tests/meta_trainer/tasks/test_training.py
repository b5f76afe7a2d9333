"""Meta-training on a mixed distribution, and on a user's module: the same Θ always and
everywhere."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from meta_trainer.datasets import Dataset, TensorData, load
from meta_trainer.runners import InProcessRunner, Runner
from meta_trainer.seeds import make_generator
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import ModuleTaskSource
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Trained

COMMON: dict[str, Any] = {
    "rule": {"n_candidates": 3},
    "tricks": {"convex_dimension": 4},
    "unroll": {"horizon": 4, "period": 2, "meta_loss": "log"},
    "meta_optimizer": {"rate": 0.02, "warmup_updates": 1},
    "validation": {"every_episodes": 2, "n_learners": 2},
    "n_learners": 4,
    "chunk_size": 2,
    "n_episodes": 4,
    "checkpoint_every_updates": 1,
    "seed": 12,
}
MIXED = COMMON | {
    "tasks": {
        "mlp": {"depth": [1, 2], "width": [2, 4], "batch_sizes": [4], "init_std": [0.05, 0.2]},
        "cnn": {"batch_norm": [False, True], "dropout": [False, True], "batch_sizes": [2]},
        "lstm": {"n_layers": [1, 2], "hidden": [3, 5], "batch_sizes": [4]},
        "horizon": [2, 8],
        "random_scaling": [0, 2],
    }
}


def small_images() -> Dataset:
    whole = load("mnist5k")
    return Dataset(
        whole.name,
        whole.split,
        whole.images[:, :, ::4, ::4].contiguous(),
        whole.labels,
        whole.n_classes,
    )


def train(
    spec: MetaTrainingSpec, recorder: Any, runner: Runner | None = None, resume: bytes | None = None
) -> Trained:
    training = MetaTraining(spec, small_images(), runner or InProcessRunner(), recorder)
    if resume is not None:
        training.restore(resume)
    return training.run()


@pytest.mark.slow
def test_resumes_bit_for_bit_across_kinds_and_horizons(recorder: Any) -> None:
    spec = MetaTrainingSpec.model_validate(MIXED)
    whole = train(spec, recorder)
    lengths = spec.timeline.lengths
    assert len(set(lengths)) > 1
    assert whole.n_updates == sum(lengths) == max(recorder.checkpoints)
    assert not torch.equal(whole.final_theta, whole.initial_theta)
    assert set(recorder.series("validation_loss")) == {0, sum(lengths[:2]), sum(lengths)}
    for update in (1, lengths[0], whole.n_updates - 1):
        resumed = train(spec, type(recorder)(), resume=recorder.checkpoints[update])
        assert torch.equal(resumed.final_theta, whole.final_theta)
        assert (resumed.best_update, resumed.best_loss) == (whole.best_update, whole.best_loss)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_same_theta_on_ray(recorder: Any) -> None:
    from meta_trainer.runners.ray_runner import RayRunner
    from tests.meta_trainer.ray_here import ray_here

    spec = MetaTrainingSpec.model_validate(MIXED)
    expected = train(spec, type(recorder)())
    with ray_here(2):
        trained = train(spec, recorder, RayRunner())
    assert torch.equal(trained.final_theta, expected.final_theta)
    assert trained.best_loss == expected.best_loss


def test_the_papers_distribution_gives_the_papers_theta(recorder: Any) -> None:
    same = {
        "n_episodes": 1,
        "unroll": {"horizon": 4, "period": 2},
        "rule": {"n_candidates": 3},
        "seed": 5,
    }
    paper = {"preset": "paper", **same}
    simple = train(
        MetaTrainingSpec.model_validate({**paper, "task": {"dataset": "mnist5k"}}), recorder
    )
    tasks = {"preset": "paper", "mlp": {"datasets": ["mnist5k"]}}
    drawn = train(MetaTrainingSpec.model_validate({**paper, "tasks": tasks}), type(recorder)())
    assert torch.equal(simple.final_theta, drawn.final_theta)
    assert (simple.best_loss, simple.initial_loss) == (drawn.best_loss, drawn.initial_loss)


def test_a_users_module_can_be_trained_on(recorder: Any) -> None:
    x = torch.randn(64, 3, generator=make_generator(0, "x"))
    source = ModuleTaskSource(
        lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)),
        F.mse_loss,
        TensorData("parabola", x, x.square().sum(1, keepdim=True)),
        batch_size=8,
    )
    spec = MetaTrainingSpec.model_validate(COMMON)
    first = MetaTraining(spec, source, InProcessRunner(), recorder).run()
    again = MetaTraining(spec, source, InProcessRunner(), type(recorder)()).run()
    assert torch.equal(first.final_theta, again.final_theta)
    assert not torch.equal(first.final_theta, first.initial_theta)
    assert list(source.fingerprints) == ["parabola"]
