"""The schema's steps against a real PostgreSQL: they lead to what the models say, and back, with rows in the tables."""

import uuid
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from forge_core.history import migrations
from forge_core.history.database import driver_url
from forge_core.history.migrations.__main__ import upgrade
from forge_core.history.models import Base
from tests.services.postgres import PostgresServer

ROW = """
    insert into jobs (id, resource_version, tenant, namespace, name, queue, submitted, repository_id, requested_by,
        spec, priority, phase, stage, progress, attempts, message, reason, failure_class, created_at, cancelled_by)
    values (%s, 0, 'a', 'a', 'a', 'analysis', false, '', '', '{}', 1, 'Queued', '', 0, 0, '', '', '', now(), '')
"""
EVENT = "insert into outbox (id, job_id, tenant, type, event, created_at) values (%s, %s, 'a', 'x', '{}', now())"


@pytest.fixture
def empty(postgres: PostgresServer) -> str:
    """A database without a table."""
    return postgres.create()


def migrate(url: str, to: str) -> None:
    """Step up to a revision, or down to one that is written with a minus behind it."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(driver_url(url))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if to.endswith("-") else command.upgrade)(config, to.removesuffix("-"))
        connection.commit()
    engine.dispose()


def test_the_steps_lead_to_what_the_models_say(empty: str) -> None:
    upgrade(empty)
    engine = create_engine(driver_url(empty))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_rows_of_an_older_release_are_kept_and_its_statements_go_on_working(empty: str) -> None:
    migrate(empty, "0001")
    job = uuid.uuid4()
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(ROW, (job,))
        connection.execute(EVENT, (uuid.uuid4(), job))
    migrate(empty, "head")
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(ROW, (uuid.uuid4(),))
        assert connection.execute("select channel, position from outbox").fetchall() == [("events", 1)]
    migrate(empty, "0001-")
    with psycopg.connect(empty, autocommit=True) as connection:
        counted = connection.execute("select count(*) from jobs").fetchone()
    assert counted == (2,)
