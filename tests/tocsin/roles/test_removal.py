"""On Kafka, encrypted: an incident is proved to somebody else, a person is erased, and the proof of the rest holds."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import Result

from alerting.queries import Filter, list_incidents
from collector.formats.native import parse_lines
from stream.broker.address import Address
from stream.broker.topics import FOREVER, keep, wanted
from stream.broker.topics import inspect as inspect_topics
from stream.decode import decode, prepare
from stream.frame import unpack
from stream.log import EVENTS, FINDINGS
from stream.receipt import receive
from tests.services.kafka import fresh_log
from tests.tocsin.lines import guesses, line
from tests.tocsin.program import until
from tocsin.client import TOKEN_FILE
from tocsin.removal import kafka_keeping
from tocsin.roles.log import create
from tocsin.roles.process import ALERT, DETECT, SEAL, Roles
from tocsin.roles.server import application
from tocsin.setup import prepare as prepare_config

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

VICTIM = "https://idp.acme.example|victim"
KEPT = str(9 * 86_400_000)
"""Milliseconds for which the topics keep what they hold."""
AGO = 900.0
"""Seconds ago that it happened, and was received."""
Call = Callable[..., Result]
PROCESSES = [
    pytest.param([{DETECT, ALERT}, {SEAL}], id="a process that seals apart"),
    pytest.param([{DETECT, ALERT, SEAL}], id="one process", marks=pytest.mark.long),
]


@pytest.fixture(params=PROCESSES)
def there(
    request: pytest.FixtureRequest, kafka_server: str, tocsin: Call, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Address, list[Roles]]]:
    # What is found as time goes on is of now, and the test cannot wait for ten minutes.
    monkeypatch.setattr(kafka_keeping, "SETTLED", 2.0)
    address = fresh_log(kafka_server, f"t{secrets.token_hex(6)}", 2)
    assert tocsin("keys", "master", "master").exit_code == 0
    settings = {
        "log": f"kafka://{kafka_server}/{address.prefix}",
        "data": "data",
        "kafka": {"partitions": 2, "replication": 1, "retention_days": 7},
        "encrypt": {"key": {"file": "master"}},
        "ledger": {"seal_seconds": 0.3},
        "reserve": {"percent": 0, "gib": 0},
        "alerting": {"database": {"file": "database"}},
    }
    Path("tocsin.yaml").write_text(json.dumps(settings))
    Path("database").write_text(f"sqlite:///{Path.cwd() / 'shared.sqlite'}")
    Path("database").chmod(0o600)
    ready = prepare_config(Path("tocsin.yaml"))
    create(ready.loaded, address)
    # Longer than is configured, as operators may.
    keep(address, dict.fromkeys((f"{address.prefix}.events", f"{address.prefix}.findings"), KEPT))
    running = []
    for number, roles in enumerate(request.param):
        # Whoever seals has the data directory that `verify` reads.
        own = Path("data" if SEAL in roles else f"data-{number}")
        running.append(Roles(prepare_config(Path("tocsin.yaml"), own), frozenset(roles)))
        running[-1].start()
    yield address, running
    while running:
        running.pop().stop()


def _sent(roles: Roles, lines: list[dict[str, Any]], at: float) -> None:
    body = b"\n".join(json.dumps(one).encode() for one in lines)
    made = parse_lines(body, body.split(b"\n"))
    assert made is not None
    prepare(made, body)
    roles.spread.append(EVENTS, receive(made, body, at, source="test", digest="d")).result(60)


def _steps(client: TestClient, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post(f"/api/v1{path}", json=body)
    assert answer.status_code == 200, answer.text
    told = [json.loads(one) for one in answer.text.splitlines()]
    assert told[-1] == {"end": {}}, told[-1]
    return [one["step"] for one in told[:-1]]


def test_a_person_is_erased_and_everything_else_stays_proved(there: tuple[Address, list[Roles]], tocsin: Call) -> None:
    address, running = there
    detecting, sealing = running[0], running[-1]
    at = time.time() - AGO
    by = [line(at, user=f"bystander-{number}", id=f"b{number}") for number in range(20)]
    _sent(detecting, [*guesses(at, user=VICTIM), *by], at + 40)
    store = detecting.store
    assert store is not None
    (incident,) = until(lambda: list_incidents(store, Filter(entity=VICTIM)), "an incident comes of it", seconds=180)
    until(lambda: _sealed(sealing), "all of it is sealed", seconds=120)
    _proved_to_somebody(tocsin, incident.id)

    acting = _client(detecting)
    removing = _client(sealing)
    if detecting is not sealing:
        refused = acting.post("/api/v1/erasures", json={"principal": VICTIM, "tenant": "acme", "reason": "DSR-17"})
        assert (refused.status_code, "tocsin seal" in refused.json()["hint"]) == (400, True)
    asked = {"principal": VICTIM, "tenant": "acme", "reason": "DSR-17"}
    # While a hold stands nothing goes, and the topics let nothing go either.
    hold = removing.post("/api/v1/holds", json={"tenant": "acme", "principal": VICTIM, "reason": "CASE-1"}).json()["id"]
    assert _kept(address) == {str(FOREVER)}, "the topics keep everything"
    steps = until(lambda: _old_enough(removing, asked), "all of it is old enough", seconds=120)
    assert sum(step["held"] for step in steps if step["kind"] == "events") == 40
    assert all(step["removed"] == 0 for step in steps if step["kind"] in ("events", "findings", "incident"))
    assert removing.post(f"/api/v1/holds/{hold}/lift", json={"reason": "CASE-1 closed"}).status_code == 200
    assert _kept(address) == {KEPT}, "the topics keep what they kept before"

    acting.post(f"/api/v1/incidents/{incident.id}/close", json={"verdict": "false", "note": "a drill"})
    until(lambda: not list_incidents(store, Filter(entity=VICTIM)), "it is closed", seconds=120)
    until(lambda: _sealed(sealing), "the closing is sealed", seconds=120)
    steps = until(lambda: _old_enough(removing, {**asked, "dry_run": True}), "nothing is too new", seconds=120)
    assert sum(step["removed"] for step in steps if step["kind"] == "events") == 40
    steps = _steps(removing, "/erasures", asked)
    assert sum(step["removed"] for step in steps if step["kind"] == "events") == 40
    assert {step["what"]: step["removed"] for step in steps if step["kind"] == "incident"} == {incident.id: 1}
    assert any("left" in step for step in steps), "the brokers took it away before the job ended"

    left = [event.user for record in detecting.log.within(EVENTS, 0.0, 1e12) for event in decode(record.frame)]
    assert set(left) == {f"bystander-{number}" for number in range(20)}
    assert len(left) == 20, "each is there once"
    assert not any(VICTIM.encode() in unpack(one.frame) for one in detecting.log.within(FINDINGS, 0.0, 1e12))
    assert list_incidents(store, Filter(state="all", entity=VICTIM)) == []
    job = removing.get("/api/v1/retention").json()["jobs"][-1]
    assert job["why"] == "erasure on request"
    while running:
        running.pop().stop()
    told = json.loads(tocsin("verify", "--json").stdout)
    assert told["ok"], told["faults"]
    assert sum(one["gone"] for one in told["ledger"]["streams"]) > 0


def _client(roles: Roles) -> TestClient:
    token = (roles.ready_made.data / TOKEN_FILE).read_text().strip()
    return TestClient(application(roles)[0], headers={"Authorization": f"Bearer {token}"}, client=("127.0.0.1", 1))


def _sealed(roles: Roles) -> bool:
    """Whether everything that was in the log and the database a moment ago is sealed and signed."""
    work = roles.removal()
    if work is None:
        return False
    before = {stream: roles.log.end(stream) for stream in (EVENTS, EVENTS._replace(partition=1), FINDINGS)}
    deadline = time.monotonic() + 60
    while any(work.keeping.ledger.next(*stream) < end for stream, end in before.items()):
        assert time.monotonic() < deadline, "not sealed in a minute"
        time.sleep(0.05)
    return True


def _kept(address: Address) -> set[str]:
    topics = inspect_topics(address, wanted(address, 2, 7), 1)
    return {one.settings["retention.ms"] for one in topics if one.name.endswith((".events", ".findings"))}


def _old_enough(client: TestClient, asked: dict[str, Any]) -> list[dict[str, Any]] | None:
    steps = _steps(client, "/erasures", asked)
    return steps if not any("waiting" in step for step in steps) else None


def _proved_to_somebody(tocsin: Call, incident: str) -> None:
    """All that an incident stands on, for whoever has the public key alone; of everybody else there are hashes."""
    key = ("--public-key", "data/ledger.pub")
    export = ("verify", "--incident", incident, "--export", "incident.ndjson", *key)
    # The incident is still worked on, and what was written a moment ago is not sealed yet.
    done = tocsin(*export)
    deadline = time.monotonic() + 240
    while done.exit_code:
        assert time.monotonic() < deadline, done.output
        done = tocsin(*export)
    told = json.loads(tocsin("verify", "incident.ndjson", *key, "--json").stdout)
    assert told["ok"], told
    events = [json.loads(one["text"]) for one in told["shown"] if one["stream"] == "events"]
    assert events, "the incident's events are shown"
    assert {event["user"] for event in events} == {VICTIM}
    assert {one["stream"] for one in told["shown"]} >= {"events", "findings", "timeline", "decisions"}
    assert "bystander" not in Path("incident.ndjson").read_text()
    Path("forged.ndjson").write_text(Path("incident.ndjson").read_text().replace("203.0.113.9", "203.0.113.8"))
    assert tocsin("verify", "forged.ndjson", *key).exit_code == 1
