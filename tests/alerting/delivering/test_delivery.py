"""Delivery over the real outbox; time and chance are arguments."""

import threading
import time
from collections.abc import Sequence

import msgspec
import pytest
from sqlalchemy import select

from alerting.alert import Alert
from alerting.database.schema import OUTBOX
from alerting.database.store import Store
from alerting.delivering.delivery import Delivery
from alerting.delivering.refused import refused
from alerting.observe import Unobserved
from alerting.sink import DONE, Result
from stream.errors import StorageError
from tests.alerting.delivering.test_outbox import an_alert
from tests.alerting.world import NOON, RecordingSink

RETRY = Result("retry", "503")


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def fill(store: Store, *alerts: Alert, sinks: Sequence[str] = ("siem",)) -> None:
    with store.unit() as unit:
        for alert in alerts:
            unit.send(alert, sinks)


def rows(store: Store, sink: str = "siem") -> list[tuple[str, str, int]]:
    with store.reading() as connection:
        found = connection.execute(
            select(OUTBOX.c.alert, OUTBOX.c.state, OUTBOX.c.attempts).where(OUTBOX.c.sink == sink).order_by(OUTBOX.c.id)
        )
        return [(row.alert, row.state, row.attempts) for row in found]


def a_delivery(store: Store, sink: RecordingSink, clock: Clock, name: str = "siem", pager: bool = False) -> Delivery:
    return Delivery(store, name, sink, pager=pager, clock=clock, jitter=lambda: 1.0)


def finish(delivery: Delivery) -> None:
    while delivery.step() == 0:
        pass


def test_alerts_are_sent_once_and_recorded(store: Store) -> None:
    sink = RecordingSink()
    fill(store, an_alert("a"), an_alert("b"))
    finish(a_delivery(store, sink, Clock()))
    finish(a_delivery(store, sink, Clock()))
    assert [alert.id for alert in sink.delivered] == ["a.opened", "b.opened"]
    assert rows(store) == [("a.opened", "done", 1), ("b.opened", "done", 1)]
    assert sink.doubts == [frozenset()]


def test_a_failed_attempt_waits_longer_each_time_and_is_in_doubt(store: Store) -> None:
    sink, clock = RecordingSink(), Clock()
    sink.answers = [RETRY, RETRY, DONE]
    fill(store, an_alert("a"))
    delivery = a_delivery(store, sink, clock)
    assert delivery.step() == 1.0
    assert delivery.step() == 1.0
    clock.now += 1
    assert delivery.step() == 2.0
    clock.now += 2
    assert delivery.step() == 0
    assert rows(store) == [("a.opened", "done", 3)]
    assert sink.doubts == [frozenset(), {"a.opened"}, {"a.opened"}]


def test_the_service_says_how_long_to_wait(store: Store) -> None:
    sink, clock = RecordingSink(), Clock()
    sink.answers = [Result("retry", "429", after=120.0)]
    fill(store, an_alert("a"))
    assert a_delivery(store, sink, clock).step() == 120.0


def test_a_dead_sink_is_not_asked_for_each_alert_and_delays_nobody_else(store: Store) -> None:
    dead, alive, clock = RecordingSink(), RecordingSink(), Clock()
    dead.answers = [RETRY] * 150
    fill(store, *(an_alert(f"i{number}") for number in range(150)), sinks=("dead", "alive"))
    dying = a_delivery(store, dead, clock, "dead")
    assert dying.step() == 1.0
    assert dying.step() == 1.0
    assert len(dead.doubts) == 1
    finish(a_delivery(store, alive, clock, "alive"))
    assert len(alive.delivered) == 150


def test_an_incidents_changes_arrive_in_order_whatever_fails(store: Store) -> None:
    sink, clock = RecordingSink(), Clock()
    fill(store, an_alert("a"), an_alert("b"), an_alert("a", "closed", page=False), an_alert("b", "closed", page=False))
    sink.answers = [RETRY, DONE]
    delivery = a_delivery(store, sink, clock)
    assert delivery.step() == 0
    finish(delivery)
    assert [alert.id for alert in sink.delivered] == ["b.opened", "b.closed"]
    clock.now += 1
    finish(delivery)
    assert [alert.id for alert in sink.delivered[2:]] == ["a.opened", "a.closed"]


def test_what_is_refused_is_a_visible_dead_letter_and_holds_up_nothing(store: Store) -> None:
    sink = RecordingSink()
    fill(store, an_alert("a"), an_alert("a", "closed", page=False))
    sink.answers = [Result("refused", "mapping conflict")]
    finish(a_delivery(store, sink, Clock()))
    assert [alert.id for alert in sink.delivered] == ["a.closed"]
    (letter,) = refused(store)
    assert (letter["sink"], letter["alert"], letter["why"]) == ("siem", "a.opened", "mapping conflict")
    assert refused(store, sink="another") == []


class Crashing(RecordingSink):
    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        super().deliver(alerts, in_doubt)
        raise SystemExit


class Faulty(RecordingSink):
    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        if len(alerts) > 1:
            return [DONE]
        raise ZeroDivisionError


