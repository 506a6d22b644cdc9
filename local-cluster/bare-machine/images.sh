#!/usr/bin/env bash
# images.sh: makes the base images and the node image, and prints the name of the latter.
. "$(dirname "$0")/../here.sh"

"$HERE/packages.sh" images >&2
"$HERE/go.sh" >&2
# By far the longest part goes first, beside all that only waits for the network and the disk.
("$HERE/bare-machine/kube.sh" && "$HERE/bare-machine/policies.sh") >/dev/null &   # both have much of their sources in common
kube=$!
trap 'kill $kube 2>/dev/null || true' EXIT
"$HERE/bare-machine/base-images.sh" >&2
wait $kube
exec "$HERE/bare-machine/node-image.sh"
