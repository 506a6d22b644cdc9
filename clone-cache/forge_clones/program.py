"""The clone cache: serves until SIGTERM or SIGINT."""

import asyncio

from forge_clones.mirrors import VolumeTaken
from forge_clones.serving import serving
from forge_clones.settings import Settings
from forge_core import logs
from forge_core.cluster import Cluster
from forge_core.program import WRONG_SETTING, settings_from_environment, stop_signal


async def serve(settings: Settings) -> int:
    """Until a signal comes."""
    log = logs.get_logger("clones")
    stop = stop_signal()
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
    settings = settings_from_environment(Settings, "clones")
    return WRONG_SETTING if settings is None else asyncio.run(serve(settings))
