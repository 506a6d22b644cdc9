#!/usr/bin/env bash
# To be sourced.
commit() ( # commit FOLDER MESSAGE: all of it, by an author and at a time that never change
  export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
  export GIT_AUTHOR_NAME="Forge Jobs" GIT_AUTHOR_EMAIL=demo@forge-factory.dev GIT_AUTHOR_DATE="2026-01-01T00:00:00Z"
  export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
  git -C "$1" init --quiet --initial-branch main
  git -C "$1" add --all --force
  git -C "$1" commit --quiet --message "$2"
)
