#!/usr/bin/env bash
# Removes this clone's cluster; also the registry and the Docker that `make up` started, when no other clone uses them.
. "$(dirname "$0")/here.sh"

locked
if docker info >/dev/null 2>&1; then
  if command -v kind >/dev/null; then "$HERE/cluster.sh" delete; "$HERE/cluster.sh" forget-lost; fi
  rm -f "$CACHE/clones/$CLUSTER"
  if [ -z "$(ls "$CACHE/clones")" ]; then
    "$HERE/registry.sh" down
    "$HERE/bare-machine/dockerd.sh" stop
  fi
fi
rm -f "$CACHE/clones/$CLUSTER"
