"""What `make demo` applies for a delivery: a message to a receiver in the cluster, which checks signatures itself."""

import base64
import json
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

TENANT = "demo"
NAMESPACE = "tenant-demo"
WANTS_REPOSITORY = False
LOOK_AT = ("results", "logs")
SECRET = "forge-job-webhook-demo"  # noqa: S105 - its name
RECEIVER = "demo"
"""The receiver's namespace; the chart's values-local.yaml lets runners out to it, and allows its address."""
HOST = f"receiver.{RECEIVER}.svc"
SERVICES = Path(__file__).resolve().parents[2] / "tests" / "services"
PAYLOAD = {"type": "greeting", "data": {"text": "Hello from Forge Jobs"}}
_TELL = """
import sys, urllib.request as r
r.urlopen(r.Request("http://127.0.0.1:8080/secret", sys.stdin.buffer.read(), method="PUT"))
"""
_FORGE = """
import sys, urllib.error as e, urllib.request as r
id, stamp, body = sys.stdin.read().split("\\n", 2)
headers = {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": "v1,Zm9yZ2Vk"}
try:
    print(r.urlopen(r.Request("http://127.0.0.1:8080/forged", body.encode(), headers)).status)
except e.HTTPError as error:
    print(error.code)
"""


def prepare(console: Console) -> None:
    """The receiver, and a Secret with its address and a new key, which the receiver is told by kubectl."""
    image = _kubectl("get", "jobqueue", "webhooks", "-o", "jsonpath={.spec.image}")
    key = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    url = f"http://{HOST}/{secrets.token_hex(8)}"
    _kubectl("apply", "-f", "-", stdin=manifests(image))
    _kubectl("-n", RECEIVER, "rollout", "status", "deployment/receiver", "--timeout=120s")
    _in_receiver(_TELL, key)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": NAMESPACE}}
    held = {"url": url, "secret": key}
    _kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps({**secret, "stringData": held}))
    console.print(f"A receiver is in the cluster, {url}: it takes what is signed by the key in Secret {SECRET}")


def manifests(image: str) -> str:
    """The receiver in its namespace, as YAML."""
    script = json.dumps((SERVICES / "receiver.py").read_text())
    text = Template((SERVICES / "receiver.yaml").read_text())
    return text.substitute(namespace=RECEIVER, name="receiver", image=image, script=script)


def spec(repository: str, before: str = "") -> dict[str, Any]:
    """`spec` of the AnalysisJob: the API makes the same for each event of an endpoint."""
    del repository, before
    return {
        "queue": "webhooks",
        "secretRef": {"name": SECRET},
        "config": {"messageId": f"demo-{secrets.token_hex(6)}", "payload": json.dumps(PAYLOAD)},
        "requestedBy": "me",
    }


def show(console: Console, summary: dict[str, Any], artifact: Callable[[str], str]) -> None:
    """What the receiver was sent and what it thinks of it, and what it thinks of the same with a forged signature."""
    del artifact
    held = json.loads(_kubectl("-n", NAMESPACE, "get", "secret", SECRET, "-o", "json"))["data"]["url"]
    path = urlsplit(base64.b64decode(held).decode()).path
    service = f"/api/v1/namespaces/{RECEIVER}/services/http:receiver:80/proxy/received"
    calls = [call for call in json.loads(_kubectl("get", "--raw", service)) if call["path"] == path]
    if not calls:
        raise SystemExit("The job is completed, but the receiver has no call of it: was it restarted meanwhile?")
    call = calls[-1]
    body, headers = base64.b64decode(call["body"]).decode(), call["headers"]
    forged = _in_receiver(_FORGE, "\n".join((headers["webhook-id"], headers["webhook-timestamp"], body))).strip()
    tell(console, summary, call, forged)


def tell(console: Console, summary: dict[str, Any], call: dict[str, Any], forged: str) -> None:
    """The call as the receiver saw it, its verdict, and the verdict on the forged one."""
    headers = call["headers"]
    lines = [
        "",
        "What the receiver got:",
        f"  POST {call['path']}",
        *(f"  {name}: {headers[name]}" for name in ("webhook-id", "webhook-timestamp", "webhook-signature")),
        f"  {base64.b64decode(call['body']).decode()}",
        "",
        f"Its own check of the signature: {'genuine' if call['status'] == 200 else 'NOT genuine'} ({call['status']})",
        f"The same body with a forged signature: {'refused' if forged == '401' else 'NOT refused'} ({forged})",
        f"The job's result: answered {summary['response']['status']} after {summary['response']['seconds']:.2f} s",
        f"The receiver stays; it goes with: kubectl delete namespace {RECEIVER}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _in_receiver(script: str, stdin: str) -> str:
    return _kubectl("-n", RECEIVER, "exec", "-i", "deployment/receiver", "--", "python", "-c", script, stdin=stdin)


def _kubectl(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"kubectl {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
