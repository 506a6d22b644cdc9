#!/usr/bin/env bash
# sdist.sh NAME VERSION...: prints the folder of a repository with a commit, and a tag, for each of these versions in their
# order: the source distributions that PyPI has. Its commits are the same everywhere, so results can be compared.
. "$(dirname "$0")/here.sh"
# shellcheck source=local-cluster/commit.sh
. "$HERE/commit.sh"

fetched() { # fetched FOLDER NAME VERSION...
  local folder place=$1 name=$2 version; shift 2
  folder=$(mktemp -d -p "$CACHE")
  mkdir "$folder/tree"
  for version; do
    "$CACHE/uv-$UV/bin/pip" download --quiet --no-deps --no-binary :all: --dest "$folder" "$name==$version"
    find "$folder/tree" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
    tar -xzf "$folder/$name-$version.tar.gz" -C "$folder/tree" --strip-components=1
    commit "$folder/tree" "$name $version"
    git -C "$folder/tree" tag "$version"
  done
  rm -rf "$place"; mv "$folder/tree" "$place"; rm -rf "$folder"
}

versions=${*:2}
folder=$CACHE/repositories/$1-${versions// /-}
mkdir -p "$CACHE/repositories"
[ -d "$folder/.git" ] || step "$*" fetched "$folder" "$@" >&2
echo "$folder"
