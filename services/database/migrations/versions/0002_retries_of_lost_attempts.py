"""Retries: how many attempts of a job were lost, how far they came, and when the next may start."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "jobs", sa.Column("lost_attempts", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column(
        "jobs", sa.Column("lost_progress", sa.Double(), nullable=False, server_default="0")
    )
    op.add_column("jobs", sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "retry_at")
    op.drop_column("jobs", "lost_progress")
    op.drop_column("jobs", "lost_attempts")
