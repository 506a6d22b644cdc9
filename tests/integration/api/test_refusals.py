"""Every route, and everything that a token can be wrong in; hostile bodies; limits."""

import base64
import itertools
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from forge_api.app import ROOTS, public_app
from tests.builders.api import Api, MemoryCluster, Signer

pytestmark = pytest.mark.anyio
OPEN = {"/healthz", "/readyz"}
JOB = "7d9f7d0c-6f0e-4c7a-9a49-0d1f3f1b5c11"
PRINT = "26d0bc8f8cf58aded0fc07992b16c897"
REPOSITORY = "5f0c1f6e-5a5b-4d0e-8a43-3d8c0f4e7a11"
ENDPOINT = "7b1de0b4-0b3f-4a55-9a07-6f2f1c1d9c22"
DELIVERY = "c4f7d9f2-96a4-4c8f-8b57-0d1a5e6b3f33"
NAMED = {JOB: "{job_id}", PRINT: "{fingerprint}", REPOSITORY: "{repository_id}", ENDPOINT: "{endpoint_id}",
         DELIVERY: "{delivery_id}", "artifacts/log": "artifacts/{name}"}  # fmt: skip
OF_A_JOB = [
    ("POST", ""),
    ("GET", ""),
    ("GET", f"/{JOB}"),
    ("DELETE", f"/{JOB}"),
    ("GET", f"/{JOB}/results"),
    ("GET", f"/{JOB}/sarif"),
    ("GET", f"/{JOB}/artifacts"),
    ("GET", f"/{JOB}/artifacts/log"),
    ("GET", f"/{JOB}/logs"),
    ("GET", f"/{JOB}/logs?follow=true"),
    ("GET", f"/{JOB}/progress"),
    ("GET", f"/{JOB}/timeline"),
    ("GET", f"/{JOB}/explain"),
    ("POST", f"/{JOB}/redrive"),
]
ROUTES = [
    *((method, f"{root}{path}") for root in ROOTS for method, path in OF_A_JOB),
    ("GET", "/dead-letters"),
    ("GET", f"/dead-letters/{PRINT}"),
    ("POST", "/dead-letters/redrive"),
    ("POST", f"/dead-letters/{PRINT}/redrive"),
    ("POST", "/repositories"),
    ("GET", "/repositories"),
    ("GET", f"/repositories/{REPOSITORY}/trends"),
    ("POST", "/webhooks"),
    ("GET", "/webhooks"),
    ("GET", f"/webhooks/{ENDPOINT}"),
    ("PATCH", f"/webhooks/{ENDPOINT}"),
    ("DELETE", f"/webhooks/{ENDPOINT}"),
    ("POST", f"/webhooks/{ENDPOINT}/rotate-secret"),
    ("POST", f"/webhooks/{ENDPOINT}/ping"),
    ("GET", f"/webhooks/{ENDPOINT}/deliveries"),
    ("POST", f"/webhooks/{ENDPOINT}/deliveries/{DELIVERY}/redeliver"),
    ("GET", "/usage"),
]
BODIES: dict[str, dict[str, Any]] = {
    "/analyses": {"repositoryId": JOB},
    "/jobs": {"queue": "analysis"},
    "/repositories": {"url": "https://git.example.com/a/b.git"},
    "/webhooks": {"url": "https://hooks.example.com/forge"},
    f"/webhooks/{ENDPOINT}": {"enabled": False},
    f"/webhooks/{ENDPOINT}/rotate-secret": {},
    "/dead-letters/redrive": {"limit": 1},
    f"/dead-letters/{PRINT}/redrive": {"limit": 1},
}


def _segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def bad_tokens(signer: Signer) -> Iterator[tuple[str, str]]:
    """(what is wrong, token); "" for none at all."""
    good = signer.token()
    head, claims, signature = good.split(".")
    payload = jwt.decode(good, options={"verify_signature": False})
    yield "no token", ""
    yield "not a JWT", "abc"
    yield "a bad signature", f"{head}.{claims}.{signature[:-4]}AAAA"
    yield "other claims under a good signature", f"{head}.{_segment({**payload, 'tenant': 'other'})}.{signature}"
    yield "alg none", f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{claims}."
    yield "HMAC with the public key", _hmac(payload, signer.public)
    yield "another key", Signer.make().token()
    yield "another key's algorithm", Signer.make("RS256").token()
    yield "expired", signer.token(exp=int(time.time()) - 60)
    yield "no expiry", signer.token(exp=None)
    yield "not valid yet", signer.token(nbf=int(time.time()) + 600)
    yield "a wrong audience", signer.token(aud="somebody-else")
    yield "the runners' audience", signer.token(aud="forge-api")
    yield "no audience", signer.token(aud=None)
    yield "a wrong issuer", signer.token(iss="somebody-else")
    yield "no issuer", signer.token(iss=None)
    yield "no user", signer.token(sub=None)
    yield "very long", "a" * 5000


