"""What the pod tells its runner (environment, mounted files), and the allowances that bound each wait."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from forge_core.names import CREDENTIALS_PATH, SECRET_PATH, TERMINATION_PATH, TOKEN_PATH, WORK_PATH

CGROUP_PATH: Final = "/sys/fs/cgroup"
PREFIX: Final = "FORGE_"


class Settings(BaseModel):
    """Each field is the variable FORGE_<FIELD>; times are in seconds.

    Not pydantic-settings, as the programs that stay: to import it costs each pod more than to make its call.
    """

    model_config = ConfigDict(frozen=True)

    assignment: str
    api_url: str
    redis_url: str = ""
    """Empty: no progress is reported."""
    redis_username: str = ""
    redis_password: SecretStr = SecretStr("")
    token_path: Path = Path(TOKEN_PATH)
    credentials_path: Path = Path(CREDENTIALS_PATH)
    secret_path: Path = Path(SECRET_PATH)
    work_path: Path = Path(WORK_PATH)
    termination_path: Path = Path(TERMINATION_PATH)
    cgroup_path: Path = Path(CGROUP_PATH)
    claim_allowance: float = Field(300.0, gt=0)
    """How long to wait for an API that is away before the first word of work."""
    save_allowance: float = Field(300.0, gt=0)
    """How long finished work waits for an API or a PostgreSQL that is away."""
    farewell: float = Field(5.0, gt=0)
    """What is left for storing the outcome once SIGTERM has come."""
    kill_grace: float = Field(5.0, ge=0)
    """Between SIGTERM and SIGKILL to the kind's processes after a timeout."""
    heartbeat: float = Field(10.0, gt=0)
    silent: float = Field(0.0, ge=0)
    """What is over sooner is told by its outcome alone, and Redis hears nothing of it."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """What these variables say. Raises ValueError (pydantic's ValidationError) with what is wrong."""
        variables = {name: f"{PREFIX}{name.upper()}" for name in cls.model_fields}
        return cls.model_validate({name: environment[each] for name, each in variables.items() if each in environment})

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
