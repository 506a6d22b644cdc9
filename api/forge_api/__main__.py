"""`python -m forge_api`: serve until SIGTERM or SIGINT."""

import asyncio
import signal
import sys

import uvloop
from pydantic import ValidationError

from forge_api.services import services
from forge_api.serving import serving
from forge_api.settings import Settings
from forge_core import logs


async def serve(settings: Settings) -> None:
    """Until a signal comes."""
    log = logs.get_logger("api")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with services(settings) as held, serving(held, settings) as ports:
        log.info("serving", public_port=ports.public, internal_port=ports.internal)
        await stop.wait()
        log.info("shutting down")


def main() -> int:
    """2 when the environment lacks something, else 0."""
    try:
        settings = Settings()  # type: ignore[call-arg] # the environment gives them
    except ValidationError as error:
        logs.configure()
        missing = ", ".join(f"FORGE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        logs.get_logger("api").error("the environment is not complete", missing=missing)
        return 2
    logs.configure(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
