"""From a server to a collector that is strict, slow, away, or that says no."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.audit.serving import serving, until
from tests.audit.tiny_collector import KEY, TinyCollector
from tocsin_audit import AuditEvent, AuditMiddleware
from tocsin_audit.options import options
from tocsin_audit.spool_keys import SpoolKeys

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "export"}}


async def answering(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    body = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def call(app: Any, times: int = 1, headers: dict[str, str] | None = None, user: Any = None) -> list[Any]:
    """POST straight into an application; what it sent."""
    sent: list[Any] = []

    async def once() -> None:
        body = [{"type": "http.request", "body": json.dumps(CALL).encode(), "more_body": False}]

        async def receive() -> Any:
            return body.pop(0) if body else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": raw, "client": ("10.1.1.1", 5)}
        if user is not None:
            scope["user"] = user
        await app(scope, receive, send)

    for _ in range(times):
        asyncio.run(once())
    return sent


def requests(events: list[AuditEvent]) -> int:
    return sum(event.kind == "request" for event in events)


Make = Callable[..., AuditMiddleware]


@pytest.fixture
def make(collector: TinyCollector) -> Iterator[Make]:
    made: list[AuditMiddleware] = []

    def one(app: Any = answering, **options: Any) -> AuditMiddleware:
        middleware = AuditMiddleware(app, **{"server": "crm", "url": collector.url, "key": KEY, **options})
        made.append(middleware)
        return middleware

    yield one
    for middleware in made:
        middleware.stop()


def test_every_event_arrives_once_and_numbered_without_a_gap(collector: TinyCollector, make: Make) -> None:
    audit = make()
    call(audit, 1200)
    audit.stop()
    events = collector.wait(lambda events: requests(events) == 1200)
    assert sorted(event.seq or 0 for event in events) == list(range(1, len(events) + 1))
    assert len({event.run for event in events}) == 1
    assert collector.repeats == 0
    assert max(collector.batches) <= 500
    assert [event.reason for event in events if event.kind == "lifecycle"] == ["started", "stopped"]


def test_a_collector_away_for_a_while_gets_everything_in_order(make: Make, tmp_path: Path) -> None:
    gone = TinyCollector()
    gone.close()
    audit = make(url=gone.url)
    call(audit, 30)
    until(lambda: any(tmp_path.glob("spool/*/*/*.ndjson.gz")))
    back = TinyCollector(gone.port)
    call(audit, 30)
    events = back.wait(lambda events: requests(events) == 60)
    numbers = [event.seq or 0 for event in events]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    until(lambda: not any(tmp_path.glob("spool/*/*/*.ndjson.gz")))
    audit.stop()
    back.close()


def test_with_a_key_what_waits_and_what_was_told_lie_encrypted(
    collector: TinyCollector, make: Make, tmp_path: Path
) -> None:
    gone = TinyCollector()
    gone.close()
    audit = make(url=gone.url, spool_key="11" * 32)
    call(audit, 30)
    until(lambda: any(tmp_path.glob("spool/*/*/*.sealed")))
    assert not any(tmp_path.glob("spool/*/*/*.gz"))
    back = TinyCollector(gone.port)
    back.wait(lambda events: requests(events) == 30)
    until(lambda: any(tmp_path.glob("spool/*/settings.json")))
    audit.stop()
    back.close()
    (cache,) = tmp_path.glob("spool/*/settings.json")
    assert b"ownership" not in cache.read_bytes()
    assert cache.read_bytes().startswith(b"tcs1")
    with pytest.raises(ValueError, match="not what was written"):
        SpoolKeys("11" * 32).open("another name", cache.read_bytes())
    assert SpoolKeys("11" * 32).open("settings.json", cache.read_bytes()).startswith(b"{")


def test_under_a_key_that_cannot_be_used_nothing_is_kept_at_all(
    collector: TinyCollector, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audit = make(spool_key="no-key-at-all")
    call(audit, 3)
    collector.wait(lambda events: requests(events) == 3)
    audit.stop()
    assert not any(path.is_file() for path in tmp_path.glob("spool/**/*"))
    assert "TOCSIN_SPOOL_KEY cannot be used: a key is 32 random bytes" in caplog.text
    assert "no-key-at-all" not in caplog.text


def test_a_slow_collector_has_batches_on_disk_before_it_answers(
    collector: TinyCollector, make: Make, tmp_path: Path
) -> None:
    collector.delay = 2.5
    audit = make()
    call(audit, 3)
    until(lambda: (call(audit), any(tmp_path.glob("spool/*/*/*.ndjson.gz")))[1])
    assert not collector.events
    collector.delay = 0.0
    collector.wait(lambda events: requests(events) >= 6)


def test_what_a_killed_process_spooled_is_sent_by_the_next_one(
    collector: TinyCollector, make: Make, tmp_path: Path
) -> None:
    script = textwrap.dedent("""
        import gzip, sys, time, pathlib
        from tests.audit.test_delivery import answering, call
        from tocsin_audit import AuditMiddleware
        audit = AuditMiddleware(answering, server="crm", url=sys.argv[1], key="collector-key-1")
        call(audit, 20)
        spool = pathlib.Path(sys.argv[2])
        while True:
            kept = [gzip.decompress(path.read_bytes()) for path in spool.glob("*/*/*.ndjson.gz")]
            print(sum(segment.count(b"tools/call") for segment in kept), flush=True)
            time.sleep(0.02)
    """)
    dead = TinyCollector()
    dead.close()
    process = subprocess.Popen(
        [sys.executable, "-c", script, dead.url, str(tmp_path / "spool")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 20:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    audit = make()
    call(audit)
    events = collector.wait(lambda events: requests(events) == 21)
    runs = {event.run for event in events}
    assert len(runs) == 2
    until(lambda: len(list((tmp_path / "spool").glob("*/*/lock"))) == 1)


def test_what_does_not_fit_the_queue_is_counted_and_leaves_a_gap(collector: TinyCollector, make: Make) -> None:
    held = threading.Event()
    audit = make(limits={"queue": 50})
    call(audit)
    collector.wait(lambda events: requests(events) == 1)
    recorder = audit._recorder
    assert recorder is not None
    take = recorder._buffer.take
    recorder._buffer.take = lambda *a, **k: (held.wait(20), take(*a, **k))[1]  # type: ignore[method-assign]  # holds our thread up
    recorder._buffer.wake()
    call(audit, 80)
    held.set()
    audit.stop()
    events = collector.wait(lambda events: any(event.reason == "stopped" for event in events))
    beat = json.loads(bytes([event for event in events if event.kind == "heartbeat"][-1].ext))
    numbers = sorted(event.seq or 0 for event in events)
    missing = numbers[-1] - len(numbers)
    assert beat["dropped"] == missing > 0
    assert requests(events) == 81 - missing


def test_rejected_lines_are_counted_and_told_and_the_others_arrive(
    collector: TinyCollector, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    collector.reject = lambda event: event.kind == "request" and (event.seq or 0) % 2 == 0
    audit = make()
    call(audit, 10)
    audit.stop()
    events = collector.wait(lambda events: any(event.reason == "stopped" for event in events))
    assert requests(events) == 5
    recorder = audit._recorder
    assert recorder is not None
    assert recorder.counters()["rejected"] == 5
    assert any("not yours (hint: ask)" in record.getMessage() for record in caplog.records)


def test_a_batch_that_is_too_large_is_sent_in_halves(collector: TinyCollector, make: Make) -> None:
    collector.most_lines = 3
    audit = make()
    call(audit, 20)
    audit.stop()
    collector.wait(lambda events: requests(events) == 20)
    assert max(collector.batches) <= 3


def test_a_refused_key_keeps_the_events_and_says_what_to_do(
    collector: TinyCollector, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audit = make(key="wrong")
    call(audit)
    until(lambda: any("hint: check TOCSIN_KEY" in record.getMessage() for record in caplog.records))
    audit.stop()
    assert list(tmp_path.glob("spool/*/*/*.ndjson.gz"))
    again = make()
    call(again)
    collector.wait(lambda events: requests(events) == 2)


def test_a_busy_collector_is_asked_again_no_sooner_than_it_said(collector: TinyCollector, make: Make) -> None:
    collector.refuse = [(503, {"Retry-After": "1"}, b"{}")]
    audit = make()
    call(audit)
    events = collector.wait(lambda events: requests(events) == 1)
    assert {event.run for event in events} == {events[0].run}


def test_without_a_disk_events_wait_in_memory(make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    gone = TinyCollector()
    gone.close()
    audit = make(url=gone.url, spool=blocked)
    call(audit, 5)
    until(lambda: any("no spool" in record.getMessage() for record in caplog.records))
    back = TinyCollector(gone.port)
    back.wait(lambda events: requests(events) == 5)
    audit.stop()
    back.close()


def test_a_full_spool_drops_and_counts(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    gone = TinyCollector()
    gone.close()
    audit = make(url=gone.url, limits={"spool_bytes": 10})
    call(audit, 5)
    until(lambda: any("events are lost" in record.getMessage() for record in caplog.records))
    recorder = audit._recorder
    assert recorder is not None
    until(lambda: recorder.counters()["dropped"] >= 5)


def test_a_fork_is_a_run_of_its_own(collector: TinyCollector, make: Make) -> None:
    audit = make()
    call(audit)
    collector.wait(lambda events: requests(events) == 1)
    child = os.fork()
    if child == 0:
        call(audit)
        audit.stop()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    call(audit)
    events = collector.wait(lambda events: requests(events) == 3)
    assert sorted(map(len, _by_run(events).values()))[0] >= 1
    assert len(_by_run(events)) == 2


def _by_run(events: list[AuditEvent]) -> dict[str | None, list[AuditEvent]]:
    found: dict[str | None, list[AuditEvent]] = {}
    for event in events:
        found.setdefault(event.run, []).append(event)
    return found


def test_an_event_of_the_servers_own_is_shipped_with_the_others(collector: TinyCollector, make: Make) -> None:
    audit = make()
    audit.record(AuditEvent(time=0.0, server="", kind="auth", outcome="auth_invalid", user="idp|bob"))
    events = collector.wait(lambda events: any(event.kind == "auth" for event in events))
    (login,) = [event for event in events if event.kind == "auth"]
    assert (login.server, login.user, login.outcome) == ("crm", "idp|bob", "auth_invalid")
    assert login.time > 1e9


class User:
    """A caller whom the server has verified, as the MCP SDK leaves it in the scope."""

    def __init__(self, subject: str) -> None:
        self.access_token = self
        self.subject = subject
        self.client_id = "desktop"
        self.scopes = ["read"]
        self.claims = {"iss": "https://idp.example"}
        self.expires_at = None
        self.resource = None


def denial(subject: dict[str, str], until: float = 4e9, mode: str = "deny") -> dict[str, Any]:
    return {"id": "d1", "subject": subject, "until": until, "mode": mode, "incident": "INC-7"}


@pytest.mark.parametrize(
    ("subject", "given"),
    [
        ({"user": "https://idp.example|alice"}, {"user": User("alice")}),
        ({"source_ip": "10.1.1.1"}, {}),
        ({"client": "desktop", "source_ip": "10.1.1.1"}, {"user": User("bob")}),
    ],
)
def test_a_denial_is_obeyed_within_a_second_and_reported_back(
    collector: TinyCollector, make: Make, subject: dict[str, str], given: dict[str, Any]
) -> None:
    audit = make()
    assert call(audit, **given)[0]["status"] == 200
    collector.wait(lambda events: any(event.kind == "heartbeat" for event in events))
    collector.publish(denials=[denial(subject)])
    until(lambda: call(audit, **given)[0]["status"] == 403, 1.0)
    start, body = call(audit, **given)
    assert start["status"] == 403
    assert json.loads(body["body"])["id"] == 1
    assert "INC-7" in json.loads(body["body"])["error"]["message"]
    assert call(audit, user=User("mallory"))[0]["status"] == (200 if "user" in subject else 403)
    events = collector.wait(lambda events: any(event.reason == "tocsin.denied:INC-7" for event in events))
    denied = next(event for event in events if event.reason == "tocsin.denied:INC-7")
    assert (denied.outcome, denied.method) == ("authz_denied", "tools/call")
    collector.wait(
        lambda events: any(
            b'"settings":"1","denials":["d1"]' in bytes(event.ext) for event in events if event.kind == "heartbeat"
        )
    )
    collector.publish(denials=[])
    until(lambda: call(audit, **given)[0]["status"] == 200, 2.0)


def test_a_claim_alone_cannot_have_somebody_cut_off(collector: TinyCollector, make: Make) -> None:
    audit = make()
    collector.publish(denials=[denial({"user": "https://idp.example|alice"})])
    recorder = audit._watch()
    assert recorder is not None
    recorder.start()
    until(lambda: bool(recorder.settings.denials))
    jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaWRwLmV4YW1wbGUifQ.x"
    assert call(audit, headers={"Authorization": f"Bearer {jwt}"})[0]["status"] == 200
    assert call(audit, user=User("alice"))[0]["status"] == 403


def test_settings_survive_a_restart_without_a_collector(collector: TinyCollector, make: Make) -> None:
    collector.publish(denials=[denial({"source_ip": "10.1.1.1"})])
    first = make()
    until(lambda: call(first)[0]["status"] == 403)
    first.stop()
    gone = TinyCollector()
    gone.close()
    second = make(url=gone.url)
    assert call(second)[0]["status"] == 403


def test_ownership_rules_and_tenant_claims_come_from_the_collector(
    collector: TinyCollector, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    bad = {"argument": "x", "match": "(a+)+$"}
    collector.publish(
        ownership=[{"server": "crm", "argument": "owner"}, bad, {"server": "other", "uri": "x://{tenant}"}],
        identity=[{"server": "crm", "claim": "realm"}],
        fingerprint_key_id="another",
    )
    audit = make()
    recorder = audit._watch()
    assert recorder is not None
    recorder.start()
    until(lambda: recorder.settings.version == "1")
    assert recorder.settings.tenant_claims == ("realm",)
    assert len(recorder.settings.faults) == 1
    assert sum("(a+)+$" in record.getMessage() for record in caplog.records) == 1
    assert any("the fleet's is another" in record.getMessage() for record in caplog.records)


def test_an_orderly_stop_of_the_server_delivers_what_is_left(collector: TinyCollector, make: Make) -> None:
    async def with_lifespan(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
        else:
            await answering(scope, receive, send)

    with serving(make(with_lifespan)) as url:
        httpx.post(f"{url}/mcp", json=CALL)
    assert requests(collector.events) == 1
    assert collector.events[-1].reason == "stopped"


def test_without_contact_it_stays_open_unless_it_was_told_to_close(make: Make, tmp_path: Path) -> None:
    gone = TinyCollector()
    gone.close()
    still = make(url=gone.url, spool=tmp_path / "open")
    shut = make(url=gone.url, spool=tmp_path / "shut", limits={"closed_s": 0.2})
    assert call(shut)[0]["status"] == 200, "not at once"
    until(lambda: call(shut)[0]["status"] == 403)
    assert call(still)[0]["status"] == 200
    back = TinyCollector(gone.port)
    until(lambda: call(shut)[0]["status"] == 200)
    for middleware in (still, shut):
        middleware.stop()
    back.close()


def test_when_to_close_is_said_in_the_environment_and_a_slip_is_named() -> None:
    assert options({"TOCSIN_FAIL_CLOSED_S": "300"}, host="h", name=None).closed_s == 300.0
    slip = options({"TOCSIN_FAIL_CLOSED_S": "5m"}, host="h", name=None)
    assert slip.closed_s == 0.0
    assert any("TOCSIN_FAIL_CLOSED_S" in fault for fault in slip.faults)
