#!/usr/bin/env bash
# demo_repository.sh [URL-OR-FOLDER]: prints the URL of a repository that jobs in the cluster can clone. A folder, and
# without an argument the source distribution of sphinx (118,000 lines), is served by the git server in the cluster.
. "$(dirname "$0")/here.sh"
SPHINX=9.0.4

sphinx() { # the release as PyPI has it; its commit is the same everywhere, so results can be compared
  local folder; folder=$(mktemp -d -p "$CACHE")
  "$CACHE/uv-$UV/bin/pip" download --quiet --no-deps --no-binary :all: --dest "$folder" "sphinx==$SPHINX"
  mkdir "$folder/tree"
  tar -xzf "$folder/sphinx-$SPHINX.tar.gz" -C "$folder/tree" --strip-components=1
  commit "$folder/tree" "sphinx $SPHINX"
  rm -rf "$1"; mv "$folder/tree" "$1"; rm -rf "$folder"
}
commit() ( # commit FOLDER MESSAGE: all of it, by an author and at a time that never change
  export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
  export GIT_AUTHOR_NAME="Forge Jobs" GIT_AUTHOR_EMAIL=demo@forge-factory.dev GIT_AUTHOR_DATE="2026-01-01T00:00:00Z"
  export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
  git -C "$1" init --quiet --initial-branch main
  git -C "$1" add --all --force
  git -C "$1" commit --quiet --message "$2"
)
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
    name=sphinx folder=$CACHE/repositories/sphinx-$SPHINX
    mkdir -p "$CACHE/repositories"
    [ -d "$folder/.git" ] || step "sphinx $SPHINX" sphinx "$folder" >&2 ;;
  *)
    folder=$(cd "$wanted" && pwd -P); name=$(slug "$folder")
    if [ "$(git -C "$folder" rev-parse --show-toplevel 2>/dev/null)" != "$folder" ]; then
      step "copy of $folder" committed_copy "$folder" "$LOCAL/repositories/$name" >&2
      folder=$LOCAL/repositories/$name
    fi ;;
esac
"$HERE/git_server.sh" "$name" "$folder" >&2
echo "http://git-server.git.svc/$name.git"
