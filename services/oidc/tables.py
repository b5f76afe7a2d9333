"""Table of the people that the issuer vouched for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from services.database.base import Base, UtcDateTime


class Person(Base):
    __tablename__ = "people"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Stands where a key's id does."""
    name: Mapped[str] = mapped_column(String(200), unique=True)
    """Issuer and subject."""
    full_name: Mapped[str] = mapped_column(String(100))
    """What the issuer calls the person."""
    rights: Mapped[dict[str, Any]]
    """`{"projects": {name: [scope, …]}}`; of admins, `{"projects": null}`."""
    vouched_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the newest token was issued that told of these rights."""
    rights_until: Mapped[datetime] = mapped_column(UtcDateTime)
    """Until then jobs and sessions act by these rights."""
