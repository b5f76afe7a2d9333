"""`client.projects`, `Client(project=…)` and `hyperadam projects`, against the real service."""

from __future__ import annotations

import pytest
from hyperadam.api import Client, NotFound

from tests.client.commands import read_documents, run
from tests.client.conftest import QUICK, Service

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("wide_terminal")]


def test_a_client_acts_in_a_project(service: Service) -> None:
    with service.client() as admin:
        assert admin.projects.create("vision", "pictures").description == "pictures"
        assert [project.name for project in admin.projects.list()] == ["default", "vision"]
        key = admin.keys.create("ann", ["submit"], project="vision")
        assert key.project == "vision"
    with Client(service.url, service.keys["admin"], retry=QUICK, project="vision") as inside:
        job = inside.jobs.submit("meta-training", {"preset": "quick"})
        assert job.project == "vision"
        assert [each.id for each in inside.jobs.list()] == [job.id]
        assert inside.projects.edit("vision", archived=True).archived_at is not None
    with service.client("submit") as outside, pytest.raises(NotFound):
        outside.jobs.get(job.id)


def test_the_command(service: Service) -> None:
    made = read_documents("projects", "create", "vision", "--description", "pictures", "--json")
    assert made[0]["name"] == "vision"
    assert run("projects", "list").stdout == "default\nvision: pictures\n"
    run("--project", "vision", "jobs", "submit", "--preset", "quick")
    inside = read_documents("--project", "vision", "jobs", "list", "--json")
    assert "vision" in str(inside)
    assert run("projects", "edit", "vision", "--archive").stdout == "vision, archived: pictures\n"
    run("projects", "edit", "vision", "--quota", "max_running_jobs=4")
    lines = run("projects", "show", "vision").stdout.splitlines()
    assert lines[0] == "vision, archived: pictures"
    assert "  running_jobs: 0 of 4" in lines
    run("projects", "edit", "default", "--archive", code=2)
