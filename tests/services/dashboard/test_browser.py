"""The dashboard in a real browser, on the real service: from the key to a downloaded Θ."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import select, update

from registry.memory import InMemoryRegistry
from services.app import create_app
from services.container import Container
from services.database.base import now
from services.jobs.tables import Event, Job
from tests.registry.thetas import make_theta
from tests.services.dashboard.chromium import BINARY, Chromium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BINARY is None, reason="Chromium is not installed"),
]


@pytest.fixture
def url(services: Container) -> Iterator[str]:
    """A server on loopback."""
    config = uvicorn.Config(
        create_app(services), port=0, log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/"
    services.stopping.set()
    server.should_exit = True
    thread.join()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    browser = Chromium(tmp_path)
    yield browser
    browser.close()


def sign_in(browser: Chromium, key: str) -> None:
    browser.wait_for("Boolean(document.getElementById('key'))")
    browser.evaluate(f"document.getElementById('key').value = {json.dumps(key)}")
    browser.click("Open")


def tell(
    services: Container, events: list[tuple[str, dict[str, object]]], **fields: object
) -> None:
    """Events of the only job, and what its row says, as the reconciler would write them."""
    with services.database.write() as session:
        job = session.scalars(select(Job)).one()
        for number, (kind, data) in enumerate(events, start=job.last_event_id + 1):
            session.add(
                Event(job_id=job.id, id=number, type=kind, time=now(), attempt=1, data=data)
            )
        session.execute(update(Job).values(last_event_id=job.last_event_id + len(events), **fields))


def test_a_visit(
    browser: Chromium, url: str, services: Container, registry: InMemoryRegistry, tmp_path: Path
) -> None:
    theta = make_theta(1)
    registry.create_version("hyper", theta, key="k1")
    registry.annotate("hyper", 1, description="<i>noted</i>", tags={"env": "prod"})
    registry.set_alias(
        "hyper", "champion", 1, actor="alice", reason="<b>better</b>", protected=True
    )
    browser.open(url)

    sign_in(browser, "ha_wrong")
    browser.wait_for("document.querySelector('[role=alert]')?.textContent.includes('not known')")
    sign_in(browser, services.api_keys.create("visitor", ["submit"]).key)
    browser.wait_for("document.body.innerText.includes('No jobs yet')")

    follow_a_job(browser, services)
    download_a_version(browser, tmp_path, theta.to_bytes())

    browser.click("Forget key")
    browser.wait_for("Boolean(document.getElementById('key'))")
    n_stored = browser.evaluate(
        "sessionStorage.length + localStorage.length + document.cookie.length"
    )
    assert n_stored == 0
    assert browser.complaints == []


def follow_a_job(browser: Chromium, services: Container) -> None:
    """Submit one, and see it run and end."""
    browser.click("Submit a quick job")
    browser.wait_for("document.querySelector('h1')?.textContent === 'quick, from the dashboard'")
    events: list[tuple[str, dict[str, object]]] = []
    for n in range(30):
        data = {"update": n, "n_updates": 50, "meta_loss": 2.3 - 0.04 * n, "eta_seconds": 50 - n}
        events.append(("progress", data))
    events += [
        ("validation", {"update": n, "loss": 1.0 / (1 + n), "best": True}) for n in (0, 10, 20)
    ]
    tell(services, events, state="running", progress=0.6, eta_seconds=20.0, attempt=1)
    browser.wait_for("document.querySelectorAll('svg.plot .series').length === 2")
    browser.wait_for("document.querySelector('.state').textContent === 'running'")
    points = browser.evaluate(
        "document.querySelector('svg.plot .series').getAttribute('points').split(' ').length"
    )
    assert points == 30
    assert "60 %" in browser.text()

    end: list[tuple[str, dict[str, object]]] = [
        ("job.state", {"from": "running", "to": "succeeded"}),
        ("job.ended", {"state": "succeeded"}),
    ]
    tell(services, end, state="succeeded", progress=1.0, ended_at=now())
    browser.wait_for("document.querySelector('.state').textContent === 'succeeded'")


def download_a_version(browser: Chromium, folder: Path, data: bytes) -> None:
    browser.click("Optimizers")
    browser.click("hyper")
    browser.wait_for("document.body.innerText.includes('<b>better</b>')")
    for text in ("<i>noted</i>", "env: prod", "none → 1, protected"):
        assert text in browser.text()

    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.click("Download")
    file = folder / "hyper-1.safetensors"
    deadline = time.monotonic() + 15
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert file.read_bytes() == data


def test_the_reference_lists_calls_and_models(browser: Chromium, url: str) -> None:
    browser.open(f"{url}docs")
    browser.wait_for("document.querySelectorAll('.opblock').length > 25")
    assert "/v1/optimizers/{name}/versions/{ref}/compare" in browser.text().replace("\u200b", "")
    assert browser.complaints == []
