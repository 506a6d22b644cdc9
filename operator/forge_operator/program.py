"""The operator, configured by the environment (see `settings`)."""

import asyncio
import logging

from forge_core import logs
from forge_core.program import WRONG_SETTING, settings_from_environment
from forge_operator.outbox.destination import BadDestination
from forge_operator.running import run
from forge_operator.settings import Settings


def main() -> int:
    """Run until told to stop. 2 when a setting is wrong, and a line for each that says so."""
    settings = settings_from_environment(Settings, "forge_operator")
    if settings is None:
        return WRONG_SETTING
    try:
        _ = settings.alerts
    except BadDestination as error:
        logs.get_logger("forge_operator").error("a setting is wrong", variable=error.variable, why=str(error))
        return WRONG_SETTING
    logging.getLogger("kopf").setLevel(logging.WARNING)
    return asyncio.run(run(settings))
