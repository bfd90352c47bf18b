"""Tokens prove who called only where a key that is trusted signed them, for this server, in their time."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from collector.identity.keys import FRESH, SOONEST, Issuer, KeySet
from collector.identity.token import Verifier

ISSUER = "https://idp.example"
NOW = 1_795_154_400.0
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_set(**keys: Any) -> bytes:
    listed = []
    for kid, key in keys.items():
        kind = (
            jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
        )
        listed.append({**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"})
    return msgspec.json.encode({"keys": listed})


def token(key: Any = KEY, kid: str | None = "a", algorithm: str = "ES256", **claims: Any) -> str:
    said = {"iss": ISSUER, "sub": "ann", "exp": NOW + 600, "aud": "crm", **claims}
    headers = {"kid": kid} if kid else None
    return jwt.encode({k: v for k, v in said.items() if v is not None}, key, algorithm=algorithm, headers=headers)


def keys(fetch: Callable[[str], bytes], clock: Callable[[], float] = lambda: 0.0, **more: Any) -> KeySet:
    return KeySet(Issuer(ISSUER, "https://idp.example/jwks", ("crm",)), fetch=fetch, clock=clock, wait=5.0, **more)


@pytest.fixture
def verifier() -> Verifier:
    return Verifier([keys(lambda _: key_set(a=KEY, r=RSA))])


def test_a_good_token_proves_its_claims(verifier: Verifier) -> None:
    claims = verifier.claims(token(act={"sub": "agent-7"}), "crm", NOW)
    assert claims is not None
    assert (claims["sub"], claims["act"]) == ("ann", {"sub": "agent-7"})
    assert verifier.claims(token(RSA, "r", "RS256"), "crm", NOW) is not None


@pytest.mark.parametrize(
    "bad",
    [
        token(OTHER),
        token(kid="unknown"),
        token(iss="https://evil.example"),
        token(aud="other"),
        token(exp=NOW - 120),
        token(exp=None),
        token(nbf=NOW + 120),
        jwt.encode(
            {"iss": ISSUER, "sub": "ann", "exp": NOW + 600, "aud": "crm"}, "s" * 32, "HS256", headers={"kid": "a"}
        ),
        jwt.encode({"iss": ISSUER, "sub": "ann", "exp": NOW + 600, "aud": "crm"}, "", "none", headers={"kid": "a"}),
        "opaque",
        "a.b.c",
        "e" * 20_000,
    ],
    ids=["key", "kid", "issuer", "audience", "over", "endless", "early", "HMAC", "none", "opaque", "noise", "long"],
)
def test_no_other_token_proves_anything(verifier: Verifier, bad: str) -> None:
    assert verifier.claims(bad, "crm", NOW) is None


def test_a_token_that_held_is_over_once_its_time_has_come(verifier: Verifier) -> None:
    one = token()
    assert verifier.claims(one, "crm", NOW) is not None
    assert verifier.claims(one, "crm", NOW + 700) is None


def test_rotation_is_followed_and_attackers_cannot_cause_a_storm() -> None:
    served, fetched, now = [key_set(a=KEY)], threading.Semaphore(0), [0.0]
    count = []

    def fetch(_: str) -> bytes:
        count.append(1)
        fetched.release()
        return served[0]

    verifier = Verifier([keys(fetch, lambda: now[0])])
    assert verifier.claims(token(), "crm", NOW) is not None
    fetched.acquire(timeout=5)
    for number in range(100):
        assert verifier.claims(token(kid=f"made-up-{number}"), "crm", NOW) is None
    assert len(count) == 1
    served[0] = key_set(a=KEY, b=OTHER)
    now[0] += SOONEST + 1
    verifier.claims(token(OTHER, "b"), "crm", NOW)
    assert fetched.acquire(timeout=5)
    assert _soon(lambda: verifier.claims(token(OTHER, "b"), "crm", NOW) is not None)


def test_keys_outlive_the_process_and_the_issuer(tmp_path: Path) -> None:
    cache = tmp_path / "jwks" / "x.json"
    assert keys(lambda _: key_set(a=KEY), cache=cache).find("a")
    assert _soon(cache.is_file)

    def down(_: str) -> bytes:
        raise OSError("no route")

    offline = Verifier([keys(down, lambda: FRESH * 2, cache=cache)])
    assert offline.claims(token(), "crm", NOW) is not None


@pytest.mark.parametrize("served", [b"", b"[]", b'{"keys": 7}', b'{"keys": [{"kty": "oct", "k": "AA"}, 7, {}]}'])
def test_a_key_set_that_is_none_leaves_tokens_unproved(served: bytes) -> None:
    assert Verifier([keys(lambda _: served)]).claims(token(), "crm", NOW) is None


def _soon(holds: Callable[[], bool]) -> bool:
    done = threading.Event()
    for _ in range(200):
        if holds():
            return True
        done.wait(0.02)
    return False
