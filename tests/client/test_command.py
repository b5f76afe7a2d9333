"""The command `hyperadam` against the real application, in this process and as a process of its
own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hyperadam.api import Client
from hyperadam.cli import app
from hyperadam.rates import KNOBS
from hyperadam.shipped import pretrained
from hyperadam.theta import Theta
from typer.testing import CliRunner

from registry import Evaluation
from services.jobs.lifecycle import Trigger
from tests.client.conftest import Service, make_theta

pytestmark = pytest.mark.slow

TRAINED = {
    "optimizer": "hyperadam",
    "number": 1,
    "sha256": "ab",
    "best_update": 50,
    "best_validation_loss": 0.25,
    "initial_validation_loss": 0.5,
    "n_updates": 50,
    "wall_seconds": 75,
}
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


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def documents(*arguments: str, code: int = 0) -> list[Any]:
    return [json.loads(line) for line in run(*arguments, code=code).stdout.splitlines()]


def soon(client: Client, action: Callable[[str], None]) -> threading.Thread:
    """Act on the first job that somebody submits."""

    def wait() -> None:
        while not (jobs := list(client.jobs.list())):
            time.sleep(0.01)
        action(jobs[0].id)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_submit_and_list_and_show(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text('{"seed": 1, "unroll": {"lr": 0.01}}')
    shown = run(
        "jobs", "submit", "meta-training", "--file", str(file), "--preset", "quick", "--set", "unroll.horizon=200",
        "--set", 'task.activations=["tanh"]', "--name", "[bold]mine", "--label", "team=a",
    )  # fmt: skip
    job = client.jobs.get(shown.stdout.strip())
    assert job.spec["seed"] == 1
    assert (job.spec["unroll"]["horizon"], job.spec["unroll"]["rate"]["lr"]) == (200, 0.01)
    assert job.spec["task"]["activations"] == ["tanh"]
    assert (job.name, job.labels) == ("[bold]mine", {"team": "a"})
    listed = run("jobs", "list", "--label", "team=a").stdout
    assert job.id in listed
    assert "[bold]mine" in listed
    assert documents("jobs", "list", "--json") == [[dict(job.raw)]]
    assert run("jobs", "list", "--state", "failed").stdout == "no jobs\n"
    details = run("jobs", "show", job.id).stdout
    assert "queued" in details
    assert '"horizon": 200' in details
    assert documents("jobs", "show", job.id, "--json") == [dict(job.raw)]


def test_submit_is_idempotent_when_asked(client: Client) -> None:
    first, second = (
        run("jobs", "submit", "--preset", "quick", "--idempotency-key", "k").stdout
        for _ in range(2)
    )
    assert first == second


def test_a_wrong_spec_lists_its_fields() -> None:
    failed = run("jobs", "submit", "--set", "unroll.horizon=0", "--set", "seed=-1", code=2)
    assert failed.stdout == ""
    assert "error: " in failed.stderr
    assert "spec.unroll.horizon: " in failed.stderr
    assert "spec.seed: " in failed.stderr
    assert "Traceback" not in failed.stderr


def test_submit_and_follow_to_success(service: Service, client: Client) -> None:
    def play(job_id: str) -> None:
        service.begin(job_id)
        service.tell(job_id, "validation", update=25, loss=0.25, best=True)
        service.end(job_id, Trigger.SUCCEED, TRAINED)

    thread = soon(client, play)
    shown = run("jobs", "submit", "--preset", "quick", "--follow")
    thread.join()
    assert "hyperadam@1" in shown.stdout
    assert "0.25 (best, update 50)" in shown.stdout
    assert "1:15" in shown.stdout
    assert "running" in shown.stderr
    assert "validation 0.25 at update 25 (best)" in shown.stderr
    assert "\x1b" not in shown.output


def test_follow_a_failure(service: Service, client: Client) -> None:
    job_id = client.jobs.submit("meta-training", {"preset": "quick"}).id
    service.begin(job_id)
    service.end(job_id, Trigger.FAIL)
    shown = run("jobs", "follow", job_id, code=1)
    assert "ValueError: it went wrong" in shown.stderr
    assert f"hyperadam jobs logs {job_id}" in shown.stderr
    events = documents("jobs", "follow", job_id, "--json", code=1)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "job.ended"


def test_cancel_pause_resume(service: Service, client: Client) -> None:
    job_id = client.jobs.submit("meta-training", {"preset": "quick"}).id
    service.begin(job_id)
    assert run("jobs", "pause", job_id).stdout == f"{job_id} pausing\n"
    service.end(job_id, Trigger.STOP)
    assert documents("jobs", "resume", job_id, "--json")[0]["state"] == "queued"
    assert run("jobs", "cancel", job_id).stdout == f"{job_id} cancelled\n"
    assert "(conflict)" in run("jobs", "pause", job_id, code=4).stderr
    assert "cancelled" in run("jobs", "follow", job_id, code=1).stderr


def test_logs(service: Service, client: Client) -> None:
    job_id = client.jobs.submit("meta-training", {"preset": "quick"}).id
    service.begin(job_id)
    service.log(job_id, "one\n")
    assert run("jobs", "logs", job_id).stdout == "one\n"
    threading.Timer(
        0.5, lambda: (service.log(job_id, "two\n"), service.end(job_id, Trigger.FAIL))
    ).start()
    assert run("jobs", "logs", job_id, "--follow").stdout == "one\ntwo\n"
    assert (
        "".join(piece["text"] for piece in documents("jobs", "logs", job_id, "--json"))
        == "one\ntwo\n"
    )


def test_versions_pull_and_aliases(service: Service, tmp_path: Path) -> None:
    assert "no versions" in run("versions").stdout
    service.register(1)
    service.register(2)
    assert run("alias", "set", "hyperadam", "champion", "1", "--reason", "it won").stdout == (
        "hyperadam@champion is now hyperadam@1\n"
    )
    assert "champion → 1" in run("versions").stdout
    assert "hyperadam@2" in run("versions", "hyperadam").stdout
    assert [version["number"] for version in documents("versions", "hyperadam", "--json")[0]] == [
        2,
        1,
    ]

    target = tmp_path / "theta.safetensors"
    assert run("pull", "hyperadam@champion", "-o", str(target)).stdout == f"{target}\n"
    assert Theta.load(target).sha256 == make_theta(1).sha256
    cached = documents("pull", "hyperadam", "--json")[0]
    assert cached["sha256"] == make_theta(2).sha256
    assert Theta.load(cached["path"]).sha256 == make_theta(2).sha256

    listed = run("alias", "list", "hyperadam").stdout
    assert "champion" in listed
    assert "it won" in listed
    assert run("alias", "delete", "hyperadam", "champion").stdout == "hyperadam@champion is gone\n"
    assert documents("alias", "list", "hyperadam", "--json")[0]["items"] == []
    assert "(not-found)" in run("pull", "hyperadam@champion", code=4).stderr
    assert run(
        "pull", "hyperadam@1", "-o", str(tmp_path / "no" / "folder"), code=2
    ).stderr.startswith("error: ")


def test_push(service: Service, tmp_path: Path) -> None:
    made, file = make_theta(1), tmp_path / "theta.safetensors"
    made.save(file)
    assert run("push", "tiny", str(file)).stdout == "tiny@1\n"
    assert run("push", "tiny", str(file)).stdout == "tiny@1\n"
    pushed = documents("push", "hyperadam-paper", "--json")[0]
    assert (pushed["optimizer"], pushed["number"]) == ("hyperadam-paper", 1)
    assert pushed["sha256"] == pretrained("hyperadam-paper").sha256
    assert documents("pull", "tiny@1", "--json")[0]["sha256"] == made.sha256
    file.write_bytes(made.to_bytes()[:-4])
    assert run("push", "tiny", str(file), code=2).stderr.startswith(f"error: {file}: ")


def test_search_compare_annotate_and_protect(service: Service, client: Client) -> None:
    service.register(1)
    service.register(2)
    noted = run(
        "annotate",
        "hyperadam@2",
        "--description",
        "best on ELU",
        "--tag",
        "env=prod",
        "--tag",
        "gone",
    )
    assert noted.stdout == "hyperadam@2: env=prod\n"
    assert [
        v["number"] for v in documents("versions", "hyperadam", "--tag", "env:prod", "--json")[0]
    ] == [2]
    assert run("versions", "--metric", "validation_loss<=0.1").stdout == "no version is like that\n"
    assert "metric" in run("versions", "hyperadam", "--metric", "loss", code=2).stderr

    settings = {
        "suite": "table1",
        "measure": "final loss",
        "n_starts": 20,
        "horizon": 100,
        "dataset": "mnist5k",
    }
    summary = {"settings": settings, "tasks": {"relu": {"mean": 0.25, "stderr": 0.01}}}
    told = Evaluation(key="job_e", evaluated_at=datetime(2026, 1, 2, tzinfo=UTC), summary=summary)
    service.container.registry.attach_evaluation("hyperadam", 2, told)
    shown = run("compare", "hyperadam@1", "hyperadam@latest").stdout
    assert "best on ELU" in shown
    assert "table1: final loss, 20 starts, 100 steps on mnist5k" in shown
    assert any(line.split() == ["relu", "–", "0.25", "±", "0.01"] for line in shown.splitlines())
    assert documents("compare", "hyperadam@1", "hyperadam@2", "--json")[0]["right"]["number"] == 2
    assert "(not-found)" in run("compare", "hyperadam@1", "other@1", code=4).stderr

    run("alias", "set", "hyperadam", "champion", "1", "--protect", "--reason", "by rule")
    assert "promotion rules" in run("alias", "list", "hyperadam").stdout
    assert "protected" in run("alias", "set", "hyperadam", "champion", "2", code=4).stderr
    run("alias", "set", "hyperadam", "champion", "2", "--unprotect")
    assert client.optimizers.get("hyperadam").aliases == {"champion": 2}


def test_evaluate(service: Service, client: Client, tmp_path: Path) -> None:
    service.register(1)

    def play(job_id: str) -> None:
        service.begin(job_id)
        service.tell(job_id, "cell", done=1, total=2, label="relu: adam")
        service.artifact(job_id, "result/curves.png", b"picture")
        service.end(job_id, Trigger.SUCCEED, EVALUATED)

    thread = soon(client, play)
    folder = tmp_path / "report"
    shown = run(
        "evaluate", "hyperadam@latest", "--starts", "4", "--dataset", "mnist5k", "-o", str(folder)
    )
    thread.join()
    assert "0.1250 ± 0.0100" in shown.stdout
    assert (folder / "curves.png").read_bytes() == b"picture"
    assert json.loads((folder / "result.json").read_text())["rows"][0]["mean"] == 0.125
    spec = next(client.jobs.list()).spec
    assert (spec["n_starts"], spec["optimizers"]) == (4, ["hyperadam@1"])
    again = tmp_path / "again"
    written = run("jobs", "download", next(client.jobs.list()).id, "-o", str(again)).stdout.split()
    assert written == sorted(
        str(again / path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )
    assert (again / "curves.png").read_bytes() == b"picture"


def test_evaluate_without_following(service: Service, client: Client) -> None:
    service.register(1)
    job_id = run(
        "evaluate", "hyperadam@1", "--suite", "table2", "--quick", "--no-follow"
    ).stdout.strip()
    job = client.jobs.get(job_id)
    assert (job.kind, job.spec["suite"], job.spec["quick"], job.spec["n_starts"]) == (
        "evaluation",
        "table2",
        True,
        2,
    )
    assert (
        "spec.optimizers.1"
        in run("evaluate", "hyperadam@1", "other@2", "--no-follow", code=2).stderr
    )
    part = (
        "--suite longer --learner mlp-9 --horizon 50 --tuning-starts 2 "
        "--set rate.warmup_steps=7 --set rate.decay_after=9 --set rate.base_fan_in=50 "
        "--set rate.least_fan_in=2 --set rate.base_places=3 --set rate.weight_decay=0.5 "
        "--baseline adam --baseline sgd --tune-learned"
    )
    spec = client.jobs.get(
        run("evaluate", "hyperadam@1", *part.split(), "--no-follow").stdout.strip()
    ).spec
    assert (spec["learners"], spec["horizon"], spec["n_tuning_starts"]) == (["mlp-9"], 50, 2)
    assert spec["baselines"] == ["adam", "sgd"]
    assert [spec["rate"][name] for name in KNOBS] == [7, 9, 50, 2, 3, 0.5]
    assert spec["tune_learned"] is True
    assert (
        "mlp-9, lstm-2"
        in run("evaluate", "hyperadam@1", *part.split(), "--learner", "mlp-8", code=2).stderr
    )


def test_refusals_have_their_exit_codes(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "(not-found)" in run("jobs", "show", "job_none", code=4).stderr
    monkeypatch.setenv("HYPERADAM_API_KEY", service.keys["read"])
    assert "(forbidden)" in run("jobs", "submit", "--preset", "quick", code=3).stderr
    monkeypatch.setenv("HYPERADAM_API_KEY", "wrong")
    failed = run("jobs", "list", code=3)
    assert "(unauthorized)" in failed.stderr
    assert "request " in failed.stderr


def _listen_to_interrupts() -> None:
    """As at a terminal: what a shell runs in the background is started with interrupts ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupting_a_follower_leaves_the_job_alone(service: Service, client: Client) -> None:
    job_id = client.jobs.submit("meta-training", {"preset": "quick"}).id
    service.begin(job_id)
    program = Path(sys.executable).with_name("hyperadam")
    follower = subprocess.Popen(
        [program, "jobs", "follow", job_id],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        preexec_fn=_listen_to_interrupts,
    )
    assert follower.stderr is not None
    assert "meta-training" in follower.stderr.readline()
    follower.send_signal(2)
    _, rest = follower.communicate(timeout=30)
    assert follower.returncode == 130
    assert f"`hyperadam jobs follow {job_id}`" in rest
    assert "Traceback" not in rest
    assert client.jobs.get(job_id).state == "running"


