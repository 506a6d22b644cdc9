"""`python -m forge_api.token --key FILE --tenant demo --user me`: a token for a local cluster, signed with its key."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from forge_api.keys import algorithm_of


def signed(key: bytes, claims: dict[str, Any], kid: str | None = None) -> str:
    """A JWT. Raises ValueError when the key is none that the API accepts."""
    private = load_pem_private_key(key, password=None)
    algorithm = algorithm_of(private.public_key())
    if algorithm is None:
        raise ValueError("the key must be RSA (from 2048 bits) or EC P-256")
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def main() -> int:
    """Print the token."""
    parser = argparse.ArgumentParser(prog="python -m forge_api.token", description=__doc__)
    parser.add_argument("--key", required=True, help="PEM file of the private key; - reads it from standard input")
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--issuer", default="forge-jobs")
    parser.add_argument("--audience", default="forge-jobs")
    parser.add_argument("--hours", type=float, default=12)
    asked = parser.parse_args()
    now = int(time.time())
    claims = {
        "iss": asked.issuer,
        "aud": asked.audience,
        "sub": asked.user,
        "tenant": asked.tenant,
        "iat": now,
        "exp": now + int(asked.hours * 3600),
    }
    key = sys.stdin.buffer.read() if asked.key == "-" else Path(asked.key).read_bytes()
    sys.stdout.write(signed(key, claims) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
