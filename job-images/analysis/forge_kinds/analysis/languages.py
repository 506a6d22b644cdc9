"""Which language a file is in, by its name alone, and how that language writes comments."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final


class Nature(StrEnum):
    """What a language is for. Only code counts in densities."""

    CODE = "code"
    MARKUP = "markup"
    CONFIGURATION = "configuration"


@dataclass(frozen=True)
class Language:
    """`line` starts a comment to the end of its line; `block` encloses one over several."""

    name: str
    nature: Nature = Nature.CODE
    line: tuple[str, ...] = ()
    block: tuple[str, str] | None = None
    measured: bool = False
    """Whether lizard reads it."""


_C: Final = (("//",), ("/*", "*/"))
_HASH: Final = (("#",), None)


def _c(name: str, *, measured: bool = True) -> Language:
    return Language(name, Nature.CODE, *_C, measured)


def _markup(name: str, block: tuple[str, str] | None = None) -> Language:
    return Language(name, Nature.MARKUP, (), block)


def _configuration(name: str, *line: str) -> Language:
    return Language(name, Nature.CONFIGURATION, line)


PYTHON: Final = Language("Python", Nature.CODE, *_HASH)
_SHELL: Final = Language("Shell", Nature.CODE, *_HASH)
_XML: Final = ("<!--", "-->")

_BY_EXTENSION: Final[dict[str, Language]] = {
    **dict.fromkeys(("py", "pyi", "pyw"), PYTHON),
    **dict.fromkeys(("pyx", "pxd"), Language("Cython", Nature.CODE, *_HASH)),
    **dict.fromkeys(("c", "h"), _c("C")),
    **dict.fromkeys(("cc", "cpp", "cxx", "hpp", "hh", "hxx"), _c("C++")),
    **dict.fromkeys(("js", "mjs", "cjs", "jsx"), _c("JavaScript")),
    **dict.fromkeys(("ts", "mts", "cts", "tsx"), _c("TypeScript")),
    "java": _c("Java"),
    "cs": _c("C#"),
    "go": _c("Go"),
    "rs": _c("Rust"),
    "swift": _c("Swift"),
    **dict.fromkeys(("kt", "kts"), _c("Kotlin")),
    "scala": _c("Scala"),
    "m": _c("Objective-C"),
    "zig": _c("Zig", measured=False),
    "dart": _c("Dart", measured=False),
    "groovy": _c("Groovy", measured=False),
    "proto": _c("Protocol Buffers", measured=False),
    "php": Language("PHP", Nature.CODE, ("//", "#"), ("/*", "*/"), measured=True),
    **dict.fromkeys(("rb", "rake"), Language("Ruby", Nature.CODE, ("#",), ("=begin", "=end"), measured=True)),
    "lua": Language("Lua", Nature.CODE, ("--",), ("--[[", "]]"), measured=True),
    **dict.fromkeys(("pl", "pm"), Language("Perl", Nature.CODE, ("#",), ("=pod", "=cut"), measured=True)),
    "r": Language("R", Nature.CODE, ("#",), None, measured=True),
    **dict.fromkeys(("ex", "exs"), Language("Elixir", Nature.CODE, *_HASH)),
    **dict.fromkeys(("erl", "hrl"), Language("Erlang", Nature.CODE, ("%",), None, measured=True)),
    "hs": Language("Haskell", Nature.CODE, ("--",), ("{-", "-}")),
    **dict.fromkeys(("f", "f90", "f95"), Language("Fortran", Nature.CODE, ("!",), None, measured=True)),
    "sql": Language("SQL", Nature.CODE, ("--",), ("/*", "*/")),
    "vue": Language("Vue", Nature.CODE, ("//",), _XML, measured=True),
    **dict.fromkeys(("sh", "bash", "zsh"), _SHELL),
    "ps1": Language("PowerShell", Nature.CODE, ("#",), ("<#", "#>")),
    **dict.fromkeys(("tf", "hcl"), Language("Terraform", Nature.CODE, ("#", "//"), ("/*", "*/"))),
    **dict.fromkeys(("css", "scss", "less"), _markup("CSS", ("/*", "*/"))),
    **dict.fromkeys(("html", "htm", "jinja", "j2"), _markup("HTML", _XML)),
    "xml": _markup("XML", _XML),
    "md": _markup("Markdown"),
    "rst": _markup("reStructuredText"),
    "tex": Language("TeX", Nature.MARKUP, ("%",)),
    **dict.fromkeys(("yaml", "yml"), _configuration("YAML", "#")),
    "json": _configuration("JSON"),
    "toml": _configuration("TOML", "#"),
    **dict.fromkeys(("ini", "cfg", "conf", "properties"), _configuration("INI", "#", ";")),
    "env": _configuration("Environment", "#"),
}
_BY_NAME: Final[dict[str, Language]] = {
    "Dockerfile": _configuration("Dockerfile", "#"),
    "Makefile": Language("Makefile", Nature.CODE, *_HASH),
    "Jenkinsfile": _c("Groovy", measured=False),
    "Rakefile": Language("Ruby", Nature.CODE, ("#",), ("=begin", "=end"), measured=True),
    ".env": _configuration("Environment", "#"),
}
LANGUAGE_NAMES: Final = {each.name.lower(): each.name for each in (*_BY_EXTENSION.values(), *_BY_NAME.values())}


def language_of(path: str) -> Language | None:
    """The language of a file, None when its name tells none."""
    name = PurePosixPath(path).name
    if found := _BY_NAME.get(name):
        return found
    return _BY_EXTENSION.get(name.rpartition(".")[2].lower()) if "." in name else None
