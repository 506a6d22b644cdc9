#!/usr/bin/env bash
# sdist.sh NAME VERSION: prints the folder of a repository with one commit, the source distribution that PyPI has. Its commit
# is the same everywhere, so results can be compared.
. "$(dirname "$0")/here.sh"
# shellcheck source=local-cluster/commit.sh
. "$HERE/commit.sh"

fetched() { # fetched FOLDER NAME VERSION
  local folder; folder=$(mktemp -d -p "$CACHE")
  "$CACHE/uv-$UV/bin/pip" download --quiet --no-deps --no-binary :all: --dest "$folder" "$2==$3"
  mkdir "$folder/tree"
  tar -xzf "$folder/$2-$3.tar.gz" -C "$folder/tree" --strip-components=1
  commit "$folder/tree" "$2 $3"
  rm -rf "$1"; mv "$folder/tree" "$1"; rm -rf "$folder"
}

folder=$CACHE/repositories/$1-$2
mkdir -p "$CACHE/repositories"
[ -d "$folder/.git" ] || step "$1 $2" fetched "$folder" "$1" "$2" >&2
echo "$folder"
