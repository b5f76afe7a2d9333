"""Which submissions a waiting driver is given: those that it could carry out as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from meta_trainer.driver import standby_orders
from services.executors.standby import StandbyExecutor
from tests.services.support import PlayedExecutor

DRIVER = ["python", "-m", "meta_trainer.driver", "--run-id", "run_1", "--attempt", "1"]


@pytest.mark.parametrize(("environment", "is_handed_over"), [("1", True), ("2", False)])
def test_a_waiting_driver_takes_jobs_of_its_own_environment_alone(
    tmp_path: Path, environment: str, is_handed_over: bool
) -> None:
    inner = PlayedExecutor()
    executor = StandbyExecutor(
        inner, tmp_path, python="python", environment=lambda: {"A": "1"}, most_running=1
    )
    executor.check()
    (waiting,) = inner.submissions
    assert inner.processes[waiting].environment == {"A": "1"}

    executor.submit("job_1-a1", DRIVER, {"A": environment})
    order = standby_orders.read_order(tmp_path / waiting)
    if is_handed_over:
        assert order == standby_orders.Order(process_id="job_1-a1", run_id="run_1", attempt=1)
        assert inner.submissions == [waiting]
    else:
        assert order is None
        assert inner.submissions == [waiting, "job_1-a1"]
        assert inner.processes["job_1-a1"].environment == {"A": environment}
