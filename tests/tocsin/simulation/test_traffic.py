import tracemalloc
from dataclasses import replace
from pathlib import Path

from tocsin.simulation import PRESETS, Parameters, simulate
from tocsin.simulation.simulate import build
from tocsin.simulation.traffic import Traffic


def test_memory_does_not_grow_with_the_length_of_the_corpus(tmp_path: Path) -> None:
    quiet = replace(PRESETS["tiny"], attacks=0.0, decoys=False)
    peaks = []
    for days in (1, 4):
        tracemalloc.start()
        simulate(1, None, tmp_path / str(days), parameters=replace(quiet, days=days))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A quarter and 200 KB cover that one hour of the longer corpus may be busier than all of the shorter.
    assert peaks[1] < peaks[0] * 1.25 + 200_000


def test_an_hour_gives_its_moments_in_order_give_or_take_a_task() -> None:
    world, scripts, _ = build(4, replace(PRESETS["tiny"], days=1))
    for hour, moments in Traffic(world, scripts).hours():
        latest = hour
        for moment in moments:
            assert moment.time > latest - 30
            latest = max(latest, moment.time)


def test_office_hours_are_busier_than_nights_and_weekdays_than_sundays() -> None:
    world, scripts, _ = build(4, Parameters(days=7, principals=60, tenants=2, attacks=0.0, decoys=False))
    first = world.population.tenants[0]
    calls: dict[tuple[int, int], int] = {}
    for hour, moments in Traffic(world, scripts).hours():
        local = hour + first.offset
        key = (int(local // 86_400) + 3) % 7, int(local % 86_400 // 3600)
        for moment in moments:
            if moment.event.get("tenant") == first.name and "user" in moment.event:
                calls[key] = calls.get(key, 0) + 1
    noon = sum(calls.get((day, hour), 0) for day in range(5) for hour in range(9, 17))
    night = sum(calls.get((day, hour), 0) for day in range(5) for hour in range(8))
    sunday = sum(calls.get((6, hour), 0) for hour in range(24))
    assert noon > 5 * night
    assert noon > 5 * sunday


def test_attacks_leave_ordinary_traffic_as_it_is() -> None:
    calm, loud = (replace(PRESETS["tiny"], days=1, attacks=attacks, decoys=False) for attacks in (0.0, 1.0))
    plain = []
    for parameters in (calm, loud):
        world, scripts, _ = build(6, replace(parameters, configured=False))
        tenant = world.population.tenants[0]
        busy = [
            moment.time
            for _, moments in Traffic(world, scripts).hours()
            for moment in moments
            if moment.event.get("client", "").startswith(f"{tenant.name}-nightly") and moment.label is None
        ]
        plain.append(busy)
    assert plain[0] == plain[1]
