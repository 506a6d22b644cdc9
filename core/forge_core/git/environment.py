"""The environment and settings that git runs with, built from nothing: only what is written here is in force."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from forge_core.git.limits import Limits
from forge_core.git.location import Location

# Certificates are the image's and the cluster's to choose; all else of the runner's own environment stays outside.
_PASSED: Final = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")

# `fetch.fsckObjects` stays off on purpose: histories that every forge serves fail it (zero-padded modes, bad dates).
# What it would guard is kept otherwise: links and submodules are never written, and git refuses paths into `.git`.
_SETTINGS: Final = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.symlinks", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("core.bigFileThreshold", "8m"),  # larger blobs are streamed to disk, never held in memory
    ("core.autocrlf", "false"),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.unpackLimit", "1"),  # always index-pack, which streams; unpacking holds each blob in memory
    ("fetch.writeCommitGraph", "false"),
    ("filter.lfs.smudge", ""),
    ("filter.lfs.process", ""),
    ("filter.lfs.required", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("pack.threads", "1"),
    ("protocol.allow", "never"),
    ("protocol.ext.allow", "never"),
    ("safe.bareRepository", "explicit"),
    ("submodule.recurse", "false"),
    ("transfer.bundleURI", "false"),
)

# In $GIT_DIR/info/attributes, which goes before any .gitattributes: the files come out byte for byte as committed.
ATTRIBUTES: Final = "* -text -eol -filter -ident -working-tree-encoding -export-ignore -export-subst\n"


def git_environment(
    location: Location | None, home: Path, limits: Limits, more: Sequence[tuple[str, str]] = ()
) -> dict[str, str]:
    """The whole environment of every git command. `home` is an empty folder, `more` are further settings.

    Without a location git speaks to nobody.
    """
    scheme = location.scheme if location else "none"
    settings = [
        *_SETTINGS,
        ("http.lowSpeedTime", str(limits.stall_seconds)),
        (f"protocol.{scheme}.allow", "always"),
        *more,
    ]
    if location and location.pin:
        settings.append(("http.curloptResolve", location.pin))
    environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
    environment |= {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": scheme,
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for index, (key, value) in enumerate(settings):
        environment[f"GIT_CONFIG_KEY_{index}"] = key
        environment[f"GIT_CONFIG_VALUE_{index}"] = value
    return environment
