"""Progress through Redis: the only module that speaks to it.

Redis holds nothing that a job's outcome depends on: it may be lost or emptied at any time. Every method of `Progress`
raises `ProgressUnavailable` when Redis is away, refuses the credentials, or lacks a permission (a restarted Redis has
forgotten its users until the operator sets them again), and callers go on without it.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self, cast

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from forge_core.messages import MAX_LINE, ProgressMessage, ProgressUnavailable, TerminalMessage
from forge_core.names import (
    ALL_KEYS,
    RedisKey,
    events_stream,
    job_hash,
    log_stream,
    progress_stream,
    redis_key,
    redis_user,
    reported_keys,
    tenant_of_user,
)

STREAM_LENGTH: Final = 10_000
"""Messages kept of a tenant's progress, approximately."""
LOG_LENGTH: Final = 2_000
"""Lines kept of a job's log tail, approximately; the whole log goes to PostgreSQL."""
JOB_SECONDS: Final = 24 * 3600
"""How long a job's hash and log tail outlive their last write."""
SOCKET_SECONDS: Final = 5.0
SCANNED_AT_ONCE: Final = 500
BEGINNING: Final = "0-0"
_FOR_EVER: Final = -1
"""What TTL answers for a key that has no end."""
EVENTS_LENGTH: Final = 10_000
"""CloudEvents kept of a tenant, approximately, unless the installation says otherwise."""


@dataclass(frozen=True)
class Entry:
    """One entry of a stream: its id (the resume token) and the payload as written, not yet decoded."""

    id: str
    payload: str


@dataclass(frozen=True)
class StreamEvent:
    """One CloudEvent for a tenant's stream; `payload` is its JSON, `id` the same however often it is published."""

    id: str
    type: str
    payload: str


@dataclass(frozen=True)
class Snapshot:
    """A job's last state: the progress message as written ("" when there was none) and the last heartbeat."""

    payload: str
    heartbeat: datetime | None


