"""Tokens at the proxy and at the listener, signed by an issuer whose keys come from a real server over HTTP."""

import contextlib
import http.server
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from collector.identity import keys as identity_keys
from collector.identity.caller import Caller
from collector.identity.keys import FRESH, SOONEST, Issuer, KeySet
from collector.identity.token import Verifier
from collector.proxy.onlook import ProxyOnlooker
from collector.proxy.route import Upstream
from tests.audit.serving import serving, until
from tests.collector.proxy.peers import proxied
from tocsin_audit.event import AuditEvent
from tocsin_audit.fingerprint import Fingerprints

ISSUER = "https://idp.example"
OLD, NEW, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rows", "arguments": {}}}
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'


class Keys:
    """A small key server; `served` is what it answers, and `asked` counts how often."""

    def __init__(self, **keys: Any) -> None:
        self.served = key_set(**keys)
        self.asked = 0
        keeper = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keeper.asked += 1
                self.send_response(200 if keeper.served else 503)
                self.send_header("Content-Length", str(len(keeper.served)))
                self.end_headers()
                self.wfile.write(keeper.served)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def keys() -> Iterator[Keys]:
    running = Keys(old=OLD, rsa=RSA)
    yield running
    running.close()


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TOCSIN_URL", "TOCSIN_KEY", "TOCSIN_SERVER", "TOCSIN_PRODUCER", "TOCSIN_TRUSTED_PROXIES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOCSIN_FINGERPRINT_KEY", "fleet:a key for tests")
    monkeypatch.setenv("TOCSIN_SPOOL", str(tmp_path / "spool"))


