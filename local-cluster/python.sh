#!/usr/bin/env bash
# uv in .local/bin, and the project with everything for development in .venv, exactly as uv.lock says.
. "$(dirname "$0")/here.sh"

uv_venv() {
  rm -rf "$CACHE/uv-$UV"
  python3 -m venv "$CACHE/uv-$UV"
  "$CACHE/uv-$UV/bin/pip" install --quiet "uv==$UV"
}
project() {
  cd "$ROOT" && uv sync --locked
  for kind in "$ROOT"/job-images/*/forge_kinds; do dirname "$kind"; done >"$(kinds_path)"
}
kinds_path() { "$ROOT/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib") + "/forge_kinds.pth")'; }

if ! "$CACHE/uv-$UV/bin/uv" --version >/dev/null 2>&1; then
  locked
  step "uv $UV" uv_venv
fi
ln -sfn "$CACHE/uv-$UV/bin/uv" "$LOCAL/bin/uv"
if [ "${1:-}" = project ]; then step "Python packages in .venv" project; fi
