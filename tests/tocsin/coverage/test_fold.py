"""What a log comes to as coverage records, whatever stops and goes on in between."""

import random
from collections.abc import Sequence
from typing import Any

from stream.coverage import SECONDS, Counts, Covered, Gap
from stream.frame import Record
from tests.detectors.streams import HOUR, START, event, frames, tick
from tests.tocsin.coverage.history import busy, record_all, ticks
from tocsin.coverage.counting import NUMBERS, total
from tocsin.coverage.fold import Fold


def folded(records: Sequence[Record]) -> list[Covered]:
    fold = Fold()
    return [made for record in records for made in fold.take(record)]


def summed(made: Sequence[Covered]) -> dict[str, int]:
    whole = total([counts for one in made for counts in one.counts], 0, "", "")
    return {name: getattr(whole, name) for name in NUMBERS}


def test_every_event_is_counted_once_in_the_stretch_of_its_time() -> None:
    events = busy()
    made = folded(record_all(events))
    assert summed(made)["received"] == len(events)
    for one in made:
        for counts in one.counts:
            inside = [
                e for e in events if counts.start <= e.time < counts.start + SECONDS and e.producer == counts.producer
            ]
            assert counts.received == len(inside)
            assert counts.heartbeats == sum(e.kind == "heartbeat" for e in inside)
            assert sum(counts.servers.values()) == len(inside)


def test_what_makes_events_worth_less_is_counted() -> None:
    odd: list[dict[str, Any]] = [
        {"sample_rate": 0.5},
        {"bytes_quality": "capped"},
        {"echo": "gateway"},
        {"tenant": None, "user": "u"},
        {"user": None},
        {"kind": "lifecycle", "reason": "stopped", "tenant": None},
    ]
    events = [event(10.0 + at, **({"user": "u"} | fields)) for at, fields in enumerate(odd)]
    late = event(10.0, user="u")
    ahead = event(5_000.0, user="u")
    moments = [*(one.time - START for one in events), 500.0, 600.0]
    made = folded(record_all([*events, late, ahead], moments, until=2000))
    assert summed(made) == {
        "received": 8,
        "heartbeats": 0,
        "late": 1,
        "skewed": 1,
        "sampled": 1,
        "capped": 1,
        "echoed": 1,
        "nameless": 1,
        "tenantless": 1,
        "goodbyes": 1,
    }


def test_what_comes_late_is_added_to_the_stretch_it_belongs_to() -> None:
    events = [event(10.0), event(1000.0), event(20.0)]
    made = folded(record_all(events, [10.0, 1000.0, 1100.0], until=2000))
    first = [counts for one in made for counts in one.counts if counts.start == START]
    assert [(counts.received, counts.late) for counts in first] == [(1, 0), (1, 1)]


def gaps(made: Sequence[Covered], *, filled: bool) -> list[Gap]:
    return [gap for one in made for gap in one.gaps if gap.filled == filled]


def test_numbers_that_stay_away_are_written_down_with_the_times_around_them() -> None:
    events = [event(float(n), run="r", seq=n) for n in range(1, 100) if not 40 <= n < 60]
    made = folded(record_all(events, until=1000))
    (gap,) = gaps(made, filled=False)
    assert (gap.first, gap.last, gap.after - START, gap.before - START) == (40, 59, 39.0, 60.0)
    assert gaps(made, filled=True) == []


def test_numbers_that_come_after_all_are_written_down_too() -> None:
    events = [event(float(n), run="r", seq=n) for n in range(1, 100) if not 40 <= n < 60]
    later = [event(float(n), run="r", seq=n) for n in range(40, 60)]
    moments = [*(one.time - START for one in events), *(900.0 for _ in later)]
    made = folded(record_all([*events, *later], moments, until=2000))
    (came,) = gaps(made, filled=True)
    assert (came.first, came.last) == (40, 59)


def test_numbers_in_another_order_within_the_lateness_are_no_gap() -> None:
    chance = random.Random(1)
    events = [event(float(n), run="r", seq=n) for n in range(1, 400)]
    made = folded(record_all(events, [one.time - START + chance.uniform(0, 100) for one in events], until=2000))
    assert not [gap for one in made for gap in one.gaps]


def test_a_fold_that_is_restored_goes_on_as_if_nothing_had_happened() -> None:
    records = record_all(busy())
    whole = folded(records)
    chance = random.Random(2)
    fold, made = Fold(), list[Covered]()
    for record in records:
        made += fold.take(record)
        if chance.random() < 0.05:
            packed, fold = fold.pack(), Fold()
            fold.unpack(packed)
    assert made == whole
    assert [gap for one in made for gap in one.gaps]


def test_when_the_log_stood_still_is_written_down() -> None:
    before = [*frames([event(1.0)]), *ticks(1, 100)]
    made = folded([*before, *ticks(1000, 2000)])
    assert [(begin - START, end - START) for one in made for begin, end in one.still] == [(99.0, 1000.0)]


def test_hours_in_which_nothing_comes_need_few_records() -> None:
    made = folded([*frames([event(1.0)]), tick(100 * HOUR)])
    assert len(made) <= 3


def test_the_present_is_what_has_not_closed_yet() -> None:
    fold = Fold()
    for record in frames([event(1.0), event(2.0)]):
        fold.take(record)
    present = fold.present()
    assert [counts.received for counts in present.counts] == [2]
    for record in frames([event(3.0)]):
        fold.take(record)
    assert [counts.received for counts in present.counts] == [2], "it is a copy"


def test_counts_are_the_same_however_events_are_framed() -> None:
    events = busy()
    one_by_one = [record for one in events for record in frames([one])]
    assert summed(folded([*one_by_one, *ticks(7200, 8000)])) == summed(folded(record_all(events, until=8000)))


def test_a_stretch_knows_its_producer() -> None:
    counts = total([Counts(0, "k", "p", received=2), Counts(0, "k", "p", received=3)], 0, "k", "p")
    assert (counts.source, counts.producer, counts.received) == ("k", "p", 5)
