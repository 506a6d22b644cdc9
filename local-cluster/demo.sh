#!/usr/bin/env bash
# demo.sh [URL-OR-FOLDER]: a real analysis on this clone's cluster, watched from its application to its result.
. "$(dirname "$0")/here.sh"

repository=$("$HERE/demo_repository.sh" "${1:-}")
FORGE_TOKEN=$("$HERE/token.sh" demo me)
export FORGE_TOKEN
exec "$ROOT/.venv/bin/python" "$HERE/demo.py" --api "http://127.0.0.1:$(<"$LOCAL/api-port")" --repository "$repository"
