#!/usr/bin/env bash
# Removes this clone's cluster; also the registry and the Docker that `make up` started, when no other clone uses them.
. "$(dirname "$0")/here.sh"

others() { # clones with a cluster; a clone whose folder is gone uses nothing any more
  local entry
  for entry in "$CACHE"/clones/*; do
    [ -e "$entry" ] || continue
    if [ -d "$(<"$entry")" ]; then echo "$entry"; else rm -f "$entry"; fi
  done
}
locked
if docker info >/dev/null 2>&1; then
  if command -v kind >/dev/null; then "$HERE/cluster.sh" delete; fi
  rm -f "$CACHE/clones/$CLUSTER"
  if [ -z "$(others)" ]; then
    "$HERE/registry.sh" down
    "$HERE/bare-machine/dockerd.sh" stop
  fi
fi
rm -f "$CACHE/clones/$CLUSTER"
