#!/usr/bin/env bash
# Builds the project's images, pushes what the local registry lacks, and writes .local/images.yaml: the chart's values.
# A tag is the image's own identity, so the same sources give the same names and a changed line a new one.
. "$(dirname "$0")/here.sh"

KINDS=(); for dockerfile in "$ROOT"/job-images/*/Dockerfile; do KINDS+=("$(basename "$(dirname "$dockerfile")")"); done
BASE=python:3.11-slim-bookworm   # what each of them starts from
DOCKERFILES=(   # NAME DOCKERFILE CONTEXT
  "forge-operator operator/Dockerfile ."
  "forge-api api/Dockerfile ."
  "forge-clone-cache clone-cache/Dockerfile ."
  "git-server local-cluster/git-server/Dockerfile local-cluster/git-server"
  "forge-runner-rehearsal tests/runner_image/Dockerfile ."   # for tests, never a chart's value
)
for kind in "${KINDS[@]}"; do DOCKERFILES+=("forge-runner-$kind job-images/$kind/Dockerfile ."); done
has() { # has NAME TAG: is it in the registry?
  curl -sf --noproxy '*' -o /dev/null -I -H 'Accept: application/vnd.docker.distribution.manifest.v2+json,application/vnd.oci.image.index.v1+json,application/vnd.oci.image.manifest.v1+json' \
    "http://$HOST/v2/$1/manifests/$2"
}
push() { # push IMAGE NAME TAG
  has "$2" "$3" && return
  docker tag "$1" "$HOST/$2:$3"
  docker push -q "$HOST/$2:$3"
}
identity() { local id; id=$(docker image inspect -f '{{.Id}}' "$1"); id=${id#sha256:}; echo "${id:0:12}"; }
build() { # build NAME ARGUMENT...: docker build's own
  local tag
  docker build -q -t "$CLUSTER/$1" "${@:2}"   # the clone's own name: two clones may hold different sources
  tag=$(identity "$CLUSTER/$1")
  push "$CLUSTER/$1" "$1" "$tag"
  echo "$HOST/$1:$tag" >"$BUILT/$1"
}
pull() { docker image inspect "$1" >/dev/null 2>&1 || docker pull -q "$1"; }   # once: without a network builds go on
# server IMAGE: a public image that runs in the cluster. Docker, which keeps it and may have signed in, pulls it, and not each
# node of each cluster. Built, for of an image of many platforms only this machine's is here to push.
server() {
  pull "$1"
  build "${1%%:*}" - <<<"FROM $1"
}

HOST=localhost:$(registry_port 2>/dev/null) || { echo "no local registry yet: make up" >&2; exit 1; }
exec 8>"$LOCAL/images.lock"   # two builds of one clone would only wait for one another in Docker
! command -v flock >/dev/null || flock 8
BUILT=$(mktemp -d); trap 'rm -rf "$BUILT"' EXIT
cd "$ROOT" || exit
step "image $BASE" pull "$BASE"
waiting=()
for line in "${DOCKERFILES[@]}"; do
  read -r name dockerfile context <<<"$line"
  step "image $name" build "$name" -f "$dockerfile" "$context" & waiting+=($!)
done
for name in redis:7-bookworm postgres:15-bookworm; do step "image $name" server "$name" & waiting+=($!); done
for job in "${waiting[@]}"; do wait "$job"; done
cat >"$LOCAL/images.yaml.new" <<EOF
images:
  operator: $(<"$BUILT/forge-operator")
  api: $(<"$BUILT/forge-api")
  cloneCache: $(<"$BUILT/forge-clone-cache")
  runners: {$(for kind in "${KINDS[@]}"; do echo "$kind: \"$(<"$BUILT/forge-runner-$kind")\","; done)}
  redis: $(<"$BUILT/redis")
  postgres: $(<"$BUILT/postgres")
EOF
mv "$LOCAL/images.yaml.new" "$LOCAL/images.yaml"
cp "$BUILT/git-server" "$LOCAL/git-server-image"
cp "$BUILT/forge-runner-rehearsal" "$LOCAL/rehearsal-image"
