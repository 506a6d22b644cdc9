"""`python -m forge_core.crds FOLDER [NAMESPACE]`: apply a folder's CustomResourceDefinitions and wait for them.

Server-side, what Helm leaves undone: it installs a chart's `crds/` once and never upgrades them. Nothing is ever
deleted here. With a namespace, a place for a trial, quotas are waited for too (forge_core.counting), and when all is
done each definition is marked with what was applied: the chart leaves its hook out where nothing has changed since.
"""

import asyncio
import hashlib
import sys
import time
from pathlib import Path
from typing import Final

import yaml

from forge_core import logs
from forge_core.cluster import APPLY_PATCH, Cluster, ClusterError, Raw, Refused
from forge_core.counting import counted
from forge_core.names import APPLIED_ANNOTATION

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


def digest(folder: Path) -> str:
    """Hex digits that stand for the bytes of the folder's `*.yaml`, by name, as the chart's hook counts them."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.glob("*.yaml")))).hexdigest()


def established(definition: Raw) -> bool:
    """Whether the API server serves the definition as it stands: its names are taken, no condition speaks against."""
    conditions = {c["type"]: c["status"] for c in definition.get("status", {}).get("conditions") or []}
    return conditions.get("Established") == "True" and conditions.get("NonStructuralSchema") != "True"


async def apply(cluster: Cluster, definition: Raw, deadline: float) -> Raw:
    """Apply one, wait until it is established and return it; `deadline` is monotonic.

    A mark of before is gone then. Raises TimeoutError, ClusterError.
    """
    held = await _write(cluster, definition)
    while not established(held):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{definition['metadata']['name']} is applied but not established")
        await asyncio.sleep(0.3)
        held = await cluster.get(_path(definition))
    log.info("applied", definition=definition["metadata"]["name"], generation=held["metadata"]["generation"])
    return held


async def mark(cluster: Cluster, definition: Raw, applied: str, generation: int) -> None:
    """Note on a definition what was applied, and the generation that this made of it. Raises ClusterError.

    Whoever changes it afterwards makes another generation of it.
    """
    metadata = definition["metadata"]
    annotations = metadata.get("annotations", {}) | {APPLIED_ANNOTATION: f"{applied}/{generation}"}
    await _write(cluster, definition | {"metadata": metadata | {"annotations": annotations}})


async def _write(cluster: Cluster, definition: Raw) -> Raw:
    # The whole schema is one field to the API server, and it is ours: whoever else wrote it last gives way.
    return await cluster.patch(_path(definition), definition, APPLY_PATCH, fieldManager=FIELD_MANAGER, force="true")


def _path(definition: Raw) -> str:
    return f"{DEFINITIONS}/{definition['metadata']['name']}"


async def _apply_patiently(cluster: Cluster, definition: Raw, deadline: float) -> Raw:
    """`apply`, again while the API server is away."""
    while True:
        try:
            return await apply(cluster, definition, deadline)
        except Refused:
            raise
        except ClusterError as error:
            if time.monotonic() > deadline:
                raise
            log.info("waiting for the API server", error=str(error)[:300])
            await asyncio.sleep(2)


async def apply_all(folder: Path, namespace: str = "") -> None:
    """Apply every definition, again while the API server is away. Raises TimeoutError, ClusterError, ValueError."""
    definitions, applied = read(folder), digest(folder)
    deadline = time.monotonic() + WAIT_SECONDS
    async with Cluster.connect() as cluster:
        held = [await _apply_patiently(cluster, definition, deadline) for definition in definitions]
        if namespace and await _all_counted(cluster, definitions, namespace):
            for definition, known in zip(definitions, held, strict=True):
                await mark(cluster, definition, applied, known["metadata"]["generation"])


async def _all_counted(cluster: Cluster, definitions: list[Raw], namespace: str) -> bool:
    """Whether quotas count all of them that live in namespaces: none counts what is the whole cluster's."""
    missing = [
        definition["metadata"]["name"]
        for definition in definitions
        if definition["spec"]["scope"] == "Namespaced" and not await counted(cluster, definition, namespace)
    ]
    for name in missing:
        log.warning("no quota counts it yet", definition=name)
    return not missing


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
