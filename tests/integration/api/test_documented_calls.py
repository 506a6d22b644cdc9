"""Each call with a body that README and docs show is one that the API takes; its `config` the cluster would take."""

import json
import re
import shlex
from typing import Any

import jsonschema
import pytest
import yaml

from tests.builders.api import Api, MemoryCluster
from tests.conftest import ROOT

pytestmark = pytest.mark.anyio
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_COMMAND = re.compile(r"^\$? ?(curl (?:.*\\\n)*.*)$", re.MULTILINE)
_PATH = re.compile(r"^(?:\$API|http://127\.0\.0\.1:8080)(/[^ ]*)$")
_CUT = re.compile(r"^(<.*>|[0-9a-f]{4,}\.\.\.)$")
KINDS = ("analysis", "refactoring", "test-generation", "webhooks", "cleanup")


def calls() -> list[tuple[str, str, dict[str, Any]]]:
    """Page, path and body."""
    found = []
    for page in PAGES:
        for command in _COMMAND.findall(page.read_text()):
            words = shlex.split(command.replace("\\\n", " "), comments=True)
            paths = [match[1] for word in words if (match := _PATH.match(word)) and "..." not in word]
            if "-d" in words and paths:
                found.append((page.name, paths[0], json.loads(words[words.index("-d") + 1])))
    return found


def test_there_are_calls_of_every_page_that_submits() -> None:
    kinds = {f"{kind}.md" for kind in ("analysis", "refactoring", "test-generation", "webhooks", "clean-up")}
    assert {"README.md", "api.md", *kinds} <= {page for page, _, _ in calls()}


@pytest.mark.parametrize(("page", "path", "body"), calls(), ids=lambda value: value if isinstance(value, str) else "")
async def test_a_documented_call_is_taken(
    api: Api, cluster: MemoryCluster, page: str, path: str, body: dict[str, Any]
) -> None:
    del page
    for kind in KINDS:
        cluster.queue(kind)
    async with api.client() as client:
        made = await client.post("/repositories", json={"url": "https://git.example.com/a/b.git"})
        if _CUT.match(body.get("repositoryId", "")):
            body = {**body, "repositoryId": made.json()["id"]}
        answer = await client.post(path, json=body)
        assert answer.status_code in {200, 201, 202}, answer.text
    definition = yaml.safe_load((ROOT / "crds/forge-factory.dev_analysisjobs.yaml").read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema = {**spec["properties"]["config"], "additionalProperties": False}
    jsonschema.validate(body.get("config", {}), schema)
