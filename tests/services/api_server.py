"""Reads of the API server over one connection: for what is looked at again and again until it is so.

A kubectl for each look would cost a busy machine more than what is being looked at.
"""

import base64
import ssl
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import yaml


def read(kubeconfig: Path, path: str, **query: str) -> Any:
    """The JSON at a path, None when there is no such object. Raises httpx2.HTTPError for every other refusal."""
    answer = _client(kubeconfig).get(path, params=query)
    if answer.status_code == httpx2.codes.NOT_FOUND:
        return None
    return answer.raise_for_status().json()


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
