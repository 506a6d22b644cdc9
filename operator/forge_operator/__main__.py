"""`python -m forge_operator`: the operator, configured by the environment (see `settings`)."""

import asyncio
import logging
import sys

from pydantic import ValidationError

from forge_core import logs
from forge_operator.outbox.destination import BadDestination
from forge_operator.running import run
from forge_operator.settings import Settings


def main() -> int:
    """Run until told to stop. 2 when the settings are incomplete, and a line that says what is missing."""
    logs.configure()
    log = logs.get_logger("forge_operator")
    try:
        settings = Settings()  # type: ignore[call-arg]  # pydantic reads them from the environment
    except ValidationError as error:
        for wrong in error.errors(include_input=False, include_url=False):
            log.error(
                "a setting is wrong", variable=f"FORGE_{'.'.join(map(str, wrong['loc'])).upper()}", why=wrong["msg"]
            )
        return 2
    try:
        _ = settings.alerts
    except BadDestination as error:
        log.error("a setting is wrong", variable=error.variable, why=str(error))
        return 2
    logs.configure(settings.log_level)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    return asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