def test_the_life_of_a_job_by_command(service: Service, client: Client) -> None:
    job = run(
        "jobs", "submit", "--preset", "quick", "--priority", "3", "--deadline", "2h"
    ).stdout.strip()
    shown = documents("jobs", "show", job, "--json")[0]
    assert shown["priority"] == 3
    assert shown["deadline"] is not None
    assert "not-a-time" in run("jobs", "submit", "--deadline", "not-a-time", code=2).output
    service.begin(job)
    service.end(job, Trigger.FAIL)
    assert run("jobs", "retry", job).stdout == f"{job} queued\n"
    assert run("jobs", "delete", job, code=4)
    run(
        "jobs",
        "edit",
        job,
        "--name",
        "new",
        "--label",
        "team=a",
        "--priority",
        "-1",
        "--deadline",
        "none",
    )
    edited = client.jobs.get(job)
    assert (edited.name, edited.labels, edited.priority, edited.deadline) == (
        "new",
        {"team": "a"},
        -1,
        None,
    )
    clone = run(
        "jobs", "clone", job, "--set", "unroll.horizon=40", "--label", "team=b"
    ).stdout.strip()
    cloned = client.jobs.get(clone)
    assert (cloned.spec["unroll"]["horizon"], cloned.labels, cloned.cloned_from) == (
        40,
        {"team": "b"},
        job,
    )
    run("jobs", "cancel", job)
    assert run("jobs", "delete", job).stdout == f"{job} deleted\n"
