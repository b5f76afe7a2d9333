"""`client.studies.extend` and `hyperadam study extend` against the real application."""

from __future__ import annotations

import hyperadam
import pytest
from hyperadam.api import Client

from services.jobs.lifecycle import Trigger
from tests.client.commands import read_documents
from tests.client.conftest import Service

pytestmark = pytest.mark.slow
SPEC = {
    "space": {"meta_optimizer.rate": {"kind": "uniform", "low": 0.001, "high": 0.01}},
    "limits": {"trials": 2},
}


def test_a_study_that_has_ended_goes_on(service: Service, client: Client) -> None:
    job = client.jobs.submit("study", SPEC)
    with pytest.raises(hyperadam.Conflict, match="has not ended"):
        client.studies.extend(job.id, 4)
    service.begin(job.id)
    service.end(job.id, Trigger.SUCCEED)
    assert client.studies.extend(job.id, 4).state == "queued"

    service.begin(job.id)
    service.end(job.id, Trigger.SUCCEED)
    [answer] = read_documents("study", "extend", job.id, "--trials", "5", "--json")
    assert (answer["id"], answer["state"], answer["ended_at"]) == (job.id, "queued", None)
