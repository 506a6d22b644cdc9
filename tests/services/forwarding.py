"""A pod's port on the loopback, by `kubectl port-forward`: it enters the pod itself, past every NetworkPolicy."""

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import Kubectl, program
from tests.services.waiting import wait_until


@contextmanager
def forwarded(kubectl: Kubectl, namespace: str, pod: str, port: int) -> Iterator[str]:
    """host:port that leads to the pod's `port` while the block lasts."""
    command = [program("kubectl"), f"--kubeconfig={kubectl.kubeconfig}"]
    command += ["-n", namespace, "port-forward", f"pod/{pod}", f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said: list[str] = []
        reading = threading.Thread(target=lambda: said.extend(process.stdout or ()), daemon=True)
        reading.start()

        def address() -> str | None:
            assert process.poll() is None, f"kubectl port-forward ended: {''.join(said)}"
            found = re.search(r"Forwarding from (127\.0\.0\.1:\d+)", "".join(said))
            return found.group(1) if found else None

        try:
            yield wait_until(address, 30, f"port {port} of {pod} is forwarded")
        finally:
            process.terminate()
            process.wait(60)
            reading.join(60)
