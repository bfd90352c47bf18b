"""Configured inputs run beside the stages: checked before the start, counted, and exact through kills."""

import hashlib
import hmac
import json
import logging
import logging.handlers
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.docs.blocks import blocks
from tests.house import ROOT
from tests.tocsin.program import DiedError, Program, until
from tocsin.config.faults import FaultsError
from tocsin.config.whole import parse_config
from tocsin.setup import assemble

SECRET = "a secret of thirty-two characters"


def plans(text: str, folder: Path) -> dict[str, Any]:
    loaded = parse_config(text, "tocsin.yaml", folder)
    return {plan.name: plan for plan in assemble(loaded, folder / "data").inputs}


def test_relative_paths_start_at_the_configuration(tmp_path: Path) -> None:
    made = plans("inputs: {gateway: {type: files, paths: ['logs/*.log'], format: toolhive}}", tmp_path)
    assert made["gateway"].options.paths == (f"{tmp_path}/logs/*.log",)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{type: fils, paths: [x]}", "did you mean 'files'"),
        ("{type: files}", "'paths' is missing"),
        ("{type: files, paths: [x], pathss: [y]}", "did you mean 'paths'"),
        ("{type: files, paths: [x], format: nowhere}", "no format 'nowhere'"),
        ("{type: files, paths: [x], tenant: a, tenants: [b]}", "not among tenants"),
        ("{type: files, paths: x}", "paths"),
        ("{type: syslog, host: 0.0.0.0}", "name who may in allow"),
        ("{type: syslog, transport: smtp}", "transport"),
        ("{type: webhook, secret: written-out-in-full}", "secrets are not written"),
        ("{type: kafka, brokers: 'nowhere', topics: {t: native}}", "not one of Kafka"),
        ("{type: kafka, brokers: 'kafka://h:1/', topics: {}}", "names no topic"),
    ],
)
def test_a_wrong_input_is_told_with_its_place(section: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match=said) as caught:
        plans(f"\ninputs:\n  gateway: {section}\n", tmp_path)
    assert {fault.line for fault in caught.value.faults} == {3}


@pytest.mark.parametrize("name", ["otlp", "a b", "a/b"])
def test_an_input_cannot_take_a_name_that_is_used(name: str, tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="cannot be called so"):
        plans(f"inputs: {{'{name}': {{type: files, paths: [x]}}}}", tmp_path)


def line(number: int) -> str:
    fields = {"time": time.time(), "server": "crm", "method": "tools/call", "target": f"t{number}", "user": "u"}
    return json.dumps(fields) + "\n"


def found(program: Program) -> list[str]:
    events = program.get("/events", since="1h", limit=1000)["events"]
    return sorted(event["target"] for event in events)


