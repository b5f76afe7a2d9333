"""The alerts and the dashboard ask for metrics and labels that the service really gives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from registry.memory import InMemoryRegistry
from services.app import create_app
from services.container import Container
from services.database.base import Database, now
from services.database.migrations import upgrade
from services.jobs.tables import Attempt, Event, Job
from services.observability.jobs import PROGRESS
from services.settings import Settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/hyperadam.json").read_text("utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
QUERIES = [rule["expr"] for rule in RULES] + [
    one["expr"] for panel in BOARD["panels"] for one in panel["targets"]
]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Metric → its labels, as a service with a running job gives them."""
    home = tmp_path_factory.mktemp("home")
    database = Database(f"sqlite:///{home / 'jobs.db'}")
    upgrade(database)
    settings = Settings(home=home, database_url=str(database.engine.url))
    services = Container(settings=settings, database=database, registry=InMemoryRegistry())
    key = services.api_keys.create("tester", ["admin"]).key
    client = TestClient(create_app(services), headers={"Authorization": f"Bearer {key}"})
    job_id = client.post(
        "/v1/jobs", json={"kind": "meta-training", "spec": {"preset": "quick"}}
    ).json()["id"]
    with database.write() as session:
        session.query(Job).update({"state": "running"})
        session.add(Attempt(job_id=job_id, number=1, state="running", created_at=now()))
        data = dict.fromkeys(PROGRESS, 1.0)
        session.add(Event(job_id=job_id, id=1, type="progress", time=now(), attempt=1, data=data))
    families = text_string_to_metric_families(client.get("/metrics").text)
    database.dispose()
    found: dict[str, set[str]] = {}
    for sample in (sample for family in families for sample in family.samples):
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


def selectors(query: str) -> list[tuple[str, set[str]]]:
    """Names of metrics in a query, with the labels that it selects by."""
    found = re.findall(r"\b((?:hyperadam|process)_\w+)(?:\{([^}]*)\})?", query)
    return [(name, set(re.findall(r"(\w+)\s*[=!]", labels))) for name, labels in found]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_what_the_service_gives(query: str, given: dict[str, set[str]]) -> None:
    assert selectors(query)
    there = set()
    for name, labels in selectors(query):
        assert name in given, f"no metric {name}"
        assert labels <= given[name]
        there |= given[name]
    grouped = re.findall(r"by \(([^)]*)\)", query)
    assert {label.strip() for group in grouped for label in group.split(",")} <= there


def test_the_dashboard_and_the_alerts_use_every_metric_of_the_service(
    given: dict[str, set[str]],
) -> None:
    def family(name: str) -> str:
        return re.sub(r"_(bucket|sum|count|created|total)$", "", name)

    used = {family(name) for query in QUERIES for name, _ in selectors(query)}
    assert {family(name) for name in given if name.startswith("hyperadam_")} <= used


def test_alerts_say_what_is_wrong_and_how_bad_it_is() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) > 5
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"].endswith(".")
        assert re.fullmatch(r"\d+m", rule["for"])


def test_panels_differ_and_do_not_overlap() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in BOARD["panels"]]
    assert len(set(places)) == len({panel["id"] for panel in BOARD["panels"]}) == len(places)


def test_prometheus_reads_the_files() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    subprocess.run(
        ["promtool", "check", "config", str(DEPLOY / "prometheus/prometheus.yml")],
        check=True,
        timeout=60,
    )
