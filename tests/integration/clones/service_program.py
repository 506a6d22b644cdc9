"""The clone cache as a process of its own, which may be killed: argv is JSON {"root", "ready", "tokens", "settings"}.

`tokens` holds the Kubernetes objects and token reviews that it may ask for; the port is written to the file `ready`.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from forge_clones.serving import serving
from forge_clones.settings import Settings
from tests.builders.api import MemoryCluster


async def main(given: dict[str, Any]) -> None:
    """Serve until told to stop."""
    known = json.loads(Path(given["tokens"]).read_text())
    cluster = MemoryCluster(objects=known["objects"], tokens=known["tokens"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = Settings(host="127.0.0.1", port=0, clones_path=Path(given["root"]), **given["settings"])
    async with serving(settings, cluster) as port:
        new = Path(given["ready"] + ".new")
        new.write_text(str(port))
        new.rename(given["ready"])
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
