from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from alerting.routing.calendar import Calendar

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Calendar(BERLIN, range(5), 9 * 60, 17 * 60, frozenset({date(2026, 12, 25)}))
NIGHT = Calendar(BERLIN, range(5), 22 * 60, 6 * 60)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-20T09:00", True),
        ("2026-11-20T08:59", False),
        ("2026-11-20T16:59", True),
        ("2026-11-20T17:00", False),
        ("2026-11-21T12:00", False),
        ("2026-12-25T12:00", False),
    ],
)
def test_office_hours_are_local_and_know_weekends_and_holidays(moment: str, is_open: bool) -> None:
    assert OFFICE.is_open(at(moment)) is is_open


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-20T23:00", True),
        ("2026-11-21T05:59", True),
        ("2026-11-21T06:00", False),
        ("2026-11-21T23:00", False),
        ("2026-11-23T05:00", False),
        ("2026-11-23T22:00", True),
    ],
)
def test_hours_past_midnight_belong_to_the_day_on_which_they_begin(moment: str, is_open: bool) -> None:
    assert NIGHT.is_open(at(moment)) is is_open


def test_the_hour_that_summer_time_takes_or_gives_keeps_the_wall_clock() -> None:
    assert OFFICE.is_open(datetime.fromisoformat("2026-10-23T07:00:00+00:00").timestamp())
    assert not OFFICE.is_open(datetime.fromisoformat("2026-10-26T07:00:00+00:00").timestamp())
    assert OFFICE.is_open(datetime.fromisoformat("2026-10-26T08:00:00+00:00").timestamp())
