"""kill -9 of a real driver in the middle of a real job, which ends by itself: a meta-training in
the same Θ, an evaluation in the same report, without a second run of what it had."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.evaluation import EvaluationData, evaluate
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule
from services.container import Container
from services.executors import supervisor
from tests.meta_trainer.evaluation.conftest import files_of
from tests.services.drivers import at_work, undisturbed, until


def driver_of(folder: Path) -> int:
    """The only child of the attempt's supervisor."""
    parent = (folder / supervisor.GROUP).read_text()
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text())


def kill_driver(services: Container, attempt: str) -> None:
    os.kill(driver_of(services.settings.home / "processes" / attempt), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_killed_driver_is_followed_by_another_that_ends_in_the_same_theta(
    services: Container,
) -> None:
    with at_work(services) as service:
        path = service.submit()
        job = path.rpartition("/")[2]
        until(lambda: service.client.get(f"{path}/checkpoints").json()["items"] != [])
        kill_driver(services, f"{job}-a1")
        until(lambda: service.client.get(path).json()["ended_at"] is not None)
        assert service.client.get(path).json()["state"] == "succeeded"
        attempts = service.client.get(f"{path}/attempts").json()["items"]
        assert [attempt["state"] for attempt in attempts] == ["lost", "succeeded"]
        first, second = service.resumed_from(path)
        assert first is None
        assert second is not None
        assert second >= 5
        theta = service.latest()
    assert theta.vector.equal(undisturbed(job).vector)


EVALUATION = {
    "optimizers": ["tiny@1"],
    "n_starts": 4,
    "n_tuning_starts": 2,
    "horizon": 60,
    "baselines": ["adam"],
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_evaluation_whose_driver_is_killed_runs_the_rest_alone(services: Container) -> None:
    training = MetaTrainingSpec.model_validate({"rule": {"n_candidates": 3}})
    theta = Theta.from_vector(
        make_rule(training.rule), make_initial_theta(training), rate=Rate(lr=0.005)
    )
    with at_work(services) as service:
        upload = {
            "content": theta.to_bytes(),
            "headers": {"Content-Type": "application/octet-stream"},
        }
        service.client.post("/v1/optimizers/tiny/versions", **upload).raise_for_status()
        job = service.client.post(
            "/v1/jobs", json={"kind": "evaluation", "spec": EVALUATION}
        ).json()["id"]
        path = f"/v1/jobs/{job}"
        until(lambda: len(service.cells(path)) >= 5)
        kill_driver(services, f"{job}-a1")
        until(lambda: service.client.get(path).json()["ended_at"] is not None)
        attempts = service.client.get(f"{path}/attempts").json()["items"]
        assert [attempt["state"] for attempt in attempts] == ["lost", "succeeded"]
        cells = service.cells(path)
        result = service.client.get(f"{path}/result").json()
    labels = [cell["label"] for cell in cells]
    assert len(labels) == len(set(labels)) >= 7  # 4 rates and 8 runs, but for one kept and not told
    assert cells[0]["total"] == 12
    assert cells[-1]["done"] == cells[-1]["total"] <= 12 - 5
    spec = EvaluationSpec.model_validate(EVALUATION)
    whole = evaluate(
        spec, {"tiny@1": theta}, EvaluationData.load(spec), InProcessRunner(), LogRecorder()
    )
    assert result["rows"] == json.loads(files_of(whole)["result.json"])["rows"]
