"""Producers that fall silent, numbers that are missing, and everything that only looks like it."""

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.audit_gap import AuditGap
from detectors.base import Entity
from detectors.engine.engine import Engine
from detectors.engine.standstill import ENDED
from detectors.engine.witness import Witness
from detectors.gaps.numbers import Numbers
from detectors.gaps.rhythm import Rhythm
from stream.facts import Facts
from stream.finding import ENCODER, Finding, ends
from stream.frame import Frame, Header, Record
from tests.detectors.streams import DAY, HOUR, MINUTE, START, clone, directory, event, frames, tick, told
from tocsin_audit.event import AuditEvent

BEAT: Final = 15.0


def beats(
    t: float, until: float, producer: str = "p1", *, run: str = "r1", every: float = BEAT, first: int = 1, **fields: Any
) -> list[AuditEvent]:
    """Heartbeats from a moment up to another, each with the next number."""
    found = []
    number = first
    while t < until:
        found.append(sign(t, producer, run, number, **fields))
        t, number = t + every, number + 1
    return found


def sign(t: float, producer: str, run: str, number: int | None, kind: str = "heartbeat", **fields: Any) -> AuditEvent:
    """A producer's own word: no caller, no tenant."""
    plain: dict[str, Any] = {"tenant": None, "outcome": None, "auth": None, "id": None if number else f"{producer}{t}"}
    return event(t, kind=kind, producer=producer, run=run, seq=number, **(plain | fields))


def calls(
    numbers: Iterable[int], start: float = 0.0, *, step: float = 1.0, run: str = "r1", **fields: Any
) -> list[AuditEvent]:
    """Calls with these running numbers, one after the other."""
    return [event(start + step * at, id=None, run=run, seq=number, **fields) for at, number in enumerate(numbers)]


def live(
    events: Sequence[AuditEvent],
    until: float,
    *,
    tree: dict[str, Any] | None = None,
    arrival: Any = None,
    every: int = 1,
) -> list[Finding]:
    """What is found in a log that ticks each second, or so many, while nothing arrives."""
    return play(Engine([AuditGap()]), ticking(events, until, arrival, every), tree)


def ticking(events: Sequence[AuditEvent], until: float, arrival: Any = None, every: int = 1) -> list[Record]:
    """The frames of events, and ticks between them."""
    records = frames(events, arrival)
    moments = {int(record.frame.header.received - START) for record in records}
    first = min(moments, default=0)
    records += [tick(float(t)) for t in range(first, int(until), every) if t not in moments]
    return sorted(records, key=lambda record: record.frame.header.received)


def play(engine: Engine, records: Iterable[Record], tree: dict[str, Any] | None = None) -> list[Finding]:
    listed = list(records)
    found: list[Finding] = []
    if tree is not None:
        found += engine.fold(directory(listed[0].frame.header.received - START, tree))
    for record in listed:
        found += engine.fold(record)
    return found


def titles(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.severity, one.title) for one in found]


SILENT: Final = ("high", "A producer of audit events fell silent")
AGAIN: Final = ("notice", "A producer of audit events is heard again")


@pytest.mark.positive("audit_gap")
def test_a_producer_whose_heartbeats_stay_away_is_told_within_a_minute() -> None:
    found = live(beats(0, 10 * MINUTE), 20 * MINUTE)
    assert titles(found) == [SILENT]
    last = START + 10 * MINUTE - BEAT
    assert 0 < found[0].time - last <= 60
    assert found[0].entity == {"producer": "p1"}
    assert found[0].facts == {"server": ("crm",)}


def test_it_is_over_when_the_producer_is_heard_again() -> None:
    found = live([*beats(0, 600), *beats(900, 960, first=41)], 980)
    assert titles(found) == [SILENT, AGAIN]
    assert found[0].matter == found[1].matter
    assert found[0].over is None
    assert ends(found[1])
    assert found[0].id != found[1].id


