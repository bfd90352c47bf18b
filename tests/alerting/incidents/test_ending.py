from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from alerting.alert import DECODER, Alert
from alerting.database.schema import OUTBOX, TIMELINE
from alerting.database.store import MEMORY, Store
from alerting.deciding.policy import Policies
from alerting.incidents.ending import MATTERS, lasting, over_at, stands
from alerting.queries import Filter, find, list_incidents, why
from alerting.routing.route import Receiver, Routes
from alerting.task import AlertTask, act_frame
from stream.control import IncidentChange
from stream.finding import Finding
from stream.frame import Frame
from stream.memory import MemoryLog
from tests.alerting.world import DAY, NOON, a_finding, findings_frame, put, tick

ROUTES = Routes((Receiver("on-call", ("siem",), ("pd",)),))


class Watched:
    """Alerting over a log and a store in memory."""

    def __init__(self) -> None:
        self.log, self.store = MemoryLog(), Store(MEMORY)
        self.task = AlertTask(self.log, self.store, Policies(), routes=ROUTES)
        self.place = 0

    def hear(self, clock: float, *findings: Finding, act: IncidentChange | None = None) -> None:
        frame: Frame = tick(clock, self.place)
        if findings:
            frame = findings_frame(findings, clock, self.place)
        elif act is not None:
            frame = act_frame(act, clock)
        self.place += 1
        put(self.log, frame)
        while self.task.advance(wait=0):
            pass

    def alerts(self, sink: str) -> list[Alert]:
        rows = select(OUTBOX.c.body).where(OUTBOX.c.sink == sink).order_by(OUTBOX.c.id)
        with self.store.reading() as connection:
            return [DECODER.decode(body) for body in connection.execute(rows).scalars()]

    def statuses(self) -> list[str]:
        return [incident.status for incident in list_incidents(self.store, Filter(state="all"))]


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.store.close()


def silent(at: float, *, matter: str = "silence", **more: Any) -> Finding:
    return a_finding("audit_gap", entity={"producer": "gw-1"}, at=at, matter=matter, id=f"{matter}-{at}", **more)


def heard(at: float, *, matter: str = "silence") -> Finding:
    more: dict[str, Any] = {"id": f"{matter}-over-{at}", "observed": "heard again after 5 minutes"}
    return a_finding("audit_gap", "notice", entity={"producer": "gw-1"}, at=at, time=at, over=at, matter=matter, **more)


def test_a_producer_that_is_heard_again_ends_its_incident_and_its_page(watched: Watched) -> None:
    watched.hear(NOON, silent(NOON))
    watched.hear(NOON + 300, heard(NOON + 299))
    assert watched.statuses() == ["resolved"]
    assert [alert.change for alert in watched.alerts("pd")] == ["opened", "resolved"]
    assert [(alert.change, alert.page) for alert in watched.alerts("siem")] == [("opened", True), ("resolved", False)]
    (incident,) = list_incidents(watched.store, Filter(state="all"))
    told = why(watched.store, incident.id)
    assert [one["reason"] for one in told["decisions"]] == ["new", "resolved"]
    with watched.store.reading() as connection:
        line = connection.execute(select(TIMELINE.c.by, TIMELINE.c.note).order_by(TIMELINE.c.id.desc())).first()
    assert line is not None
    assert tuple(line) == ("tocsin", "heard again after 5 minutes")
    assert find(watched.store, incident.id).ended == NOON + 299


def test_an_end_opens_and_wakes_nothing(watched: Watched) -> None:
    watched.hear(NOON, heard(NOON))
    assert (watched.statuses(), watched.alerts("siem")) == ([], [])


def test_an_end_days_later_finds_the_incident_of_the_day_on_which_it_began(watched: Watched) -> None:
    watched.hear(NOON, silent(NOON))
    watched.hear(NOON + 3 * DAY, heard(NOON + 3 * DAY))
    assert watched.statuses() == ["resolved"]


