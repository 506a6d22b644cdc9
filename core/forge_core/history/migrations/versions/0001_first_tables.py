"""The first tables: repositories, jobs, attempts, refunds, artefacts, outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "artifacts",
        sa.Column("job_uid", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("content_type", sa.String(length=127), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("gzipped", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job_uid", "attempt", "name"),
    )
    op.create_table(
        "attempts",
        sa.Column("job_uid", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("pod_uid", sa.Uuid(), nullable=False),
        sa.Column("pod_name", sa.String(length=253), nullable=False),
        sa.Column("number_in_pod", sa.Integer(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("failure_class", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("summary", postgresql.JSONB(), nullable=True),
        sa.Column("refunded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("job_uid", "number"),
        sa.UniqueConstraint("pod_uid", "number_in_pod"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource_uid", sa.Uuid(), nullable=True),
        sa.Column("resource_version", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("queue", sa.String(length=63), nullable=False),
        sa.Column("submitted", sa.Boolean(), nullable=False),
        sa.Column("repository_id", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=63), nullable=False),
        sa.Column("failure_class", sa.String(length=32), nullable=False),
        sa.Column("summary", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by", sa.Text(), nullable=False),
        sa.Column("last_pod_ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "phase in ('Queued','Running','Cancelling','Completed','Failed','Cancelled')", name="phase_known"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("resource_uid"),
    )
    op.create_index(
        "jobs_doubtful",
        "jobs",
        ["created_at"],
        unique=False,
        postgresql_where="submitted and phase = 'Cancelled' and recorded_at is null",
    )
    op.create_index("jobs_in_cluster", "jobs", ["resource_uid"], unique=False, postgresql_where="deleted_at is null")
    op.create_index(
        "jobs_open", "jobs", ["phase"], unique=False, postgresql_where="phase in ('Queued','Running','Cancelling')"
    )
    op.create_index("jobs_page", "jobs", ["tenant", "created_at", "id"], unique=False)
    op.create_index("jobs_starts", "jobs", ["queue", "admitted_at"], unique=False)
    op.create_index(
        "jobs_unsent", "jobs", ["created_at"], unique=False, postgresql_where="submitted and resource_uid is null"
    )
    op.create_table(
        "refunds",
        sa.Column("pod_uid", sa.Uuid(), nullable=False),
        sa.Column("job_uid", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=63), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pod_uid"),
    )
    op.create_index("ix_refunds_job_uid", "refunds", ["job_uid"], unique=False)
    op.create_table(
        "repositories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("credentials_secret", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "url"),
    )
    op.create_index("repositories_page", "repositories", ["tenant", "created_at", "id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("type", sa.String(length=63), nullable=False),
        sa.Column("event", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id", "type"),
    )
    op.create_index(
        "outbox_unpublished", "outbox", ["created_at"], unique=False, postgresql_where="published_at is null"
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("outbox_unpublished", table_name="outbox", postgresql_where="published_at is null")
    op.drop_table("outbox")
    op.drop_index("repositories_page", table_name="repositories")
    op.drop_table("repositories")
    op.drop_index("ix_refunds_job_uid", table_name="refunds")
    op.drop_table("refunds")
    op.drop_index("jobs_unsent", table_name="jobs", postgresql_where="submitted and resource_uid is null")
    op.drop_index("jobs_starts", table_name="jobs")
    op.drop_index("jobs_page", table_name="jobs")
    op.drop_index("jobs_open", table_name="jobs", postgresql_where="phase in ('Queued','Running','Cancelling')")
    op.drop_index("jobs_in_cluster", table_name="jobs", postgresql_where="deleted_at is null")
    op.drop_index(
        "jobs_doubtful", table_name="jobs", postgresql_where="submitted and phase = 'Cancelled' and recorded_at is null"
    )
    op.drop_table("jobs")
    op.drop_table("attempts")
    op.drop_table("artifacts")
