"""A submission that may be repeated: the client's key, and what it asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("jobs", sa.Column("idempotency_key", sa.String(255), nullable=True))
    op.add_column("jobs", sa.Column("request_digest", sa.String(64), nullable=True))
    op.create_index(
        "jobs_once",
        "jobs",
        ["tenant", "requested_by", "idempotency_key"],
        unique=True,
        postgresql_where="idempotency_key is not null",
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("jobs_once", table_name="jobs")
    op.drop_column("jobs", "request_digest")
    op.drop_column("jobs", "idempotency_key")
