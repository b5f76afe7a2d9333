"""Table of the requests that would change something."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.database.base import Base, UtcDateTime


class AuditedRequest(Base):
    __tablename__ = "audited_requests"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    time: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(200))
    """Name of the API key."""
    key_id: Mapped[str] = mapped_column(String(40))
    project: Mapped[str] = mapped_column(String(32))
    """Where it acted."""
    method: Mapped[str] = mapped_column(String(10))
    path: Mapped[str] = mapped_column(Text)
    """Without its query, which may hold anything."""
    subject: Mapped[str | None] = mapped_column(Text)
    """What was made, where the path does not name it."""
    status: Mapped[int]
    client: Mapped[str] = mapped_column(String(100))
    """Address that the request came from, as trusted proxies tell it."""
    request_id: Mapped[str] = mapped_column(String(128))

    __table_args__ = (Index(None, "actor", "seq"), Index(None, "project", "seq"))
