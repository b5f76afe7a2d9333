"""`hyperadam-server prune` looks first, and removes what it is told to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from registry.memory import InMemoryRegistry
from services.cli import app
from services.container import Container
from tests.services.housekeeping.conftest import Past


@pytest.fixture
def home(
    services: Container, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The home of the test's service; its registry is the one in memory."""
    if not services.database.is_sqlite:
        pytest.skip("a home has its job store in it")
    monkeypatch.setattr("services.stores.connect", lambda *_: registry)
    monkeypatch.setattr("services.embedded.ray_folder.choose_parent", lambda: Path("/nowhere"))
    yield services.settings.home
    shutil.rmtree(services.settings.home / "cache", ignore_errors=True)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["prune", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_a_look_and_a_removal(home: Path, past: Past) -> None:
    job = past.run_job(11)
    young = past.run_job(1)
    chosen = ["--home", str(home), "--only", "checkpoints", "--older-than", "10"]
    looked = run(*chosen)
    assert "2 files" in looked
    assert "Nothing was removed" in looked
    assert "2 files" in run(*chosen, "--yes")
    assert "0 files" in run(*chosen)
    assert past.read(job) is not None
    assert "1 jobs" in run("--home", str(home), "--only", "jobs", "--older-than", "10", "--yes")
    assert (past.read(job), past.read(young) is not None) == (None, True)


def test_by_default_settings_say_what_is_old(
    home: Path, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    past.run_job(11)
    shown = run("--home", str(home))
    assert "kept for ever" in shown
    assert "180 days" in shown
    monkeypatch.setenv("HYPERADAM_KEEP_LOGS_DAYS", "10")
    assert "1 logs" in run("--home", str(home))


def test_outcomes_that_nobody_used(home: Path) -> None:
    outcome = home / "cache" / "outcomes" / "ab" / "cd.json"
    outcome.parent.mkdir(parents=True)
    outcome.write_text("{}")
    other = home / "cache" / "else"
    other.write_text("{}")
    chosen = ["--home", str(home), "--only", "outcomes", "--older-than"]
    assert "0 files" in run(*chosen, "1", "--yes")
    assert "1 files" in run(*chosen, "0", "--yes")
    assert (outcome.exists(), other.exists()) == (False, True)


def test_what_is_no_category_is_refused_with_the_one_that_was_meant(home: Path) -> None:
    assert "did you mean checkpoints?" in run("--only", "checkpoint", code=1)
    assert "needs --only" in run("--older-than", "3", code=1)
    assert "there is no home in" in run("--home", str(home / "typo"), code=1)


def test_a_removal_by_hand_is_in_the_audit_log(home: Path, past: Past) -> None:
    past.run_job(11)
    assert "audit" in run("--home", str(home), "--only", "audit", "--older-than", "30", "--yes")
    chosen = ["--home", str(home), "--only", "logs", "--older-than", "10"]
    run(*chosen)
    run(*chosen, "--yes")
    items = past.stage.client.get("/v1/audit/requests").json()["items"]
    by_hand = [row for row in items if row["actor"] == "hyperadam-server"]
    assert [(row["method"], row["path"]) for row in by_hand] == [("PRUNE", "logs")]
    assert by_hand[0]["subject"] == "1 logs, older than 10 days"
