#!/usr/bin/env bash
# packages.sh GROUP...: the Debian or Ubuntu packages that a group needs; quick when they are there, silent elsewhere.
set -euo pipefail
# shellcheck source=local-cluster/step.sh
. "$(dirname "$0")/step.sh"

declare -A GROUPS_OF_PACKAGES=(
  [base]="ca-certificates curl git make python3 python3-venv"
  [docker]="docker.io iptables"
  [images]="debian-archive-keyring mmdebstrap"     # root file systems, where no image registry answers
  [test]="postgresql-15 prometheus redis-server shellcheck"   # real servers that tests start and stop themselves
)

# On Debian these packages start a server when they are installed; the tests want the programs only.
without_starting() {
  local policy=/usr/sbin/policy-rc.d
  if [ -e $policy ]; then "$@"; return; fi
  printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  "$@"
}
install() {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive without_starting apt-get install -y -qq --no-install-recommends "$@"
  not_at_boot "$@"
}
not_at_boot() { # nor when the machine is started next
  local name
  command -v systemctl >/dev/null || return 0
  for name in "$@"; do
    case $name in prometheus | redis-server) systemctl disable --quiet "$name" ;; esac
  done
}

command -v apt-get >/dev/null || exit 0
wanted=()
for group in "$@"; do read -ra names <<<"${GROUPS_OF_PACKAGES[$group]}"; wanted+=("${names[@]}"); done
missing=()
for name in "${wanted[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then echo "These packages are missing: sudo apt-get install ${missing[*]}" >&2; exit 1; fi
step "Debian packages: ${missing[*]}" install "${missing[@]}"
