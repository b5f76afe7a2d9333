"""Table of the idempotency keys that were used, each with what was asked and what came of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.database.base import Base, UtcDateTime


class UsedKey(Base):
    __tablename__ = "used_idempotency_keys"

    api_key_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Each API key has idempotency keys of its own."""
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    operation: Mapped[str] = mapped_column(Text)
    """Method, path, and the project where it acted."""
    body_sha256: Mapped[str] = mapped_column(String(64))
    resource: Mapped[str] = mapped_column(String(255))
    """Id of what was made or changed."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
