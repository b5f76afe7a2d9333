"""`hyperadam jobs …` against the real application, in this process and as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hyperadam.api import Client

from services.jobs.lifecycle import Trigger
from tests.client.commands import play_first_job, read_documents, run
from tests.client.conftest import Service

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("wide_terminal")]
TRAINED = {
    "optimizer": "hyperadam",
    "number": 1,
    "sha256": "ab" * 32,
    "best_update": 50,
    "best_validation_loss": 0.25,
    "initial_validation_loss": 0.5,
    "n_updates": 50,
    "wall_seconds": 75,
}


def test_submit_and_list_and_show(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text('{"seed": 1, "unroll": {"lr": 0.01}}')
    spec = ("--file", str(file), "--preset", "quick", "--set", "unroll.horizon=200")
    about = ("--name", "[bold]mine", "--label", "team=a")
    result = run(
        "jobs", "submit", "meta-training", *spec, "--set", 'task.activations=["tanh"]', *about
    )
    job = client.jobs.get(result.stdout.strip())
    assert job.spec["seed"] == 1
    assert (job.spec["unroll"]["horizon"], job.spec["unroll"]["rate"]["lr"]) == (200, 0.01)
    assert job.spec["task"]["activations"] == ["tanh"]
    assert (job.name, job.labels) == ("[bold]mine", {"team": "a"})
    table = run("jobs", "list", "--label", "team=a").stdout
    assert job.id in table
    assert "[bold]mine" in table
    assert read_documents("jobs", "list", "--json") == [[dict(job.raw)]]
    assert run("jobs", "list", "--state", "failed").stdout == "no jobs\n"
    details = run("jobs", "show", job.id).stdout
    assert "queued" in details
    assert '"horizon": 200' in details
    assert read_documents("jobs", "show", job.id, "--json") == [dict(job.raw)]


def test_submit_is_idempotent_when_asked(client: Client) -> None:
    words = ("jobs", "submit", "--preset", "quick", "--idempotency-key", "k")
    assert run(*words).stdout == run(*words).stdout


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

    thread = play_first_job(client, play)
    result = run("jobs", "submit", "--preset", "quick", "--follow")
    thread.join()
    assert "hyperadam@1" in result.stdout
    assert "0.25 (best, update 50)" in result.stdout
    assert "1:15" in result.stdout
    assert "running" in result.stderr
    assert "validation 0.25 at update 25 (best)" in result.stderr
    assert "\x1b" not in result.output


def test_follow_a_failure(service: Service, client: Client) -> None:
    job_id = client.jobs.submit("meta-training", {"preset": "quick"}).id
    service.begin(job_id)
    service.end(job_id, Trigger.FAIL)
    result = run("jobs", "follow", job_id, code=1)
    assert "ValueError: it went wrong" in result.stderr
    assert f"hyperadam jobs logs {job_id}" in result.stderr
    events = read_documents("jobs", "follow", job_id, "--json", code=1)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "job.ended"


def test_cancel_pause_resume(service: Service, client: Client) -> None:
    job_id = client.jobs.submit("meta-training", {"preset": "quick"}).id
    service.begin(job_id)
    assert run("jobs", "pause", job_id).stdout == f"{job_id} pausing\n"
    service.end(job_id, Trigger.STOP)
    assert read_documents("jobs", "resume", job_id, "--json")[0]["state"] == "queued"
    assert run("jobs", "cancel", job_id).stdout == f"{job_id} cancelled\n"
    assert "(conflict)" in run("jobs", "pause", job_id, code=4).stderr
    assert "cancelled" in run("jobs", "follow", job_id, code=1).stderr


def test_logs(service: Service, client: Client) -> None:
    job_id = client.jobs.submit("meta-training", {"preset": "quick"}).id
    service.begin(job_id)
    service.log(job_id, "one\n")
    assert run("jobs", "logs", job_id).stdout == "one\n"

    def fail_later() -> None:
        service.log(job_id, "two\n")
        service.end(job_id, Trigger.FAIL)

    threading.Timer(0.5, fail_later).start()
    assert run("jobs", "logs", job_id, "--follow").stdout == "one\ntwo\n"
    pieces = read_documents("jobs", "logs", job_id, "--json")
    assert "".join(piece["text"] for piece in pieces) == "one\ntwo\n"


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
    submitted = run("jobs", "submit", "--preset", "quick", "--priority", "3", "--deadline", "2h")
    job = submitted.stdout.strip()
    result = read_documents("jobs", "show", job, "--json")[0]
    assert result["priority"] == 3
    assert result["deadline"] is not None
    assert "not-a-time" in run("jobs", "submit", "--deadline", "not-a-time", code=2).output
    service.begin(job)
    service.end(job, Trigger.FAIL)
    assert run("jobs", "retry", job).stdout == f"{job} queued\n"
    assert run("jobs", "delete", job, code=4)
    changes = ("--name", "new", "--label", "team=a", "--priority", "-1", "--deadline", "none")
    run("jobs", "edit", job, *changes)
    edited = client.jobs.get(job)
    assert edited.name == "new"
    assert edited.labels == {"team": "a"}
    assert edited.priority == -1
    assert edited.deadline is None
    clone = run("jobs", "clone", job, "--set", "unroll.horizon=40", "--label", "team=b")
    cloned = client.jobs.get(clone.stdout.strip())
    assert cloned.spec["unroll"]["horizon"] == 40
    assert cloned.labels == {"team": "b"}
    assert cloned.cloned_from == job
    run("jobs", "cancel", job)
    assert run("jobs", "delete", job).stdout == f"{job} deleted\n"
