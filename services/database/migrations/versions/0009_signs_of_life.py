"""How often a lease was renewed, which tells whether its holder lives without comparing clocks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("leases", sa.Column("beats", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("leases", "beats")
