"""What a reader of the result must know about what was not analysed, and why."""

from enum import StrEnum
from typing import Final

from forge_runner.sources import notes


class Note(StrEnum):
    """Why files were left out or only partly analysed; the value is the code, `SENTENCES` has the words."""

    TOO_LARGE = "too-large"
    TOO_MANY = "too-many-files"
    VENDORED = "vendored"
    GENERATED = "generated"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    LFS_POINTER = "lfs-pointer"
    BINARY = "binary-content"
    NOT_UTF8 = "not-utf-8"
    UNPARSABLE = "unparsable"
    BROKE_TOOL = "broke-a-tool"
    MISSING = "not-written"
    NO_CODE = "no-code"
    TRUNCATED = "truncated"
    NOT_COMPARED = "not-compared"
    UNCOMPARABLE = "too-many-to-compare"
    OTHER_RULES = "other-rules"
    NO_CHANGES = "changes-unknown"
    NOT_PARSED = "not-searched-for-dead-code"
    PART_ONLY = "no-dead-code-of-a-part"
    UNKNOWN_MODULES = "unknown-modules"


SENTENCES: Final = {
    Note.TOO_LARGE: "{count} over the size limit (1 MiB, or a line of 20,000 characters), not analysed",
    Note.TOO_MANY: "{count} beyond the limit of 100,000, not analysed",
    Note.VENDORED: "{count} of third parties (vendored folders), not analysed",
    Note.GENERATED: "{count} generated or minified, only searched for secrets",
    Note.SYMLINK: "{count} symbolic links, never followed",
    Note.SUBMODULE: "{count} submodules, never fetched",
    Note.LFS_POINTER: "{count} Git LFS pointers whose content was not fetched",
    Note.BINARY: "{count} with the name of a text file but binary content, not analysed",
    Note.NOT_UTF8: "{count} not in UTF-8, analysed only in part",
    Note.UNPARSABLE: "{count} that could not be parsed, analysed only in part",
    Note.BROKE_TOOL: "{count} on which an analyser crashed or took too long, analysed only in part",
    Note.MISSING: "{count} whose names this file system can't hold, not analysed",
    Note.NO_CODE: "No source code was found: there is nothing to score",
    Note.TRUNCATED: "{count} findings are counted and scored but not listed: the list holds the gravest",
    Note.NOT_COMPARED: "{count} files not searched for duplicated code: there are more than 1,000,000 lines of it",
    Note.UNCOMPARABLE: "{count} findings are too many for this analysis to be a baseline by its id; name a ref instead",
    Note.OTHER_RULES: "The baseline was analysed by other versions of the tools: a finding may be new as its rule is",
    Note.NOT_PARSED: "{count} of over 256 KiB not searched for unused code: each word there counts as used elsewhere",
    Note.PART_ONLY: "Unused code isn't told of a part of a repository (config.paths): what is left out may use it",
    Note.UNKNOWN_MODULES: "{count} names of config.layers are no Python module that was analysed; mend them there",
    Note.NO_CHANGES: "The baseline's commit is no longer in the repository: renamed files and new lines can't be told",
}


class Notes(notes.Notes[Note]):
    """Those of one job."""

    def __init__(self) -> None:
        super().__init__(SENTENCES)
