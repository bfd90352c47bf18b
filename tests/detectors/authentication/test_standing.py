from hypothesis import given
from hypothesis import strategies as st

from detectors.authentication.standing import COLD, HOUR, PAST, Past, Standings, standing
from detectors.failed_auth import FailedAuth
from detectors.keys import entity_of
from stream.control import PeerSummary
from stream.facts import Facts
from tests.detectors.streams import DAY, MINUTE, event, failure, frames, run

notes = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 9)), max_size=30)


@given(notes)
def test_standings_are_the_same_in_any_order_and_however_they_were_split(
    listed: list[tuple[int, int]],
) -> None:
    whole, first, second = Standings(), Standings(), Standings()
    for number, (minute, value) in enumerate(listed):
        whole.add(minute, value)
        (first if number % 2 else second).add(minute, value)
    second.update(first)
    assert second.pack() == whole.pack() == Standings.unpack(whole.pack()).pack()


def test_the_hour_that_ends_with_a_minute_has_a_lowest_and_a_highest_standing() -> None:
    held = Standings()
    assert held.add(100, 3)
    assert not held.add(100, 3)
    held.add(130, 0)
    assert (held.lowest(159), held.highest(159)) == (0, 3)
    assert (held.lowest(160), held.highest(160)) == (0, 0)
    assert held.highest(99) == COLD


def test_a_tenant_has_a_past_a_day_after_its_first_hour_and_says_so_once() -> None:
    past = Past()
    told = []
    for hour in range(1, PAST + 6):
        past.settle(float(hour * HOUR), 0, flagged=False)
        told.append(past.summary(hour * HOUR))
    assert [one for one in told if one is not None] == [(1,)]
    assert told.index((1,)) == PAST


def test_what_was_told_of_a_tenant_counts_from_hours_that_closed_long_before() -> None:
    facts = Facts()
    facts.learn(PeerSummary("failed_auth", entity_of("tenant", "acme", facts).key, HOUR, 10 * HOUR, (7,)))
    assert standing("acme", 12.0 * HOUR, facts) == 7
    assert standing("acme", 12.0 * HOUR - 1, facts) == COLD
    assert standing("globex", 12.0 * HOUR, facts) == COLD
    assert standing(None, 12.0 * HOUR, facts) == COLD


def test_who_sprays_a_company_without_a_past_and_gets_in_pages_as_the_five_minutes_close() -> None:
    guesses = [
        failure(i * 2.0, kind="auth", auth=None, reason="bad password", user=f"u{i % 9}", source_ip="203.0.113.66")
        for i in range(36)
    ]
    success = event(90.0, kind="auth", user="u3", source_ip="203.0.113.66", id="in")
    at_once = run([FailedAuth()], frames([*guesses, success]), settle=False)
    assert {(one.class_, one.severity) for one in at_once} == {("spray", "medium")}
    closed = run([FailedAuth()], frames([*guesses, success, event(10 * MINUTE, user="zoe")]), settle=False)
    (page,) = [one for one in closed if one.severity == "high"]
    assert (page.class_, page.entity, page.event_ids[0]) == ("success_after", {"source_ip": "203.0.113.66"}, "in")


def test_who_sprays_a_company_with_a_past_and_gets_in_pages_at_once() -> None:
    past = [event(i * 30 * MINUTE, user="ann", source_ip="10.0.0.1") for i in range(60)]
    begin = DAY + 6 * HOUR
    guesses = [
        failure(
            begin + i * 2.0, kind="auth", auth=None, reason="bad password", user=f"u{i % 9}", source_ip="203.0.113.66"
        )
        for i in range(36)
    ]
    success = event(begin + 90.0, kind="auth", user="u3", source_ip="203.0.113.66")
    findings = run([FailedAuth()], frames([*past, *guesses, success]), settle=False)
    assert "success_after" in {one.class_ for one in findings if one.severity == "high"}
