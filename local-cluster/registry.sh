#!/usr/bin/env bash
# The local registry, one for all clones: push to localhost:PORT/NAME here, run localhost:PORT/NAME in the cluster.
# Images travel layer by layer, so a changed line of source is in the cluster within seconds.
. "$(dirname "$0")/here.sh"

start() {
  if ! docker start "$REGISTRY"; then   # as it was, for the nodes of other clones know its port
    docker rm -f "$REGISTRY" || true
    docker run -d --name "$REGISTRY" --restart unless-stopped -v "$REGISTRY:/var/lib/registry" \
      -p "127.0.0.1:$(python3 "$HERE/clone.py" free-port 5001):5000" registry:2
  fi
  for _ in {1..40}; do answers && return; sleep 0.25; done
  docker logs "$REGISTRY"; return 1
}
answers() { local port; port=$(registry_port) && curl -sf --noproxy '*' -o /dev/null "http://localhost:$port/v2/"; }
connect() { # the nodes ask the registry by its name in kind's network
  local node dir; dir=/etc/containerd/certs.d/localhost:$(registry_port)
  docker network connect kind "$REGISTRY" 2>/dev/null || true   # already connected
  for node in $(kind get nodes --name "$CLUSTER"); do
    printf '[host."http://%s:5000"]\n  capabilities = ["pull", "resolve"]\n' "$REGISTRY" |
      docker exec -i "$node" sh -c "mkdir -p $dir && cat >$dir/hosts.toml"
  done
}
case ${1:-} in
  up)
    answers 2>/dev/null || step "local registry" start
    connect ;;
  down) docker rm -f "$REGISTRY" >/dev/null 2>&1 || true ;;   # its volume stays: the next start is warm
  *) echo "usage: $0 up|down" >&2; exit 2 ;;
esac
