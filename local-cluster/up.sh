#!/usr/bin/env bash
# The local cluster of this clone, from whatever is there already. Safe to repeat, and to repeat after an interruption.
. "$(dirname "$0")/here.sh"
# shellcheck source=local-cluster/image_source.sh
. "$HERE/image_source.sh"

locked
"$HERE/packages.sh" base
"$HERE/docker.sh"
echo "$ROOT" >"$CACHE/clones/$CLUSTER"   # from here on `make down` of another clone leaves Docker and registry alone
"$HERE/tools.sh" kubectl helm kind
"$HERE/cluster.sh" forget-lost
node_image=
if [ "$(image_source)" = built ]; then node_image=$("$HERE/bare-machine/images.sh"); fi
"$HERE/cluster.sh" create "$node_image"
"$HERE/registry.sh" up
"$HERE/cluster.sh" ready
cat <<EOF
The cluster $CLUSTER is up.
  API        http://127.0.0.1:$(<"$LOCAL/api-port") (once Forge Jobs is installed: make install)
  registry   localhost:$(registry_port)
  kubectl    export KUBECONFIG=$KUBECONFIG PATH=$LOCAL/bin:\$PATH
EOF
