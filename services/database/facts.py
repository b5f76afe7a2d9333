"""What a job store knows of itself, as names and values.

`registry` is the identity of the registry that its jobs have their runs in: with another one, every
result would be missing and every deletion would hit the wrong run.
"""

from __future__ import annotations

import json
from typing import Final

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry import Registry
from services.database.base import Base, Database

REGISTRY: Final = "registry"
MARK: Final = "mark"
"""How far the store is counted on (`services.database.marks`)."""
NODES: Final = "nodes"
"""What the executor's nodes have, as JSON, where none can be added; else it is not there."""


class ForeignRegistry(Exception):
    """The job store belongs to another registry than the one that was opened."""


class Fact(Base):
    __tablename__ = "facts"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


def write_fact(session: Session, name: str, value: str) -> None:
    fact = session.get(Fact, name)
    if fact is None:
        session.add(Fact(name=name, value=value))
    else:
        fact.value = value


def read_nodes(session: Session) -> list[dict[str, float]]:
    """What the nodes have; empty: nothing is known, or nodes may be added."""
    fact = session.get(Fact, NODES)
    return [] if fact is None else list(json.loads(fact.value))


def check_registry(database: Database, registry: Registry) -> None:
    """Keep which registry belongs to the job store, the first time; compare, every other time.

    Raises:
        ForeignRegistry: it is another.
    """
    identity = registry.identity()
    with database.write() as session:
        fact = session.get(Fact, REGISTRY)
        if fact is None:
            session.add(Fact(name=REGISTRY, value=identity))
        elif fact.value != identity:
            raise ForeignRegistry(
                "the job store belongs to another registry "
                f"(it knows {fact.value}, the one that was opened is {identity}): "
                "set DATABASE_URL and MLFLOW_TRACKING_URI to a pair, or take a new job store"
            )
