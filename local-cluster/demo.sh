#!/usr/bin/env bash
# demo.sh [KIND [URL-OR-FOLDER]]: a real job of a kind of work on this clone's cluster, watched from its application to its
# result. What a kind's job is and how it is told lies in job-images/KIND/demo.py. Without arguments an analysis.
. "$(dirname "$0")/here.sh"

kind=${1:-analysis}
python=$ROOT/.venv/bin/python
needs=$("$python" "$HERE/demo.py" needs "$kind")
read -r tenant wants_repository <<<"$needs"
found=
[ "$wants_repository" = False ] || found=$("$HERE/demo_repository.sh" "${2:-}")
read -r repository before <<<"$found"
FORGE_TOKEN=$("$HERE/token.sh" "$tenant" me)
export FORGE_TOKEN
exec "$python" "$HERE/demo.py" show "$kind" --api "http://127.0.0.1:$(<"$LOCAL/api-port")" --repository "$repository" --before "$before"
