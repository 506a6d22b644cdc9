"""Alembic's entry: runs the steps on the connection that the caller holds."""

from alembic import context

from forge_core.history.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
