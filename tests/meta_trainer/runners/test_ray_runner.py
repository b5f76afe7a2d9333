"""One experiment description, two runners: the same Θ from this process and from Ray with 1 and 2
workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import ray
import torch

from meta_trainer.datasets import load
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.runners import InProcessRunner
from meta_trainer.runners.base import WorkLost
from meta_trainer.runners.ray_runner import RayRunner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Trained
from tests.meta_trainer.ray_here import ray_here

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module", params=[1, 2], ids=["1-worker", "2-workers"])
def runner(request: pytest.FixtureRequest) -> Iterator[RayRunner]:
    with ray_here(request.param):
        yield RayRunner()


def train(
    spec: MetaTrainingSpec, runner: Any, recorder: Any, resume: bytes | None = None
) -> Trained:
    training = MetaTraining(spec, load("mnist5k"), runner, recorder)
    if resume is not None:
        training.restore(resume)
    return training.run()


def test_same_theta_as_in_process(
    runner: RayRunner, tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    expected = train(tiny_spec, InProcessRunner(), type(recorder)())
    trained = train(tiny_spec, runner, recorder)
    assert torch.equal(trained.theta, expected.theta)
    assert torch.equal(trained.final_theta, expected.final_theta)
    assert trained.best_loss == expected.best_loss
    assert trained.best_update > 0


def test_branches_give_the_same_theta(
    runner: RayRunner, tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    """Agents begin the calls, and hand on what they gave."""
    fields = {"n_learners": 3 * tiny_spec.chunk_size}
    spec = MetaTrainingSpec.model_validate(tiny_spec.model_dump(exclude=set(fields)) | fields)
    expected = train(spec, InProcessRunner(), type(recorder)())
    assert runner.find_branch_size(1024) is None, "so few cores need no agents"
    trained = train(spec, RayRunner(branch_size=2), recorder)
    assert torch.equal(trained.final_theta, expected.final_theta)
    assert torch.equal(trained.theta, expected.theta)
    within_an_episode = recorder.checkpoints[3]
    resumed = train(spec, RayRunner(branch_size=2), type(recorder)(), within_an_episode)
    assert torch.equal(resumed.final_theta, expected.final_theta)


def test_checkpoints_cross_from_one_runner_to_the_other(
    runner: RayRunner, tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    expected = train(tiny_spec, runner, recorder)
    within_an_episode = recorder.checkpoints[3]
    assert torch.equal(
        train(tiny_spec, InProcessRunner(), type(recorder)(), within_an_episode).final_theta,
        expected.final_theta,
    )
    assert torch.equal(
        train(tiny_spec, runner, type(recorder)(), within_an_episode).final_theta,
        expected.final_theta,
    )


def test_particles_and_perturbations_are_the_same_on_ray(
    runner: RayRunner, tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    """A mix of all that travels: slopes, gradients, and the carried states of particles, also out
    of a checkpoint."""
    kinds = [{"kind": "pes", "n_pairs": 2}, {"kind": "es-single", "n_pairs": 1}, {"kind": "tbptt"}]
    fields = {
        "estimator": {"kind": "mix", "parts": [{"estimator": kind} for kind in kinds]},
        "n_episodes": 2,
    }
    spec = MetaTrainingSpec.model_validate(tiny_spec.model_dump(exclude={"estimator"}) | fields)
    expected = train(spec, InProcessRunner(), recorder)
    assert torch.equal(train(spec, runner, type(recorder)()).final_theta, expected.final_theta)
    resumed = train(spec, runner, type(recorder)(), recorder.checkpoints[3])
    assert torch.equal(resumed.final_theta, expected.final_theta)


@pytest.mark.parametrize(
    ("environment", "joined"), [({"RAY_ADDRESS": "10.0.0.1:6379"}, "10.0.0.1:6379"), ({}, "local")]
)
def test_driver_joins_the_cluster_that_it_is_told_and_no_other(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], joined: str
) -> None:
    asked: list[str] = []

    def init(*, address: str, log_to_driver: bool) -> None:
        asked.append(address)
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "init", init)
    environment = {"HYPERADAM_TRACKING_URI": "memory://", **environment}
    settings = DriverSettings.from_environment(environment)
    with pytest.raises(WorkLost, match="nobody there"):
        RayRunner.connect(settings.ray_address)
    assert asked == [joined]


def _square(x: int) -> int:
    return x * x


def _fail(x: int) -> int:
    raise ValueError(f"no square of {x}")


def test_calls_and_errors(runner: RayRunner) -> None:
    handles = [runner.call(_square, i)[0] for i in range(5)]
    assert dict(runner.as_completed(handles)) == {i: i * i for i in range(5)}
    (chained,) = runner.call(_square, handles[3])
    assert runner.get([chained]) == [81]
    with pytest.raises(ValueError, match="no square of 3"):
        runner.get([runner.call(_fail, 3)[0]])
