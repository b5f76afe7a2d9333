"""Uploads that are being stored count in their project's storage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "uploads_under_way",
        sa.Column("optimizer", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("project", sa.String(32), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("optimizer", "sha256", name="pk_uploads_under_way"),
    )
    op.create_index("ix_uploads_under_way_project", "uploads_under_way", ["project"])


def downgrade() -> None:
    op.drop_table("uploads_under_way")
