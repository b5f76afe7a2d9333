"""A job's end is told once it is true, signed, and again until somebody has taken it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
from datetime import timedelta

import pytest

from services.database.base import Database, now
from services.webhooks import deliveries, sending
from services.webhooks.tables import Delivery
from tests.services.support import ON_ANY_DATABASE, list_error_fields
from tests.services.webhooks.conftest import SECRET, Hooked
from tests.services.webhooks.receiver import run_receiver


def make_due(database: Database) -> None:
    """Let the pauses be over."""
    with database.write() as session:
        for row in session.query(Delivery).filter(Delivery.next_at.is_not(None)):
            row.next_at = now() - timedelta(seconds=1)


def test_the_end_of_a_job_is_told_and_signed(hooked: Hooked) -> None:
    with run_receiver() as receiver:
        hooked.allow(f"127.0.0.1:{receiver.port}")
        job = hooked.end_job(receiver.url)
        assert (hooked.deliver(), hooked.deliver()) == (1, 0)

    [(path, headers, body)] = receiver.messages
    assert path == "/hook?token=t"
    message = json.loads(body)
    assert (message["type"], message["data"]["id"], message["data"]["state"]) == (
        "job.ended",
        job,
        "succeeded",
    )
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    shown = hooked.show(job)
    assert shown["host"] == f"127.0.0.1:{receiver.port}"
    assert "token" not in json.dumps(shown)
    [delivery] = shown["deliveries"]
    assert (delivery["id"], delivery["tries"], delivery["error"]) == (
        headers["webhook-id"],
        1,
        None,
    )
    assert "webhook" not in hooked.stage.job(job)


def test_a_receiver_that_was_killed_is_told_when_it_is_back(
    hooked: Hooked, database: Database
) -> None:
    with run_receiver() as receiver:
        hooked.allow(f"127.0.0.1:{receiver.port}")
        port = receiver.port
    job = hooked.end_job(receiver.url, "failed", error={"type": "E", "message": "m", "final": True})
    assert hooked.deliver() == 0
    [delivery] = hooked.show(job)["deliveries"]
    assert (delivery["tries"], delivery["delivered_at"]) == (1, None)
    assert "ConnectionRefusedError" in delivery["error"]
    assert hooked.deliver() == 0  # not before its pause is over
    make_due(database)
    with run_receiver(port) as again:
        assert hooked.deliver() == 1
    [(_, headers, body)] = again.messages
    assert headers["webhook-id"] == delivery["id"]
    assert json.loads(body)["data"]["error"] == {"type": "E", "message": "m"}


def test_pauses_grow_and_come_to_an_end(hooked: Hooked, database: Database) -> None:
    with run_receiver() as receiver:
        receiver.status = 500
        hooked.allow(f"127.0.0.1:{receiver.port}")
        job = hooked.end_job(receiver.url)
        pauses = []
        for _ in deliveries.PAUSES:
            hooked.deliver()
            [delivery] = hooked.show(job)["deliveries"]
            with database.read() as session:
                [row] = session.query(Delivery)
                assert row.next_at is not None
                pauses.append((row.next_at - now()).total_seconds())
            make_due(database)
        hooked.deliver()
        [delivery] = hooked.show(job)["deliveries"]
        make_due(database)
        assert hooked.deliver() == 0
    assert len(receiver.messages) == len(deliveries.PAUSES) + 1
    assert len({headers["webhook-id"] for _, headers, _ in receiver.messages}) == 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(24 * 3600, abs=60)
    assert (delivery["next_at"], delivery["error"]) == (None, "answered with status 500")


def test_a_receiver_that_wants_no_more_gets_no_more(hooked: Hooked, database: Database) -> None:
    with run_receiver() as receiver:
        receiver.status = 410
        hooked.allow(f"127.0.0.1:{receiver.port}")
        job = hooked.end_job(receiver.url)
        hooked.deliver()
        make_due(database)
        hooked.deliver()
    assert len(receiver.messages) == 1
    assert hooked.show(job)["deliveries"][0]["next_at"] is None


def test_no_redirect_is_followed(hooked: Hooked) -> None:
    with run_receiver() as inner, run_receiver() as receiver:
        receiver.status = 307
        receiver.location = inner.url
        hooked.allow(f"127.0.0.1:{receiver.port},127.0.0.1:{inner.port}")
        job = hooked.end_job(receiver.url)
        assert hooked.deliver() == 0
    assert (len(receiver.messages), len(inner.messages)) == (1, 0)
    assert "redirects are not followed" in hooked.show(job)["deliveries"][0]["error"]


def test_a_receiver_that_drips_is_let_go(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending.post, "__defaults__", (0.3,))
    with run_receiver() as receiver:
        receiver.drip_seconds = 0.05
        hooked.allow(f"127.0.0.1:{receiver.port}")
        job = hooked.end_job(receiver.url)
        began = time.monotonic()
        assert hooked.deliver() == 0
        assert time.monotonic() - began < 5
    assert hooked.show(job)["deliveries"][0]["error"]


def test_what_resolves_to_a_private_address_is_not_asked(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_receiver() as receiver:
        hooked.allow(f"hooks.example.com:{receiver.port}", webhook_networks="")
        url = f"https://hooks.example.com:{receiver.port}/"
        answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", receiver.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
        job = hooked.end_job(url)
        assert hooked.deliver() == 0
    assert receiver.messages == []
    assert "private address" in hooked.show(job)["deliveries"][0]["error"]


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.com/",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com.evil.example/",
        "https://user@hooks.example.com/",
        "ftp://hooks.example.com/",
        "https:///path",
        "https://hooks.example.com/\nx",
        "https://[::1",
        "https://hooks.example.com:99999/",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_only_hosts_of_the_operator_are_taken(hooked: Hooked, url: str) -> None:
    hooked.allow("hooks.example.com")
    body = {"kind": "meta-training", "spec": {"preset": "quick"}, "webhook": url}
    answer = hooked.stage.client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert list_error_fields(answer) == ["webhook"]


def test_without_hosts_there_are_no_webhooks(hooked: Hooked) -> None:
    body = {"kind": "meta-training", "spec": {}, "webhook": "https://hooks.example.com/"}
    answer = hooked.stage.client.post("/v1/jobs", json=body)
    assert "HYPERADAM_WEBHOOK_HOSTS" in answer.json()["errors"][0]["message"]


def test_a_retry_is_told_again_and_a_deleted_job_no_more(
    hooked: Hooked, database: Database
) -> None:
    with run_receiver() as receiver:
        hooked.allow(f"127.0.0.1:{receiver.port}")
        job = hooked.end_job(
            receiver.url, "failed", error={"type": "E", "message": "m", "final": True}
        )
        hooked.deliver()
        hooked.stage.act(job, "retry")
        hooked.stage.tick()
        hooked.stage.finish(job, "succeeded", attempt=2)
        hooked.stage.tick_until(job, "succeeded")
        assert hooked.deliver() == 1
        states = [json.loads(body)["data"]["state"] for _, _, body in receiver.messages]
        assert states == ["failed", "succeeded"]
        other = hooked.end_job(receiver.url)
        hooked.stage.client.delete(f"/v1/jobs/{other}").raise_for_status()
        assert hooked.deliver() == 0
