"""No secret that was configured is ever shown, not even where a service throws it back in its answers."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stream.encryption.keys import new_master
from tests.services.certificates import loopback_certificates
from tests.tocsin.lines import guesses
from tests.tocsin.program import Program, until

SECRETS = {
    name: f"unmistakable-{name}-0123456789abcdef"
    for name in ("routing", "api", "authorization", "signing", "heartbeat", "anchor")
}
ROUTES = ("/status", "/incidents", "/refused", "/silences", "/denials", "/risks", "/metrics")


ASKED: list[str] = []
"""The paths that the services were asked for."""


class Shown(NamedTuple):
    """What somebody could have seen: standard error and output, what routes answered, and every file."""

    logged: str
    answers: tuple[str, ...]
    files: dict[str, bytes]


class Echoing(BaseHTTPRequestHandler):
    """A service that refuses everything and throws back all that it was sent."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        text = f"{self.path} {self.headers} ".encode() + body
        ASKED.append(self.path)
        self.send_response_only(401 if len(ASKED) % 2 else 400, " ".join(self.headers.values())[:200])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@contextmanager
def echoing(context: ssl.SSLContext | None = None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echoing)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A Tocsin with a secret wherever one can be, after its services refused and echoed what it told them."""
    folder = tmp_path_factory.mktemp("shown")
    authority = loopback_certificates(folder).authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with echoing() as plain, echoing(context) as safe:
        yield show(folder, plain, safe, str(authority))


def show(folder: Path, echo: str, safe: str, authority: str) -> Shown:
    (folder / "master").write_text(new_master())
    for name, value in SECRETS.items():
        (folder / name).write_text(f"{echo}/beat/{value}" if name == "heartbeat" else value)
    settings = {
        "logging": {"format": "json", "level": "debug"},
        "encrypt": {"key": {"file": "master"}},
        "heartbeat": {"url": {"file": "heartbeat"}, "every": 1},
        "ledger": {
            "seal_seconds": 0.5,
            "anchor_seconds": 1,
            "anchors": {"far": {"type": "webhook", "url": f"{echo}/anchor", "token": {"file": "anchor"}}},
        },
        "sinks": {
            "siem": {"type": "elasticsearch", "url": echo, "api_key": {"file": "api"}},
            "pager": {"type": "pagerduty", "url": safe, "ca": authority, "routing_key": {"file": "routing"}},
            "tickets": {
                "type": "webhook",
                "url": f"{echo}/tickets",
                "plain_http": True,
                "secret": {"file": "signing"},
                "headers": {"Authorization": {"file": "authorization"}},
            },
        },
    }
    with Program(folder, settings) as program:
        program.ready().post([*guesses(time.time() - 50)])
        program.settled()
        until(lambda: {"/tickets", "/anchor"} <= {path.split("?")[0] for path in ASKED}, "they were told")
        until(lambda: any("beat" in path for path in ASKED), "the heartbeat was told")
        until(lambda: any("/_" in path for path in ASKED), "the SIEM was told")
        (incident, *_) = program.get("/incidents", state="all")
        answers = [program.request("GET", route).text for route in (*ROUTES, f"/incidents/{incident['id']}")]
        assert program.stop() == 0
        files = {path.name: path.read_bytes() for path in program.data.rglob("*") if path.is_file()}
        return Shown(program.said() + program.screen.read_text(), tuple(answers), files)


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_shows_in_logs_answers_or_files(shown: Shown, name: str) -> None:
    secret = SECRETS[name]
    assert secret not in shown.logged
    assert not [answer for answer in shown.answers if secret in answer]
    assert not [file for file, content in shown.files.items() if secret.encode() in content]


def test_what_went_wrong_is_told_all_the_same(shown: Shown) -> None:
    assert "alerts.sqlite" in shown.files
    for sink in ("siem", "pager", "tickets", "far"):
        assert sink in shown.logged or sink in "".join(shown.answers), sink