def test_each_silence_is_told() -> None:
    found = live([*beats(0, 600), *beats(900, 1500, first=41), *beats(1800, 1860, first=81)], 1880)
    assert titles(found) == [SILENT, AGAIN, SILENT, AGAIN]
    assert len({one.id for one in found}) == 4


@pytest.mark.negative("audit_gap")
def test_a_slow_producer_is_not_silent() -> None:
    chance = random.Random(1)
    events = beats(0, HOUR, every=60.0)
    assert live(events, HOUR, arrival=lambda one: one.time - START + chance.uniform(0, 25), every=20) == []


@pytest.mark.negative("audit_gap")
def test_a_planned_maintenance_excuses_silence_until_it_ends() -> None:
    window = {
        "kind": "maintenance",
        "server": "crm",
        "from": "2026-11-02T00:09:00Z",
        "until": "2026-11-02T00:30:00Z",
    }
    events = beats(0, 600)
    assert live(events, 30 * MINUTE, tree={"windows": [window]}) == []
    after = live(events, 35 * MINUTE, tree={"windows": [window]})
    assert titles(after) == [SILENT]
    assert after[0].time == START + 30 * MINUTE + 50
    back = [*events, *beats(30 * MINUTE + 20, 33 * MINUTE, first=41)]
    assert live(back, 33 * MINUTE, tree={"windows": [window]}) == []


@pytest.mark.negative("audit_gap")
def test_a_rolling_deploy_is_no_gap() -> None:
    events: list[AuditEvent] = []
    for number in range(4):
        change = 900 + 30 * number
        events += [*beats(number, change, run=f"old{number}")]
        last = len([one for one in events if one.run == f"old{number}"])
        events.append(sign(change, "p1", f"old{number}", last + 1, "lifecycle", reason="stopped"))
        events.append(sign(change + 5, "p1", f"new{number}", 1, "lifecycle", reason="started"))
        events += beats(change + 6, 2 * HOUR, run=f"new{number}", first=2)
    assert live(sorted(events, key=lambda one: one.time), 2 * HOUR) == []


def test_a_producer_that_was_switched_off_in_order_is_a_notice() -> None:
    events = [*beats(0, 600), sign(600, "p1", "r1", 41, "lifecycle", reason="stopped")]
    found = live(events, 900)
    assert titles(found) == [("notice", "A producer of audit events was switched off")]


def test_a_worker_that_breaks_off_beside_others_is_a_notice() -> None:
    found = live([*beats(0, HOUR, run="a"), *beats(1, 1200, run="b")], HOUR)
    assert titles(found) == [("notice", "A worker of a producer broke off")]
    assert found[0].observed.startswith("1 of 2 workers")


def test_a_thousand_producers_that_fall_silent_at_once_are_one_matter() -> None:
    events = [one for number in range(1000) for one in beats(number * 0.06, 600, f"p{number}", every=60.0)]
    back = [sign(1200 + number * 0.01, f"p{number}", "r1", 41) for number in range(1000)]
    found = live(sorted([*events, *back], key=lambda one: one.time), 1260)
    assert titles(found) == [
        ("high", "1,000 producers of audit events fell silent at once"),
        ("notice", "The producers that fell silent at once are heard again"),
    ]
    assert found[0].count == 1000
    assert found[0].entity == found[1].entity == {"producer": "several"}
    assert found[0].matter == found[1].matter
    assert ends(found[1])


def test_those_that_fall_silent_one_by_one_are_told_one_by_one() -> None:
    events = [one for number in range(8) for one in beats(0, 600 + 120 * number, f"p{number}")]
    found = live(sorted(events, key=lambda one: one.time), HOUR, every=20)
    assert [one.entity["producer"] for one in found] == [f"p{number}" for number in range(8)]


