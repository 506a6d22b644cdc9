#!/usr/bin/env bash
# token.sh TENANT USER: prints a token for the API on the local cluster, good for a day, and nothing else.
. "$(dirname "$0")/here.sh"

[ -x "$ROOT/.venv/bin/python" ] || "$HERE/python.sh" project >&2
kubectl -n forge-jobs get secret forge-token-key -o 'go-template={{index .data "tls.key" | base64decode}}' |
  "$ROOT/.venv/bin/python" -m forge_api.token --key - --tenant "$1" --user "$2" --hours 24
