"""The season's factors: they find a rhythm, stay bounded, and pack to the same bytes."""

from hypothesis import given
from hypothesis import strategies as st

from detectors.parts.season import FACTORS, HOUR_START, IDLE_DAY, Season, started, weekday

days = st.integers(min_value=0, max_value=40_000)
logs = st.one_of(st.none(), st.floats(min_value=-1.0, max_value=12.0))


@given(st.lists(st.tuples(days, st.lists(logs, min_size=24, max_size=24), logs), max_size=12))
def test_factors_stay_bounded_whatever_is_learned(samples: list[tuple[int, list[float | None], float | None]]) -> None:
    season = Season()
    for learned, (day, hours, total) in enumerate(samples):
        season.learn(day, hours, total, learned)
        assert all(0 <= factor <= 255 for factor in season.factors)
        assert -1.0 <= season.hour(day * 24 + 5) <= 8.0
        assert season.trailing(day * 24 + 5, 24) > 0


@given(st.binary(min_size=FACTORS, max_size=FACTORS))
def test_a_season_packs_to_what_it_was(factors: bytes) -> None:
    assert Season.unpack(Season(factors).pack()).factors == bytearray(factors)


def test_the_rhythm_of_day_and_week_is_found() -> None:
    season = Season()
    for day in range(42):
        work = weekday(day) < 5
        hours = [started(1.0 if work and 8 <= hour < 17 else 0.0, 1.0, HOUR_START) for hour in range(24)]
        season.learn(day, list(hours), 0.17 if work else IDLE_DAY, day)
    monday = next(day for day in range(42, 49) if weekday(day) == 0)
    assert season.hour(monday * 24 + 10) > 0.2
    assert season.hour(monday * 24 + 3) < -0.8
    assert season.hour((monday - 1) * 24 + 10) < 0.0
    assert season.day(monday) > season.day(monday - 1) + 0.5
    assert season.trailing(monday * 24 + 17, 8) > 5 * season.trailing(monday * 24 + 6, 8)


def test_one_wild_day_hardly_moves_a_season_that_is_known() -> None:
    season = Season()
    for day in range(30):
        season.learn(day, [0.5] * 24, 0.0, day)
    before = season.hour(30 * 24 + 10)
    season.learn(30, [9.0] * 24, 9.0, 30)
    assert abs(season.hour(30 * 24 + 10) - before) < 0.5
