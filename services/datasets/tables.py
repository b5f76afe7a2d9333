"""Table of registered datasets: what each is, and whose. The files are in the registry."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from services.auth.scopes import DEFAULT_PROJECT
from services.database.base import Base, UtcDateTime


class RegisteredDataset(Base):
    __tablename__ = "datasets"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    """Of the file; datasets of several names may share one."""
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    title: Mapped[str] = mapped_column(String(200))
    form: Mapped[dict[str, Any]]
    """Shape and targets of its examples, and how many there are by split."""
    project: Mapped[str] = mapped_column(String(32), server_default=DEFAULT_PROJECT)
    """Whose it is; others neither see it nor train on it."""
    owner: Mapped[str] = mapped_column(String(200))
    """Name of the API key that registered it; keys of the same name share it."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When a job that names it was submitted last, or it was registered."""

    @property
    def reference(self) -> str:
        """What a stored spec calls it."""
        return f"{self.name}@{self.sha256}"
