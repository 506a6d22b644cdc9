#!/usr/bin/env bash
# The public images that the project's Dockerfiles start from or that the chart runs, built here under their public names.
. "$(dirname "$0")/../here.sh"

DEBIAN=$("$HERE/bare-machine/debian.sh")
CONTEXT=$HERE/bare-machine/base
KEY=$(python3 "$HERE/clone.py" key "$CONTEXT" -- "$DEBIAN")
is_current() { [ "$(docker image inspect -f '{{index .Config.Labels "forge-jobs.key"}}' "$1" 2>/dev/null)" = "$KEY" ]; }
build() { docker build -q --build-arg DEBIAN="$DEBIAN" --label "forge-jobs.key=$KEY" --target "${1%%:*}" -t "$1" "$CONTEXT"; }

for image in registry:2 python:3.11-slim-bookworm redis:7-bookworm postgres:15-bookworm; do
  is_current "$image" || step "image $image" build "$image"
done
