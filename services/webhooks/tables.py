"""Table of deliveries: each end of a job that somebody wants to be told of."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.database.base import Base, UtcDateTime


class Delivery(Base):
    __tablename__ = "webhook_deliveries"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Receivers know a repeat by it."""
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    """What is sent, to the byte."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    n_tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The next try; None: it was delivered, or given up."""
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str | None] = mapped_column(Text)
    """Of the last try that failed."""

    __table_args__ = (Index(None, "next_at"), Index(None, "job_id"))
