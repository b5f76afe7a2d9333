"""Projects: all that is there belongs to `default`."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_LIMITS = ("max_queued_jobs", "max_running_jobs", "max_cores")


def upgrade() -> None:
    projects = op.create_table(
        "projects",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        *[sa.Column(name, sa.Integer(), nullable=True) for name in _LIMITS],
        sa.Column("max_storage_bytes", sa.BigInteger(), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("name", name="pk_projects"),
    )
    first = {"name": "default", "description": "", "created_at": datetime.now(UTC)}
    op.bulk_insert(projects, [first])
    op.add_column("api_keys", _make_project_column())
    op.add_column("jobs", _make_project_column())
    op.add_column("jobs", sa.Column("n_cores", sa.Integer(), nullable=True))
    op.add_column("jobs", _make_bytes_column("stored_bytes"))
    op.create_index("ix_jobs_project_seq", "jobs", ["project", "seq"])
    op.create_index("ix_jobs_state_project", "jobs", ["state", "project"])
    op.add_column("optimizer_names", _make_project_column())
    op.add_column("optimizer_names", _make_bytes_column("uploaded_bytes"))
    shared: sa.Column[bool] = sa.Column(
        "shared", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("optimizer_names", shared)


def downgrade() -> None:
    for name in ("shared", "uploaded_bytes", "project"):
        op.drop_column("optimizer_names", name)
    op.drop_index("ix_jobs_state_project", "jobs")
    op.drop_index("ix_jobs_project_seq", "jobs")
    for name in ("stored_bytes", "n_cores", "project"):
        op.drop_column("jobs", name)
    op.drop_column("api_keys", "project")
    op.drop_table("projects")


def _make_project_column() -> sa.Column[str]:
    return sa.Column("project", sa.String(32), nullable=False, server_default="default")


def _make_bytes_column(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
