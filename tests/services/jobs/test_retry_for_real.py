"""A real driver, cancelled and retried: it leaves a checkpoint, and the retry ends in the Θ of an
undisturbed run."""

from __future__ import annotations

import pytest

from services.container import Container
from tests.services.drivers import at_work, undisturbed, until


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_cancelled_job_goes_on_from_its_checkpoint_and_leaves_only_its_version(
    services: Container,
) -> None:
    with at_work(services) as service:
        path = service.submit()
        until(lambda: service.client.get(f"{path}/checkpoints").json()["items"] != [])
        service.client.post(f"{path}/cancel")
        until(lambda: service.client.get(path).json()["state"] == "cancelled")
        service.client.post(f"{path}/retry")
        until(lambda: service.client.get(path).json()["ended_at"] is not None)
        ended = service.client.get(path).json()
        assert (ended["state"], ended["attempt"]) == ("succeeded", 2)
        first, second = service.resumed_from(path)
        assert first is None
        assert second is not None
        assert second >= 5
        assert service.client.delete(path).status_code == 204
        assert service.registry.list_artifacts(ended["run_id"], "checkpoints") == []
        theta = service.latest()
    assert theta.vector.equal(undisturbed(path.rpartition("/")[2]).vector)