def test_nobody_is_silent_while_the_log_itself_stands_still() -> None:
    before = ticking(beats(0, 600), 600)
    after = ticking([*beats(4200, 4800, first=41)], 4800)
    found = play(Engine([AuditGap()]), [*before, *after])
    assert titles(found) == [("medium", "Tocsin itself did not listen for a while")]
    assert found[0].entity == {"producer": "tocsin"}
    assert found[0].end == START + 4200
    gone = play(Engine([AuditGap()]), [*before, *ticking([event(4200.0, producer="other")], 4800)])
    assert titles(gone)[1:] == [SILENT], "whoever does not come back after it is silent all the same"
    assert gone[1].time == START + 4200 + 50


def test_nobody_is_silent_behind_the_end_of_replayed_history() -> None:
    records = frames(beats(0, 600))
    ended = [
        Frame(Header(received=START + t, content="tick", codec="none", source=ENDED), b"") for t in range(600, 900)
    ]
    assert play(Engine([AuditGap()]), [*records, *(Record(0, frame) for frame in ended)]) == []


def test_a_replayed_file_without_ticks_says_nothing_of_our_own_silence() -> None:
    found = play(Engine([AuditGap()]), frames([*beats(0, 600), *beats(HOUR, HOUR + 60, first=41)]))
    assert titles(found) == [SILENT, AGAIN]


def office(days: int, *, missing: Iterable[tuple[float, float]] = ()) -> list[AuditEvent]:
    """A producer without heartbeats: a call about each other minute on working days, eight to five; a few at night."""
    chance = random.Random(5)
    moments = [chance.uniform(0, days * DAY) for _ in range(days * 20)]
    for day in range(days):
        if day % 7 < 5:
            t = day * DAY + 8 * HOUR
            while t < day * DAY + 17 * HOUR:
                moments.append(t)
                t += chance.uniform(20, 220)
    return [event(t) for t in sorted(moments) if not any(begin <= t < until for begin, until in missing)]


@pytest.mark.negative("audit_gap")
def test_quiet_nights_and_weekends_of_a_producer_without_heartbeats_are_ordinary() -> None:
    assert played(office(23)) == []


def played(events: Sequence[AuditEvent], until: float = 0.0) -> list[Finding]:
    """Long stretches: ticks are for the end alone, since moments are exact however often the clock is told on."""
    end = max(until, events[-1].time - START)
    records = [*frames(events), *(tick(float(t)) for t in range(int(end - DAY), int(end), 600))]
    return play(Engine([AuditGap()]), sorted(records, key=lambda record: record.frame.header.received))


def test_a_producer_without_heartbeats_is_missed_by_its_own_rhythm() -> None:
    morning = 22 * DAY + 10 * HOUR
    found = played(office(23, missing=[(morning, morning + 2 * HOUR)]))
    assert titles(found) == [("medium", "A producer of audit events fell silent"), AGAIN]
    assert 0 < found[0].time - (START + morning) < 30 * MINUTE


def test_a_rhythm_is_not_known_in_the_first_fortnight() -> None:
    morning = 8 * DAY + 10 * HOUR
    assert played(office(9, missing=[(morning, morning + 2 * HOUR)])) == []


@pytest.mark.positive("audit_gap")
def test_missing_numbers_are_told_once_they_cannot_be_on_their_way_any_more() -> None:
    found = live(calls([*range(1, 41), *range(61, 101)]), 400)
    assert titles(found) == [("medium", "Audit events of a producer are missing")]
    assert found[0].count == 20
    assert "41 to 60 of run r1" in found[0].observed
    assert 120 < found[0].time - (START + 40) <= 130


@pytest.mark.negative("audit_gap")
def test_one_lost_packet_wakes_nobody() -> None:
    found = live(calls([*range(1, 50), *range(51, 100)]), 400)
    assert titles(found) == [("notice", "Audit events of a producer are missing")]


@pytest.mark.negative("audit_gap")
def test_numbers_that_only_come_in_another_order_are_not_missing() -> None:
    events = calls(range(1, 500), step=0.5)
    chance = random.Random(2)
    assert live(events, 600, arrival=lambda one: one.time - START + chance.uniform(0, 100)) == []


