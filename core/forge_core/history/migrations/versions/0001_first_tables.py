"""The first tables: repositories, jobs, attempts, refunds, artefacts, outbox."""

from alembic import op

from forge_core.history.models import Base

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    Base.metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Undo."""
    Base.metadata.drop_all(op.get_bind())