def test_one_matter_that_is_over_leaves_the_others_open(watched: Watched) -> None:
    watched.hear(NOON, silent(NOON), silent(NOON, matter="loss"))
    watched.hear(NOON + 300, heard(NOON + 300))
    assert watched.statuses() == ["open"]
    watched.hear(NOON + 301, heard(NOON + 301, matter="loss"))
    assert watched.statuses() == ["resolved"]


def test_what_a_detector_cannot_know_waits_for_a_person(watched: Watched) -> None:
    watched.hear(NOON, silent(NOON), a_finding("audit_gap", entity={"producer": "gw-1"}, at=NOON))
    watched.hear(NOON + 300, heard(NOON + 300))
    assert watched.statuses() == ["open"]


@pytest.mark.parametrize("class_", ["cross_tenant_read", "canary", "success_after"])
def test_what_must_never_be_silent_ends_by_no_detectors_word(watched: Watched, class_: Any) -> None:
    watched.hear(NOON, a_finding(class_, matter="m", over=NOON + 60))
    watched.hear(NOON + 600)
    assert watched.statuses() == ["open"]


def test_what_would_have_been_told_again_ends_on_the_logs_clock(watched: Watched) -> None:
    watched.hear(NOON, a_finding("retry_storm", matter="refusals", over=NOON + 600))
    watched.hear(NOON + 500, a_finding("retry_storm", matter="refusals", over=NOON + 1200, at=NOON + 500))
    watched.hear(NOON + 1190)
    assert watched.statuses() == ["open"]
    watched.hear(NOON + 1206)
    assert watched.statuses() == ["resolved"]
    assert watched.alerts("siem")[-1].change == "resolved"


def test_a_newer_silence_opens_it_again_and_pages(watched: Watched) -> None:
    watched.hear(NOON, silent(NOON))
    watched.hear(NOON + 300, heard(NOON + 300))
    watched.hear(NOON + 900, silent(NOON + 900))
    assert watched.statuses() == ["open"]
    assert [(one.change, one.page) for one in watched.alerts("pd")][-1] == ("reopened", True)
    watched.hear(NOON + 960, heard(NOON + 960))
    assert watched.statuses() == ["resolved"]


def test_who_opened_it_by_hand_ends_it_by_hand(watched: Watched) -> None:
    watched.hear(NOON, silent(NOON))
    watched.hear(NOON + 300, heard(NOON + 300))
    (incident,) = list_incidents(watched.store, Filter(state="all"))
    act = IncidentChange(incident=incident.id, act="reopen", by="ann", at=NOON + 400)
    watched.hear(NOON + 400, act=act)
    watched.hear(NOON + 500, heard(NOON + 500))
    assert watched.statuses() == ["open"]


def test_an_end_that_is_heard_twice_changes_nothing(watched: Watched) -> None:
    watched.hear(NOON, silent(NOON))
    watched.hear(NOON + 300, heard(NOON + 299))
    before = watched.alerts("siem")
    watched.hear(NOON + 301, heard(NOON + 299))
    assert watched.alerts("siem") == before


MOMENTS = st.none() | st.floats(0, 1000)
PIECES = st.lists(st.tuples(st.sampled_from(["", "a", "b"]), MOMENTS), max_size=6)


@given(PIECES)
def test_an_incident_is_over_once_the_last_word_on_each_matter_says_when(pieces: list[Any]) -> None:
    findings = [a_finding("audit_gap", matter=matter, over=over) for matter, over in pieces]
    last = dict(pieces)
    known = lasting({}, findings)
    if "" in last or None in last.values() or not last:
        assert over_at(known) is None
    else:
        assert over_at(known) == max(last.values())


def test_no_more_matters_are_kept_than_a_record_should_hold() -> None:
    many = [a_finding("audit_gap", matter=f"m{number}", over=0.0) for number in range(MATTERS + 1)]
    assert over_at(lasting({}, many[:-1])) == 0.0
    assert lasting({}, many) is None
    assert not stands(lasting({}, many), many[0])
