"""How much of a repository a runner takes in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one fetch; each is met with a sentence, never with a killed pod."""

    entries: int = 250_000
    """Files, links and submodules in the commit's tree; a tree can name billions in a few kilobytes."""
    packed_bytes: int = 4 * 1024**3
    """Of what the server sends."""
    path_bytes: int = 4000
    """Of one path; Linux takes 4,095 with the work folder's own."""
    seconds: float = 900.0
    """Of any one git command."""
    stall_seconds: int = 60
    """A transfer slower than 1,000 bytes a second for this long is given up."""
