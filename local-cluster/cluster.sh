#!/usr/bin/env bash
# cluster.sh create NODE-IMAGE (empty: kind's own) makes this clone's cluster, or mends what an interruption left of it.
# cluster.sh delete removes it. cluster.sh forget-lost removes the clusters of clones whose folder is gone.
. "$(dirname "$0")/here.sh"
MADE=$LOCAL/cluster-made   # there from the moment on when kind has finished

exists() { kind get clusters 2>/dev/null | grep -x "$CLUSTER" >/dev/null; }   # with -q it would end kind early, which fails
answers() { [ -e "$MADE" ] && kubectl get --raw=/readyz --request-timeout=5s >/dev/null 2>&1; }
create() {
  local image=()
  [ -z "$NODE_IMAGE" ] || image=(--image "$NODE_IMAGE")
  rm -f "$MADE"
  if exists; then kind delete cluster --name "$CLUSTER"; fi
  API_PORT=$(python3 "$HERE/clone.py" api-port "$ROOT")
  python3 "$HERE/clone.py" kind-config "$ROOT/kind-config.yaml" "$API_PORT" >"$LOCAL/kind-config.yaml"
  kind create cluster --name "$CLUSTER" "${image[@]}" --config "$LOCAL/kind-config.yaml"
  echo "$API_PORT" >"$LOCAL/api-port"
  touch "$MADE"
}
start_again() { # after the machine or its Docker was stopped the nodes lie there stopped
  local nodes; read -ra nodes <<<"$(kind get nodes --name "$CLUSTER" 2>/dev/null | tr '\n' ' ')"
  docker start "${nodes[@]}"
  for _ in {1..60}; do answers && return; sleep 1; done
  return 1
}
nodes_ready() { # kubectl wait looks only at the nodes that are there
  local wanted; wanted=$(grep -c -- '^- role:' "$ROOT/kind-config.yaml")
  for _ in {1..60}; do [ "$(kubectl get nodes -o name | wc -l)" -lt "$wanted" ] || break; sleep 1; done
  [ "$(kubectl get nodes -o name | wc -l)" -ge "$wanted" ]
  kubectl wait --for=condition=Ready node --all --timeout=120s
  kubectl -n kube-system rollout status deployment/coredns --timeout=120s
  kubectl -n kube-system rollout status daemonset/kube-proxy --timeout=120s
  kubectl -n local-path-storage rollout status deployment/local-path-provisioner --timeout=120s
}
forget_lost() { # nobody else would: their own `make down` can't be called any more
  local entry
  for entry in "$CACHE"/clones/*; do
    if [ ! -e "$entry" ] || [ -d "$(<"$entry")" ]; then continue; fi
    step "cluster ${entry##*/} of a clone that is gone removed" kind delete cluster --name "${entry##*/}"
    rm -f "$entry"
  done
}
case ${1:-} in
  create)
    NODE_IMAGE=${2:-}
    if exists && [ -e "$MADE" ] && ! answers; then
      (step "cluster $CLUSTER started again" start_again) || echo "it can't be mended, so a new one is made" >&2
    fi
    if ! exists || ! answers; then step "cluster $CLUSTER" create; fi ;;
  ready) step "nodes and system pods ready" nodes_ready ;;
  delete)
    if exists; then step "cluster $CLUSTER removed" kind delete cluster --name "$CLUSTER"; fi
    rm -f "$MADE" "$LOCAL/api-port" "$LOCAL/kind-config.yaml" "$KUBECONFIG" ;;
  forget-lost) forget_lost ;;
  *) echo "usage: $0 create [NODE-IMAGE] | ready | delete | forget-lost" >&2; exit 2 ;;
esac
