"""The two ways in which work on something of a stranger's fails: for good, or perhaps not the next time."""

from typing import Any


class _Failure(Exception):
    def __init__(self, message: str, *, account: dict[str, Any] | None = None) -> None:
        """`account` is kept with the attempt as a result's summary would be: at most MAX_ACCOUNT bytes of JSON."""
        super().__init__(message)
        self.account = account or {}


class Permanent(_Failure):
    """Another attempt can't help. The message is one sentence a person can act on, and never holds a credential."""


class Transient(_Failure):
    """The network or a server failed; another attempt may help. The message is held to the same rule."""

    def __init__(self, message: str, *, account: dict[str, Any] | None = None, wait: float = 0.0) -> None:
        """`wait`: seconds that the other side asked for; obeyed as far as the queue's backoff goes."""
        super().__init__(message, account=account)
        self.wait = wait