def test_numbers_that_come_after_all_are_said_to_have_come() -> None:
    numbers = calls([*range(1, 41), *range(61, 101)])
    spooled = calls(range(41, 61), 40, step=0.1)
    found = live([*numbers, *spooled], 1000, arrival=[*(one.time - START for one in numbers), *(600 for _ in spooled)])
    assert titles(found) == [
        ("medium", "Audit events of a producer are missing"),
        ("notice", "The missing audit events of a producer came after all"),
    ]
    assert found[0].matter == found[1].matter
    assert ends(found[1])


def test_what_came_in_part_is_not_over() -> None:
    numbers = calls([*range(1, 41), *range(61, 101)])
    spooled = calls(range(41, 60), 40, step=0.1)
    found = live([*numbers, *spooled], 1000, arrival=[*(one.time - START for one in numbers), *(600 for _ in spooled)])
    assert titles(found) == [("medium", "Audit events of a producer are missing")]


def test_more_missing_numbers_are_a_new_finding_and_a_thousand_wake_somebody() -> None:
    parts = [*range(1, 10), *range(12, 20), *range(40, 50), *range(1200, 1240)]
    found = live(calls(parts, step=130.0), 130.0 * len(parts) + 400, every=20)
    assert [one.severity for one in found if one.count > 1][:1] == ["notice"]
    assert {"notice", "medium", "high"} == {one.severity for one in found}


def test_denials_by_our_own_list_are_not_missing_numbers() -> None:
    events = calls(range(1, 200), outcome="authz_denied", reason="tocsin.denied:i-1")
    assert live(events, 600) == []


def test_numbers_in_leaps_are_no_running_numbers() -> None:
    assert live(calls(range(1, 3000, 7)), 900) == []


def test_every_run_numbers_for_itself() -> None:
    events = [*calls(range(1, 40)), *calls(range(1, 40), 50, run="r2"), *calls(range(1000, 1040), 100, run="r3")]
    assert live(events, 600) == []


def test_a_producer_that_restarts_in_a_loop_is_told() -> None:
    events = []
    for number in range(8):
        begin = 70.0 + 80 * number
        events += [sign(begin, "p1", f"r{number}", 1, "lifecycle", reason="started")]
        events += beats(begin + 1, begin + 40, run=f"r{number}", first=2)
    found = live(events, 1100)
    assert ("medium", "A producer restarts in a loop") in titles(found)
    assert "8 runs" in next(one for one in found if "loop" in one.title).observed


def test_a_producer_whose_clock_is_ahead_is_told() -> None:
    ahead = [event(t * 30.0 + 600, producer="fast") for t in range(20)]
    found = live(ahead, 2 * HOUR, arrival=lambda one: one.time - START - 600, every=20)
    assert titles(found) == [("low", "A producer's clock is ahead")]


def test_a_few_events_with_a_wrong_date_are_not() -> None:
    some = [event(t * 30.0 + (DAY if t < 5 else 0.0)) for t in range(200)]
    assert live(some, 3 * HOUR, arrival=[t * 30.0 for t in range(200)], every=20) == []


def test_heartbeats_that_are_old_when_they_come_are_told_once_a_day() -> None:
    found = live(beats(0, HOUR), HOUR, arrival=lambda one: one.time - START + 70, every=20)
    assert titles(found) == [("low", "A producer's clock is behind, or its events are long on their way")]


def test_a_source_that_begins_to_sample_is_told() -> None:
    events = [event(t * 60.0, sample_rate=None if t < 150 else 0.1) for t in range(300)]
    found = live(events, 6 * HOUR, every=20)
    assert titles(found) == [("medium", "A producer sends only part of its events now")]
    assert live([event(t * 60.0, sample_rate=0.1) for t in range(300)], 6 * HOUR, every=20) == []


