"""The lease: one reconciler at a time, and one that lost it cannot write."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.database.base import Database, now
from services.reconciler import lease
from services.reconciler.lease import LeaseHolder, LeaseLost, LeaseWatch
from services.reconciler.loop import Reconciler
from services.settings import Settings
from tests.services.support import PlayedExecutor, Stage


def test_only_the_holder_of_the_lease_works(
    stage: Stage, settings: Settings, database: Database, executor: PlayedExecutor
) -> None:
    second = Reconciler(settings, database, stage.registry, executor)
    assert stage.reconciler.tick() is True
    assert second.tick() is False
    assert LeaseWatch(database, 15).look().reconciler == "ok"
    stage.reconciler.release()
    assert LeaseWatch(database, 15).look().reconciler != "ok"
    assert second.tick() is True


def test_lease_is_taken_over_after_its_end_and_the_old_holder_cannot_write(
    database: Database,
) -> None:
    old = LeaseHolder(database, seconds=0.01)
    new = LeaseHolder(database, seconds=60)
    assert old.acquire()
    with old.guarded_write():
        pass
    while not new.acquire():
        pass
    with pytest.raises(LeaseLost), old.guarded_write():
        pytest.fail("the old holder writes")
    assert not old.acquire()
    old.release()
    with new.guarded_write():
        pass


def test_a_lease_whose_clock_was_set_back_is_over_when_it_stands_still(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr(lease.time, "monotonic", lambda: seconds[0])
    killed = LeaseHolder(database, 15, clock=lambda _: now() + timedelta(minutes=1))
    assert killed.acquire("ok")
    new = LeaseHolder(database, 15)
    watch = LeaseWatch(database, 15)
    for seconds[0] in (0.0, 14.0):
        assert not new.acquire("ok")
        assert watch.look().reconciler == "ok"
    seconds[0] = 15.0
    assert "no reconciler is at work" in watch.look().reconciler
    assert new.acquire("ok")
    assert watch.look().reconciler == "ok"


def test_a_lease_that_is_renewed_is_held_whatever_the_clock_says(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr(lease.time, "monotonic", lambda: seconds[0])
    living = LeaseHolder(database, 15, clock=lambda _: now() + timedelta(minutes=1))
    new = LeaseHolder(database, 15)
    for seconds[0] in range(0, 60, 5):
        assert living.acquire("ok")
        assert not new.acquire("ok")
