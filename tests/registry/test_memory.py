from __future__ import annotations

import pytest

from registry import connect
from registry.memory import InMemoryRegistry
from tests.registry.alias_contract import AliasContract
from tests.registry.contract import RegistryContract
from tests.registry.notes_contract import NotesContract
from tests.registry.removal_contract import RemovalContract


@pytest.fixture
def registry() -> InMemoryRegistry:
    return InMemoryRegistry()


class TestInMemoryRegistry(RegistryContract):
    pass


class TestInMemoryAliases(AliasContract):
    pass


class TestInMemoryNotes(NotesContract):
    pass


class TestInMemoryRemovals(RemovalContract):
    pass


def test_connect_gives_a_new_one_each_time() -> None:
    first = connect("memory://")
    second = connect("memory://")
    first.open_run("job_1", name="")
    assert isinstance(first, InMemoryRegistry)
    assert first is not second
