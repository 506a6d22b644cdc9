#!/usr/bin/env bash
# Installs or upgrades Forge Jobs on this clone's cluster with the images of `make images`, and the git server beside it.
. "$(dirname "$0")/here.sh"

release() {
  local forced=() # a queue that somebody patched meanwhile would stop Helm 4; Helm 3 sets it back unasked
  ! helm upgrade --help | grep -q -- --force-conflicts || forced=(--force-conflicts)
  helm upgrade --install forge-jobs "$ROOT/helm/forge-jobs" --namespace forge-jobs --create-namespace \
    --values "$ROOT/helm/forge-jobs/values-local.yaml" --values "$LOCAL/images.yaml" --wait --timeout 8m "${forced[@]}" ||
    { why; return 1; }
}
why() { # what helm doesn't tell
  kubectl -n forge-jobs get pods,jobs -o wide
  kubectl -n forge-jobs get events --sort-by=.lastTimestamp | tail -20
  for part in operator api; do kubectl -n forge-jobs logs "deployment/forge-$part" --tail 5 | cut -c1-400; done
}
forget_interrupted() { # helm refuses to go on where it was ended in the middle, and nobody else is at it: we hold the lock
  kubectl -n forge-jobs delete secret --ignore-not-found \
    --selector 'owner=helm,status in (pending-install,pending-upgrade,pending-rollback)'
}
exec 8>"$LOCAL/install.lock"
! command -v flock >/dev/null || flock 8
"$HERE/git_server.sh"
forget_interrupted >/dev/null
step "Forge Jobs installed" release
