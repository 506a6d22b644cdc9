"""The connection to PostgreSQL, and the one error that callers of the history know."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

STATEMENT_SECONDS: Final = 30
_NO_SCHEMA: Final = {"42P01", "42703"}
"""SQLSTATEs of PostgreSQL: no such table, no such column."""


class HistoryUnavailable(Exception):
    """PostgreSQL is away, starting, out of connections, without its schema yet: the same call may succeed later."""


def driver_url(url: str) -> str:
    """`postgresql://...`, as people write it, for SQLAlchemy's psycopg driver."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


class History:
    """A pool of connections. Use `async with History.connect(url) as history`; `async with history.begin()` for SQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, pool: int = 10) -> AsyncIterator[Self]:
        """Prepare a pool; nothing is sent before the first use."""
        engine = create_async_engine(
            driver_url(url),
            pool_size=pool,
            max_overflow=pool,
            pool_timeout=5,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5, "options": f"-c statement_timeout={STATEMENT_SECONDS}s"},
        )
        try:
            yield cls(engine)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end, rolled back by an exception. Raises HistoryUnavailable."""
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, TimeoutError, OSError) as error:
            raise HistoryUnavailable(_sentence(error)) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise HistoryUnavailable(_sentence(error)) from error
            if getattr(error.orig, "sqlstate", "") in _NO_SCHEMA:
                raise HistoryUnavailable(f"the schema is older than this program: {_sentence(error)}") from error
            raise
        except SQLAlchemyError as error:
            if type(error).__name__ == "TimeoutError":  # the pool's own, not a DBAPIError
                raise HistoryUnavailable("no free connection to PostgreSQL within 5 s") from error
            raise

    @asynccontextmanager
    async def look(self) -> AsyncIterator[AsyncConnection]:
        """The same for reading alone: PostgreSQL itself refuses every change in it."""
        async with self.begin() as connection:
            await connection.execute(text("set transaction read only"))
            yield connection

    async def ping(self) -> None:
        """Raises HistoryUnavailable unless PostgreSQL answers."""
        async with self.begin() as connection:
            await connection.execute(text("select 1"))


def _sentence(error: BaseException) -> str:
    """The first line of an error, without the statement and its parameters (which hold users' values)."""
    origin: Any = getattr(error, "orig", None) or error
    return f"{type(origin).__name__}: {str(origin).splitlines()[0][:200] if str(origin) else ''}"


def storable(value: Any) -> Any:
    """`value` without U+0000, which PostgreSQL's text and jsonb can't hold."""
    if isinstance(value, str):
        return value.replace("\x00", "") if "\x00" in value else value
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def storable_json(value: Any) -> str:
    """`value` as JSON text that PostgreSQL's jsonb takes. Raises ValueError for NaN, lone surrogates, endless depth."""
    try:
        written = json.dumps(storable(value), ensure_ascii=False, allow_nan=False)
        written.encode()
    except UnicodeEncodeError:
        raise ValueError("holds text that is not Unicode") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return written
