"""The API: serves until SIGTERM or SIGINT."""

import asyncio

import uvloop

from forge_api.services import services
from forge_api.serving import serving
from forge_api.settings import Settings
from forge_core import logs
from forge_core.program import WRONG_SETTING, settings_from_environment, stop_signal


async def serve(settings: Settings) -> None:
    """Until a signal comes."""
    log = logs.get_logger("api")
    stop = stop_signal()
    async with services(settings) as held, serving(held, settings) as ports:
        log.info("serving", public_port=ports.public, internal_port=ports.internal)
        await stop.wait()
        log.info("shutting down")


def main() -> int:
    """2 when a setting is wrong, else 0."""
    settings = settings_from_environment(Settings, "api")
    if settings is None:
        return WRONG_SETTING
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))
    return 0
