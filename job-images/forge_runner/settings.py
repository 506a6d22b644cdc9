"""What the pod tells its runner (environment, mounted files), and the allowances that bound each wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Final, Self

from msgspec import Meta

from forge_core.names import CREDENTIALS_PATH, SECRET_PATH, TERMINATION_PATH, TOKEN_PATH, WORK_PATH
from forge_core.wire import converted

CGROUP_PATH: Final = "/sys/fs/cgroup"
PREFIX: Final = "FORGE_"

NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]


@dataclass(frozen=True)
class Settings:
    """Each field is the variable FORGE_<FIELD>; times are in seconds.

    Not pydantic-settings, as the programs that stay: to import it costs each pod more than to make its call.
    """

    assignment: str
    api_url: Annotated[str, Meta(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
    redis_url: str = ""
    """Empty: no progress is reported."""
    redis_username: str = ""
    redis_password: str = field(default="", repr=False)
    token_path: Path = Path(TOKEN_PATH)
    credentials_path: Path = Path(CREDENTIALS_PATH)
    secret_path: Path = Path(SECRET_PATH)
    work_path: Path = Path(WORK_PATH)
    termination_path: Path = Path(TERMINATION_PATH)
    cgroup_path: Path = Path(CGROUP_PATH)
    claim_allowance: Positive = 300.0
    """How long to wait for an API that is away before the first word of work."""
    save_allowance: Positive = 300.0
    """How long finished work waits for an API or a PostgreSQL that is away."""
    farewell: Positive = 5.0
    """What is left for storing the outcome once SIGTERM has come."""
    kill_grace: NotNegative = 5.0
    """Between SIGTERM and SIGKILL to the kind's processes after a timeout."""
    heartbeat: Positive = 10.0
    silent: NotNegative = 0.0
    """What is over sooner is told by its outcome alone, and Redis hears nothing of it."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """What these variables say. Raises ValueError with what is wrong."""
        variables = {each.name: f"{PREFIX}{each.name.upper()}" for each in fields(cls)}
        given = {name: environment[each] for name, each in variables.items() if each in environment}
        return converted(given, cls, texts=True)

    def secrets(self) -> tuple[str, ...]:
        """Texts that must never be seen in a log or a message: the contents of the mounted Secrets."""
        files = [self.credentials_path / name for name in ("password", "token")]
        if self.secret_path.is_dir():
            files += [file for file in sorted(self.secret_path.iterdir()) if file.is_file()]
        found = []
        for file in files:
            try:
                found.append(file.read_text(errors="replace").strip())
            except OSError:
                continue
        return tuple(text for text in found if text)
