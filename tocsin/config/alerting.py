"""The configuration's part about incidents: who is told, when, and how often."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from tocsin.config.base import Secret, Section
from tocsin.config.response import Containment

Severity = Literal["notice", "low", "medium", "high", "critical"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TIME = r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$"


class Budget(Section):
    """How many pages one receiver gets before the rest is bundled."""

    pages: int = Field(2, ge=0, le=1000, description="pages")
    hours: float = Field(12.0, gt=0, le=168, description="in so many hours")


class Receiver(Section):
    """Somebody who is told, by one or several sinks; the page budget is theirs."""

    sinks: tuple[str, ...] = Field((), description="names of sinks; those that wake people hear of pages alone")
    budget: Budget | None = Field(None, description="a page budget of their own")
    escalate_to: str | None = Field(None, description="who is woken when nobody acknowledged in time")


class Calendar(Section):
    """Hours of the week, in local time; past midnight they belong to the day on which they begin."""

    zone: str = Field("UTC", description="time zone, such as Europe/Berlin")
    days: tuple[Day, ...] = Field(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), description="days of the week")
    start: str = Field("00:00", alias="from", pattern=TIME, description="first minute")
    until: str = Field("24:00", pattern=TIME, description="the first minute after")
    closed: tuple[date, ...] = Field((), description="days on which it is closed, such as 2026-12-25")


class Route(Section):
    """A node of the tree: the first of its `routes` that fits takes an incident, else its own receiver does."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)

    receiver: str | None = Field(None, description="who is told; that of the route above where it is left out")
    match: tuple[str, ...] = Field(
        (), description="conditions that must all hold: tenant=acme, class=brute,spray, severity>=high, user!=*|etl"
    )
    hours: str | None = Field(None, description="a calendar that must be open")
    goes_on: bool = Field(False, alias="continue", description="ask the next routes as well")
    mode: Literal["observe", "live"] = Field("live", description="observe records who would have been woken")
    group_by: tuple[str, ...] | None = Field(
        None,
        description="tell incidents that have these in common as one page: [tenant], [class, server]; [] for all of "
        "the route, as the route above where it is left out",
    )
    group_wait: float = Field(
        30.0, gt=0, le=3600, description="seconds that the first page of a group waits for others"
    )
    group_interval: float = Field(300.0, gt=0, le=86400, description="seconds between two pages about one group")
    repeat: float | None = Field(
        None,
        ge=0,
        le=10080,
        description="minutes after which a page that nobody acknowledged is told again, 0 for never; as the route "
        "above, else as alerting.repeat says, where it is left out",
    )
    routes: tuple["Route", ...] = Field((), description="more particular routes below it")


class Target(Section):
    """How many minutes after somebody was told each thing should be done; what is left out has no target."""

    acknowledge: float | None = Field(None, gt=0, description="minutes until somebody takes it")
    contain: float | None = Field(None, gt=0, description="minutes until it is contained")
    resolve: float | None = Field(None, gt=0, description="minutes until it is over")


class Alerting(Section):
    """Incidents and how they are told."""

    database: Secret | None = Field(
        None, description="a PostgreSQL URL by reference, since it holds a password; else SQLite in the data directory"
    )
    page_from: Severity = Field("high", description="the least severity that wakes a person")
    budget: Budget = Budget()
    receivers: dict[str, Receiver] = Field(
        {}, description="who is told, by a name of your choice; without any one receiver hears of all by every sink"
    )
    targets: dict[Severity, Target] = Field(
        {}, description="how soon something is done, by severity, in place of the defaults for critical and high"
    )
    repeat: dict[Severity, Annotated[float, Field(ge=0, le=10080)]] = Field(
        {},
        description="minutes after which a page that nobody acknowledged is told again, by severity, in place of the "
        "defaults: 30 for critical, 120 for high; 0 for never",
    )
    calendars: dict[str, Calendar] = Field({}, description="hours by a name of your choice")
    routes: Route | None = Field(None, description="who is told of what; without it the first receiver is of all")
    containment: Containment = Containment()


def places(route: Route, path: tuple[Any, ...] = ("alerting", "routes")) -> list[tuple[tuple[Any, ...], Route]]:
    """Every route of a tree with its place in the configuration, from the root down."""
    found = [(path, route)]
    for number, child in enumerate(route.routes):
        found += places(child, (*path, "routes", number))
    return found
