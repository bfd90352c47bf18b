"""What every sink keeps to (alerting/sink.py), over all that are found."""

import gc
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from alerting.discovery import load_sink, sink_names
from alerting.sink import Sink
from tests.alerting.sinks.hostile import CORPUS, ESCAPES, FORMULA, LIVE
from tests.alerting.sinks.place import TIMEOUT, Place, RemotePlace, place_module
from tests.alerting.sinks.samples import a_hostile_alert, an_alert
from tests.services.certificates import loopback_certificates
from tests.services.front import HALF, LOST_ANSWER, RESET, SILENCE, Fault, Front, Reply, json_reply, unavailable

HURRY = 2.0
"""Seconds that a sink waits where silence is what it gets."""
TRANSIENT = {
    "no answer": SILENCE,
    "connection reset": RESET,
    "answer lost": LOST_ANSWER,
    "half an answer": HALF,
    "500": unavailable(500),
    "502": unavailable(502),
    "503": unavailable(503),
    "429": Fault("reply", reply=json_reply(429, {"status": "throttle exceeded"})),
    "401": unavailable(401),
    "nonsense": Fault("reply", reply=Reply(200, b"[1, 2", {"content-type": "application/json"})),
    "another service": Fault("reply", reply=Reply(200, b"<html>welcome</html>", {"content-type": "text/html"})),
}


def parameters(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, marks=place_module(name).MARKS) for name in names]


@pytest.fixture(params=parameters(sink_names()))
def here(request: pytest.FixtureRequest) -> Iterator[Place]:
    with place_module(request.param).place(request) as found:
        yield found


@pytest.fixture(params=parameters(name for name in sink_names() if place_module(name).REMOTE))
def there(request: pytest.FixtureRequest) -> Iterator[RemotePlace]:
    with place_module(request.param).place(request) as found:
        yield cast("RemotePlace", found)


@pytest.fixture
def remote(there: RemotePlace) -> Iterator[Sink]:
    made = there.sink()
    yield made
    made.close()


@pytest.fixture
def sink(here: Place) -> Iterator[Sink]:
    made = here.sink()
    yield made
    made.close()


def test_its_name_is_that_of_its_module_and_its_options_refuse_unknown_keys() -> None:
    for name in sink_names():
        kind: Any = load_sink(name)
        assert kind.name == name
        assert isinstance(kind.pager, bool)
        assert kind.Options.__struct_config__.forbid_unknown_fields


def test_every_alert_is_answered_for_in_order_and_arrives(here: Place, sink: Sink) -> None:
    alerts = [an_alert(number) for number in range(5)]
    results = sink.deliver(alerts, frozenset())
    assert [result.outcome for result in results] == ["done"] * 5
    assert not any(result.repeated for result in results)
    assert here.arrived() == [f"i-{number}" for number in range(5)]


def test_nothing_to_deliver_is_nothing_to_answer_for(sink: Sink) -> None:
    assert list(sink.deliver([], frozenset())) == []


def test_a_repeat_of_what_arrived_leaves_nothing_behind_or_is_marked(here: Place, sink: Sink) -> None:
    alerts = [an_alert(number) for number in range(3)]
    sink.deliver(alerts[:2], frozenset())
    results = sink.deliver(alerts, frozenset({alerts[0].id, alerts[1].id}))
    assert [result.outcome for result in results] == ["done"] * 3
    assert here.looks_up or [result.repeated for result in results] == [True, True, False]
    assert here.arrived() == ["i-0", "i-1", "i-2"]


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_what_passes_is_tried_again_and_then_arrives_once(there: RemotePlace, remote: Sink, fault: Fault) -> None:
    alerts = [an_alert(number) for number in range(3)]
    hurried = there.sink(timeout=HURRY if fault is SILENCE else TIMEOUT)
    hurried.deliver(alerts[:1], frozenset())
    there.front.always = fault
    began = time.monotonic()
    results = hurried.deliver(alerts[1:], frozenset())
    assert time.monotonic() - began < TIMEOUT, "one fault is not waited for once per alert"
    hurried.close()
    assert [result.outcome for result in results] == ["retry", "retry"]
    assert all(result.why for result in results)
    there.front.always = None
    again = remote.deliver(alerts, frozenset(alert.id for alert in alerts))
    assert [result.outcome for result in again] == ["done"] * 3
    assert there.arrived() == ["i-0", "i-1", "i-2"]


def test_a_service_in_trouble_from_the_start_raises_nothing(there: RemotePlace) -> None:
    for fault in TRANSIENT.values():
        fresh = there.sink(timeout=0.3)
        there.front.always = fault
        results = fresh.deliver([an_alert(1)], frozenset({"i-1:1"}))
        there.front.always = None
        assert [result.outcome for result in results] == ["retry"]
        fresh.close()


def test_the_service_says_how_long_to_wait(there: RemotePlace, remote: Sink) -> None:
    there.front.always = Fault("reply", reply=json_reply(429, {"status": "throttle exceeded"}, retry_after="17"))
    results = remote.deliver([an_alert(1), an_alert(2)], frozenset())
    assert [(result.outcome, result.after) for result in results] == [("retry", 17.0)] * 2


def test_nobody_there_is_tried_again(there: RemotePlace) -> None:
    with Front(lambda _: Reply(200)) as gone:
        scheme = there.front.url.partition(":")[0]
        url = gone.url.replace("http", scheme)
    sink = there.sink(url=url)
    assert [result.outcome for result in sink.deliver([an_alert(1), an_alert(2)], frozenset())] == ["retry"] * 2
    sink.close()


def test_a_stranger_with_another_certificate_gets_nothing(there: RemotePlace, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = loopback_certificates(tmp_path / "other")
    sink = there.sink(ca=str(other.authority))
    before = len(there.front.requests)
    (result,) = sink.deliver([an_alert(1)], frozenset())
    assert result.outcome == "retry"
    assert "certificate" in result.why.lower()
    assert len(there.front.requests) == before
    sink.close()


def test_one_bad_alert_is_refused_with_the_reason_and_the_others_arrive(there: RemotePlace, remote: Sink) -> None:
    results = remote.deliver([an_alert(1), there.unacceptable, an_alert(2)], frozenset())
    assert [result.outcome for result in results] == ["done", "refused", "done"]
    assert len(results[1].why) > 20
    assert there.arrived() == ["i-1", "i-2"]


def test_words_of_strangers_stay_words(here: Place, sink: Sink) -> None:
    alerts = [a_hostile_alert(number, words) for number, words in enumerate(CORPUS)]
    results = sink.deliver(alerts, frozenset())
    assert [result.outcome for result in results] == ["done"] * len(alerts), results
    assert len(here.arrived()) == len(alerts)
    for text in here.shown():
        assert not ESCAPES.search(text), text[:300]
        assert not LIVE.search(text), text[:300]
        assert not FORMULA.match(text), text[:300]


def test_closing_leaves_nothing_open(here: Place) -> None:
    for _ in range(2):
        sink = here.sink()
        sink.deliver([an_alert(1)], frozenset())
        sink.close()
        sink.close()
    del sink
    gc.collect()
