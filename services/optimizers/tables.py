"""Tables of the names of optimizers, whose each is, and of uploads that are being stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Boolean, String, false
from sqlalchemy.orm import Mapped, mapped_column

from services.database.base import Base, UtcDateTime

UNDER_WAY: Final = timedelta(minutes=10)
"""An upload is stored by then, or never."""


class OptimizerName(Base):
    __tablename__ = "optimizer_names"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200))
    """Name of the API key that used it first; keys of the same name share it. Empty: it is
    everybody's in its project."""
    claimed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    project: Mapped[str] = mapped_column(String(32), default="default", server_default="default")
    shared: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Whether all projects may read its versions."""
    uploaded_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Of its versions that were uploaded; those of jobs count with their jobs."""


class UploadUnderWay(Base):
    """Room that an upload takes before it is stored, so that no two take the same."""

    __tablename__ = "uploads_under_way"

    optimizer: Mapped[str] = mapped_column(String(64), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    project: Mapped[str] = mapped_column(String(32), index=True)
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
