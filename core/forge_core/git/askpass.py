"""How git gets a user name and a password: it runs a script that answers its questions (GIT_ASKPASS).

Neither is ever in a URL or an argument. The script holds only the names of variables: a secret that lies in a file is
read when git asks, one that is held in memory stands in the environment of that git alone.
"""

from pathlib import Path
from typing import Final

# git runs this with its question as the only argument. A file's line may end as Windows ends one.
_SCRIPT: Final = """#!/bin/sh
case "$1" in
  Username*) file=$FORGE_USERNAME_FILE; line=$FORGE_USERNAME ;;
  Password*) file=$FORGE_PASSWORD_FILE; line=$FORGE_PASSWORD ;;
  *) exit 1 ;;
esac
if [ -n "$file" ]; then IFS= read -r line < "$file" || [ -n "$line" ] || exit 1; fi
carriage_return=$(printf '\\r')
printf '%s\\n' "${line%"$carriage_return"}"
"""


def askpass(folder: Path) -> Path:
    """The script, written into `folder`, which must be private. Raises OSError."""
    script = folder / "askpass"
    script.write_text(_SCRIPT)
    script.chmod(0o700)
    return script


def answers(script: Path, username: str | Path, password: str | Path) -> dict[str, str]:
    """The variables by which git asks the script; a Path is a file whose first line is the answer."""
    return {"GIT_ASKPASS": str(script), **_answer("USERNAME", username), **_answer("PASSWORD", password)}


def _answer(name: str, value: str | Path) -> dict[str, str]:
    return {f"FORGE_{name}_FILE" if isinstance(value, Path) else f"FORGE_{name}": str(value)}