@pytest.mark.crash
def test_a_followed_file_counts_once_through_kills(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    settings = {"inputs": {"gateway": {"type": "files", "paths": [str(tmp_path / "app.log*")], "every": 0.05}}}
    written = 0

    def write() -> None:
        nonlocal written
        with log.open("a") as file:
            file.writelines(line(number) for number in range(written, written + 25))
        written += 25
        if written % 200 == 0:
            log.rename(tmp_path / f"app.log.{written}")
            log.touch()

    for crash in ("receive.after_append:2", "receive.before_append:2", "log.after_commit:6"):
        with Program(tmp_path / "run", settings, crash_at=crash) as program:
            write()
            with suppress(DiedError):
                program.listening()
            while program.died is None:
                assert written < 900, f"it does not die at {crash}"
                write()
                time.sleep(0.25)
    with Program(tmp_path / "run", settings) as program:
        program.listening()
        write()
        wanted = sorted(f"t{number}" for number in range(written))
        until(lambda: len(found(program)) >= len(wanted), "all lines are events")
        assert found(program) == wanted
        assert program.get("/status")["inputs"]["gateway"]["type"] == "files"


@pytest.fixture
def running(tmp_path: Path) -> Any:
    """A program with a syslog and a webhook input."""
    (tmp_path / "secret").write_text(SECRET)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inputs = {
        "appliances": {"type": "syslog", "port": port},
        "gateway": {"type": "webhook", "secret": {"file": str(tmp_path / "secret")}},
    }
    with Program(tmp_path / "run", {"inputs": inputs}) as program:
        program.ready()
        yield program, port


def test_syslog_reaches_the_log_and_is_counted(running: Any) -> None:
    program, port = running

    def connect() -> logging.handlers.SysLogHandler | None:
        try:
            return logging.handlers.SysLogHandler(("127.0.0.1", port), socktype=socket.SOCK_STREAM)
        except ConnectionRefusedError:
            return None

    handler = until(connect, "it listens")
    handler.emit(logging.LogRecord("audit", logging.INFO, "f", 1, line(1).strip(), None, None))
    handler.emit(logging.LogRecord("audit", logging.INFO, "f", 1, "no event", None, None))
    handler.close()
    until(lambda: found(program) == ["t1"], "the event is there")
    counts = program.get("/status")["inputs"]["appliances"]
    assert (counts["received"], counts["accepted"], counts["refused"]) == (2, 1, {"malformed": 1})
    metrics = program.http().get("/metrics").text
    assert 'tocsin_input_records_total{input="appliances",result="accepted"} 1.0' in metrics
    assert 'tocsin_input_refused_total{input="appliances",reason="malformed"} 1.0' in metrics
    told = [entry for entry in program.told() if entry.get("input") == "appliances"]
    assert [entry["reason"] for entry in told] == ["malformed"]


def siem_event(**more: Any) -> dict[str, Any]:
    """What ContextForge 1.0 sends."""
    return {
        "schema_version": "1.0",
        "event_id": "evt_1a2b3c4d5e6f",
        "timestamp": datetime.now(UTC).isoformat(),
        "event_type": "authentication_failure",
        "severity": "LOW",
        "category": "authentication",
        "description": "Authentication failed for user ünknown",
        "source": {"service": "mcpgateway", "version": "1.0", "instance_id": "gw-0", "event_source": "auth"},
        "actor": {"user_id": "unknown", "user_email": "***REDACTED***", "client_ip": "10.0.0.5", "user_agent": "x"},
        "threat": {"score": 0.3, "failed_attempts": 2, "indicators": []},
        "context": {"auth_method": "bearer_token", "correlation_id": "c"},
        "action_taken": "denied",
        **more,
    }


def signature(event: dict[str, Any]) -> str:
    """As ContextForge signs: over the compact form, whatever its HTTP client then writes."""
    return hmac.new(SECRET.encode(), compact(event).encode(), hashlib.sha256).hexdigest()


def compact(event: dict[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("write", [json.dumps, compact])
def test_a_signed_webhook_is_taken_once_and_others_are_not(running: Any, write: Callable[[Any], str]) -> None:
    program, _ = running

    def send(event: dict[str, Any], sign: str | None) -> httpx.Response:
        headers = {"content-type": "application/json"} | ({"X-SIEM-Signature": sign} if sign is not None else {})
        answer: httpx.Response = program.http().post("/v1/webhooks/gateway", content=write(event), headers=headers)
        return answer

    event = siem_event()
    assert send(event, signature(event)).json()["accepted"] == 1
    assert send(event, signature(event)).json() == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert send(event, None).status_code == 401
    assert send(siem_event(severity="HIGH"), signature(event)).status_code == 401
    old = siem_event(timestamp="2025-01-01T00:00:00+00:00")
    assert "too old" in send(old, signature(old)).json()["error"]
    refused = program.get("/status")["inputs"]["gateway"]["refused"]
    assert refused == {"400": 1, "signature": 2}


def test_the_guides_settings_are_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTEXTFORGE_SECRET", SECRET)
    guides = sorted((ROOT / "docs" / "guides").glob("*.md"))
    said = [text for guide in guides for text in blocks(guide, "yaml") if text.startswith("inputs:")]
    assert said
    for text in said:
        assert plans(text, tmp_path)
