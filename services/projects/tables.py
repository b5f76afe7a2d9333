"""Table of the projects, each with its quotas."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.database.base import Base, UtcDateTime

PROJECT_PATTERN: Final = r"^[a-z][a-z0-9-]{0,31}$"


class Project(Base):
    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    description: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """From then on it is read, and nothing is added to it."""
    max_queued_jobs: Mapped[int | None]
    """None, here and below: no limit."""
    max_running_jobs: Mapped[int | None]
    max_storage_bytes: Mapped[int | None] = mapped_column(BigInteger)
    max_cores: Mapped[int | None]
    turn: Mapped[int] = mapped_column(default=0, server_default="0")
    """Of all starts of jobs, the number of this project's last one."""
