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
from services.observability.active_jobs import PROGRESS
from services.settings import Settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/hyperadam.json").read_text("utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
TARGETS = [target for panel in BOARD["panels"] for target in panel["targets"]]
QUERIES = [entry["expr"] for entry in (*RULES, *TARGETS)]


@pytest.fixture(scope="module")
def labels_by_metric(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Metric → its labels, as a service with a running job gives them."""
    home = tmp_path_factory.mktemp("home")
    database = Database(f"sqlite:///{home / 'jobs.db'}")
    upgrade(database)
    settings = Settings(home=home, database_url=str(database.engine.url))
    services = Container(settings=settings, database=database, registry=InMemoryRegistry())
    key = services.api_keys.create("tester", ["admin"]).key
    client = TestClient(create_app(services), headers={"Authorization": f"Bearer {key}"})
    request = {"kind": "meta-training", "spec": {"preset": "quick"}}
    job_id = client.post("/v1/jobs", json=request).json()["id"]
    with database.write() as session:
        session.query(Job).update({"state": "running"})
        session.add(Attempt(job_id=job_id, number=1, state="running", created_at=now()))
        data = dict.fromkeys(PROGRESS, 1.0)
        session.add(Event(job_id=job_id, id=1, type="progress", time=now(), attempt=1, data=data))
    families = text_string_to_metric_families(client.get("/metrics").text)
    database.dispose()

    labels: dict[str, set[str]] = {}
    for family in families:
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def selectors(query: str) -> list[tuple[str, set[str]]]:
    """Names of metrics in a query, with the labels that it selects by."""
    matches = re.findall(r"\b((?:hyperadam|process)_\w+)(?:\{([^}]*)\})?", query)
    return [(name, set(re.findall(r"(\w+)\s*[=!]", labels))) for name, labels in matches]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_what_the_service_gives(
    query: str, labels_by_metric: dict[str, set[str]]
) -> None:
    assert selectors(query)
    labels_of_all = set()
    for name, labels in selectors(query):
        assert name in labels_by_metric, f"no metric {name}"
        assert labels <= labels_by_metric[name]
        labels_of_all |= labels_by_metric[name]

    for group in re.findall(r"by \(([^)]*)\)", query):
        grouped_by = {label.strip() for label in group.split(",")}
        assert grouped_by <= labels_of_all


def test_the_dashboard_and_the_alerts_use_every_metric_of_the_service(
    labels_by_metric: dict[str, set[str]],
) -> None:
    def family(name: str) -> str:
        return re.sub(r"_(bucket|sum|count|created|total)$", "", name)

    ours = {family(name) for name in labels_by_metric if name.startswith("hyperadam_")}
    used = {family(name) for query in QUERIES for name, _ in selectors(query)}
    assert ours <= used


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
    command = ["promtool", "check", "config", str(DEPLOY / "prometheus/prometheus.yml")]
    subprocess.run(command, check=True, timeout=60)
