"""The knobs of `data_volume`, and the limits that they make."""

from collections.abc import Mapping
from math import log2
from typing import Final

from detectors.base import Parameter

PARAMETERS: Final = (
    Parameter(
        "page_factor", 8.0, "times", "launch margin: what is below so many times the expected never pages", 2, 1000
    ),
    Parameter("page_spread", 3.5, "spreads", "how far calls lie beyond a usual day's busiest hour to page", 1, 20),
    Parameter("bulk_page_spread", 7.0, "spreads", "the same for bytes or rows alone", 1, 20),
    Parameter("page_calls", 100, "calls", "floor of calls in an hour below which nothing pages", 1),
    Parameter("bulk_factor", 64.0, "times", "the same for bytes or rows alone, whose tails are heavier", 2, 10_000),
    Parameter("page_bytes", 256 << 20, "bytes", "floor of bytes in an hour below which nothing pages", 1),
    Parameter("page_rows", 50_000, "rows", "floor of rows in an hour below which nothing pages", 1),
    Parameter("page_minutes", 60, "minutes", "active minutes in an hour below which these alone do not page", 1),
    Parameter(
        "page_resources", 100, "resources", "floor of distinct resources in an hour below which nothing pages", 1
    ),
    Parameter("hour_factor", 2.0, "times", "least factor over the expected hour that is reported", 1.2, 1000),
    Parameter(
        "hour_spread",
        0.6,
        "spreads",
        "how far an hour's active minutes lie beyond a usual day's most busy hour",
        0.1,
        20,
    ),
    Parameter("calls_spread", 3.0, "spreads", "the same for an hour's calls", 0.1, 20),
    Parameter(
        "mean_spread", 3.5, "spreads", "the same for calls, bytes and rows on average, eightfold at least", 0.1, 20
    ),
    Parameter(
        "mean_floor",
        0.25,
        "times",
        "floors of bytes and of rows, one of which is enough for the average, as a multiple of those of an hour",
        0.01,
        1,
    ),
    Parameter("bulk_spread", 5.5, "spreads", "the same for bytes or rows alone, eightfold at least", 0.1, 20),
    Parameter(
        "quarter_spread",
        1.25,
        "spreads",
        "how far the active minutes of a quarter of an hour lie beyond a usual day's most busy one",
        0.1,
        20,
    ),
    Parameter(
        "quarter_factor",
        1.5,
        "times",
        "least factor over a usual day's busiest quarter of an hour that is reported",
        1.1,
        1000,
    ),
    Parameter("quarter_calls_spread", 3.5, "spreads", "the same for its calls", 0.1, 20),
    Parameter("quarter_minutes", 8, "minutes", "active minutes in a quarter below which these are not reported", 1, 15),
    Parameter("quarter_calls", 20, "calls", "floor of calls in a quarter below which these are not reported", 1),
    Parameter("hour_minutes", 20, "minutes", "active minutes in an hour below which these are not reported", 1),
    Parameter("clear_minutes", 15, "minutes", "the same where these are twice what was to be expected at most", 1),
    Parameter("hour_calls", 60, "calls", "floor of calls in an hour below which these are not reported", 1),
    Parameter("hour_bytes", 1 << 20, "bytes", "floor of bytes in an hour below which these are not reported", 1),
    Parameter("hour_rows", 1_000, "rows", "floor of rows in an hour below which these are not reported", 1),
    Parameter("hour_resources", 60, "resources", "floor of distinct resources in an hour, likewise", 1),
    Parameter(
        "day_factor", 1.5, "times", "least factor over the expected eight or 24 hours that is reported", 1.2, 1000
    ),
    Parameter("eight_spread", 4.2, "spreads", "how far eight hours lie beyond a usual day's largest", 0.5, 20),
    Parameter("day_spread", 4.2, "spreads", "how far 24 hours lie beyond what is usual", 0.5, 20),
    Parameter("day_floor", 1.3, "times", "floors of eight and 24 hours, as a multiple of those of an hour", 0.1, 24),
    Parameter("week_factor", 1.6, "times", "least factor of a week's mean over the slow reference", 1.1, 1000),
    Parameter("week_spread", 3.5, "spreads", "how far out the mean of a week lies", 1, 20),
    Parameter("busy_factor", 4.0, "times", "how much more is allowed in a busy window of the directory", 1, 1000),
)


_FLOORS: Final = ("calls", "bytes", "rows", "minutes", "resources")


class Limits:
    """The parameters as they are used: factors in octaves, floors by measure."""

    __slots__ = (
        "bulk_octaves",
        "busy",
        "busy_octaves",
        "day_floors",
        "day_octaves",
        "hour_floors",
        "hour_least",
        "hour_octaves",
        "hour_spreads",
        "long_spread",
        "mean_least",
        "page_factor",
        "page_floors",
        "page_octaves",
        "page_spreads",
        "quarter_floors",
        "quarter_octaves",
        "quarter_spreads",
        "week_octaves",
        "week_spread",
    )

    def __init__(self, chosen: Mapping[str, float]) -> None:
        self.page_factor = chosen["page_factor"]
        self.page_octaves = log2(chosen["page_factor"])
        self.bulk_octaves = log2(chosen["bulk_factor"])
        bulk = chosen["bulk_page_spread"]
        self.page_spreads = (chosen["page_spread"], bulk, bulk)
        self.page_floors = tuple(chosen[f"page_{name}"] for name in _FLOORS)
        self.hour_octaves = log2(chosen["hour_factor"])
        bulk = chosen["bulk_spread"]
        self.hour_spreads = (chosen["calls_spread"], bulk, bulk, chosen["hour_spread"], chosen["mean_spread"])
        self.hour_floors = tuple(chosen[f"hour_{name}"] for name in _FLOORS)
        least = {"minutes": min(chosen["clear_minutes"], chosen["hour_minutes"])}
        self.hour_least = tuple(least.get(name, chosen[f"hour_{name}"]) for name in _FLOORS)
        self.mean_least = tuple(chosen["mean_floor"] * floor for floor in self.hour_floors[1:3])
        self.quarter_spreads = (chosen["quarter_calls_spread"], chosen["quarter_spread"])
        self.quarter_octaves = log2(chosen["quarter_factor"])
        self.quarter_floors = (chosen["quarter_calls"], chosen["quarter_minutes"])
        self.day_octaves = log2(chosen["day_factor"])
        self.long_spread = (chosen["eight_spread"], chosen["day_spread"])
        self.day_floors = tuple(floor * chosen["day_floor"] for floor in self.hour_floors)
        self.week_octaves = log2(chosen["week_factor"])
        self.week_spread = chosen["week_spread"]
        self.busy = chosen["busy_factor"]
        self.busy_octaves = log2(chosen["busy_factor"])
