"""The log of aliases by itself: what is the same for every backend."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

import pytest

from registry import alias_log


def test_a_change_is_dated_to_the_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2026, 1, 2, 3, 4, 5, 999_500, tzinfo=tz)

    monkeypatch.setattr(alias_log, "datetime", Clock)
    change = alias_log.plan_move([], "best", 1, actor="alice", reason="", protected=None)
    assert change is not None
    assert change.changed_at == datetime(2026, 1, 2, 3, 4, 5, 999_000, tzinfo=UTC)