def key_set(**keys: Any) -> bytes:
    listed = []
    for kid, key in keys.items():
        kind: Any = jwt.algorithms.ECAlgorithm if hasattr(key, "curve") else jwt.algorithms.RSAAlgorithm
        listed.append({**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"})
    return msgspec.json.encode({"keys": listed})


def token(key: Any = OLD, kid: str = "old", algorithm: str = "ES256", **said: Any) -> str:
    claims = {"iss": ISSUER, "sub": "ann", "azp": "desk", "exp": time.time() + 600, "aud": "crm", **said}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def confused(kid: str) -> str:
    """A token under an HMAC whose secret is the public key, for whoever lets the token choose how it is checked."""
    secret = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [{"alg": "HS256", "typ": "JWT", "kid": kid}, {"iss": ISSUER, "sub": "ann", "exp": 4e9, "aud": "crm"}]
    signed = b".".join(jwt.utils.base64url_encode(msgspec.json.encode(part)) for part in parts)
    prepared: Any = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return (signed + b"." + jwt.utils.base64url_encode(prepared.sign(signed, secret))).decode()


def set_of(place: str, **said: Any) -> KeySet:
    return KeySet(Issuer(ISSUER, place, ("crm",)), wait=60.0, **said)


async def answering(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": ANSWER})


@contextlib.contextmanager
def watching(path: Path, verifier: Verifier) -> Iterator[Callable[[str], str | None]]:
    """A real proxy; what it gives says how far a caller with a token is believed."""
    with (
        serving(answering) as behind,
        proxied(path, Upstream(url=behind, server="crm"), onlooker=ProxyOnlooker(None, verifier)) as running,
    ):
        sent: list[str] = []

        def told() -> list[AuditEvent]:
            return running.events() if path.exists() else []

        def call(presented: str) -> str | None:
            sent.append(presented)
            headers = {"Authorization": f"Bearer {presented}"}
            assert httpx.post(f"{running.url}/mcp", json=CALL, headers=headers, timeout=60).json()["id"] == 1
            until(lambda: len(told()) == len(sent), 60)
            event = told()[-1]
            assert (event.user, event.auth) == (
                f"{ISSUER}|ann",
                "valid" if event.identity == "verified" else "presented",
            )
            return event.identity

        yield call


FORGED: dict[str, Callable[[], str]] = {
    "signature": lambda: token(STRANGER),
    "tampered": lambda: token()[:-8] + "AAAAAAAA",
    "hmac of a public key": lambda: confused("rsa"),
    "hmac under another name": lambda: confused("old"),
    "none": lambda: token(None, algorithm="none"),
    "key of another kind": lambda: token(RSA, "old", "RS256"),
    "unknown key": lambda: token(STRANGER, "made-up"),
    "other audience": lambda: token(aud="hr"),
    "over": lambda: token(exp=time.time() - 600),
}


def test_the_proxy_believes_what_the_issuer_signed_and_nothing_else(tmp_path: Path, keys: Keys) -> None:
    with watching(tmp_path / "events.ndjson", Verifier([set_of(keys.url)])) as identity:
        assert identity(token()) == "verified"
        assert identity(token(RSA, "rsa", "RS256")) == "verified"
        assert {name: identity(make()) for name, make in FORGED.items()} == dict.fromkeys(FORGED, "claimed")
        assert identity(token()) == "verified"
    assert keys.asked == 1


def test_keys_are_rotated_while_old_and_new_tokens_are_about(tmp_path: Path, keys: Keys) -> None:
    now = [0.0]
    verifier = Verifier([set_of(keys.url, clock=lambda: now[0], cache=tmp_path / "jwks.json")])
    old, new = token(), token(NEW, "new")
    with watching(tmp_path / "events.ndjson", verifier) as identity:
        assert [identity(old), identity(new)] == ["verified", "claimed"]
        keys.served = key_set(old=OLD, new=NEW)
        now[0] += SOONEST + 1
        identity(new)  # names a key that is not known, which has them fetched
        until(lambda: verifier.claims(new, "crm", time.time()) is not None, 60)
        assert [identity(old), identity(new)] == ["verified", "verified"]
        keys.served = key_set(new=NEW)
        assert [identity(old), keys.asked] == ["verified", 2]
        now[0] += FRESH + 1
        identity(old)  # is due, which has them fetched beside
        until(lambda: verifier.claims(old, "crm", time.time()) is None, 60)
        assert [identity(old), identity(new)] == ["claimed", "verified"]
    assert keys.asked == 3


def test_an_issuer_that_is_away_leaves_names_as_claims_and_lets_calls_pass(
    tmp_path: Path, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    keys.served = b""
    now = [0.0]
    verifier = Verifier([set_of(keys.url, clock=lambda: now[0])])
    with caplog.at_level(logging.WARNING), watching(tmp_path / "events.ndjson", verifier) as identity:
        assert [identity(token()) for _ in range(3)] == ["claimed"] * 3
        assert keys.asked == 1
        assert "cannot be fetched" in caplog.text
        keys.served = key_set(old=OLD)
        now[0] += SOONEST + 1
        identity(token())
        until(lambda: verifier.claims(token(), "crm", time.time()) is not None, 60)
        assert identity(token()) == "verified"


def test_an_issuer_that_does_not_answer_holds_up_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_keys, "TIMEOUT", 300.0)
    path = tmp_path / "events.ndjson"
    with socket.create_server(("127.0.0.1", 0)) as silent, serving(answering) as behind:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/jwks"
        key_set = KeySet(Issuer(ISSUER, place, ("crm",)), wait=300.0)
        onlooker = ProxyOnlooker(None, Verifier([key_set]))
        with proxied(path, Upstream(url=behind, server="crm"), onlooker=onlooker) as running:
            for _ in range(3):
                headers = {"Authorization": f"Bearer {token()}"}
                assert httpx.post(f"{running.url}/mcp", json=CALL, headers=headers, timeout=100).status_code == 200
            assert not path.exists() or running.events() == []  # the events alone wait for the issuer
            silent.accept()[0].close()
            until(lambda: len(running.events()) == 3, 60)
        assert {event.identity for event in running.events()} == {"claimed"}


def test_the_listener_believes_the_same(keys: Keys) -> None:
    prints = Fingerprints(b"fleet", "f1")
    caller = Caller(prints, Verifier([set_of(keys.url)]))

    def found(presented: str) -> dict[str, Any]:
        event = AuditEvent(time=time.time(), server="crm", method="tools/call", token=presented)
        return caller.changes(event, None, lambda _: ())

    good = token()
    proved = found(good)
    assert (proved["identity"], proved["user"], proved["token"]) == ("verified", f"{ISSUER}|ann", prints.of(good))
    for name, make in FORGED.items():
        assert found(make())["identity"] == "claimed", name
    assert keys.asked == 1
