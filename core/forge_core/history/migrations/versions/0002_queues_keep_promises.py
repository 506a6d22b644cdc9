"""Timelines, usage, dead letters, redriving, SLA breaches; the outbox gets channels, an order and a memory of tries.

Every new column has a default, so that programs of the release before go on working while a new one is rolled out.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "timeline",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("job_uid", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=128), server_default="", nullable=False),
        sa.Column("detail", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_uid", "what", "key"),
    )
    op.create_table(
        "usage",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("queue", sa.String(length=63), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("run_seconds", sa.Double(), nullable=False),
        sa.Column("cpu_seconds", sa.Double(), nullable=False),
        sa.Column("memory_gib_seconds", sa.Double(), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "queue", "hour"),
    )
    op.create_table(
        "usage_hours",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hour"),
    )
    op.add_column("jobs", sa.Column("kind", sa.String(length=63), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("resource_class", sa.String(length=63), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("cpu_millis", sa.Integer(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("memory_mib", sa.Integer(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("retry_of", sa.Uuid(), nullable=True))
    op.add_column("jobs", sa.Column("send_after", sa.DateTime(timezone=True), nullable=True))
    op.add_column("jobs", sa.Column("fingerprint", sa.String(length=32), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("sla_breached_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "jobs_dead",
        "jobs",
        ["tenant", "queue", "fingerprint", "completed_at"],
        unique=False,
        postgresql_where="phase = 'Failed'",
    )
    op.create_index(
        "jobs_completed", "jobs", ["queue", "completed_at"], unique=False, postgresql_where="phase = 'Completed'"
    )
    op.create_index("jobs_ended", "jobs", ["completed_at"], unique=False, postgresql_where="recorded_at is not null")
    redriven = "submitted and retry_of is not null and phase <> 'Cancelled'"
    op.create_index("jobs_redriven", "jobs", ["retry_of"], unique=True, postgresql_where=redriven)
    op.create_index("jobs_retries", "jobs", ["retry_of"], unique=False, postgresql_where="retry_of is not null")
    op.add_column("outbox", sa.Column("channel", sa.String(length=16), server_default="events", nullable=False))
    op.add_column("outbox", sa.Column("position", sa.BigInteger(), sa.Identity(always=False), nullable=False))
    op.add_column("outbox", sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
    op.add_column("outbox", sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("outbox_unpublished", table_name="outbox", postgresql_where="published_at is null")
    op.create_index(
        "outbox_unpublished",
        "outbox",
        ["channel", "tenant", "position"],
        unique=False,
        postgresql_where="published_at is null",
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("outbox_unpublished", table_name="outbox", postgresql_where="published_at is null")
    op.create_index(
        "outbox_unpublished", "outbox", ["created_at"], unique=False, postgresql_where="published_at is null"
    )
    op.drop_column("outbox", "next_try_at")
    op.drop_column("outbox", "tries")
    op.drop_column("outbox", "position")
    op.drop_column("outbox", "channel")
    op.drop_index("jobs_retries", table_name="jobs", postgresql_where="retry_of is not null")
    op.drop_index("jobs_redriven", table_name="jobs")
    op.drop_index("jobs_completed", table_name="jobs", postgresql_where="phase = 'Completed'")
    op.drop_index("jobs_ended", table_name="jobs", postgresql_where="recorded_at is not null")
    op.drop_index("jobs_dead", table_name="jobs", postgresql_where="phase = 'Failed'")
    op.drop_column("jobs", "sla_breached_at")
    op.drop_column("jobs", "fingerprint")
    op.drop_column("jobs", "send_after")
    op.drop_column("jobs", "retry_of")
    op.drop_column("jobs", "memory_mib")
    op.drop_column("jobs", "cpu_millis")
    op.drop_column("jobs", "resource_class")
    op.drop_column("jobs", "kind")
    op.drop_table("usage_hours")
    op.drop_table("usage")
    op.drop_table("timeline")
