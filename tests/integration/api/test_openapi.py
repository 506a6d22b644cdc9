"""The OpenAPI document: complete, with examples, and kept to by every answer (schemathesis)."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders.api import Api

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
    "unsupported_method",
)
pytestmark = pytest.mark.anyio


async def document(api: Api) -> Any:
    async with api.stranger() as client:
        return (await client.get("/openapi.json")).json()


async def test_every_operation_says_what_it_is_and_how_it_fails(api: Api) -> None:
    operations = [
        (path, method, operation)
        for path, methods in (await document(api))["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) == 45
    for path, method, operation in operations:
        assert operation["description"], (path, method)
        if path in {"/healthz", "/readyz"}:
            continue
        assert operation["security"] == [{"HTTPBearer": []}], (path, method)
        for status in ("401", "403", "422", "503"):
            assert "application/problem+json" in operation["responses"][status]["content"], (path, method)


async def test_every_body_has_examples(api: Api) -> None:
    schemas = (await document(api))["components"]["schemas"]
    for name in (
        "NewAnalysis",
        "NewJob",
        "Accepted",
        "Analysis",
        "NewRepository",
        "RepositoryView",
        "Results",
        "Artifacts",
        "Cancelled",
        "Explanation",
        "TimelineEntry",
        "UsageView",
        "TrendPoint",
        "DeadLetterGroup",
        "RedriveGroup",
        "RedriveAll",
        "Redrive",
        "NewEndpoint",
        "EndpointChanges",
        "Rotation",
        "EndpointView",
        "EndpointWithSecret",
        "DeliveryView",
        "CallView",
        "DeliveryAccepted",
    ):
        fields = schemas[name]["properties"]
        assert any("examples" in field or "example" in field for field in fields.values()), name


async def test_generated_requests_never_make_a_failure_nor_an_answer_that_is_not_described(
    api: Api, tmp_path: Path
) -> None:
    program = Path(sys.executable).parent / "schemathesis"
    command: list[str | Path] = [
        program, "run", f"{api.public}/openapi.json", "--header", f"Authorization: Bearer {api.signer.token()}",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "12", "--workers", "1", "--seed", "7",
        "--exclude-path-regex", "/progress$|^/analyses/", "--request-timeout", "60", "--no-color",
        "--checks", ",".join(CHECKS),
    ]  # fmt: skip

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=840, check=False)

    done = await asyncio.to_thread(run)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
