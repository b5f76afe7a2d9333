"""Events and logs of a job, as they are and as they come, against the real application."""

from __future__ import annotations

import threading

import pytest
from hyperadam.api import Client

from services.jobs.lifecycle import Trigger
from tests.client.conftest import Service

pytestmark = pytest.mark.slow
SPEC = {"preset": "quick", "seed": 3}
TRAINED = {
    "optimizer": "hyperadam",
    "number": 1,
    "sha256": "ab" * 32,
    "best_update": 50,
    "best_validation_loss": 0.25,
    "initial_validation_loss": 0.5,
    "n_updates": 50,
    "wall_seconds": 12.5,
}


def test_a_follower_goes_past_an_end_that_was_retried(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    client.jobs.cancel(job.id)
    client.jobs.retry(job.id)
    service.begin(job.id)
    service.end(job.id, Trigger.SUCCEED, TRAINED)
    types = [event.type for event in client.jobs.follow(job.id)]
    assert types.count("job.ended") == 2
    assert client.jobs.wait(job.id).state == "succeeded"


def test_events_as_a_list_and_as_a_stream_are_the_same(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    for update in range(1, 251):
        service.tell(job.id, "progress", update=update, n_updates=250, meta_loss=0.5)
    so_far = list(client.jobs.events(job.id))
    assert [event.id for event in so_far] == list(range(1, len(so_far) + 1))
    service.end(job.id, Trigger.SUCCEED, TRAINED)
    everything = list(client.jobs.follow(job.id))
    assert everything[: len(so_far)] == so_far
    assert everything[-1].type == "job.ended"
    assert list(client.jobs.events(job.id)) == everything
    assert list(client.jobs.events(job.id, after=100, follow=True)) == everything[100:]
    assert list(client.jobs.follow(job.id, after=everything[-1].id)) == []


def test_events_come_live(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    types = []
    for event in client.jobs.follow(job.id):
        types.append(event.type)
        if event.type == "job.state" and event.data["to"] == "running":
            threading.Timer(0.3, service.tell, (job.id, "checkpoint"), {"update": 1}).start()
        if event.type == "checkpoint":
            service.end(job.id, Trigger.SUCCEED, TRAINED)
    assert types[-3:] == ["checkpoint", "job.state", "job.ended"]


def test_a_stream_that_the_server_ends_goes_on_where_it_was(
    service: Service, client: Client
) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    events = client.jobs.follow(job.id)
    first = next(events)
    service.container.stopping.set()
    service.tell(job.id, "checkpoint", update=1)
    service.end(job.id, Trigger.SUCCEED, TRAINED)
    threading.Timer(0.3, service.container.stopping.clear).start()
    ids = [first.id, *(event.id for event in events)]
    assert ids == list(range(1, len(ids) + 1))


def test_logs_go_on_from_where_they_were(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    service.log(job.id, "first line\n")
    chunk = client.jobs.logs(job.id)
    assert (chunk.text, chunk.next, chunk.attempt) == ("first line\n", 11, 1)
    service.log(job.id, "Θ\n")
    assert client.jobs.logs(job.id, after=chunk.next).text == "Θ\n"
    assert client.jobs.logs(job.id, after=14).text == ""
