"""What `data_volume` tells and what it leaves alone, against an office with three weeks behind it."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from detectors.base import Cell, Entity
from detectors.data_volume import DataVolume
from detectors.engine.state import Codec
from detectors.keys import entity_of, principal
from detectors.volume.baseline import Baseline
from detectors.volume.principal import Principal
from detectors.volume.usage import NAMES
from stream.facts import Facts
from stream.finding import Finding
from tests.detectors.office import CLERKS, DIRECTORY, TODAY, Office, call, ordinary, ordinary_hour, spread
from tests.detectors.streams import DAY, HOUR, MINUTE, directory, event, finish, frames, told
from tocsin_audit.event import AuditEvent

TEN = TODAY + 10 * HOUR
PAGES = {"high", "critical"}


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


@pytest.fixture(scope="module")
def quiet_office() -> Office:
    """One in which everybody does little."""
    return Office(factor=0.3)


def today(seed: int = 7, days: float = 1, **options: Any) -> list[AuditEvent]:
    return ordinary(seed, TODAY + HOUR / 4, TODAY + days * DAY, **options)


def of(findings: Sequence[Finding], who: str) -> list[Finding]:
    return [one for one in findings if who in one.entity.values()]


def pages(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if one.severity in PAGES]


def reported(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if one.severity in PAGES | {"medium"}]


@pytest.mark.positive("volume_burst")
def test_thirty_times_the_usual_within_ten_minutes_pages_while_it_goes_on(office: Office) -> None:
    burst = spread(random.Random(1), TEN, 10 * MINUTE, 300, "clerk-1")
    found = of(pages(office.day(today() + burst)), "clerk-1")
    assert {one.class_ for one in found} == {"volume_burst"}
    first = min(found, key=lambda one: one.time)
    assert first.time - min(one.time for one in burst) < 8 * MINUTE
    assert set(first.event_ids) & {one.id for one in burst}
    assert first.mode == "live"


@pytest.mark.positive("volume_burst")
def test_a_bulk_export_in_a_few_large_answers_pages(office: Office) -> None:
    export = [call(random.Random(2), TEN + 5 * n, "clerk-2", rows=2_000, response_bytes=220_000) for n in range(40)]
    found = of(pages(office.day(today() + export)), "clerk-2")
    assert any("rows" in one.observed for one in found)
    assert all("at most" in one.expected and "days of its own" in one.expected for one in found)


@pytest.mark.positive("volume_burst")
def test_six_times_the_usual_over_an_hour_is_reported_within_a_quarter_of_an_hour_and_pages_nobody(
    office: Office,
) -> None:
    more = spread(random.Random(3), TEN, HOUR, 50, "clerk-3")
    found = of(reported(office.day(today() + more)), "clerk-3")
    assert "volume_burst" in {one.class_ for one in found}
    assert not pages(found)
    assert min(one.time for one in found) - TEN - 1_793_577_600 <= HOUR + 15 * MINUTE


@pytest.mark.positive("volume_burst")
def test_somebody_who_keeps_at_it_is_reported_long_before_the_hour_is_over(office: Office) -> None:
    steady = [call(random.Random(3), TEN + 60 * n, "clerk-3") for n in range(60)]
    found = of(reported(office.day(today() + steady)), "clerk-3")
    assert min(one.time for one in found) - min(one.time for one in steady) <= 20 * MINUTE
    assert not pages(found)


@pytest.mark.positive("volume_burst")
def test_what_is_far_out_is_told_of_somebody_who_does_little_though_it_is_below_the_floor(
    quiet_office: Office,
) -> None:
    usual = today(factor=0.3)
    for minutes, told_ in ((8, False), (17, True)):
        kept_at = [call(random.Random(3), TEN + 200 * n, "clerk-3") for n in range(minutes)]
        found = of(quiet_office.day(usual + kept_at), "clerk-3")
        assert bool(reported(found)) == told_, minutes
        assert not pages(found)


@pytest.mark.positive("volume_burst")
@pytest.mark.parametrize(("size", "told_"), [(3, False), (20, True)])
def test_few_calls_with_larger_answers_are_told_where_calls_bytes_and_rows_are_far_out_together(
    quiet_office: Office, size: int, told_: bool
) -> None:
    larger = [call(random.Random(n), TEN + 400 * n, "clerk-3", size=float(size)) for n in range(6)]
    assert sum(one.rows or 0 for one in larger) < 1_000
    found = of(reported(quiet_office.day(today(factor=0.3) + larger)), "clerk-3")
    assert bool(found) == told_
    assert not pages(found)


@pytest.mark.negative("volume_burst")
def test_below_the_floor_somewhat_more_than_the_usual_is_left_alone(office: Office) -> None:
    kept_at = [call(random.Random(3), TEN + 400 * n, "clerk-3") for n in range(8)]
    assert of(reported(office.day(today() + kept_at)), "clerk-3") == []


@pytest.mark.negative("volume_burst")
def test_one_long_task_of_many_calls_is_left_alone(office: Office) -> None:
    task = [call(random.Random(3), TEN + 2 * n, "clerk-3") for n in range(15)]
    assert of(reported(office.day(today() + task)), "clerk-3") == []


@pytest.mark.positive("volume_burst")
def test_what_passes_the_bound_of_an_hour_across_two_of_them_pages(office: Office) -> None:
    steady = spread(random.Random(6), TEN + 35 * MINUTE, 50 * MINUTE, 160, "clerk-5")
    found = of(office.day(today() + steady), "clerk-5")
    assert [one.class_ for one in pages(found)] == ["volume_burst"]


@pytest.mark.positive("volume_slow")
def test_two_and_a_half_times_the_usual_for_a_day_is_reported(office: Office) -> None:
    more = ordinary(4, TODAY + 6 * HOUR, TODAY + 18 * HOUR, factor=1.5, clerks=[])
    found = of(reported(office.day(today() + [one for one in more if one.client == "robot"])), "robot")
    assert found
    assert not pages(found)


@pytest.mark.positive("volume_slow")
def test_somewhat_more_at_every_hour_of_a_day_is_reported_as_slow(office: Office) -> None:
    found = of(
        reported(office.day([*today(), *spread(random.Random(4), TODAY + HOUR, DAY - HOUR, 360, "robot")])), "robot"
    )
    assert "volume_slow" in {one.class_ for one in found}
    assert not pages(found)


@pytest.mark.positive("volume_slow")
def test_a_slow_ramp_is_seen_against_the_reference_that_it_did_not_teach(office: Office) -> None:
    chance = random.Random(5)
    events = ordinary(6, TODAY + HOUR / 4, TODAY + 28 * DAY)
    for day in range(28):
        events += spread(chance, TODAY + day * DAY + HOUR, DAY - HOUR, round(12 * 24 * 0.1 * day), "robot")
    found = of(reported(office.day(events)), "robot")
    assert any(one.class_ == "volume_slow" for one in found)


@pytest.mark.negative("volume_burst")
@pytest.mark.negative("volume_slow")
def test_ordinary_work_is_left_alone(office: Office) -> None:
    assert pages(office.early) == []
    found = office.day(today(days=7))
    assert pages(found) == []
    assert len(reported(found)) <= 2


@pytest.mark.negative("volume_burst")
@pytest.mark.negative("volume_slow")
def test_a_launch_that_lifts_everybody_pages_nobody_and_is_taken_off_as_the_peers_movement(office: Office) -> None:
    events = [one for hour in range(24) for one in launch_hour(hour)]
    found = office.day(events)
    assert pages(found) == []
    # Of a small office little is certain, so that a few may be reported beyond what their peers did.
    assert len(reported(found)) <= 4


def launch_hour(hour: int) -> list[AuditEvent]:
    chance = random.Random(hour)
    lifted = 3.0 if 9 <= hour < 17 else 1.0
    return ordinary_hour(chance, TODAY + hour * HOUR + (HOUR / 4 if not hour else 0), factor=lifted)


@pytest.mark.negative("volume_burst")
def test_the_nightly_job_is_left_alone(office: Office) -> None:
    assert of(office.early, "nightly") == [] or not pages(of(office.early, "nightly"))
    assert of(reported(office.day(today(days=3))), "nightly") == []


@pytest.mark.negative("volume_slow")
def test_a_quiet_day_and_a_clerk_who_comes_back_from_it_are_left_alone(office: Office) -> None:
    holiday = ordinary(8, TODAY + HOUR / 4, TODAY + DAY, clerks=[])
    back = ordinary(9, TODAY + DAY, TODAY + 2 * DAY)
    assert reported(office.day(holiday + back)) == []


@pytest.mark.negative("volume_burst")
def test_a_new_clerk_is_measured_by_the_others(office: Office) -> None:
    who = f"clerk-{CLERKS}"
    usual = [one for one in today(clerks=[0]) if one.user == "clerk-0"]
    joined = [call(random.Random(i), one.time - 1_793_577_600, who) for i, one in enumerate(usual)]
    assert of(office.day(today() + joined), who) == []


@pytest.mark.positive("volume_burst")
def test_a_new_clerk_who_takes_everything_on_the_first_day_is_told_with_less_confidence(office: Office) -> None:
    who = f"clerk-{CLERKS}"
    found = of(office.day(today() + spread(random.Random(1), TEN, HOUR, 3_000, who)), who)
    assert found
    assert all(one.confidence < 0.9 and "peers" in one.expected for one in found)
    assert all(one.mode == "live" for one in found)


@pytest.mark.negative("volume_burst")
@pytest.mark.negative("volume_slow")
def test_a_busy_window_of_the_directory_allows_for_more(office: Office) -> None:
    more = today() + spread(random.Random(3), TEN, HOUR, 26, "clerk-3")
    assert of(reported(office.day(more)), "clerk-3")
    engine = office.engine()
    window = {"kind": "busy", "tenant": "acme", "from": "2026-11-23T08:00:00Z", "until": "2026-11-24T00:00:00Z"}
    found = engine.fold(directory(TODAY + 181, DIRECTORY | {"windows": [window]}))
    for record in frames(sorted(more, key=lambda one: one.time)):
        found += engine.fold(record)
    assert of(reported(found + finish(engine)), "clerk-3") == []


def test_a_burst_that_straddles_hours_is_told_in_any_order_of_arrival(office: Office) -> None:
    burst = spread(random.Random(1), TEN - 4 * MINUTE, 8 * MINUTE, 500, "clerk-1")
    events = sorted(today() + burst, key=lambda one: one.time)
    expected = told(office.day(events))
    assert any(class_ == "volume_burst" and severity == "high" for _, class_, severity in expected)
    for seed in range(2):
        chance = random.Random(seed)
        arrival = [one.time - 1_793_577_600 + chance.uniform(-50, 110) for one in events]
        assert told(office.day(events, arrival=arrival)) == expected


def test_an_attack_teaches_nothing(office: Office) -> None:
    chance = random.Random(1)
    events = ordinary(6, TODAY + HOUR / 4, TODAY + 5 * DAY)
    for day in range(5):
        events += spread(chance, TEN + day * DAY, HOUR, 120, "clerk-5")
    found = of(reported(office.day(events)), "clerk-5")
    days = {int(one.start // DAY) for one in found if one.class_ == "volume_burst"}
    assert len(days) >= 4, "each day is told, until it has become a recurring job"


def test_capped_sizes_count_as_a_lower_bound_and_are_never_learned() -> None:
    detector, facts = DataVolume(), Facts()
    state = detector.start("principal")
    assert isinstance(state, Principal)
    entity = person("u")
    for n in range(50):
        one = event(n * 60.0, user="u", response_bytes=1 << 20, bytes_quality="capped" if n % 2 else "exact")
        detector.step(state, entity, one, facts)
    detector.settle(state, entity, Cell(86_400, 1_793_577_600), facts)
    assert state.own is not None
    assert state.own.typical[1] == 0
    assert state.own.typical[0] > 0
    assert state.own.unsized > 0


def test_hostile_sizes_are_bounded() -> None:
    detector, facts = DataVolume(), Facts()
    state = detector.start("principal")
    assert isinstance(state, Principal)
    for size in (-5, 1 << 62, 10**30):
        detector.step(state, person("u"), event(1.0, user="u", response_bytes=size, rows=size), facts)
    state.flush()
    cell = next(iter(state.hours.values()))
    assert 0 <= cell.size <= 1 << 47
    assert 0 <= cell.rows <= 1 << 47
    Codec(Principal).pack(state)


def test_what_is_too_late_for_any_cell_is_left_out() -> None:
    detector, facts = DataVolume(), Facts(clock=1_793_577_600 + 10 * DAY)
    state = detector.start("principal")
    assert isinstance(state, Principal)
    late = event(0.0, user="u", late=True)
    assert detector.step(state, person("u"), late, facts) == ()
    assert state.hours == {}


def test_a_quiet_principal_is_small(office: Office) -> None:
    engine = office.engine()
    count, size = engine.sizes()["principal"]
    assert count == CLERKS + 2
    assert size / count < 600, "within a day of activity"
    found = finish(engine)
    assert pages(found) == []
    detector = DataVolume()
    state = detector.start("principal")
    assert isinstance(state, Principal)
    own = state.own = Baseline()
    own.days = 20
    own.last = 20_000
    assert len(Codec(Principal).pack(state)) <= 120
    again = detector.start("principal")
    assert isinstance(again, Principal)
    assert Codec(Principal).pack(again) == Codec(Principal).pack(Principal())


def test_findings_name_the_numbers(office: Office) -> None:
    burst = spread(random.Random(1), TEN, 10 * MINUTE, 300, "clerk-1")
    one = of(pages(office.day(today() + burst)), "clerk-1")[0]
    assert one.observed.split(" in ")[0].split(" ", 1)[1] in NAMES
    assert one.expected.startswith("at most ")
    assert "times the most" in one.why
    assert one.techniques[0] == "T1213"
    assert 0 < one.confidence <= 1


def person(user: str) -> Entity:
    raw = principal(event(0.0, user=user))
    assert raw is not None
    return entity_of("principal", raw, Facts())
