#!/usr/bin/env bash
# git_server.sh: the git server in the cluster, ready. git_server.sh NAME FOLDER: also serves FOLDER, a repository, as
# http://git-server.git.svc/NAME.git
. "$(dirname "$0")/here.sh"

server() {
  sed "s|IMAGE\$|$(<"$LOCAL/git-server-image")|" "$HERE/git-server/manifest.yaml" | kubectl apply -f -
  kubectl -n git rollout status deployment/git-server --timeout=120s
}
in_server() { kubectl -n git exec -i deployment/git-server -- "$@"; }
serve() { # the bare repository is laid beside the old one and takes its place at once
  local bare; bare=$(mktemp -d)
  git clone --quiet --bare --no-local "$2" "$bare/$1.git"
  tar -C "$bare" -cf - "$1.git" | in_server sh -c "rm -rf /repositories/.new && mkdir /repositories/.new && tar -C /repositories/.new -xf - && rm -rf '/repositories/$1.git' && mv '/repositories/.new/$1.git' /repositories/"
  rm -rf "$bare"
}
is_served() { [ "$(in_server git --git-dir "/repositories/$1.git" rev-parse HEAD 2>/dev/null)" = "$(git -C "$2" rev-parse HEAD)" ]; }

step "git server" server
if [ $# = 2 ]; then is_served "$@" || step "repository $1 served" serve "$@"; fi
