"""Which keys are accepted, and for which algorithm."""

import json
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from forge_api.auth import Verifier
from forge_api.keys import KeyFiles, KeysUnavailable, algorithm_of
from forge_api.problems import Problem
from tests.builders.api import AUDIENCE, ISSUER, Signer

pytestmark = pytest.mark.anyio


def folder_of(tmp_path: Path, **files: bytes) -> KeyFiles:
    for name, content in files.items():
        (tmp_path / f"{name}.pem").write_bytes(content)
    return KeyFiles(tmp_path)


def test_a_key_is_good_for_one_algorithm_and_weak_ones_for_none() -> None:
    assert algorithm_of(ec.generate_private_key(ec.SECP256R1()).public_key()) == "ES256"
    assert algorithm_of(rsa.generate_private_key(65537, 2048).public_key()) == "RS256"
    assert algorithm_of(rsa.generate_private_key(65537, 1024).public_key()) is None
    assert algorithm_of(ec.generate_private_key(ec.SECP384R1()).public_key()) is None
    assert algorithm_of(ed25519.Ed25519PrivateKey.generate().public_key()) is None


async def test_private_keys_and_rubbish_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    signer = Signer.make()
    keys = folder_of(tmp_path, good=signer.public, private=signer.private, rubbish=b"x", weak=_weak())
    assert [key.kid for key in await keys.named(None)] == ["good.pem"]
    assert await keys.named("good") == await keys.named("good.pem") != []
    assert await keys.named("other") == []


def _weak() -> bytes:
    key = rsa.generate_private_key(65537, 1024).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


async def test_no_key_at_all_is_not_a_refusal_of_the_token(tmp_path: Path) -> None:
    with pytest.raises(KeysUnavailable):
        await KeyFiles(tmp_path).named(None)
    with pytest.raises(Problem) as problem:
        await Verifier(KeyFiles(tmp_path), ISSUER, AUDIENCE).verify(Signer.make().token())
    assert problem.value.status_code == 503


async def test_a_jwks_file_is_a_source_of_keys(tmp_path: Path) -> None:
    signer = Signer.make()
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public = load_pem_public_key(signer.public)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    jwk = {**json.loads(ECAlgorithm.to_jwk(public)), "kid": "one", "alg": "ES256", "use": "sig"}
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "two", "alg": "HS256"}
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [jwk, secret]}))
    assert [(key.kid, key.algorithm) for key in await KeyFiles(file).named(None)] == [("one", "ES256")]
    identity = await Verifier(KeyFiles(file), ISSUER, AUDIENCE).verify(signer.token(user="ada"))
    assert (identity.user, identity.tenant) == ("ada", "acme")


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_the_token_helper_prints_a_token_that_is_accepted(tmp_path: Path, algorithm: str) -> None:
    signer = Signer.make(algorithm)
    key = tmp_path / "tls.key"
    key.write_bytes(signer.private)
    command = [sys.executable, "-m", "forge_api.token", "--key", str(key), "--tenant", "demo", "--user", "me"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    keys = tmp_path / "keys"
    keys.mkdir()
    identity = await Verifier(folder_of(keys, local=signer.public), "forge-jobs", "forge-jobs").verify(
        done.stdout.strip()
    )
    assert (identity.user, identity.tenant) == ("me", "demo")


async def test_a_token_signed_for_one_key_is_not_tried_with_one_of_another_kind(tmp_path: Path) -> None:
    es, rs = Signer.make(), Signer.make("RS256")
    verifier = Verifier(folder_of(tmp_path, es=es.public, rs=rs.public), ISSUER, AUDIENCE)
    for signer in (es, rs):
        assert (await verifier.verify(signer.token())).tenant == "acme"
    named = jwt.encode({"iss": ISSUER}, es.private, algorithm="ES256", headers={"kid": "rs"})
    with pytest.raises(Problem, match="not known here"):
        await verifier.verify(named)
