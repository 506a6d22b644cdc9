"""The credentials Secret: read when git asks (GIT_ASKPASS), never put in a URL, an argument or a log."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forge_core.git.askpass import answers, askpass
from forge_runner.report import Permanent

MAX_BYTES: Final = 64 * 1024
_TOKEN_USER: Final = "x-access-token"  # noqa: S105 - the user name that forges take beside a token


@dataclass(frozen=True)
class Credentials:
    """Where the secrets lie; the values themselves are only read to take them out of messages."""

    username_file: Path | None
    password_file: Path

    def environment(self, private: Path) -> dict[str, str]:
        """The variables by which git asks; writes the script that answers into `private`."""
        return answers(askpass(private), self.username_file or _TOKEN_USER, self.password_file)

    def values(self) -> tuple[str, str]:
        """User name and password, for a clone cache that asks the host on the job's behalf."""
        username = _first_line(self.username_file) if self.username_file else _TOKEN_USER
        return username, _first_line(self.password_file)

    def secrets(self) -> tuple[str, ...]:
        """The values to be taken out of whatever git says."""
        return tuple(value for value in (_first_line(self.password_file),) if len(value) >= 4)


def _first_line(path: Path) -> str:
    with path.open("rb") as file:
        lines = file.read(MAX_BYTES).decode(errors="replace").splitlines()
    return lines[0].strip() if lines else ""


def read_credentials(folder: Path, host: str) -> Credentials:
    """The mounted Secret, for use with `host` alone. Raises Permanent with what the Secret lacks."""
    wanted = _value(folder, "host").lower().rstrip(".")
    if not wanted:
        raise Permanent(
            f"The credentials Secret has no key `host`; set it to {host}, the only host they may be sent to."
        )
    if wanted != host:
        raise Permanent(
            f"The credentials Secret is for the host {wanted[:253]}, but the repository is on {host}; "
            "use a Secret for that host."
        )
    for key in ("password", "token"):
        if _value(folder, key):
            return Credentials(folder / "username" if _value(folder, "username") else None, folder / key)
    raise Permanent("The credentials Secret has neither a key `password` nor a key `token`; add one of them.")


def _value(folder: Path, key: str) -> str:
    try:
        return _first_line(folder / key)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise Permanent(f"The credentials Secret's key `{key}` can't be read: {error.strerror}.") from None
