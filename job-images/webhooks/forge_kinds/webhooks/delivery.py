"""One attempt of a delivery: read the endpoint, check where it leads, sign, call, and say what the answer means."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from standardwebhooks import Webhook

from forge_core.address import Resolve, resolve
from forge_core.assignment import Assignment
from forge_core.names import SECRET_PATH, SECRET_PATH_ENV
from forge_kinds.webhooks.calling import Answer, NoAnswer, Request, call
from forge_kinds.webhooks.config import DeliveryConfig
from forge_kinds.webhooks.endpoint import Endpoint, read_endpoint
from forge_kinds.webhooks.guard import Checked, guarded
from forge_runner.kinds import Result
from forge_runner.report import Permanent, Report, Transient

CALL_SECONDS: Final = 30.0
MARGIN: Final = 1.0
"""Seconds of the attempt's timeout that are left for saying how it ended."""
GONE: Final = 410
MOMENTARY: Final = frozenset({408, 425, 429})
"""Client errors that another attempt may not meet."""


@dataclass(frozen=True)
class Options:
    """What a test may set otherwise."""

    resolver: Resolve = resolve
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def work(assignment: Assignment, workdir: Path, report: Report, options: Options | None = None) -> Result:
    """Deliver one message once. Raises Permanent or Transient; both carry what was answered."""
    del workdir
    began, options = time.monotonic(), options or Options()
    config = DeliveryConfig.read(assignment.config)
    endpoint = read_endpoint(Path(os.environ.get(SECRET_PATH_ENV, SECRET_PATH)), options.now())
    to = guarded(endpoint.url, assignment.allowed_hosts, options.resolver)
    report.progress("calling", 30, f"{to.target.host} is called")
    request = Request(endpoint.url, signed(config, endpoint, options.now()), config.payload.encode())
    left = min(CALL_SECONDS, assignment.timeout - MARGIN) - (time.monotonic() - began)
    try:
        answer = call(request, to, max(left, MARGIN))
    except NoAnswer as error:
        account: dict[str, Any] = {"response": None, "seconds": round(error.seconds, 3)}
        raise Transient(f"The endpoint on {to.target.host} {error}.", account=account) from None
    answer = replace(answer, body=endpoint.without_secrets(answer.body))
    report.log(f"{to.target.host} answered {answer.status} after {answer.seconds:.3f} s")
    return concluded(answer, to)


def signed(config: DeliveryConfig, endpoint: Endpoint, now: datetime) -> dict[str, str]:
    """The headers: one signature for each secret, over id, time and exactly the bytes that are sent."""
    signatures = [Webhook(secret).sign(config.messageId, now, config.payload) for secret in endpoint.secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "forge-jobs",
        "webhook-id": config.messageId,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def concluded(answer: Answer, to: Checked) -> Result:
    """What a status means. Raises Permanent or Transient unless it is a success."""
    account = {"response": answer.account(), "seconds": round(answer.seconds, 3)}
    host, status = to.target.host, answer.status
    if 200 <= status < 300:
        return Result(account)
    if status == GONE:
        sentence = f"The endpoint on {host} answered 410: it is gone for good, and is disabled."
        raise Permanent(sentence, account=account)
    if 300 <= status < 400:
        sentence = f"The endpoint on {host} answered {status}: redirects are not followed; register where it leads."
        raise Permanent(sentence, account=account)
    if 400 <= status < 500 and status not in MOMENTARY:
        raise Permanent(f"The endpoint on {host} answered {status}: it refuses the message.", account=account)
    raise Transient(f"The endpoint on {host} answered {status}.", account=account, wait=answer.wait)
