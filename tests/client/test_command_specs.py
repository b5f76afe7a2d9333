"""Presets, datasets and dry runs on the command line, against the real application."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hyperadam.api import Client

from tests.client.commands import read_documents, run
from tests.client.conftest import Service

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("wide_terminal")]


def test_presets_and_datasets_are_listed(client: Client) -> None:
    table = run("presets", "--kind", "meta-training").stdout
    assert "rnnprop-paper" in table
    assert "ablation-j" not in table
    [presets] = read_documents("presets", "--json")
    assert presets == [dict(preset.raw) for preset in client.specs.presets()]
    datasets = run("datasets").stdout
    assert "meta_trainer.datasets download cifar10" in datasets
    assert [each.available for each in client.specs.datasets()] == [True, False, False, False]


def test_a_dry_run_shows_the_spec_and_its_cost_and_submits_nothing(client: Client) -> None:
    result = run("jobs", "submit", "--preset", "quick", "--set", "seed=3", "--dry-run")
    assert json.loads(result.stdout)["seed"] == 3
    assert "60 updates" in result.stderr
    assert list(client.jobs.list()) == []


def test_a_dry_run_tells_what_is_wrong_and_what_was_meant(client: Client) -> None:
    result = run("jobs", "submit", "--set", "unroll.horizn=3", "--dry-run", code=2)
    assert "spec.unroll.horizn: unknown field horizn: did you mean horizon?" in result.stderr
    [tried] = read_documents(
        "jobs", "submit", "--set", "n_episodes=0", "--dry-run", "--json", code=2
    )
    assert tried["errors"] == [{"field": "spec.n_episodes", "message": "must be at least 1, got 0"}]
    assert client.specs.dry_run("meta-training", {"n_episodes": 0}).accepted is False


def test_a_dry_run_of_a_clone(client: Client) -> None:
    original = client.jobs.submit("meta-training", {"preset": "quick"})
    words = ["jobs", "clone", original.id, "--set", "seed=3"]
    result = run(*words, "--dry-run")
    assert "60 updates" in result.stderr
    assert [job.id for job in client.jobs.list()] == [original.id]

    [cloned] = read_documents(*words, "--json")
    assert json.loads(result.stdout) == cloned["spec"] == {**original.spec, "seed": 3}


def test_a_dry_run_of_a_clone_tells_what_is_wrong(client: Client) -> None:
    original = client.jobs.submit("meta-training", {"preset": "quick"})
    words = ["jobs", "clone", original.id, "--set", "n_episodes=0", "--dry-run"]
    assert "spec.n_episodes: must be at least 1, got 0" in run(*words, code=2).stderr
    assert client.specs.dry_run_clone(original.id, {"n_episodes": 0}).accepted is False


def test_a_dry_run_of_an_evaluation(service: Service, client: Client, tmp_path: Path) -> None:
    service.register(1)
    words = ["evaluate", "hyperadam@latest", "--suite", "table2", "--quick", "--starts", "3"]
    folder = tmp_path / "report"
    result = run(*words, "-o", str(folder), "--dry-run")
    shown = json.loads(result.stdout)
    assert "learner-steps" in result.stderr
    assert list(client.jobs.list()) == []
    assert not folder.exists()

    submitted = run(*words, "--no-follow").stdout.strip()
    assert shown == client.jobs.get(submitted).spec
    assert (shown["optimizers"], shown["n_starts"]) == (["hyperadam@1"], 3)


def test_a_dry_run_of_an_evaluation_tells_what_is_wrong(service: Service, client: Client) -> None:
    service.register(1)
    words = ["evaluate", "hyperadam@1", "other@2", "--dry-run"]
    assert "spec.optimizers.1: " in run(*words, code=2).stderr
    [tried] = read_documents(*words, "--json", code=2)
    assert (tried["accepted"], tried["spec"]) == (False, None)
    assert list(client.jobs.list()) == []


def test_a_dry_run_of_a_study(client: Client) -> None:
    space = 'unroll.period={"kind": "choice", "options": [10, 20]}'
    words = ["study", "run", "rates", "--trials", "4", "--parallel", "1", "--space", space]
    result = run(*words, "--dry-run")
    shown = json.loads(result.stdout)
    assert "updates" in result.stderr
    assert list(client.jobs.list()) == []

    submitted = run(*words, "--no-follow").stdout.strip()
    assert shown == client.jobs.get(submitted).spec
    assert (shown["limits"]["trials"], list(shown["space"])) == (4, ["unroll.period"])


def test_a_dry_run_of_a_study_tells_what_is_wrong(client: Client) -> None:
    space = 'unroll.perod={"kind": "choice", "options": [10, 20]}'
    words = ["study", "run", "rates", "--space", space, "--dry-run"]
    [tried] = read_documents(*words, "--json", code=2)
    assert tried["accepted"] is False
    assert [error["field"] for error in tried["errors"]] == ["spec.space.unroll.perod"]
    assert list(client.jobs.list()) == []


@pytest.mark.usefixtures("client")
def test_a_file_in_the_place_of_a_kind_is_told_its_place() -> None:
    result = run("jobs", "submit", "spec.json", code=2)
    assert "a file is given with -f: -f spec.json" in result.stderr


def test_a_bare_submission_says_what_it_takes(client: Client) -> None:
    result = run("jobs", "submit", "--dry-run", code=2)  # its datasets are not here
    assert "it begins from the preset 'default'" in result.stderr
    assert "download mnist" in result.stderr
    assert client.specs.dry_run("meta-training", {}).preset == "default"


def test_a_job_is_found_by_the_beginning_of_its_id(client: Client) -> None:
    job_id = client.jobs.submit("meta-training", {"preset": "quick"}).id
    assert job_id in run("jobs", "show", job_id[:9]).stdout
    assert job_id in run("jobs", "show", job_id[4:9]).stdout
    assert "(not-found)" in run("jobs", "show", "job_222222222", code=4).stderr


def test_a_shell_is_offered_what_the_server_has(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import click
    from hyperadam.cli import completion

    monkeypatch.setattr(completion, "SECONDS", 60.0)
    ctx = click.Context(click.Command("hyperadam"))
    job_id = client.jobs.submit("meta-training", {"preset": "quick"}).id
    assert completion.complete_jobs(ctx, "job_") == [job_id]  # type: ignore[arg-type]
    assert completion.complete_presets(ctx, "rnn") == ["rnnprop-paper"]  # type: ignore[arg-type]
    assert completion.complete_suites(ctx, "abl") == [  # type: ignore[arg-type]
        "ablation-state",
        "ablation-tricks",
        "ablation-j",
    ]
    assert completion.complete_baselines(ctx, "sg") == ["sgd"]  # type: ignore[arg-type]
    assert completion.complete_datasets(ctx, "ci") == ["cifar10"]  # type: ignore[arg-type]
