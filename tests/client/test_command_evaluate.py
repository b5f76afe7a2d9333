"""`hyperadam evaluate` against the real application."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hyperadam.api import Client
from hyperadam.rates import KNOBS

from services.jobs.lifecycle import Trigger
from tests.client.commands import play_first_job, run
from tests.client.conftest import Service

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("wide_terminal")]
EVALUATED = {
    "suite": "activations",
    "dataset": "mnist5k",
    "horizon": 100,
    "n_starts": 4,
    "rows": [
        {
            "task": "relu",
            "optimizer": "hyperadam@1",
            "kind": "learned",
            "mean": 0.125,
            "stderr": 0.01,
            "finals": [],
        },
        {
            "task": "relu",
            "optimizer": "adam",
            "kind": "baseline",
            "mean": 0.25,
            "stderr": 0.01,
            "rate": 0.02,
        },
    ],
}


def test_evaluate(service: Service, client: Client, tmp_path: Path) -> None:
    service.register(1)

    def play(job_id: str) -> None:
        service.begin(job_id)
        service.tell(job_id, "cell", done=1, total=2, label="relu: adam")
        service.artifact(job_id, "result/curves.png", b"picture")
        service.end(job_id, Trigger.SUCCEED, EVALUATED)

    thread = play_first_job(client, play)
    folder = tmp_path / "report"
    result = run(
        "evaluate", "hyperadam@latest", "--starts", "4", "--dataset", "mnist5k", "-o", str(folder)
    )
    thread.join()
    assert "0.1250 ± 0.0100" in result.stdout
    assert (folder / "curves.png").read_bytes() == b"picture"
    assert json.loads((folder / "result.json").read_text())["rows"][0]["mean"] == 0.125
    spec = next(client.jobs.list()).spec
    assert (spec["n_starts"], spec["optimizers"]) == (4, ["hyperadam@1"])
    second_folder = tmp_path / "again"
    paths = run(
        "jobs", "download", next(client.jobs.list()).id, "-o", str(second_folder)
    ).stdout.split()
    assert paths == sorted(
        str(second_folder / path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
    )
    assert (second_folder / "curves.png").read_bytes() == b"picture"


def test_evaluate_without_following(service: Service, client: Client) -> None:
    service.register(1)
    submitted = run("evaluate", "hyperadam@1", "--suite", "table2", "--quick", "--no-follow")
    job = client.jobs.get(submitted.stdout.strip())
    assert job.kind == "evaluation"
    assert job.spec["suite"] == "table2"
    assert job.spec["quick"] is True
    assert job.spec["n_starts"] == 2
    failed = run("evaluate", "hyperadam@1", "other@2", "--no-follow", code=2)
    assert "spec.optimizers.1" in failed.stderr


def test_evaluate_parts_of_a_suite(service: Service, client: Client) -> None:
    service.register(1)
    part = (
        "--suite longer --dataset mnist5k --learner mlp-9 --horizon 50 --tuning-starts 2 "
        "--set rate.warmup_steps=7 --set rate.warmup_share=0.125 --set rate.decay_after=9 "
        "--set rate.rest=0.25 --set rate.base_fan_in=50 "
        "--set rate.least_fan_in=2 --set rate.base_places=3 --set rate.weight_decay=0.5 "
        "--baseline adam --baseline sgd --averaging 8 --tune-learned"
    )
    submitted = run("evaluate", "hyperadam@1", *part.split(), "--no-follow")
    spec = client.jobs.get(submitted.stdout.strip()).spec
    assert (spec["learners"], spec["horizon"], spec["n_tuning_starts"]) == (["mlp-9"], 50, 2)
    assert spec["baselines"] == ["adam", "sgd"]
    assert [spec["rate"][name] for name in KNOBS] == [7, 0.125, 9, 0.25, 50, 2, 3, 0.5]
    assert (spec["averaging"], spec["tune_learned"]) == (8, True)
    failed = run("evaluate", "hyperadam@1", *part.split(), "--learner", "mlp-8", code=2)
    assert "mlp-9, lstm-2" in failed.stderr
