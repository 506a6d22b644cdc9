"""HTTP ports that are served while a block lasts. Signals are the program's business: it ends more than its ports."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn

KEEP_ALIVE_SECONDS: Final = 15
_LOOK_SECONDS: Final = 0.01


class Server(uvicorn.Server):
    """Leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Of uvicorn: take none."""
        yield


def server(app: Callable[..., Any], *, header_bytes: int, connections: int, grace: int, **more: Any) -> Server:
    """A server of an ASGI app; `more` are settings of uvicorn.Config.

    `header_bytes` bounds all headers of a request (h11 rather than httptools, for it can), and beyond so many open
    `connections` further ones are answered 503. At the end what is being answered has `grace` seconds.
    """
    own = {"http": "h11", "ws": "none"} | more
    config = uvicorn.Config(
        app, h11_max_incomplete_event_size=header_bytes, limit_concurrency=connections,
        timeout_graceful_shutdown=grace, timeout_keep_alive=KEEP_ALIVE_SECONDS,
        lifespan="off", access_log=False, log_config=None, proxy_headers=False, server_header=False, **own,
    )  # fmt: skip
    return Server(config)


@asynccontextmanager
async def listening(host: str, *servers: tuple[int, Server]) -> AsyncIterator[tuple[int, ...]]:
    """Serve on these ports (0 asks for any) while the block lasts; answers the ports. Raises OSError.

    At the end of the block they are closed, and what is being answered is finished.
    """
    with contextlib.ExitStack() as stack:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # The protocol by its number: to a socket without it asyncio leaves Nagle's wait, 40 ms for each answer.
        sockets = [stack.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)) for _ in servers]
        for bound, (port, _) in zip(sockets, servers, strict=True):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, port))
        tasks = [
            asyncio.create_task(each.serve(sockets=[bound])) for (_, each), bound in zip(servers, sockets, strict=True)
        ]
        try:
            while not all(each.started for _, each in servers):
                if any(task.done() for task in tasks):
                    await asyncio.gather(*tasks)
                await asyncio.sleep(_LOOK_SECONDS)
            yield tuple(bound.getsockname()[1] for bound in sockets)
        finally:
            for _, each in servers:
                each.should_exit = True
            await asyncio.gather(*tasks)
