#!/usr/bin/env bash
# policies.sh: prints where the program is that holds pods to their network policies, and builds it when it isn't there.
. "$(dirname "$0")/../here.sh"

SOURCE=$HERE/bare-machine/policies
PROGRAM=$CACHE/bin/policies-$(python3 "$HERE/clone.py" key "$SOURCE")
build() {
  cd "$SOURCE" || return
  CGO_ENABLED=0 go build -trimpath -o "$PROGRAM.new" -ldflags "-s -w" .
  mv "$PROGRAM.new" "$PROGRAM"
}
[ -x "$PROGRAM" ] || step "network policies" build >&2
echo "$PROGRAM"
