# shellcheck shell=bash disable=SC2034
# Names and places of this clone, sourced by every script beside it. Whatever can be shared between clones lies in CACHE.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
HERE=$ROOT/local-cluster
LOCAL=$ROOT/.local
CACHE=${FORGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/forge-jobs}
REGISTRY=forge-jobs-registry   # the container; one for all clones
mkdir -p "$LOCAL/bin" "$CACHE/bin" "$CACHE/clones"
export KUBECONFIG=$LOCAL/kubeconfig PATH=$LOCAL/bin:$PATH
export DOCKER_BUILDKIT=1 BUILDKIT_PROGRESS=plain
export BUILDX_NO_DEFAULT_ATTESTATIONS=1   # they hold the time: the same sources would be another image each time
# shellcheck source=local-cluster/versions.sh
. "$HERE/versions.sh"
# shellcheck source=local-cluster/step.sh
. "$HERE/step.sh"
if [ "${FORGE_ROOT:-}" != "$ROOT" ]; then   # else a script of this clone called this one, and CLUSTER is known
  CLUSTER=$(python3 "$HERE/clone.py" cluster-name "$ROOT")
  export FORGE_ROOT=$ROOT CLUSTER
fi

locked() { # one clone at a time changes what is shared; file descriptor 9 holds the lock until this script ends
  [ -z "${FORGE_LOCKED:-}" ] && command -v flock >/dev/null || return 0
  exec 9>"$CACHE/lock"
  flock --nonblock 9 || { echo "waiting for another make up or down on this machine"; flock 9; }
  export FORGE_LOCKED=1   # for the scripts that this one calls
}
linked() { ln -sfn "$CACHE/bin/$1" "$LOCAL/bin/$2"; }   # linked BUILT NAME: what is built and cached, under its usual name
registry_port() { local at; at=$(docker port "$REGISTRY" 5000) && echo "${at##*:}"; }   # docker says 127.0.0.1:5001
