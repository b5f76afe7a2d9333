"""A job store and the registry that its jobs have their runs in belong together."""

from __future__ import annotations

import pytest

from registry.memory import InMemoryRegistry
from services.database.base import Database
from services.database.facts import ForeignRegistry, check_registry


def test_a_store_of_another_registry_is_refused(database: Database) -> None:
    registry = InMemoryRegistry()
    check_registry(database, registry)
    check_registry(database, registry)
    with pytest.raises(ForeignRegistry, match="belongs to another registry"):
        check_registry(database, InMemoryRegistry())
