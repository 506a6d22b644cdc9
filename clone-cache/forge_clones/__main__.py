"""`python -m forge_clones`: serve until SIGTERM or SIGINT."""

import asyncio
import signal
import sys

from pydantic import ValidationError

from forge_clones.mirrors import VolumeTaken
from forge_clones.serving import serving
from forge_clones.settings import Settings
from forge_core import logs
from forge_core.cluster import Cluster


async def serve(settings: Settings) -> int:
    """Until a signal comes."""
    log = logs.get_logger("clones")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with Cluster.connect() as cluster, serving(settings, cluster) as port:
            log.info("serving", port=port, path=str(settings.clones_path))
            await stop.wait()
            log.info("shutting down")
    except (VolumeTaken, OSError) as error:
        log.error("the volume or the port can't be used", why=str(error))
        return 1
    return 0


def main() -> int:
    """2 when a setting is wrong, 1 when the volume can't be used, else 0."""
    try:
        settings = Settings()
    except ValidationError as error:
        logs.configure()
        wrong = ", ".join(f"FORGE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        logs.get_logger("clones").error("a setting is wrong", wrong=wrong)
        return 2
    logs.configure(settings.log_level)
    return asyncio.run(serve(settings))


if __name__ == "__main__":
    sys.exit(main())
