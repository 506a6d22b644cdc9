"""`python -m forge_core.crds FOLDER [NAMESPACE]`: apply a folder's CustomResourceDefinitions and wait for them.

Server-side, what Helm leaves undone: it installs a chart's `crds/` once and never upgrades them. Nothing is ever
deleted here. With a namespace, a place for a trial, quotas are waited for too (forge_core.counting).
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

import yaml

from forge_core import logs
from forge_core.cluster import APPLY_PATCH, Cluster, ClusterError, Raw, Refused
from forge_core.counting import counted

FIELD_MANAGER: Final = "helm"
"""Helm 4 applies a chart's `crds/` server-side at an install, under this name: any other would be in conflict with it
when a newer chart is installed on the definitions that an uninstalled one left."""
DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WAIT_SECONDS: Final = 120.0
log = logs.get_logger("crds")


def read(folder: Path) -> list[Raw]:
    """The definitions in the folder's `*.yaml`, by name. Raises ValueError when there are none or something else."""
    found = [
        document
        for file in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document
    ]
    if not found:
        raise ValueError(f"no definitions in {folder}")
    for document in found:
        if document.get("kind") != "CustomResourceDefinition":
            raise ValueError(f"{folder} holds a {document.get('kind')}: only CustomResourceDefinitions are applied")
    return found


def established(definition: Raw) -> bool:
    """Whether the API server serves the definition as it stands: its names are taken, no condition speaks against."""
    conditions = {c["type"]: c["status"] for c in definition.get("status", {}).get("conditions") or []}
    return conditions.get("Established") == "True" and conditions.get("NonStructuralSchema") != "True"


async def apply(cluster: Cluster, definition: Raw, deadline: float) -> None:
    """Apply one and wait until it is established; `deadline` is monotonic. Raises TimeoutError, ClusterError."""
    path = f"{DEFINITIONS}/{definition['metadata']['name']}"
    # The whole schema is one field to the API server, and it is ours: whoever else wrote it last gives way.
    held = await cluster.patch(path, definition, APPLY_PATCH, fieldManager=FIELD_MANAGER, force="true")
    while not established(held):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{definition['metadata']['name']} is applied but not established")
        await asyncio.sleep(0.3)
        held = await cluster.get(path)
    log.info("applied", definition=definition["metadata"]["name"], generation=held["metadata"]["generation"])


async def apply_all(folder: Path, namespace: str = "") -> None:
    """Apply every definition, again while the API server is away. Raises TimeoutError, ClusterError, ValueError."""
    definitions = read(folder)
    deadline = time.monotonic() + WAIT_SECONDS
    async with Cluster.connect() as cluster:
        for definition in definitions:
            while True:
                try:
                    await apply(cluster, definition, deadline)
                    break
                except Refused:
                    raise
                except ClusterError as error:
                    if time.monotonic() > deadline:
                        raise
                    log.info("waiting for the API server", error=str(error)[:300])
                    await asyncio.sleep(2)
            namespaced = definition["spec"]["scope"] == "Namespaced"  # no quota counts what is the whole cluster's
            if namespace and namespaced and not await counted(cluster, definition, namespace):
                log.warning("no quota counts it yet", definition=definition["metadata"]["name"])


def main(arguments: list[str]) -> int:
    """Exit code 0 when all are applied and established."""
    logs.configure()
    if len(arguments) not in {1, 2}:
        log.error("usage: python -m forge_core.crds FOLDER [NAMESPACE]")
        return 2
    try:
        asyncio.run(apply_all(Path(arguments[0]), *arguments[1:]))
    except (ClusterError, TimeoutError, ValueError) as error:
        log.error("not applied", error=str(error)[:2000])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
