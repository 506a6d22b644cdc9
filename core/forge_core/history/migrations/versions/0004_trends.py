"""An index for a repository's completed analyses over time."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "jobs_trends",
        "jobs",
        ["tenant", "repository_id", "created_at", "id"],
        unique=False,
        postgresql_where="phase = 'Completed' and repository_id <> ''",
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("jobs_trends", table_name="jobs")
