#!/usr/bin/env bash
# kube.sh: prints where the Kubernetes program is, and builds it when it isn't there (4 to 11 minutes on two cores).
. "$(dirname "$0")/../here.sh"

SOURCE=$HERE/bare-machine/kube
PROGRAM=$CACHE/bin/kube-$(python3 "$HERE/clone.py" key "$SOURCE" -- "$KUBERNETES")
build() {
  local version=k8s.io/component-base/version minor=${KUBERNETES#v1.}
  cd "$SOURCE" || return
  CGO_ENABLED=0 go build -trimpath -o "$PROGRAM.new" -ldflags \
    "-s -w -X $version.gitVersion=$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=${minor%.*}" .
  mv "$PROGRAM.new" "$PROGRAM"
}
[ -x "$PROGRAM" ] || step "kubernetes $KUBERNETES" build >&2
echo "$PROGRAM"
