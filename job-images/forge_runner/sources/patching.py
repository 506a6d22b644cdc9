"""The patch: made by git from the commit's tree and the changed files, and proven by applying it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from forge_core.git.command import Failed, Git
from forge_runner.report import Permanent
from forge_runner.workspace import Checkout

MAX_PATCH_BYTES: Final = 16 * 1024 * 1024
_FORM: Final = (
    "--binary", "--text", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames",
    "--src-prefix=a/", "--dst-prefix=b/", "--diff-algorithm=histogram",
)  # fmt: skip


@dataclass(frozen=True)
class Patch:
    """The bytes, and what they do. `files` are paths as git has them."""

    body: bytes
    files: tuple[bytes, ...] = ()
    added: int = 0
    removed: int = 0

    def document(self, artifact: str) -> dict[str, Any]:
        """For a summary: the artefact that has it, and its size; nothing of an empty one."""
        if not self.files:
            return {}
        return {
            "artifact": artifact, "bytes": len(self.body), "linesAdded": self.added, "linesRemoved": self.removed,
        }  # fmt: skip


def patch_of(checkout: Checkout, paths: Sequence[bytes]) -> Patch:
    """What the files at `paths` differ in from the commit. Raises Permanent when that is too much.

    Whatever else is on the disk doesn't come in. The patch has been applied to the commit's tree and gave, byte for
    byte, the tree that holds the changed files; a patch that doesn't is our mistake, and fails the attempt.
    """
    if not paths:
        return Patch(b"")
    git = _with_index(checkout.git, "changed.index")
    changed = _changed_tree(checkout, git, paths)
    body = _output(git, ("diff-tree", "-p", *_FORM, checkout.commit, changed), MAX_PATCH_BYTES)
    if len(body) > MAX_PATCH_BYTES:
        raise Permanent(
            f"The patch is over {MAX_PATCH_BYTES // 1024**2} MiB; name a part of the repository in config.paths."
        )
    files, added, removed = _numbers(git, checkout.commit, changed)
    if not set(files) <= set(paths):
        raise RuntimeError("the patch touches a file that was not to be changed")
    if body and _applied(checkout, body) != changed:
        raise RuntimeError("the patch applied to the commit does not give the changed files")
    return Patch(body, files, added, removed)


def _with_index(git: Git, name: str) -> Git:
    return replace(git, environment={**git.environment, "GIT_INDEX_FILE": str(git.git_dir / name)})


def _changed_tree(checkout: Checkout, git: Git, paths: Sequence[bytes]) -> str:
    git.output("read-tree", checkout.commit)
    with git.running("update-index", "--add", "-z", "--stdin", work_tree=checkout.root) as child:
        assert child.stdin is not None  # noqa: S101 - a pipe was asked for
        child.stdin.write(b"".join(path + b"\0" for path in paths))
    return git.output("write-tree")


def _applied(checkout: Checkout, body: bytes) -> str:
    git = _with_index(checkout.git, "proof.index")
    git.output("read-tree", checkout.commit)
    try:
        with git.running("apply", "--cached", "--whitespace=nowarn", "-", work_tree=checkout.root) as child:
            assert child.stdin is not None  # noqa: S101 - a pipe was asked for
            child.stdin.write(body)
    except Failed as failure:
        raise RuntimeError(f"the patch does not apply: {str(failure)[:300]}") from None
    return git.output("write-tree")


def _numbers(git: Git, before: str, after: str) -> tuple[tuple[bytes, ...], int, int]:
    listed = _output(git, ("diff-tree", "-r", "-z", "--numstat", "--text", "--no-renames", before, after), 1 << 26)
    files: list[bytes] = []
    added = removed = 0
    for record in filter(None, listed.split(b"\0")):
        plus, minus, path = record.split(b"\t", 2)
        files.append(path)
        added, removed = added + int(plus), removed + int(minus)
    return tuple(files), added, removed


def _output(git: Git, arguments: Sequence[str], limit: int) -> bytes:
    with git.running(*arguments) as child:
        assert child.stdout is not None  # noqa: S101 - a pipe was asked for
        return child.stdout.read(limit + 1)
