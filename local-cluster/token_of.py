"""token_of.py TENANT USER: a token signed with the private key on standard input, which the local API trusts."""

import sys
import time

import jwt

DAY = 86_400


def claims(tenant: str, user: str, now: int) -> dict[str, str | int]:
    return {"iss": "forge-local", "aud": "forge-jobs", "sub": user, "tenant": tenant, "iat": now, "exp": now + DAY}


if __name__ == "__main__":
    key = sys.stdin.read()
    print(
        jwt.encode(claims(sys.argv[1], sys.argv[2], int(time.time())), key, algorithm="RS256", headers={"kid": "local"})
    )
