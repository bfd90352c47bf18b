"""Each kind of anchor keeps a checkpoint that `tocsin verify` reads back; one that is down holds up no other."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from alerting.sinks.elasticsearch import ElasticsearchOptions
from stream.errors import RejectedError
from stream.ledger.file import Ledger
from stream.ledger.merkle import leaf_hash
from stream.ledger.note import Checkpoint, Signer, opened, signed
from tocsin.proof.anchor_kinds import to_elasticsearch, to_file, to_syslog, to_webhook
from tocsin.proof.anchors import Anchors, document
from tocsin.proof.proving import checkpoints

KEY = Signer("example.org/log", bytes(32))
NOTE = signed(str(Checkpoint("example.org/log", 7, leaf_hash(b""))), [KEY])
LINE = json.dumps(document(NOTE, 1_793_620_800.0), ensure_ascii=False).encode()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite", "example.org/log") as made:
        yield made


def test_what_any_anchor_keeps_is_read_back(tmp_path: Path) -> None:
    put = to_file(tmp_path / "vault")
    put("7", LINE)
    put("7", LINE)
    (tmp_path / "note").write_text(NOTE)
    (tmp_path / "syslog").write_bytes(b"<109>1 2026-11-21T00:00:00Z host tocsin - checkpoint - " + LINE + b"\n")
    (tmp_path / "hit").write_text(json.dumps({"_index": "logs", "_source": json.loads(LINE)}))
    for name, count in (("vault", 2), ("note", 1), ("syslog", 1), ("hit", 1)):
        found = checkpoints(tmp_path / name)
        assert found == [NOTE] * count, name
        assert opened(found[0], [KEY.verifier]).by == (KEY.verifier,)


@pytest.mark.parametrize("text", ["", "{}", "words", '{"checkpoint": 5}', "{"])
def test_what_holds_no_checkpoint_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(RejectedError, match=r"checkpoint|JSON"):
        checkpoints(tmp_path / "file")


def test_a_webhook_gets_it_with_its_token_and_an_error_is_one() -> None:
    got: list[tuple[str | None, bytes]] = []
    status = [200]

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.headers["authorization"], body))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        put = to_webhook(f"http://127.0.0.1:{server.server_port}/", "secret", ssl.create_default_context())
        put("7", LINE)
        status[0] = 500
        with pytest.raises(httpx.HTTPStatusError):
            put("8", LINE)
        server.shutdown()
        thread.join()
    assert got[0] == ("Bearer secret", LINE)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_syslog_gets_one_message(protocol: str) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        if protocol == "tcp":
            server.listen()
        to_syslog("127.0.0.1", server.getsockname()[1], protocol, ssl.create_default_context())("7", LINE)
        if protocol == "tcp":
            with server.accept()[0] as wire:
                length, _, message = wire.makefile("rb").read().partition(b" ")
            assert int(length) == len(message)
        else:
            message = server.recv(65_536)
    head, _, body = message.partition(b"{")
    assert head.startswith(b"<109>1 20")
    assert b"{" + body == LINE


def test_an_anchor_that_is_down_holds_up_no_other_and_catches_up(ledger: Ledger) -> None:
    got: list[str] = []
    down = [True]

    def broken(id_: str, _: bytes) -> None:
        if down[0]:
            raise OSError("no route to host")
        got.append(id_)

    anchors = Anchors(ledger, {"broken": broken, "good": lambda id_, _: got.append(id_)}, lambda: 1.0)
    anchors.put()
    assert got == []
    ledger.put_checkpoint(7, NOTE)
    anchors.put()
    assert len(got) == 1
    assert anchors.status()["broken"] == {"size": 0, "problem": "OSError: no route to host"}
    assert anchors.status()["good"] == {"size": 7, "problem": None}
    down[0] = False
    anchors.put()
    anchors.put()
    assert len(got) == 2
    assert anchors.status()["broken"] == {"size": 7, "problem": None}


def test_a_shown_checkpoint_is_kept_for_good(ledger: Ledger) -> None:
    anchors = Anchors(ledger, {"good": lambda _, __: None}, lambda: 1.0)
    for size in (7, 8):
        ledger.put_checkpoint(size, signed(str(Checkpoint("example.org/log", size, leaf_hash(b""))), [KEY]))
        anchors.put()
    ledger.put_checkpoint(9, NOTE)
    assert ledger.kept() == 8


@pytest.mark.elasticsearch
def test_elasticsearch_keeps_it_once(elasticsearch_url: str) -> None:
    namespace = f"anchor{id(object())}"
    put = to_elasticsearch(ElasticsearchOptions(url=elasticsearch_url, namespace=namespace))
    put("example.org/log-7", LINE)
    put("example.org/log-7", LINE)
    index = f"{elasticsearch_url}/logs-tocsin.ledger-{namespace}"
    httpx.post(f"{index}/_refresh", timeout=30).raise_for_status()
    hits = httpx.get(f"{index}/_search", timeout=30).json()["hits"]["hits"]
    assert [hit["_source"]["tocsin"]["ledger"]["checkpoint"] for hit in hits] == [NOTE]
