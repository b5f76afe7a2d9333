"""When each API key last had its turn in the queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_turns",
        sa.Column("api_key_id", sa.String(40), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("api_key_id", name="pk_key_turns"),
    )
    op.create_index("ix_jobs_shares", "jobs", ["state", "priority", "api_key_id", "seq"])


def downgrade() -> None:
    op.drop_index("ix_jobs_shares", "jobs")
    op.drop_table("key_turns")
