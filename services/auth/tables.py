"""Tables of API keys, and of the sessions of browsers that were opened with them.

Neither keys nor tokens are ever stored: only their hashes, and of a key a prefix by which people
recognise it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from services.database.base import Base, UtcDateTime


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(40))
    hash: Mapped[str] = mapped_column(String(128), unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Worthless from then on; None: never by itself."""
    project: Mapped[str] = mapped_column(String(32), default="default", server_default="default")
    """Where its holder acts; with the scope `admin`, where by default."""


class BrowserSession(Base):
    __tablename__ = "sessions"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the token, SHA-256."""
    key_id: Mapped[str] = mapped_column(String(40), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
