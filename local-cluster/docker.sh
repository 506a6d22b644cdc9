#!/usr/bin/env bash
# A Docker that answers and can build: the machine's own, else one that is installed and started on Debian or Ubuntu.
. "$(dirname "$0")/here.sh"

builds() { # BuildKit came as a plug-in with version 23 of the client, and was part of it before
  "$1" buildx version >/dev/null 2>&1 || [[ $("$1" version --format '{{.Client.Version}}' 2>/dev/null) =~ ^(19|20)\. ]]
}
choose_client() { # the first client that can build; .local/bin is first in PATH, so a choice made there holds everywhere
  local client
  rm -f "$LOCAL/bin/docker"
  for client in "$(command -v docker)" /usr/bin/docker; do
    if [ -x "$client" ] && builds "$client"; then
      [ "$client" = "$(command -v docker)" ] || ln -s "$client" "$LOCAL/bin/docker"
      return
    fi
  done
  return 1
}

answers() { docker info >/dev/null 2>&1; }

builds docker && answers && exit 0   # as the last time
choose_client && answers && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "Please install Docker and start it (as root on Debian or Ubuntu this is done for you)." >&2; exit 1
fi
"$HERE/packages.sh" docker
choose_client
answers || "$HERE/bare-machine/dockerd.sh" start