def test_a_server_that_the_inventory_does_not_know_is_told_once_a_day() -> None:
    tree = {"servers": [{"name": "crm", "tenant": "acme"}]}
    events = [event(t * 60.0, server="shadow") for t in range(60)]
    found = live(events, 2 * HOUR, tree=tree, every=20)
    assert titles(found) == [("low", "A server that the inventory does not know")]
    assert found[0].entity == {"server": "shadow"}
    assert live(events[:4], 2 * HOUR, tree=tree, every=20) == [], "a stray mention is none"
    assert live(events, 2 * HOUR, every=20) == [], "without an inventory nothing is unknown"
    assert live([clone(one, server="crm") for one in events], 2 * HOUR, tree=tree, every=20) == []


def watched_twice(hours: int, share: float, *, broken: int | None = None) -> list[AuditEvent]:
    """A gateway that counts every call, and a middleware that tells of a share of them again; of less in one hour."""
    found = []
    for hour in range(hours):
        told_again = 97 if broken == hour else int(100 * share)
        for number in range(100):
            t = hour * HOUR + number * 30.0
            found.append(event(t, producer="gateway"))
            if number < told_again:
                found.append(event(t + 0.1, producer="middleware", echo="mcp_gateway"))
    return found


def test_vantage_points_that_disagree_are_told() -> None:
    found = live(watched_twice(9, 1.0, broken=8), 10 * HOUR, every=20)
    assert titles(found) == [("medium", "Two vantage points of a server disagree")]
    assert "100 calls, the other 97" in found[0].observed
    assert live(watched_twice(9, 1.0), 10 * HOUR, every=20) == []
    assert live(watched_twice(9, 0.6), 10 * HOUR, every=20) == [], "a gateway that sees only some callers is as usual"


def test_a_producer_of_one_tenants_servers_is_that_tenants_matter() -> None:
    owned = {"servers": [{"name": "crm", "tenant": "acme"}]}
    assert live(beats(0, 600), 900, tree=owned)[0].tenant == "acme"
    assert live(beats(0, 600), 900)[0].tenant is None


def test_two_keys_that_use_one_name_are_two_producers() -> None:
    mine = frames(beats(0, 600))
    theirs = frames(beats(0, 1200, run="theirs"), source="another key")
    records = sorted([*mine, *theirs, *(tick(t) for t in range(1200))], key=lambda one: one.frame.header.received)
    assert titles(play(Engine([AuditGap()]), records)) == [SILENT]


def hard_day() -> list[AuditEvent]:
    """Everything at once, of several producers."""
    chance = random.Random(3)
    events = [*beats(0, 1500), *beats(2400, 3000, first=101), *beats(7, HOUR, "p2", run="a")]
    events += [one for number in range(7) for one in beats(number, 1200 + number, f"q{number}")]
    numbers = [n for n in range(1, 600) if not 200 <= n < 260 and n % 97]
    events += calls(numbers, 100, step=2.0, run="work", producer="p2")
    late = calls(range(200, 230), 500, step=0.1, run="work", producer="p2")
    events += [
        one for number in range(6) for one in beats(1000 + 75 * number, 1030 + 75 * number, "p3", run=f"l{number}")
    ]
    chance.shuffle(events)
    return sorted([*events, *late], key=lambda one: one.time)


def test_a_snapshot_at_any_moment_changes_nothing() -> None:
    records = ticking(hard_day(), 2 * HOUR)
    whole = play(Engine([AuditGap()]), records)
    assert len(whole) >= 8
    chance = random.Random(4)
    engine = Engine([AuditGap()], live_limit=2)
    stored: dict[str, bytes] = {}
    found: list[Finding] = []
    for record in records:
        found += engine.fold(record)
        if chance.random() < 0.01:
            meta, rows = engine.snapshot()
            stored |= {key: row for key, row in rows.items() if row is not None}
            for key in [key for key, row in rows.items() if row is None]:
                stored.pop(key, None)
            engine = Engine([AuditGap()], live_limit=2)
            engine.restore(meta, stored)
    assert ENCODER.encode_lines(found) == ENCODER.encode_lines(whole)


