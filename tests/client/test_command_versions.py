"""The command's versions of Θ against the real application: pull, push, search, compare, alias."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hyperadam.api import Client, Conflict
from hyperadam.shipped import pretrained
from hyperadam.theta import Theta

from registry import Evaluation
from tests.client.commands import read_documents, run
from tests.client.conftest import Service, make_theta

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("wide_terminal")]


def test_versions_pull_and_aliases(service: Service, tmp_path: Path) -> None:
    assert "no versions" in run("versions").stdout
    service.register(1)
    service.register(2)
    assert run("alias", "set", "hyperadam", "champion", "1", "--reason", "it won").stdout == (
        "hyperadam@champion is now hyperadam@1\n"
    )
    assert "champion → 1" in run("versions").stdout
    assert "hyperadam@2" in run("versions", "hyperadam").stdout
    assert [
        version["number"] for version in read_documents("versions", "hyperadam", "--json")[0]
    ] == [
        2,
        1,
    ]

    target = tmp_path / "theta.safetensors"
    assert run("pull", "hyperadam@champion", "-o", str(target)).stdout == f"{target}\n"
    assert Theta.load(target).sha256 == make_theta(1).sha256
    cached = read_documents("pull", "hyperadam", "--json")[0]
    assert cached["sha256"] == make_theta(2).sha256
    assert Theta.load(cached["path"]).sha256 == make_theta(2).sha256

    table = run("alias", "list", "hyperadam").stdout
    assert "champion" in table
    assert "it won" in table
    assert run("alias", "delete", "hyperadam", "champion").stdout == "hyperadam@champion is gone\n"
    assert read_documents("alias", "list", "hyperadam", "--json")[0]["items"] == []
    assert "(not-found)" in run("pull", "hyperadam@champion", code=4).stderr
    assert run(
        "pull", "hyperadam@1", "-o", str(tmp_path / "no" / "folder"), code=2
    ).stderr.startswith("error: ")


def test_push(service: Service, tmp_path: Path) -> None:
    theta = make_theta(1)
    file = tmp_path / "theta.safetensors"
    theta.save(file)
    assert run("push", "tiny", str(file)).stdout == "tiny@1\n"
    assert run("push", "tiny", str(file)).stdout == "tiny@1\n"
    answer = read_documents("push", "hyperadam-paper", "--json")[0]
    assert (answer["optimizer"], answer["number"]) == ("hyperadam-paper", 1)
    assert answer["sha256"] == pretrained("hyperadam-paper").sha256
    assert read_documents("pull", "tiny@1", "--json")[0]["sha256"] == theta.sha256
    file.write_bytes(theta.to_bytes()[:-4])
    assert run("push", "tiny", str(file), code=2).stderr.startswith(f"error: {file}: ")


def test_search_compare_annotate_and_protect(service: Service, client: Client) -> None:
    service.register(1)
    service.register(2)
    notes = ("--description", "best on ELU", "--tag", "env=prod", "--tag", "gone")
    annotated = run("annotate", "hyperadam@2", *notes)
    assert annotated.stdout == "hyperadam@2: env=prod\n"
    assert [
        v["number"]
        for v in read_documents("versions", "hyperadam", "--tag", "env:prod", "--json")[0]
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
    evaluation = Evaluation(
        key="job_e", evaluated_at=datetime(2026, 1, 2, tzinfo=UTC), summary=summary
    )
    service.container.registry.attach_evaluation("hyperadam", 2, evaluation)
    output = run("compare", "hyperadam@1", "hyperadam@latest").stdout
    assert "best on ELU" in output
    assert "table1: final loss, 20 starts, 100 steps on mnist5k" in output
    assert any(line.split() == ["relu", "–", "0.25", "±", "0.01"] for line in output.splitlines())
    assert (
        read_documents("compare", "hyperadam@1", "hyperadam@2", "--json")[0]["right"]["number"] == 2
    )
    assert "(not-found)" in run("compare", "hyperadam@1", "other@1", code=4).stderr

    run("alias", "set", "hyperadam", "champion", "1", "--protect", "--reason", "by rule")
    assert "promotion rules" in run("alias", "list", "hyperadam").stdout
    assert "protected" in run("alias", "set", "hyperadam", "champion", "2", code=4).stderr
    run("alias", "set", "hyperadam", "champion", "2", "--unprotect")
    assert client.optimizers.get("hyperadam").aliases == {"champion": 2}


def test_the_parent_of_another_version_is_deleted_where_it_is_said(
    service: Service, client: Client
) -> None:
    parent = service.register(1)
    theta = make_theta(2)
    record = {"version": "hyperadam@1", "sha256": parent.sha256}
    child = Theta(theta.rule, theta.tensors, theta.rate, {"seed": 2, "parent": record})
    client.optimizers.push("son", child)

    refused = run("version", "delete", "hyperadam@1", code=4)
    assert "hyperadam@1 is the parent of son@1" in refused.stderr
    with pytest.raises(Conflict, match="parent of son@1"):
        client.optimizers.delete("hyperadam", 1)
    deleted = run("version", "delete", "hyperadam@1", "--force", "--reason", "no room")
    assert deleted.stdout == "hyperadam@1 is deleted\n"
    assert client.optimizers.history("hyperadam").items[0].reason == "no room"
    assert client.optimizers.version("son").manifest["provenance"]["parent"] == record
