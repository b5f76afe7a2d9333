"""Priority, deadline, lineage and key of jobs; idempotency keys of every POST; expiring API keys.

Idempotency keys no longer refer to jobs only, and outlive the job that they made: a late repeat of
a submission must not bring back a job that was deleted meanwhile.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

moment: Final = sa.DateTime(timezone=True)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("deadline", moment, nullable=True))
    op.add_column("jobs", sa.Column("cloned_from", sa.String(length=40), nullable=True))
    op.add_column("jobs", sa.Column("api_key_id", sa.String(length=40), nullable=True))
    op.create_index(
        "ix_jobs_queue", "jobs", ["state", sa.text("priority DESC"), "seq"], unique=False
    )
    op.create_index(op.f("ix_jobs_run_id"), "jobs", ["run_id"], unique=False)
    op.create_index(op.f("ix_jobs_state_deadline"), "jobs", ["state", "deadline"], unique=False)
    op.add_column("api_keys", sa.Column("expires_at", moment, nullable=True))
    op.create_table(
        "used_idempotency_keys",
        sa.Column("api_key_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.String(length=255), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("api_key_id", "key", name=op.f("pk_used_idempotency_keys")),
    )
    op.execute(
        "INSERT INTO used_idempotency_keys "
        "(api_key_id, key, operation, body_sha256, resource, created_at) "
        "SELECT key_id, key, 'POST /v1/jobs', body_sha256, job_id, created_at FROM idempotency_keys"
    )
    op.drop_table("idempotency_keys")


def downgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
            name=op.f("fk_idempotency_keys_job_id_jobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        op.f("ix_idempotency_keys_job_id"), "idempotency_keys", ["job_id"], unique=False
    )
    op.execute(
        "INSERT INTO idempotency_keys (key_id, key, body_sha256, job_id, created_at) "
        "SELECT api_key_id, key, body_sha256, resource, created_at FROM used_idempotency_keys "
        "WHERE operation = 'POST /v1/jobs' AND resource IN (SELECT id FROM jobs)"
    )
    op.drop_table("used_idempotency_keys")
    op.drop_column("api_keys", "expires_at")
    for index in ("ix_jobs_state_deadline", "ix_jobs_run_id", "ix_jobs_queue"):
        op.drop_index(index, table_name="jobs")
    for column in ("api_key_id", "cloned_from", "deadline", "priority"):
        op.drop_column("jobs", column)
