"""Bring the database of FORGE_DATABASE_URL to the newest schema; waits for PostgreSQL and for another migration."""

import os
import sys
import time
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from forge_core import logs
from forge_core.history.database import driver_url
from forge_core.names import DATABASE_URL_ENV

LOCK: Final = 0x666F726765  # "forge": one migration at a time, whichever pod began it
WAIT_SECONDS: Final = 300


def upgrade(url: str) -> None:
    """Run every missing step. Raises SQLAlchemy's OperationalError when PostgreSQL can't be reached."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    engine = create_engine(driver_url(url), connect_args={"connect_timeout": 5})
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": LOCK})
        try:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": LOCK})
            connection.commit()
    engine.dispose()


def main() -> int:
    """Wait up to five minutes for PostgreSQL, then upgrade."""
    logs.configure()
    log = logs.get_logger("migrations")
    url = os.environ.get(DATABASE_URL_ENV, "")
    if not url:
        log.error(f"{DATABASE_URL_ENV} is not set: nothing to migrate")
        return 2
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            upgrade(url)
        except OperationalError as error:
            if time.monotonic() > deadline:
                log.error("PostgreSQL can't be reached", error=str(error.orig).strip()[:300])
                return 1
            log.info("waiting for PostgreSQL", error=str(error.orig).strip()[:300])
            time.sleep(2)
        else:
            log.info("the schema is current")
            return 0


if __name__ == "__main__":
    sys.exit(main())
