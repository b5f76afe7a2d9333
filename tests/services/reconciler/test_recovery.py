"""kill -9 of a real driver in the middle of a real meta-training: the job ends by itself, in the same Θ."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from services.container import Container
from services.executors import supervisor
from tests.services.drivers import at_work, undisturbed, until


def driver_of(folder: Path) -> int:
    """The only child of the attempt's supervisor."""
    parent = (folder / supervisor.GROUP).read_text()
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text())


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_killed_driver_is_followed_by_another_that_ends_in_the_same_theta(services: Container, tmp_path: Path) -> None:
    with at_work(services) as service:
        path = service.submit()
        job = path.rpartition("/")[2]
        until(lambda: service.client.get(f"{path}/checkpoints").json()["items"] != [])
        os.kill(driver_of(tmp_path / "processes" / f"{job}-a1"), signal.SIGKILL)
        until(lambda: service.client.get(path).json()["ended_at"] is not None)
        assert service.client.get(path).json()["state"] == "succeeded"
        attempts = service.client.get(f"{path}/attempts").json()["items"]
        assert [attempt["state"] for attempt in attempts] == ["lost", "succeeded"]
        first, second = service.resumed_from(path)
        assert first is None
        assert second is not None
        assert second >= 5
        theta = service.latest()
    assert theta.vector.equal(undisturbed(job).vector)
