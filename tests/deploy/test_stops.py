"""What runs the service gives each part longer to stop than the part gives itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.serving import GRACE_SECONDS
from services.settings import Settings
from services.stop_limit import API_SECONDS, AROUND_DRAIN_SECONDS, RECONCILER_SECONDS
from tests.deploy.charts import list_pods, render

TOP = Path(__file__).resolve().parents[2]
parts = pytest.mark.parametrize(
    ("part", "seconds"), [("api", API_SECONDS), ("reconciler", RECONCILER_SECONDS)]
)


@parts
def test_containers(part: str, seconds: float) -> None:
    compose: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text("utf-8"))
    period = re.fullmatch(r"(\d+)s", compose["services"][part]["stop_grace_period"])
    assert period is not None
    assert int(period[1]) > seconds


@parts
def test_pods(part: str, seconds: float) -> None:
    pod = list_pods(render("trial"))[part]
    assert pod["spec"]["terminationGracePeriodSeconds"] > seconds


def test_the_unit() -> None:
    unit = (TOP / "deploy/systemd/hyperadam.service").read_text("utf-8")
    period = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert period is not None
    grace = Settings.model_fields["cancel_grace_seconds"].default
    assert int(period[1]) > AROUND_DRAIN_SECONDS + grace


def test_requests_in_flight_have_their_time() -> None:
    assert API_SECONDS > 2 * GRACE_SECONDS
