"""API keys: what is stored, who is let in, and for how long a process remembers."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from sqlalchemy import text

from services.auth import keys
from services.auth.scopes import add_implied
from services.auth.service import LAST_USED_STEP, MAX_REMEMBERED, MEMORY_SECONDS, ApiKeys
from services.database.base import Database, now
from tests.services.support import ON_ANY_DATABASE


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api_keys(database: Database, clock: Clock) -> ApiKeys:
    return ApiKeys(database, clock)


def test_a_key_has_its_form_and_its_holder(api_keys: ApiKeys) -> None:
    new = api_keys.create("alice", ["submit"])
    assert keys.parse_id(new.key) == new.record.id
    assert new.record.prefix == new.key[: len("ha_") + keys.ID_CHARS]
    principal = api_keys.verify(new.key)
    assert principal is not None
    assert (principal.name, principal.key_id) == ("alice", new.record.id)
    assert principal.scopes == {"read", "submit"}


def test_a_key_that_has_expired_is_nobodys_even_if_it_is_remembered(
    api_keys: ApiKeys, clock: Clock
) -> None:
    soon = now() + timedelta(seconds=2)
    key = api_keys.create("guest", ["read"], expires_at=soon).key
    assert api_keys.verify(key) is not None
    assert api_keys.recall(key) is not None
    clock.now += 2.0
    assert api_keys.recall(key) is None
    with patch("services.auth.validity.now", return_value=soon):
        assert api_keys.verify(key) is None
    with pytest.raises(ValueError, match="expires_at"):
        api_keys.create("late", ["read"], expires_at=now())


def test_the_database_holds_no_key(api_keys: ApiKeys, database: Database) -> None:
    new = api_keys.create("alice", ["read"])
    with database.read() as session:
        row = [str(value) for value in session.execute(text("SELECT * FROM api_keys")).one()]
    assert keys.hash_key(new.key) in row
    assert not any(new.key[-keys.SECRET_CHARS :] in value for value in row)


def test_keys_differ() -> None:
    assert len({keys.draw_key() for _ in range(100)}) == 100


def test_a_wrong_key_is_nobodys(api_keys: ApiKeys, subtests: pytest.Subtests) -> None:
    key = api_keys.create("alice", ["read"]).key
    wrong_secret = key[:-1] + ("a" if key[-1] != "a" else "b")
    for wrong in (
        wrong_secret,
        keys.draw_key(),
        key[:-1],
        key + "a",
        key.upper(),
        f" {key}",
        "",
        "ha_",
        "é" * 44,
    ):
        with subtests.test(wrong=wrong):
            assert api_keys.verify(wrong) is None
            assert api_keys.recall(wrong) is None


def test_a_revoked_key_is_worthless_at_once_here(api_keys: ApiKeys) -> None:
    new = api_keys.create("alice", ["read"])
    other = api_keys.create("bob", ["read"])
    assert api_keys.verify(new.key) is not None
    assert api_keys.verify(other.key) is not None
    assert api_keys.revoke(new.record.id)
    assert api_keys.recall(new.key) is None
    assert api_keys.verify(new.key) is None
    assert api_keys.recall(other.key) is not None


def test_revoking_again_keeps_the_first_moment(api_keys: ApiKeys) -> None:
    new = api_keys.create("alice", ["read"])
    assert api_keys.revoke(new.record.id)
    first = api_keys.list()[0].revoked_at
    assert api_keys.revoke(new.record.id)
    assert api_keys.list()[0].revoked_at == first
    assert not api_keys.revoke("nobodys1")


def test_other_processes_forget_a_revoked_key_within_seconds(
    api_keys: ApiKeys, database: Database, clock: Clock
) -> None:
    new = api_keys.create("alice", ["read"])
    elsewhere = ApiKeys(database, clock)
    assert elsewhere.recall(new.key) is None
    elsewhere.verify(new.key)
    api_keys.revoke(new.record.id)
    clock.now += MEMORY_SECONDS / 2
    assert elsewhere.recall(new.key) is not None
    clock.now += MEMORY_SECONDS / 2
    assert elsewhere.recall(new.key) is None
    assert elsewhere.verify(new.key) is None


def test_memory_is_bounded(api_keys: ApiKeys) -> None:
    new = api_keys.create("alice", ["read"])
    principal = api_keys.verify(new.key)
    assert principal is not None
    for index in range(2 * MAX_REMEMBERED):
        api_keys._remember(str(index), principal)
    assert len(api_keys._verified) <= MAX_REMEMBERED


def test_last_use_is_written_now_and_then(api_keys: ApiKeys) -> None:
    new = api_keys.create("alice", ["read"])
    assert api_keys.list()[0].last_used_at is None
    api_keys.verify(new.key)
    first = api_keys.list()[0].last_used_at
    assert first is not None
    api_keys.verify(new.key)
    assert api_keys.list()[0].last_used_at == first
    with patch("services.auth.service.now", lambda: now() + LAST_USED_STEP + timedelta(seconds=1)):
        api_keys.verify(new.key)
    later = api_keys.list()[0].last_used_at
    assert later is not None
    assert later > first


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    ("name", "scopes", "message"),
    [
        ("", ["read"], "name must not be empty"),
        ("  ", ["read"], "name must not be empty"),
        ("a" * 201, ["read"], "at most 200"),
        ("a\x00b", ["read"], "control characters"),
        ("alice", [], "scopes must not be empty"),
        ("alice", ["read", "root"], "got root"),
    ],
)
def test_bad_names_and_scopes_are_refused(
    api_keys: ApiKeys, name: str, scopes: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        api_keys.create(name, scopes)
    assert api_keys.list() == []


def test_scopes_imply_those_below() -> None:
    assert add_implied(["admin"]) == {"read", "submit", "admin"}
    assert add_implied(["submit"]) == {"read", "submit"}
    assert add_implied(["read"]) == {"read"}
    assert add_implied([]) == frozenset()
