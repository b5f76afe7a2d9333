"""Table of the lease: which reconciler is at work, until when, how often it has renewed that, and
how it last found the executor."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.database.base import Base, UtcDateTime


class Lease(Base):
    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    beats: Mapped[int] = mapped_column(default=0, server_default="0")
    """One more with every renewal: who watches them needs no clock but its own."""
    executor: Mapped[str] = mapped_column(Text)
    """`ok`, or what is wrong with the executor."""
