from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Alert
from alerting.delivering.outbox import DIGEST_AFTER, LONGEST_PAUSE, Due, Row, batch, digest, pause, settle
from alerting.sink import DONE, Result
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.world import NOON


def an_alert(incident: str = "i", change: Any = "opened", page: bool = True, **more: Any) -> Alert:
    told = msgspec.structs.replace(a_record().incident(), id=incident, **more)
    return Alert(id=f"{incident}.{change}", time=NOON, change=change, reason="new", page=page, incident=told)


def a_row(id_: int, alert: Alert, *, at: float = NOON, attempts: int = 0) -> Row:
    return Row(id_, alert.incident.id, at, attempts, 0.0, alert)


def test_a_batch_has_one_alert_of_each_incident_in_order() -> None:
    rows = [Due(1, "a"), Due(2, "b"), Due(3, "a"), Due(4, "c")]
    assert batch(rows, {}, 10) == [1, 2, 4]
    assert batch(rows, {}, 2) == [1, 2]


def test_nothing_overtakes_what_waits_for_another_attempt() -> None:
    assert batch([Due(2, "b"), Due(3, "a")], {"a": 1}, 10) == [2]
    assert batch([Due(1, "a")], {"a": 9}, 10) == [1]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_whatever_fails_each_incidents_alerts_arrive_in_order(history: list[tuple[int, bool]]) -> None:
    todo = [Due(number, str(incident)) for number, (incident, _) in enumerate(history)]
    fails = {number for number, (_, fail) in enumerate(history) if fail}
    arrived: list[Due] = []
    while todo:
        chosen = batch(todo, {}, 3)
        for row in [row for row in todo if row.id in chosen]:
            if row.id in fails:
                fails.discard(row.id)
            else:
                arrived.append(row)
                todo.remove(row)
    for incident in "0123":
        numbers = [row.id for row in arrived if row.incident == incident]
        assert numbers == sorted(numbers)


def test_answers_settle_a_row() -> None:
    row = a_row(1, an_alert(), attempts=1)
    assert settle(row, DONE, NOON, 0.5).state == "done"
    refused = settle(row, Result("refused", "too large"), NOON, 0.5)
    assert (refused.state, refused.why) == ("refused", "too large")
    again = settle(row, Result("retry", "503"), NOON, 1.0)
    assert (again.state, again.due, again.why) == ("pending", NOON + 1, "503")


@given(st.integers(1, 10_000), st.none() | st.floats(0, 10_000), st.floats(0, 1))
def test_pauses_are_bounded_and_never_shorter_than_the_service_asked(
    attempts: int, after: float | None, jitter: float
) -> None:
    seconds = pause(attempts, after, jitter)
    assert max(0.5, after or 0) <= seconds <= max(LONGEST_PAUSE, after or 0)


def test_pauses_double() -> None:
    assert [pause(attempts, None, 1.0) for attempts in (1, 2, 3, 4, 20)] == [1, 2, 4, 8, LONGEST_PAUSE]


LATER = NOON + DIGEST_AFTER


def test_one_old_page_is_sent_as_it_is() -> None:
    assert digest([a_row(1, an_alert("a"))], LATER) is None
    assert digest([a_row(1, an_alert("a")), a_row(2, an_alert("b"), at=NOON + 1)], LATER) is None


def test_old_pages_become_one_that_the_worst_leads() -> None:
    rows = [a_row(1, an_alert("a")), a_row(2, an_alert("b", severity="critical")), a_row(3, an_alert("c"))]
    found = digest(rows, LATER)
    assert found is not None
    assert ([row.id for row in found.rows], found.lead.incident.id, found.page) == ([1, 2, 3], "b", True)


def test_what_ended_meanwhile_goes_into_the_digest_and_does_not_lead_it() -> None:
    ended = an_alert("b", "closed", page=False, severity="critical")
    rows = [a_row(1, an_alert("a")), a_row(2, an_alert("b", severity="critical")), a_row(3, ended, at=LATER)]
    found = digest(rows, LATER)
    assert found is not None
    assert ([row.id for row in found.rows], found.lead.incident.id, found.page) == ([1, 2, 3], "a", True)


def test_the_end_of_a_page_that_may_have_arrived_is_still_sent() -> None:
    ended = [a_row(3, an_alert("a", "resolved", page=False)), a_row(4, an_alert("b", "resolved", page=False))]
    rows = [a_row(1, an_alert("a"), attempts=1), a_row(2, an_alert("b")), *ended]
    found = digest(rows, LATER)
    assert found is not None
    assert ([row.id for row in found.rows], found.page) == ([1, 2, 4], False)
