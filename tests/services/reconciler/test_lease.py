"""The lease: one reconciler at a time, and one that lost it cannot write."""

from __future__ import annotations

import pytest

from services.database.base import Database
from services.reconciler.lease import LeaseHolder, LeaseLost, status
from services.reconciler.loop import Reconciler
from services.settings import Settings
from tests.services.support import PlayedExecutor, Stage


def test_only_the_holder_of_the_lease_works(
    stage: Stage, settings: Settings, database: Database, executor: PlayedExecutor
) -> None:
    second = Reconciler(settings, database, stage.registry, executor)
    assert stage.reconciler.tick() is True
    assert second.tick() is False
    assert status(database).reconciler == "ok"
    stage.reconciler.release()
    assert status(database).reconciler != "ok"
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
