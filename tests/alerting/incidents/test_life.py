from typing import Any

import msgspec
import pytest

from alerting.alert import Status
from alerting.incidents.life import ACTS, Lived, live
from alerting.incidents.record import Record
from stream.control import IncidentChange
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.world import NOON


def act(name: str, **more: Any) -> IncidentChange:
    return IncidentChange(incident="i", act=name, by="eve", at=NOON, **more)


def lived(record: Record, change: IncidentChange, *, at: float = NOON + 5) -> Lived:
    result = live(record, change, at)
    assert isinstance(result, Lived), result
    return result


def test_an_incident_lives_from_open_to_closed() -> None:
    record = a_record()
    for name, status in (("ack", "acknowledged"), ("contain", "contained"), ("resolve", "resolved")):
        record = lived(record, act(name)).record
        assert record.status == status
    assert (record.acknowledged_by, record.ended) == ("eve", NOON + 5)
    closed = lived(record, act("close", verdict="true", cause="a leaked key"))
    assert closed.record.cause == "a leaked key"
    assert (closed.record.status, closed.record.verdict, closed.change) == ("closed", "true", "closed")


def test_reopening_begins_a_new_opening_whose_page_is_its_own() -> None:
    record = lived(a_record(status="closed", ended=NOON, verdict="benign"), act("reopen")).record
    assert (record.opening, record.status, record.ended, record.verdict, record.paged) == (2, "open", None, None, False)
    assert record.told == "high"


@pytest.mark.parametrize(
    ("status", "change", "why"),
    [
        ("open", act("explode"), "'explode' is not one of ack, hand-over, contain, resolve, close, reopen, note"),
        (
            "open",
            act("close", verdict="true"),
            "closing with the verdict true takes the root cause: --root-cause 'what made it possible'",
        ),
        ("open", act("hand-over", to="ben"), "say something that whoever comes next should know: --note '…'"),
        ("open", act("hand-over", note="all of it"), "handing over takes a name: --to ben"),
        ("closed", act("hand-over", to="ben", note="x"), "the incident is closed"),
        ("open", act("note"), "say something that whoever comes next should know: --note '…'"),
        ("open", act("close"), "closing takes a verdict: true, benign, false, duplicate"),
        ("open", act("close", verdict="maybe"), "closing takes a verdict: true, benign, false, duplicate"),
        ("open", act("reopen"), "the incident is open"),
        ("acknowledged", act("ack"), "the incident is acknowledged"),
        ("closed", act("resolve"), "the incident is closed"),
    ],
)
def test_what_cannot_be_done_says_why(status: Status, change: IncidentChange, why: str) -> None:
    assert live(a_record(status=status), change, NOON) == why


@pytest.mark.parametrize(("status", "after"), [("open", "acknowledged"), ("contained", "contained")])
def test_handing_over_names_who_holds_it_and_tells_them_what_to_know(status: Status, after: Status) -> None:
    record = lived(a_record(status=status), act("hand-over", to="ben", note="the token is revoked")).record
    assert (record.status, record.acknowledged_by, record.acknowledged_at) == (after, "ben", NOON + 5)
    again = lived(record, act("hand-over", to="cem", note="still"), at=NOON + 90).record
    assert (again.acknowledged_by, again.acknowledged_at) == ("cem", NOON + 5)


def test_a_note_changes_nothing_else() -> None:
    before = a_record(status="closed", ended=NOON)
    noted = lived(before, act("note", note="seen again elsewhere"))
    assert (noted.change, noted.record) == ("noted", msgspec.structs.replace(before, updated=NOON + 5))


def test_acts_have_the_names_of_the_commands() -> None:
    assert set(ACTS) == {"ack", "hand-over", "note", "contain", "resolve", "close", "reopen"}