def _hmac(claims: dict[str, Any], public: bytes) -> str:
    """The classic confusion: an HMAC keyed with the public key's bytes (PyJWT refuses to make one)."""
    import hashlib
    import hmac

    body = f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(claims)}"
    made = hmac.new(public, body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"


async def call(api: Api, method: str, path: str, token: str) -> httpx2.Response:
    async with api.stranger() as client:
        return await call_by(client, method, path, token)


async def call_by(client: httpx2.AsyncClient, method: str, path: str, token: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = BODIES.get(path) if method in {"POST", "PATCH"} else None
    return await client.request(method, path, json=body, headers=headers)


async def test_every_route_refuses_every_bad_token(api: Api) -> None:
    bad = list(bad_tokens(api.signer))
    async with api.stranger() as client:
        for method, path in ROUTES:
            for wrong, token in bad:
                answer = await call_by(client, method, path, token)
                assert answer.status_code == 401, (method, path, wrong, answer.text)
                assert answer.headers["www-authenticate"].startswith("Bearer"), (path, wrong)
                assert answer.headers["content-type"] == "application/problem+json", (path, wrong)
                assert answer.json()["error"].endswith("."), (path, wrong)


async def test_every_websocket_refuses_every_bad_token(api: Api) -> None:
    for root, (wrong, token) in itertools.product(ROOTS, bad_tokens(api.signer)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{api.socket_url}{root}/{JOB}/progress", additional_headers=headers):
                pass
        assert refused.value.response.status_code == 401, wrong


async def test_the_list_of_routes_that_are_tried_is_complete(api: Api) -> None:
    tried = {(method, _template(path)) for method, path in ROUTES}
    routes = _routes(public_app(api.services))
    there = {(method, path) for method, path in routes if path not in OPEN | {"/openapi.json"}}
    assert there == tried | {("WEBSOCKET", f"{root}/{{job_id}}/progress") for root in ROOTS}


def _template(path: str) -> str:
    path = path.partition("?")[0]
    for example, name in NAMED.items():
        path = path.replace(example, name)
    return path


def _routes(app: Any) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    stack = [("", route) for route in app.router.routes]
    while stack:
        prefix, route = stack.pop()
        if isinstance(route, APIRoute):
            found |= {(method, prefix + route.path_format) for method in route.methods or ()}
        elif isinstance(route, APIWebSocketRoute):
            found.add(("WEBSOCKET", prefix + route.path))
        else:
            inner = prefix + getattr(getattr(route, "include_context", None), "prefix", "")
            routes = getattr(getattr(route, "original_router", route), "routes", None)
            stack += [(inner, each) for each in routes or []]
    return found


async def test_a_token_of_no_tenant_of_this_cluster_is_refused(api: Api) -> None:
    async with api.stranger() as client:
        for claim in ("nobody", None, "UPPER", ["acme"], "acme\n"):
            for method, path in ROUTES:
                answer = await call_by(client, method, path, api.signer.token(claim))
                assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")


async def test_another_tenants_job_is_a_404_on_every_route(api: Api, cluster: MemoryCluster) -> None:
    async with api.client() as client:
        repository = (await client.post("/repositories", json=BODIES["/repositories"])).json()["id"]
        job_id = (await client.post("/analyses", json={"repositoryId": repository})).json()["id"]
    stranger = api.signer.token("other")
    for method, path in ROUTES:
        if JOB in path:
            answer = await call(api, method, path.replace(JOB, job_id), stranger)
            assert (answer.status_code, answer.json()["error"]) == (404, "Job not found"), path
    headers = {"Authorization": f"Bearer {stranger}"}
    for root in ROOTS:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{api.socket_url}{root}/{job_id}/progress", additional_headers=headers):
                pass
        assert refused.value.response.status_code == 404
    for path in ("/analyses", "/jobs", "/repositories", "/dead-letters"):
        assert (await call(api, "GET", path, stranger)).json()["items"] == []
    assert (await call(api, "GET", f"/analyses/{job_id}", api.signer.token())).status_code == 200


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_a_key_that_is_put_in_later_is_accepted(
    api: Api, tmp_path: Path, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forge_api.keys.LOOK_AGAIN_SECONDS", 0)
    another = Signer.make(algorithm)
    assert (await call(api, "GET", "/analyses", another.token())).status_code == 401
    (tmp_path / "keys" / "later.pem").write_bytes(another.public)
    (tmp_path / "keys" / "private.pem").write_bytes(another.private)
    assert (await call(api, "GET", "/analyses", another.token())).status_code == 200


HOSTILE = [
    ("no JSON", b"{", 422),
    ("not an object", b"[]", 422),
    ("empty", b"", 422),
    ("null", b"null", 422),
    ("an unknown field", b'{"repositoryId":"%s","x":1}' % JOB.encode(), 422),
    ("no UUID", b'{"repositoryId":"../../etc/passwd"}', 422),
    ("a config that is a list", b'{"repositoryId":"%s","config":[]}' % JOB.encode(), 422),
    ("a config over 16 KiB", b'{"repositoryId":"%s","config":{"a":"%s"}}' % (JOB.encode(), b"x" * 20000), 422),
    ("NaN", b'{"repositoryId":"%s","config":{"a":NaN}}' % JOB.encode(), 422),
    ("a lone surrogate", b'{"repositoryId":"%s","config":{"a":"\\ud800"}}' % JOB.encode(), 422),
    ("invalid UTF-8", b'{"repositoryId":"\xff"}', 400),
    ("endless depth", b'{"repositoryId":"%s","config":{"a":' % JOB.encode() + b"[" * 30000 + b"]" * 30000 + b"}}", 400),
    ("a body of 1 MB", b" " * 1_000_000, 413),
]


async def test_a_hostile_body_is_a_problem_and_not_a_failure(api: Api) -> None:
    async with api.client() as client:
        for what, body, status in HOSTILE:
            answer = await client.post("/analyses", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == status, (what, answer.text)
            assert answer.headers["content-type"] == "application/problem+json", what
            assert answer.json()["error"], what


async def test_nul_characters_are_stripped_on_the_way_to_postgresql(api: Api) -> None:
    async with api.client() as client:
        repository = (await client.post("/repositories", json=BODIES["/repositories"])).json()["id"]
        body = {"repositoryId": repository, "config": {"a\x00": "b\x00c"}}
        job_id = (await client.post("/analyses", json=body)).json()["id"]
        assert (await client.get(f"/analyses/{job_id}")).status_code == 200


async def test_a_body_without_a_length_is_read_no_further_than_its_limit(api: Api) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 50_000_000:
            sent += 65536
            yield b" " * 65536

    async with api.client() as client:
        try:
            answer = await client.post("/analyses", content=endless())
        except httpx2.TransportError:  # the server has closed while the client was still sending
            pass
        else:
            assert answer.status_code == 413
    assert sent < 20_000_000


UNCLONEABLE = [
    "ssh://git@example.com/a.git",
    "git@example.com:a.git",
    "file:///etc",
    "ext::sh -c id",
    "https://me:secret@example.com/a.git",
    "https://me@example.com/a.git",
    "https://example.com",
    "https:///a.git",
    "https://example.com:99999999/a.git",
    "https://example.com/a.git#main",
    "https://exa mple.com/a.git",
    "https://example.com/a\n.git",
    "https://example.com\\@evil.example/a.git",
    "https://example.com/" + "a" * 2048,
    "-uhttps://example.com/a.git",
    "",
]


async def test_a_url_that_can_not_be_cloned_is_refused(api: Api) -> None:
    async with api.client() as client:
        for url in UNCLONEABLE:
            answer = await client.post("/repositories", json={"url": url})
            assert (answer.status_code, "secret" in answer.text) == (422, False), url


async def test_a_ref_that_git_would_misread_is_refused(api: Api) -> None:
    async with api.client() as client:
        for ref in ("--upload-pack=id", "a b", "a..b", "a:b", "x\n", "a^{", "main.lock"):
            answer = await client.post("/repositories", json={"url": "https://e.org/a", "ref": ref})
            assert answer.status_code == 422, ref


async def test_a_bad_query_is_a_422(api: Api) -> None:
    async with api.client() as client:
        for query in ("cursor=abc", "cursor=%00", "limit=0", "limit=101", "status=x", "since=now", "x=1", "queue=%00"):
            assert (await client.get(f"/analyses?{query}")).status_code == 422, query


async def test_headers_are_bounded(api: Api) -> None:
    async with api.client() as client:
        answer = await client.get("/healthz", headers={"X-Long": "a" * 100_000})
        assert answer.status_code == 431
    headers = {"X-Long": "a" * 9000}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{api.socket_url}/analyses/{JOB}/progress", additional_headers=headers):
            pass
    assert refused.value.response.status_code == 400


async def test_what_is_not_there_and_what_is_not_allowed_are_problems_too(api: Api) -> None:
    async with api.client() as client:
        for method, path, status in (("GET", "/nothing", 404), ("PATCH", "/analyses", 405)):
            answer = await client.request(method, path)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_the_public_port_shows_nothing_of_the_internal_one(api: Api) -> None:
    async with api.client() as client:
        for path in ("/metrics", "/internal/v1/attempts", f"/internal/v1/attempts/{uuid.uuid4()}/outcome"):
            assert (await client.get(path)).status_code == 404


async def test_while_the_cluster_is_away_a_known_tenant_is_served_and_an_unknown_one_told_to_wait(
    api: Api, cluster: MemoryCluster
) -> None:
    cluster.away = True
    answer = await call(api, "GET", "/analyses", api.signer.token())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    cluster.away = False
    assert (await call(api, "GET", "/analyses", api.signer.token())).status_code == 200
    cluster.away = True
    assert (await call(api, "GET", "/analyses", api.signer.token())).status_code == 200
