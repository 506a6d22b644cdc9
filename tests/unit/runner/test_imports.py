"""What a delivery's pod doesn't import, for it would take longer than the delivery."""

import subprocess
import sys

SLOW = ("pydantic", "redis", "stamina", "tenacity", "httpx2", "anyio", "ctypes", "email")
PROGRAM = f"""
import sys
import forge_runner.main, forge_kinds.webhooks
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & set({SLOW!r})))
"""


def test_a_delivery_imports_nothing_that_is_slow_and_not_needed() -> None:
    path = {"PYTHONPATH": ":".join(each for each in sys.path if each)}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=path, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
