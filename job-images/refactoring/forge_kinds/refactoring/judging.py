"""Whether a changed file may stay changed."""

import re
from typing import Final

from forge_kinds.refactoring.linting import Standing

_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


def objection(before: Standing, after: Standing) -> str:
    """What speaks against a change, "" when nothing does: it must still parse, and no finding may be gained."""
    if not after.parses:
        return "The file would no longer parse."
    if after.total > before.total:
        gained = after.findings - before.findings
        codes = ", ".join(sorted(gained)[:5])
        return f"The file would have {after.total} findings instead of {before.total}; new ones are of {codes}."
    return ""


def disfigured(before: bytes, after: bytes) -> str:
    """What was done to a file's form beyond the change, "" when nothing was."""
    if before.startswith(_BOM) != after.startswith(_BOM):
        return "The file's byte order mark would change."
    if not set(_LINE_END.findall(after)) <= set(_LINE_END.findall(before)):
        return "The file's line ends would change."
    try:
        after.decode()
    except UnicodeDecodeError:
        return "The file would no longer be UTF-8."
    return ""
