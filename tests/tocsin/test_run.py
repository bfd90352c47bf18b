"""A running Tocsin from outside: how it starts, what it says of itself, and how it ends."""

import json
import os
import signal
import socket
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.keys import FILE as KEYS
from detectors.engine.task import TASK
from stream.log import EVENTS
from stream.sqlite import open_log
from tests.services.certificates import loopback_certificates
from tests.tocsin.lines import guesses, line
from tests.tocsin.program import DiedError, Program, until

SCREEN = {"sinks": {"screen": {"type": "terminal"}}}


def refused(folder: Path, settings: dict[str, Any]) -> tuple[int, str]:
    """The exit status and words of a Tocsin that does not start."""
    with Program(folder, settings) as program:
        with pytest.raises(DiedError):
            program.listening()
        assert program.died is not None
        assert "Traceback" not in program.said()
        return program.died, program.said()


def test_the_first_start_makes_what_is_needed_for_its_owner_alone(program: Program) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in program.data.iterdir() if path.is_file()}
    for name in ("token", "entity-key", "first-collector-key", KEYS, "lock"):
        assert modes[name] == 0o600, name
    assert stat.S_IMODE(program.data.stat().st_mode) == 0o700
    assert any(str(program.data / "first-collector-key") in entry["message"] for entry in program.told())
    secrets = [(program.data / name).read_text().strip() for name in ("token", "entity-key", "first-collector-key")]
    assert len(set(secrets)) == 3
    assert min(map(len, secrets)) > 30
    assert not any(secret in program.said() for secret in secrets), "secrets never reach a log"


def test_probes_are_open_and_say_no_more_than_they_must(program: Program) -> None:
    assert (program.http().get("/healthz").status_code, program.http().get("/healthz").json()) == (
        200,
        {"status": "alive"},
    )
    ready = program.http().get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "problems": []})
    assert program.http().get("/nowhere").status_code == 404


def test_a_second_start_over_the_same_data_says_who_has_it(program: Program) -> None:
    with Program(program.folder) as second:
        until(lambda: second.died is not None, "the second one ends")
        assert second.died == 1
        assert f"another process owns this data directory (pid {program.pid}" in second.said()
        assert "hint: stop that process first" in second.said()
    assert program.http().get("/readyz").is_success


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = refused(tmp_path, {"listen": {"port": port}})
    assert status == 1
    assert f"127.0.0.1:{port}: cannot listen" in said
    assert "listen.port" in said


def test_a_wrong_configuration_starts_nothing_and_says_every_fault(tmp_path: Path) -> None:
    settings = {
        "listen": {"port": 70_000, "host": "0.0.0.0"},
        "sinks": {"pager": {"type": "pagerdutty"}, "siem": {"type": "elasticsearch", "urll": "x"}},
        "detectors": {"failed_auth": {"mode": "loud"}},
        "whatever": 1,
    }
    status, said = refused(tmp_path, settings)
    assert status == 2
    for key in ("listen.port", "sinks", "detectors.failed_auth.mode", "whatever"):
        assert key in said
    del settings["whatever"]
    settings["listen"] = {"host": "0.0.0.0"}
    settings["detectors"] = {"failed_auht": {}}
    status, said = refused(tmp_path, settings)
    assert status == 2
    for part in ("did you mean 'pagerduty'?", "did you mean 'url'?", "did you mean 'failed_auth'?", "plain HTTP"):
        assert part in said
    assert not (tmp_path / "data").exists()


def test_a_certificate_that_is_none_is_a_fault(tmp_path: Path) -> None:
    for name in ("certificate", "key"):
        (tmp_path / name).write_text("no PEM")
    status, said = refused(tmp_path, {"listen": {"port": 0, "tls": {"certificate": "certificate", "key": "key"}}})
    assert status == 2
    assert "the certificate and its key cannot be used" in said


def test_an_empty_token_file_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "token").touch()
    status, said = refused(tmp_path, {})
    assert status == 1
    assert "data/token: the secret is empty" in said


def test_tls_is_spoken_where_it_is_configured(tmp_path: Path) -> None:
    certificates = loopback_certificates(tmp_path)
    tls = {"certificate": "server.pem", "key": "server.pem"}
    with Program(tmp_path, {"listen": {"port": 0, "tls": tls}}) as program:
        url = program.listening()
        assert url.startswith("https://")
        trusting = httpx.create_ssl_context(verify=str(certificates.authority))
        assert httpx.get(f"{url}/healthz", verify=trusting).is_success
        with pytest.raises(httpx.TransportError):
            httpx.get(url.replace("https", "http") + "/healthz")