def test_an_attempt_that_a_crash_left_open_is_in_doubt(store: Store) -> None:
    fill(store, an_alert("a"))
    with pytest.raises(SystemExit):
        a_delivery(store, Crashing(), Clock()).step()
    assert rows(store) == [("a.opened", "attempting", 1)]
    sink = RecordingSink()
    finish(a_delivery(store, sink, Clock()))
    assert sink.doubts == [{"a.opened"}]
    assert rows(store) == [("a.opened", "done", 2)]


def test_a_sink_that_breaks_its_contract_is_tried_again_and_ends_nothing(store: Store) -> None:
    clock = Clock()
    fill(store, an_alert("a"))
    delivery = a_delivery(store, Faulty(), clock)
    assert delivery.step() == 1.0
    fill(store, an_alert("b"))
    clock.now += 1
    assert delivery.step() == 1.0
    assert [state for _, state, _ in rows(store)] == ["pending", "pending"]


def test_after_an_hour_a_pager_gets_one_digest_and_the_siem_everything(store: Store) -> None:
    pager, siem, clock = RecordingSink(), RecordingSink(), Clock(NOON + 3600)
    alerts = [an_alert(f"i{number}", title=f"number {number}") for number in range(30)]
    fill(store, *alerts, an_alert("i0", "closed", page=False), sinks=("siem", "pager"))
    finish(a_delivery(store, pager, clock, "pager", pager=True))
    finish(a_delivery(store, siem, clock, "siem"))
    assert len(siem.delivered) == 31
    (digest,) = pager.delivered
    assert (digest.change, digest.page, digest.id) == ("digest", True, "i1.opened.digest")
    assert digest.text.startswith("30 pages since 2024-10-04T12:00:00Z could not be delivered until now")
    assert "number 5" in digest.text
    assert "and 10 more" in digest.text
    with store.reading() as connection:
        whys = connection.execute(select(OUTBOX.c.why).where(OUTBOX.c.sink == "pager", OUTBOX.c.alert == "i7.opened"))
        assert whys.scalar_one() == "told in i1.opened.digest"


def test_pages_of_the_last_hour_are_sent_one_by_one(store: Store) -> None:
    pager = RecordingSink()
    fill(store, an_alert("a"), an_alert("b"), sinks=("pager",))
    finish(a_delivery(store, pager, Clock(NOON + 3599), "pager", pager=True))
    assert [alert.change for alert in pager.delivered] == ["opened", "opened"]


class Reporting(Unobserved):
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str, int]] = []
        self.arrived = threading.Event()

    def attempted(self, sink: str, alert: Alert, result: Result, attempts: int, now: float) -> None:
        self.seen.append((sink, alert.id, result.outcome, attempts))
        self.arrived.set()


def test_a_worker_delivers_when_woken_and_closes_its_sink(store: Store) -> None:
    sink, observer = RecordingSink(), Reporting()
    delivery = Delivery(store, "siem", sink, observer=observer)
    delivery.start()
    fill(store, an_alert("a"))
    delivery.wake()
    assert observer.arrived.wait(10)
    assert delivery.stop()
    assert observer.seen == [("siem", "a.opened", "done", 1)]
    assert sink.closed


class Broken(Store):
    broken = True

    def reading(self):  # type: ignore[no-untyped-def]  # as the method that it stands for
        if self.broken:
            raise StorageError("the database is away")
        return super().reading()


def test_a_worker_outlives_a_database_that_is_away(database_url: str) -> None:
    store = Broken(database_url)
    sink, observer = RecordingSink(), Reporting()
    delivery = Delivery(store, "siem", sink, observer=observer)
    delivery.start()
    deadline = time.monotonic() + 10
    fill(store, an_alert("a"))
    store.broken = False
    while not observer.arrived.is_set() and time.monotonic() < deadline:
        delivery.wake()
        observer.arrived.wait(0.05)
    assert delivery.stop()
    assert len(sink.delivered) == 1
    store.close()


def test_a_sink_that_comes_back_gets_what_waited_at_once(store: Store) -> None:
    sink, clock = RecordingSink(), Clock()
    fill(store, *(an_alert(f"i{number}") for number in range(3)))
    sink.answers = [RETRY] * 3
    delivery = a_delivery(store, sink, clock)
    delivery.step()
    with store.unit() as unit:
        unit.connection.execute(OUTBOX.update().where(OUTBOX.c.incident != "i0").values(due=NOON + 300))
    clock.now += 1
    finish(delivery)
    assert len(sink.delivered) == 3


def test_pages_that_grow_old_one_by_one_join_the_digest_that_waits(store: Store) -> None:
    sink, clock = RecordingSink(), Clock(NOON)
    sink.answers = [RETRY] * 10_000
    delivery = a_delivery(store, sink, clock, pager=True)
    for number in range(10):
        fill(store, msgspec.structs.replace(an_alert(f"i{number}"), time=NOON + 600 * number))
    while clock.now < NOON + 6 * 3600:
        clock.now += max(30.0, delivery.step())
    sink.answers = []
    clock.now += 300
    finish(delivery)
    (told,) = sink.delivered
    assert told.change == "digest"
    assert all(f"(i{number}, " in told.text or f"(i{number})" in told.text for number in range(10)), told.text
