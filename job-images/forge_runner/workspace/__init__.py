"""A repository's files at one commit, fetched so that neither its server nor its content can do more than be read."""

from forge_core.git.complaints import NoSuchCommit
from forge_core.git.limits import Limits
from forge_runner.workspace.checkout import Checkout, Reach, fetch
from forge_runner.workspace.tree import Entry, EntryKind

__all__ = ["Checkout", "Entry", "EntryKind", "Limits", "NoSuchCommit", "Reach", "fetch"]