def test_metrics_tell_the_way_of_an_event_by_class(tmp_path: Path) -> None:
    with Program(tmp_path, SCREEN) as program:
        program.ready()
        now = time.time()
        answer = program.post([*guesses(now - 41), line(now, user="victim", source_ip="203.0.113.9"), {"server": "x"}])
        assert answer["accepted"] == 41
        program.settled()
        until(lambda: program.get("/status")["delivered"] >= 1, "something is delivered")
        page = program.http().get("/metrics")
        assert page.headers["content-type"].startswith("text/plain")
        values = metrics(page.text)
        assert values["tocsin_events_accepted_total"] == 41
        assert sum(value for name, value in values.items() if name.startswith("tocsin_events_rejected_total")) == 1
        assert values['tocsin_findings_total{class="brute",mode="live"}'] >= 1
        assert values['tocsin_deliveries_total{outcome="done",sink="screen"}'] >= 1
        assert values["tocsin_receipt_seconds_count"] == 1
        assert values["tocsin_event_to_receipt_seconds_count"] >= 1
        for name in ("receipt_to_finding", "finding_to_delivered", "event_to_delivered"):
            sink = "" if name == "receipt_to_finding" else ',sink="screen"'
            assert values[f'tocsin_{name}_seconds_count{{class="brute"{sink}}}'] >= 1
            assert 0 <= values[f'tocsin_{name}_seconds_sum{{class="brute"{sink}}}'] < 120


def metrics(page: str) -> dict[str, float]:
    lines = [text.rpartition(" ") for text in page.splitlines() if not text.startswith("#")]
    return {name: float(value) for name, _, value in lines}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_good_order_with_nothing_left_to_do(tmp_path: Path, how: signal.Signals) -> None:
    with Program(tmp_path, SCREEN) as program:
        program.ready()
        now = time.time()
        program.post([line(now - 5 + second / 100) for second in range(500)])
        program.post([line(now, user="user1", resource_tenants=["globex"])])
        assert program.end(how) == 0
        told = program.screen.read_text()
        assert program.told()[-1]["message"] == "drained"
        assert "Traceback" not in program.said()
    with open_log(tmp_path / "data") as log:
        snapshot = log.load(TASK)
        assert snapshot is not None
        assert snapshot.position == log.end(EVENTS), "the next start folds nothing again"
    with Program(tmp_path) as again:
        again.ready()
        (incident,) = again.get("/incidents")
        assert incident["classes"] == ["cross_tenant_read"]
        assert again.get("/events", principal="user1")["events"][0]["resource_tenants"] == ["globex"]
    assert told.count(incident["id"]) == 1
    assert program.screen.read_text() == told, "nothing is told again"


def test_a_signal_during_the_start_ends_it(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        until(lambda: (tmp_path / "data" / "lock").exists() or None, "it has begun")
        os.kill(program.pid, signal.SIGTERM)
        until(lambda: program.died is not None, "it ends")
        assert program.died in (0, -signal.SIGTERM)


def test_waiting_producers_are_let_go_at_the_end(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        key = (program.ready().data / "first-collector-key").read_text().strip()
        headers = {"authorization": f"Bearer {key}"}
        etag = program.http().get("/v1/producer", headers=headers).headers["etag"]
        host, port = program.listening().removeprefix("http://").split(":")
        with closing(socket.create_connection((host, int(port)))) as poll:
            poll.sendall(
                f"GET /v1/producer?wait=25 HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {key}\r\n"
                f"if-none-match: {etag}\r\n\r\n".encode()
            )
            program.http().get("/healthz")  # answered after the poll was read
            begin = time.monotonic()
            assert program.stop() == 0
            assert time.monotonic() - begin < 15
            assert poll.recv(1000).startswith(b"HTTP/1.1 304")


def test_json_logs_are_one_object_a_line_whatever_strangers_write(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        program.ready()
        program.post([line(time.time(), user="a\nb", resource_tenants=["globex\r\n{}"])])
        program.settled()
        assert program.stop() == 0
        for text in program.said().splitlines():
            assert isinstance(json.loads(text), dict)
