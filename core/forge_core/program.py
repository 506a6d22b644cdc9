"""How a program starts and is told to stop: its settings come from the environment, its end by a signal."""

import asyncio
import signal
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from forge_core import logs

WRONG_SETTING: Final = 2
"""A program's exit code when a setting is missing or wrong."""


class ProgramSettings(BaseSettings):
    """Each field is the environment variable of the same name: `log_level` is FORGE_LOG_LEVEL."""

    model_config = SettingsConfigDict(env_prefix="FORGE_", frozen=True)

    log_level: str = "INFO"


S = TypeVar("S", bound=ProgramSettings)


def settings_from_environment(kind: type[S], logger: str) -> S | None:
    """The settings, with the log configured as they say; None when one is missing or wrong: each is logged by name."""
    logs.configure()
    try:
        settings = kind()
    except ValidationError as error:
        for wrong in error.errors(include_input=False, include_url=False):
            variable = f"FORGE_{'.'.join(map(str, wrong['loc'])).upper()}"
            logs.get_logger(logger).error("a setting is wrong", variable=variable, why=wrong["msg"])
        return None
    logs.configure(settings.log_level)
    return settings


def stop_signal() -> asyncio.Event:
    """Set once SIGTERM or SIGINT has come."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
