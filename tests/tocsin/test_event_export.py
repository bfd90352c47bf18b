"""The export of events: its own position and filter, whatever the service does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from elasticsearch import Elasticsearch

from alerting.events import Sent
from alerting.sink import Result
from alerting.sinks.elasticsearch.events import STREAM
from stream.frame import Frame, Header, pack
from stream.log import EVENTS
from stream.sqlite import SqliteLog
from tests.tocsin.lines import NOON, guesses, line, ndjson
from tests.tocsin.program import Program, until
from tocsin.config.faults import FaultsError
from tocsin.config.whole import parse_config
from tocsin.event_export import FRAMES, EventExport
from tocsin.setup import assemble
from tocsin_audit.event import AuditEvent

DOWN = Sent(Result("retry", "503"), ())


class RecordingSender:
    def __init__(self) -> None:
        self.answers: list[Sent] = []
        self.taken: list[str | None] = []
        self.doubts: list[bool] = []

    def send(self, events: Sequence[AuditEvent], *, in_doubt: bool) -> Sent:
        self.doubts.append(in_doubt)
        answer = self.answers.pop(0) if self.answers else Sent(None, ())
        if answer.retry is None:
            self.taken += [event.id for event in events]
        return answer

    def close(self) -> None:
        pass


def put(log: SqliteLog, *frames: Sequence[dict[str, Any]]) -> None:
    for lines in frames:
        header = Header(received=NOON, count=len(lines), first=NOON, last=NOON, source="t", digest="d")
        log.append(EVENTS, pack(header, ndjson(lines).rstrip("\n").encode())).result()


def an_export(log: SqliteLog, sender: RecordingSender, *conditions: str) -> EventExport:
    return EventExport("siem", log, sender, conditions, jitter=lambda: 1.0)


def test_only_what_is_asked_for_is_sent(store: SqliteLog) -> None:
    sender = RecordingSender()
    put(store, [line(NOON, id="a"), line(NOON, id="b", tenant="globex"), line(NOON, id="c", outcome="tool_error")])
    store.append(EVENTS, Frame(Header(received=NOON, content="tick", codec="none"), b"")).result()
    export = an_export(store, sender, "tenant=acme", "outcome!=ok")
    export.step()
    assert sender.taken == ["c"]
    assert export.status() == {"position": export.position, "sent": 1, "refused": 0, "problem": ""}


def test_it_goes_on_after_the_last_batch_that_was_taken(store: SqliteLog) -> None:
    sender = RecordingSender()
    put(store, *([line(NOON, id=f"e{number}")] for number in range(FRAMES + 2)))
    an_export(store, sender).step()
    again = an_export(store, sender)
    again.step()
    again.step()
    assert sender.taken == [f"e{number}" for number in range(FRAMES + 2)]
    assert sender.doubts == [True, True], "after a start something may have arrived that was not noted"


def test_a_service_that_is_down_is_waited_for_longer_each_time(store: SqliteLog) -> None:
    sender = RecordingSender()
    sender.answers = [DOWN, DOWN]
    put(store, [line(NOON, id="a")])
    export = an_export(store, sender)
    assert [export.step(), export.step()] == [1.0, 2.0]
    assert export.status()["problem"] == "503"
    assert export.step() == 0.0
    assert sender.taken == ["a"]
    assert export.status()["problem"] == ""


def test_what_is_refused_is_counted_and_holds_up_nothing(store: SqliteLog) -> None:
    sender = RecordingSender()
    sender.answers = [Sent(None, ("mapping conflict",))]
    put(store, [line(NOON, id="a"), line(NOON, id="b")])
    export = an_export(store, sender)
    export.step()
    assert (export.status()["sent"], export.status()["refused"]) == (1, 1)


def test_a_log_on_kafka_says_that_it_sends_no_events() -> None:
    siem = "{type: elasticsearch, url: 'http://127.0.0.1:9200', events: []}"
    with pytest.raises(FaultsError) as caught:
        assemble(parse_config(f"log: kafka://127.0.0.1:9092/t\nsinks: {{siem: {siem}}}"))
    assert "only sent from a log in the data directory" in str(caught.value)


@pytest.mark.elasticsearch
@pytest.mark.xdist_group("elasticsearch")
def test_a_running_tocsin_sends_events_once_over_restarts(tmp_path: Path, elasticsearch_url: str) -> None:
    namespace = f"n{uuid4().hex[:12]}"
    stream = f"{STREAM}-{namespace}"
    siem = {"type": "elasticsearch", "url": elasticsearch_url, "namespace": namespace, "events": ["outcome!=ok"]}
    with Elasticsearch(elasticsearch_url) as client:

        def there() -> int:
            client.indices.refresh(index=stream, ignore_unavailable=True)
            return int(client.count(index=stream, ignore_unavailable=True)["count"])

        try:
            with Program(tmp_path, {"sinks": {"siem": siem}}) as program:
                program.ready()
                program.post([*guesses(NOON, 30), line(NOON, id="fine")])
                until(lambda: there() == 30, "the events of the first run")
                program.kill()
            with Program(tmp_path) as program:
                program.ready()
                program.post(guesses(NOON + 100, 5))
                until(lambda: there() == 35, "the events of the second run")
                assert program.get("/status")["event_exports"]["siem"]["problem"] == ""
            hit = client.search(index=stream, size=1, query={"term": {"source.ip": "203.0.113.9"}})["hits"]["hits"][0]
            assert hit["_source"]["event"]["category"] == ["authentication"]
            assert hit["_source"]["event"]["outcome"] == "failure"
        finally:
            client.indices.delete_data_stream(name=f"{stream}*")
