"""The API server as its administrator, over one connection.

For what a test needs around what it tests, and for what is looked at again and again until it is so: a kubectl for each
of them would cost a busy machine more than what is being looked at. What kubectl shows a person is seen with kubectl.
"""

import base64
import re
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import yaml

from forge_core.cluster import APPLY_PATCH, MERGE_PATCH, core
from forge_core.crds import DEFINITIONS
from tests.services.waiting import wait_until

Manifest = dict[str, Any]
STRICT: Final = {"fieldValidation": "Strict"}
"""A field that isn't in the schema is refused, as with kubectl."""
MOST_TIMES: Final = 10
"""That a request is made which is put off each time."""


class Refused(Exception):
    """What the API server said when it refused a write."""


@contextmanager
def refused(sentence: str) -> Iterator[None]:
    """The block ends in a refusal with that sentence."""
    with pytest.raises(Refused, match=re.escape(sentence)):
        yield


@dataclass(frozen=True)
class ApiServer:
    """That of a kubeconfig that kind wrote. Paths are those of forge_core.cluster."""

    kubeconfig: Path

    def read(self, path: str, **query: str) -> Any:
        """The JSON at a path, None when there is no such object. Raises httpx2.HTTPError for every other refusal."""
        answer = self._answer("GET", path, params=query)
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return None
        return answer.raise_for_status().json()

    def get(self, path: str) -> Any:
        """The same of an object that must be there."""
        found = self.read(path)
        assert found is not None, f"nothing is at {path}"
        return found

    def items(self, path: str, **query: str) -> list[Any]:
        """What a list holds."""
        found: list[Any] = self.read(path, **query)["items"]
        return found

    def create(self, manifest: Manifest) -> Any:
        """Make an object that isn't there. Raises Refused."""
        return self.post(self._list_of(manifest), manifest)

    def namespace(self, name: str, labels: dict[str, str] | None = None) -> None:
        """Make a namespace, or label one that is there."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}})

    def post(self, path: str, body: Manifest) -> Any:
        """What a subresource answers. Raises Refused."""
        return _written(self._answer("POST", path, json=body, params=STRICT))

    def token(self, namespace: str, account: str, **spec: Any) -> str:
        """A token of a ServiceAccount, as a TokenRequest's spec has it."""
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = self.post(f"{core('serviceaccounts', namespace, account)}/token", request)
        return str(answer["status"]["token"])

    def apply(self, *manifests: Manifest) -> None:
        """Server-side apply, whoever else owns a field. Raises Refused."""
        for manifest in manifests:
            path = f"{self._list_of(manifest)}/{manifest['metadata']['name']}"
            query = STRICT | {"fieldManager": "tests", "force": "true"}
            self._patch(path, manifest, APPLY_PATCH, query)

    def patch(self, path: str, change: Manifest) -> None:
        """A merge patch: None takes a field away. Raises Refused."""
        self._patch(path, change, MERGE_PATCH, STRICT)

    def _patch(self, path: str, body: Manifest, content: str, query: dict[str, str]) -> None:
        _written(self._answer("PATCH", path, json=body, params=query, headers={"Content-Type": content}))

    def delete(self, *paths: str, wait: bool = True, **options: Any) -> None:
        """Delete objects, and if `wait` see them gone; what isn't there is fine. Raises Refused."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", **options}
        gone = []
        for path in paths:
            answer = self._answer("DELETE", path, json=body)
            if answer.status_code != httpx2.codes.NOT_FOUND:
                gone.append((path, _uid(_written(answer))))
        for path, uid in gone if wait else ():
            wait_until(partial(self._gone, path, uid), 110, f"{path} is gone")

    def _list_of(self, manifest: Manifest) -> str:
        """Path of the list that it belongs into; of a namespaced kind, default's if it names no namespace."""
        version = manifest["apiVersion"]
        plural, namespaced = _resources(self, version)[manifest["kind"]]
        place = f"/namespaces/{manifest['metadata'].get('namespace', 'default')}" if namespaced else ""
        return f"{_group(version)}{place}/{plural}"

    def _answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """As kubectl does, asks again what the API server puts off: a kind whose definition has changed, say.

        So does whoever meets another in the count of a namespace's quota.
        """
        for _ in range(MOST_TIMES):
            answer = _client(self.kubeconfig).request(method, path, **options)
            counted_at_once = answer.status_code == httpx2.codes.CONFLICT and "on resourcequotas" in answer.text
            if answer.status_code != httpx2.codes.TOO_MANY_REQUESTS and not counted_at_once:
                break
            time.sleep(float(answer.headers.get("Retry-After") or 1))
        return answer

    def _gone(self, path: str, uid: str) -> bool:
        """Whether nothing, or another object than that of this UID, is at a path."""
        found = self.read(path)
        return found is None or _uid(found) != uid


def _uid(answer: Any) -> str:
    """Of an object, or of that which a Status tells of."""
    return str(answer["metadata"].get("uid") or answer.get("details", {}).get("uid"))


def _written(answer: httpx2.Response) -> Any:
    if answer.is_success:
        return answer.json()
    try:
        raise Refused(answer.json()["message"])
    except (ValueError, KeyError):
        raise Refused(answer.text) from None


def apps(plural: str, namespace: str, name: str = "") -> str:
    """Path of a kind of the group `apps`: `apps("deployments", "team-a", "d")`, or of all of a namespace."""
    return f"/apis/apps/v1/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def definition(name: str) -> str:
    """Path of a CustomResourceDefinition."""
    return f"{DEFINITIONS}/{name}"


@cache
def _resources(server: ApiServer, api_version: str) -> dict[str, tuple[str, bool]]:
    """The API server's own names of the kinds of a group and version, and whether they are namespaced."""
    found = server.get(_group(api_version))["resources"]
    return {each["kind"]: (each["name"], each["namespaced"]) for each in found if "/" not in each["name"]}


def _group(api_version: str) -> str:
    return f"/{'apis' if '/' in api_version else 'api'}/{api_version}"


@cache
def _client(kubeconfig: Path) -> httpx2.Client:
    """As the only user of a kubeconfig that kind wrote."""
    user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]
    server, trust = server_of(kubeconfig)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as identity:
        identity.write(_decoded(user["client-certificate-data"]) + _decoded(user["client-key-data"]))
        identity.flush()
        trust.load_cert_chain(identity.name)
    retried = httpx2.HTTPTransport(verify=trust, retries=2)
    return httpx2.Client(base_url=server, transport=retried, timeout=60)


def server_of(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    """The API server of a kubeconfig: its URL, and whom to trust for it."""
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    trust = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return cluster["server"], trust


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode()
