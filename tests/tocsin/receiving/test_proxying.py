"""`tocsin proxy` as a process, and the file that it reads."""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from stream.errors import ConfigError
from tests.docs.blocks import blocks, prose
from tests.house import ROOT
from tests.services.certificates import loopback_certificates
from tests.tocsin.program import until
from tocsin.config.faults import FaultsError
from tocsin.receiving.proxy_file import Behind, ProxyFile, from_file, from_words

GUIDE = ROOT / "docs" / "guides" / "proxy.md"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rows"}}


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@contextmanager
def tocsin(folder: Path, *words: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    log = folder / "stderr"
    with log.open("wb") as stderr:
        command = [sys.executable, "-m", "tocsin", "proxy", *words]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=stderr)
    try:
        yield process, log
    finally:
        process.kill()
        process.communicate()


def address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    until(lambda: b" url=" in log.read_bytes() or process.poll() is not None, "the proxy listens")
    return log.read_text().partition(" url=")[2].split()[0]


def test_it_serves_over_tls_tells_and_ends_when_told(tmp_path: Path, answering: str) -> None:
    made = loopback_certificates(tmp_path)
    pem = {"certificate": "server.pem", "key": "server.pem"}
    file = tmp_path / "proxy.yaml"
    listen = {"listen": "127.0.0.1:0", "tls": pem}
    file.write_text(json.dumps({**listen, "upstreams": [{"url": answering, "server": "crm"}]}))
    events = tmp_path / "events.ndjson"
    with tocsin(tmp_path, "--config", str(file), "--events", str(events)) as (process, log):
        url = address(process, log)
        assert url.startswith("https://127.0.0.1:")
        answer = httpx.post(f"{url}/mcp", json=CALL, verify=str(made.authority))
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    told = [json.loads(line) for line in events.read_bytes().splitlines()]
    assert [event["method"] for event in told if event["kind"] == "request"] == ["tools/call"]
    assert [event["reason"] for event in told if event["kind"] == "lifecycle"] == ["started", "stopped"]


def test_whoever_shows_no_certificate_of_the_authority_does_not_get_through(tmp_path: Path, answering: str) -> None:
    made = loopback_certificates(tmp_path)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    loopback_certificates(theirs)
    pem = {"certificate": "server.pem", "key": "server.pem", "clients": made.authority.name}
    file = tmp_path / "proxy.yaml"
    file.write_text(json.dumps({"listen": "127.0.0.1:0", "tls": pem, "upstreams": [{"url": answering}]}))
    events = tmp_path / "events.ndjson"

    def status(own: Path | None) -> int:
        context = ssl.create_default_context(cafile=str(made.authority))
        if own is not None:
            context.load_cert_chain(own)
        return httpx.post(f"{url}/mcp", json=CALL, verify=context, timeout=60).status_code

    with tocsin(tmp_path, "--config", str(file), "--events", str(events)) as (process, log):
        url = address(process, log)
        assert status(tmp_path / "server.pem") == 200
        for stranger in (None, theirs / "server.pem"):
            with pytest.raises((httpx.HTTPError, ssl.SSLError)):
                status(stranger)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    told = [json.loads(line) for line in events.read_bytes().splitlines()]
    assert [event["method"] for event in told if event["kind"] == "request"] == ["tools/call"]


def test_it_says_where_events_should_go_when_nobody_did(tmp_path: Path) -> None:
    with tocsin(tmp_path, "--upstream", "http://127.0.0.1:9") as (process, log):
        assert process.wait(30) == 2
        assert "TOCSIN_URL and TOCSIN_KEY" in log.read_text()


def test_words_name_upstreams() -> None:
    settings = from_words(["/crm=http://127.0.0.1:1/mcp", "http://127.0.0.1:2"], None, None)
    assert [(u.prefix, u.server) for u in settings.upstreams] == [("/crm", "crm"), ("", "127.0.0.1")]
    assert (settings.host, settings.port) == ("127.0.0.1", 8643)
    assert from_words(["http://h"], "[::1]:9", "billing").host == "::1"


@pytest.mark.parametrize(
    ("words", "listen", "server", "said"),
    [
        (["/crm"], None, None, "names no address"),
        (["ftp://x"], None, None, "is not an address"),
        (["http://a", "http://b"], None, "x", "--server names one upstream"),
        (["http://a", "http://b"], None, None, "same host and prefix"),
        (["http://a"], "8643", None, "is not HOST:PORT"),
        (["http://a"], "0.0.0.0:1", None, "in the clear"),
    ],
)
def test_words_that_cannot_be_say_why(words: list[str], listen: str | None, server: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_words(words, listen, server)


def test_a_file_names_every_fault_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("listen: 0.0.0.0:8643\ntrusted_proxies: [nobody]\nupstreams:\n- url: nowhere\n- url: http://h\n")
    with pytest.raises(FaultsError) as caught:
        from_file(file, None)
    assert [(fault.line, fault.key) for fault in caught.value.faults] == [
        (1, "listen"),
        (2, "trusted_proxies"),
        (4, "upstreams[0]"),
    ]
    file.write_text("upstreams:\n- url: http://h\n  prefx: /a\nlisen: x\n")
    with pytest.raises(FaultsError) as caught:
        from_file(file, None)
    assert [fault.hint for fault in caught.value.faults] == ["did you mean 'prefix'?", "did you mean 'listen'?"]


@pytest.mark.parametrize("text", ["[]", "upstreams: []", "{}", "upstreams: [{}]", "a: *b"])
def test_a_file_that_is_no_proxy_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text(text)
    with pytest.raises(FaultsError):
        from_file(file, None)


def test_the_guide_shows_every_key(tmp_path: Path) -> None:
    (text,) = blocks(GUIDE, "yaml")
    said = yaml.safe_load(text)
    keys = {key for upstream in said["upstreams"] for key in upstream}
    missing = (set(ProxyFile.model_fields) - said.keys()) | (set(Behind.model_fields) - keys)
    assert {key for key in missing if f"`{key}`" not in prose(GUIDE)} == set()
    (tmp_path / "proxy.yaml").write_text(text)
    assert from_file(tmp_path / "proxy.yaml", None).upstreams