class Progress:
    """A connection to Redis or a Redis Cluster. Use `async with Progress.connect(url) as progress`."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, url: str, username: str = "", password: str = "", seconds: float = SOCKET_SECONDS
    ) -> AsyncIterator[Self]:
        """Prepare a connection; nothing is sent before the first call. `redis+cluster://` asks for a Cluster.

        `seconds` bounds the wait for one answer; a reader that blocks for longer must ask for more.
        """
        options: dict[str, Any] = {
            "username": username or None,
            "password": password or None,
            "decode_responses": True,
            "socket_timeout": seconds,
            "socket_connect_timeout": SOCKET_SECONDS,
        }
        redis: Any
        if url.startswith("redis+cluster://"):
            redis = cast("Any", RedisCluster).from_url(url.replace("redis+cluster://", "redis://", 1), **options)
        else:
            redis = cast("Any", Redis).from_url(url, retry=Retry(NoBackoff(), 1), **options)
        try:
            yield cls(redis)
        finally:
            await redis.aclose()

    async def ping(self) -> None:
        """Raises ProgressUnavailable unless Redis answers."""
        with _translated():
            await self._redis.ping()

    # --- the runner's side ---

    async def report(self, tenant: str, message: ProgressMessage) -> None:
        """Append to the tenant's stream and remember as the job's last state, with a heartbeat."""
        payload = message.encode()
        with _translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(progress_stream(tenant), {"m": payload}, maxlen=STREAM_LENGTH, approximate=True)
                self._beat(pipe, tenant, message.uid, {"last": payload})
                await pipe.execute()

    async def beat(self, tenant: str, uid: str) -> None:
        """Say that the job's runner lives."""
        with _translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                self._beat(pipe, tenant, uid, {})
                await pipe.execute()

    @staticmethod
    def _beat(pipe: Any, tenant: str, uid: str, fields: dict[str, str]) -> None:
        key = job_hash(tenant, uid)
        pipe.hset(key, mapping={**fields, "heartbeat": datetime.now(UTC).isoformat()})
        pipe.expire(key, JOB_SECONDS)

    async def log(self, tenant: str, uid: str, lines: Sequence[str]) -> None:
        """Append lines to the job's log tail; each is cut to MAX_LINE characters."""
        key = log_stream(tenant, uid)
        with _translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for line in lines:
                    pipe.xadd(key, {"m": line[:MAX_LINE]}, maxlen=LOG_LENGTH, approximate=True)
                pipe.expire(key, JOB_SECONDS)
                await pipe.execute()

    # --- the operator's side ---

    async def publish_end(self, tenant: str, message: TerminalMessage) -> None:
        """Append a terminal message to the tenant's stream."""
        with _translated():
            await self._redis.xadd(
                progress_stream(tenant), {"m": message.encode()}, maxlen=STREAM_LENGTH, approximate=True
            )

    async def publish_events(self, tenant: str, events: Sequence[StreamEvent], length: int = EVENTS_LENGTH) -> set[str]:
        """Append CloudEvents to the tenant's stream, in this order; answers the ids of those that are in it.

        One that Redis refused alone is missing in the answer. When none was taken, or the connection broke so that
        nobody knows, ProgressUnavailable is raised: whoever publishes again appends repeats, which carry the same id.
        """
        key = events_stream(tenant)
        with _translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for event in events:
                    fields = {"id": event.id, "type": event.type, "m": event.payload}
                    pipe.xadd(key, fields, maxlen=length, approximate=True)
                answers = await pipe.execute(raise_on_error=False)
            taken = {e.id for e, answer in zip(events, answers, strict=True) if not isinstance(answer, Exception)}
            if events and not taken:
                raise next(answer for answer in answers if isinstance(answer, Exception))
        return taken

    async def snapshots(self, tenant: str, uids: Sequence[str]) -> dict[str, Snapshot]:
        """The last state of each job that has one; one round trip (a tenant's keys share a slot)."""
        if not uids:
            return {}
        with _translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for uid in uids:
                    pipe.hmget(job_hash(tenant, uid), "last", "heartbeat")
                rows = await pipe.execute()
        found = {uid: Snapshot(last or "", _moment(beat)) for uid, (last, beat) in zip(uids, rows, strict=True)}
        return {uid: snapshot for uid, snapshot in found.items() if snapshot.payload or snapshot.heartbeat}

    async def servers(self) -> frozenset[str]:
        """The run id of each server: another set than before means that users must be set again."""
        with _translated():
            infos = await self._everywhere("INFO", "server")
        return frozenset(str(info["run_id"]) for info in infos)

    async def set_user(self, tenant: str, password: str) -> None:
        """Set the tenant's user on every node: it writes what runners report, reads its events, and nothing else.

        The password goes as its hash, so that no error message and no slow log can show it. Redis 7 tells apart
        writing a key (%W) from reading it (%R).
        """
        hashed = hashlib.sha256(password.encode()).hexdigest()
        rule = [
            "ACL SETUSER", redis_user(tenant), "reset", "on", f"#{hashed}",
            *(f"%W~{key}" for key in reported_keys(tenant)),
            f"(%R~{events_stream(tenant)} +xread +xrange +xrevrange +xlen)",
            "-@all", "+xadd", "+hset", "+expire", "+ping", "+hello", "+auth", "+client|setname",
            "+cluster|slots", "+cluster|shards", "+cluster|nodes", "+cluster|info", "+readonly", "+command",
        ]  # fmt: skip
        with _translated():
            await self._everywhere(*rule)

    # --- the clean-up's side ---

    async def users(self) -> frozenset[str]:
        """The tenants that have a user, on whatever node."""
        with _translated():
            answers = await self._everywhere("ACL USERS")
        return frozenset(filter(None, (tenant_of_user(user) for users in answers for user in users)))

    async def remove_user(self, tenant: str) -> None:
        """On every node; its connections end."""
        with _translated():
            await self._everywhere("ACL DELUSER", redis_user(tenant))

    async def all_keys(self) -> AsyncIterator[tuple[RedisKey, bool]]:
        """All keys of ours, and whether each goes by itself: one walk through all that Redis holds, in small steps.

        What has such a name but is of another type is none of ours.
        """
        with _translated():
            names = [name async for name in self._redis.scan_iter(match=ALL_KEYS, count=SCANNED_AT_ONCE)]
        for begin in range(0, len(names), SCANNED_AT_ONCE):
            batch = [key for name in names[begin : begin + SCANNED_AT_ONCE] if (key := redis_key(name))]
            with _translated():
                async with self._redis.pipeline(transaction=False) as pipe:
                    for key in batch:
                        pipe.ttl(key.name)
                        pipe.type(key.name)
                    answers = await pipe.execute()
            for key, seconds, form in zip(batch, answers[::2], answers[1::2], strict=True):
                if form == ("hash" if key.part == "job" else "stream"):
                    yield key, seconds != _FOR_EVER

    async def touched(self, key: RedisKey) -> datetime | None:
        """When it was last written, by what it says itself; None when it doesn't, being empty."""
        with _translated():
            if key.part == "job":
                return _moment(await self._redis.hget(key.name, "heartbeat"))
            entries = await self._redis.xrevrange(key.name, count=1)
        return datetime.fromtimestamp(int(entries[0][0].split("-")[0]) / 1000, UTC) if entries else None

    async def remove(self, key: RedisKey, *, dry: bool = False) -> int:
        """Remove it; answers the bytes that this frees (or would, with `dry`)."""
        with _translated():
            size = int(await self._redis.memory_usage(key.name) or 0)
            if not dry:
                await self._redis.unlink(key.name)
        return size

    async def _everywhere(self, *command: str) -> list[Any]:
        """What each node of a Redis Cluster answers, all asked at once; what the Redis does that is none."""
        if not isinstance(self._redis, RedisCluster):
            return [await self._redis.execute_command(*command)]
        await self._redis.initialize()
        asked = (self._redis.execute_command(*command, target_nodes=node) for node in self._redis.get_nodes())
        return list(await asyncio.gather(*asked))

    # --- the API's side ---

    async def read(self, key: str, after: str, block_ms: int = 0, count: int = 500) -> list[Entry]:
        """Entries of a stream after the id `after` (`$` for only new ones), waiting up to `block_ms` for the first."""
        with _translated():
            answer = await self._redis.xread({key: after}, count=count, block=block_ms or None)
        if not answer:
            return []
        streams = answer.items() if isinstance(answer, dict) else answer
        entries: list[Entry] = []
        for _key, batch in streams:
            rows = batch[0] if batch and isinstance(batch[0], list) else batch
            entries += [Entry(entry_id, fields.get("m", "")) for entry_id, fields in rows]
        return entries

    async def bounds(self, key: str) -> tuple[str, str]:
        """Ids of a stream's first and last entry, (BEGINNING, BEGINNING) when it has none."""
        with _translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xrange(key, count=1)
                pipe.xrevrange(key, count=1)
                first, last = await pipe.execute()
        return (first[0][0] if first else BEGINNING, last[0][0] if last else BEGINNING)


class _translated:  # noqa: N801 - reads as a word in a `with` statement
    """Turns every way in which Redis can fail into ProgressUnavailable."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RedisError | RedisClusterException | OSError | TimeoutError):
            raise ProgressUnavailable(f"{type(error).__name__}: {str(error)[:200]}") from error


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else None
