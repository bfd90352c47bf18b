from typing import Any

import pytest

from alerting.alert import Status
from alerting.life import ACTS, Lived, live
from alerting.record import Record
from stream.control import IncidentChange
from tests.alerting.test_decide import a_record
from tests.alerting.world import NOON


def act(name: str, **more: Any) -> IncidentChange:
    return IncidentChange(incident="i", act=name, by="eve", at=NOON, **more)


def lived(record: Record, change: IncidentChange) -> Lived:
    result = live(record, change, NOON + 5)
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
        ("open", act("explode"), "'explode' is not one of ack, contain, resolve, close, reopen"),
        (
            "open",
            act("close", verdict="true"),
            "closing with the verdict true takes the root cause: --root-cause 'what made it possible'",
        ),
        ("open", act("close"), "closing takes a verdict: true, benign, false, duplicate"),
        ("open", act("close", verdict="maybe"), "closing takes a verdict: true, benign, false, duplicate"),
        ("open", act("reopen"), "the incident is open"),
        ("acknowledged", act("ack"), "the incident is acknowledged"),
        ("closed", act("resolve"), "the incident is closed"),
    ],
)
def test_what_cannot_be_done_says_why(status: Status, change: IncidentChange, why: str) -> None:
    assert live(a_record(status=status), change, NOON) == why


def test_acts_have_the_names_of_the_commands() -> None:
    assert set(ACTS) == {"ack", "contain", "resolve", "close", "reopen"}
