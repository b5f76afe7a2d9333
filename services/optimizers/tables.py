"""Table of the names of optimizers: whose each is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from services.database.base import Base, UtcDateTime


class OptimizerName(Base):
    __tablename__ = "optimizer_names"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200))
    """Name of the API key that used it first; keys of the same name share it."""
    claimed_at: Mapped[datetime] = mapped_column(UtcDateTime)
