#!/usr/bin/env bash
# demo_repository.sh [URL-OR-FOLDER]: prints the URL of a repository that jobs in the cluster can clone, and the tag of the
# release before, where it is known. A folder, and without an argument the source distributions of two releases of sphinx
# (118,000 lines), is served by the git server in the cluster.
. "$(dirname "$0")/here.sh"
# shellcheck source=local-cluster/commit.sh
. "$HERE/commit.sh"
RELEASES=(8.2.3 9.0.4)

committed_copy() { # of a folder that is no repository: the folder itself is left as it is
  rm -rf "$2"; mkdir -p "$2"
  cp -a "$1/." "$2"
  commit "$2" "${1##*/}"
}
slug() { basename "$1" | tr -c 'A-Za-z0-9._\n-' -; }

wanted=${1:-}
case $wanted in
  *://*) echo "$wanted"; exit ;;
  "")
    name=sphinx folder=$("$HERE/sdist.sh" sphinx "${RELEASES[@]}") ;;
  *)
    folder=$(cd "$wanted" && pwd -P); name=$(slug "$folder")
    if [ "$(git -C "$folder" rev-parse --show-toplevel 2>/dev/null)" != "$folder" ]; then
      step "copy of $folder" committed_copy "$folder" "$LOCAL/repositories/$name" >&2
      folder=$LOCAL/repositories/$name
    fi ;;
esac
"$HERE/git_server.sh" "$name" "$folder" >&2
echo "http://git-server.git.svc/$name.git" "$(git -C "$folder" describe --tags --abbrev=0 HEAD^ 2>/dev/null)"
