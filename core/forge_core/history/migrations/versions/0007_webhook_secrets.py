"""Secrets of webhook endpoints that were made, whether or not their endpoint came to be."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "webhook_secrets",
        sa.Column("endpoint_id", sa.Uuid(), primary_key=True),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute(
        "insert into webhook_secrets (endpoint_id, namespace, noted_at)"
        " select id, namespace, created_at from webhook_endpoints"
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("webhook_secrets")
