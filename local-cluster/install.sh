#!/usr/bin/env bash
# Installs or upgrades Forge Jobs on this clone's cluster with the images of `make images`, and the git server beside it.
. "$(dirname "$0")/here.sh"

release() {
  helm upgrade --install forge-jobs "$ROOT/helm/forge-jobs" --namespace forge-jobs --create-namespace \
    --values "$ROOT/helm/forge-jobs/values-local.yaml" --values "$LOCAL/images.yaml" --wait --timeout 5m ||
    { why; return 1; }
}
why() { # what helm doesn't tell
  kubectl -n forge-jobs get pods,jobs -o wide
  kubectl -n forge-jobs get events --sort-by=.lastTimestamp | tail -30
  for part in operator api; do kubectl -n forge-jobs logs "deployment/forge-$part" --tail 20; done
}
"$HERE/git_server.sh"
step "Forge Jobs installed" release