def test_how_often_the_clock_is_told_on_changes_nothing() -> None:
    events = hard_day()
    often = ticking(events, 2 * HOUR)
    seldom = sorted(
        [*frames(events), *(tick(t) for t in range(0, int(2 * HOUR), 37))], key=lambda one: one.frame.header.received
    )
    assert told(play(Engine([AuditGap()]), often)) == told(play(Engine([AuditGap()]), seldom))


def test_findings_of_partials_are_those_of_the_whole() -> None:
    events = hard_day()
    mine = [one for one in events if one.producer == "p2"]
    detector, facts = AuditGap(), Facts(clock=START + HOUR)
    entity = Entity("producer", "p2", {"producer": "p2"})
    whole = detector.start("producer")
    for one in mine:
        detector.step(whole, entity, one, facts)
    chance = random.Random(6)
    parts = [detector.start("producer") for _ in range(4)]
    for one in mine:
        detector.step(chance.choice(parts), entity, one, facts)
    chance.shuffle(parts)
    merged = detector.start("producer")
    for part in parts:
        detector.merge(merged, part, entity, facts)
    for run in whole.runs:
        assert [(span.low, span.high) for span in whole.runs[run].numbers.spans] == [
            (span.low, span.high) for span in merged.runs[run].numbers.spans
        ]
    assert whole.hours.keys() == merged.hours.keys()
    assert {hour: cell.minutes for hour, cell in whole.hours.items()} == {
        hour: cell.minutes for hour, cell in merged.hours.items()
    }


def test_a_witness_says_where_the_counters_stand() -> None:
    witness = Witness([AuditGap()])
    records = frames(calls([*range(1, 41), *range(61, 101)]))
    for record in records[:-1]:
        witness.fold(record)
    account = witness.account(records[-1], 0)
    view = next(one for one in account.views if one.kind == "producer")
    assert view.why == ""
    assert {one.what for one in view.measures} >= {"seconds since it was heard", "numbers missing"}
    assert next(one for one in view.measures if one.what == "numbers missing").observed == 20


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), max_size=40))
@settings(derandomize=True, deadline=None)
def test_numbers_are_what_was_seen_in_any_order(stretches: list[tuple[int, int]]) -> None:
    numbers, seen = Numbers(), set()
    for at, (low, length) in enumerate(stretches):
        numbers.see(low, low + length, float(at))
        seen |= set(range(low, low + length + 1))
        held = {one for span in numbers.spans for one in range(span.low, span.high + 1)}
        assert held == seen
        assert numbers.missing() == (max(seen) - min(seen) + 1 - len(seen))
        ordered = [(span.low, span.high) for span in numbers.spans]
        assert ordered == sorted(ordered)
        assert all(one[1] + 1 < other[0] for one, other in pairwise(ordered))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), max_size=30))
@settings(derandomize=True, deadline=None)
def test_every_number_that_was_told_as_missing_and_came_is_counted_once(stretches: list[tuple[int, int]]) -> None:
    numbers = Numbers()
    numbers.see(0, 0, 0.0)
    numbers.see(70, 70, 1.0)
    for span, _ in numbers.overdue(2.0):
        span.told = True
    came = 0
    for low, length in stretches:
        came += sum(numbers.see(low, low + length, 3.0).values())
    assert came == 69 - numbers.missing()


def test_a_run_of_many_gaps_is_bounded() -> None:
    numbers = Numbers()
    for number in range(0, 10_000, 2):
        numbers.see(number, number, 1.0)
    assert len(numbers.spans) <= 1024
    assert not numbers.running()


def test_a_rhythm_waits_for_the_hours_in_which_something_usually_comes() -> None:
    rhythm = Rhythm()
    for week in range(3):
        for hour in range(168):
            if hour % 24 in range(8, 17):
                rhythm.close(week * 168 + hour, (1 << 60) - 1)
    evening = (3 * 168 + 16) * HOUR + 3590.0
    morning = (3 * 168 + 24 + 9) * HOUR
    due = rhythm.too_long(evening, 4)
    assert due is not None
    assert morning <= due.at <= morning + 15 * MINUTE
    assert due.usual == 0
    assert Rhythm().too_long(evening, 4) is None
