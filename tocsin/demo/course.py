"""The demo's course: ordinary work goes on, attacks happen one after the other, and what came of each is judged."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from tocsin.client import Client
from tocsin.scenarios.office import SCENARIO as OFFICE
from tocsin.scenarios.scenario import Scenario, World, scenarios

ATTACKS: Final = ("password-spray", "bulk-export", "cross-tenant-read")
NOISE: Final = ("discovery", "typo", "expired-token")
CALM: Final = 6.0
"""Seconds of ordinary work before the first attack, and between two."""
PATIENCE: Final = 45.0
"""Seconds after the last attack for everything to be caught and told."""
LOOK: Final = 0.5
"""Seconds between two looks at Tocsin."""


@dataclass(slots=True)
class Attempt:
    """One attack: when it began, and what Tocsin made of it."""

    scenario: Scenario
    began: float = 0.0
    incident: str | None = None
    class_: str | None = None
    paged: bool = False
    delay: float | None = None


@dataclass(slots=True)
class Course:
    """Everything that a watcher sees; changed only by `run`."""

    began: float
    phase: str = "ordinary work of three customers"
    attempts: list[Attempt] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    over: bool = False

    @property
    def benign_pages(self) -> list[str]:
        """Incidents that woke somebody and are no attack's."""
        return [
            id_ for id_, detail in self.details.items() if paged(detail) and attack_of(detail, self.attempts) is None
        ]

    @property
    def ok(self) -> bool:
        """Whether every attack was caught and told, and nothing ordinary woke anybody."""
        caught = all(attempt.incident is not None and attempt.paged for attempt in self.attempts)
        return bool(self.attempts) and caught and not self.benign_pages


def attack_of(detail: dict[str, Any], attempts: list[Attempt]) -> Attempt | None:
    """The attack that an incident tells of: one of its classes, about one of its values."""
    incident = detail["incident"]
    values = {*incident["entity"].values()}
    for several in incident.get("facts", {}).values():
        values.update(several)
    for attempt in attempts:
        if set(incident["classes"]) & set(attempt.scenario.classes) and values & attempt.scenario.entity:
            return attempt
    return None


def paged(detail: dict[str, Any]) -> bool:
    """Whether somebody was woken for an incident."""
    return any(decision.get("page_id") for decision in detail["decisions"])


async def run(course: Course, world: World, client: Client, changed: Callable[[], None]) -> None:
    """Play the whole course; `changed` is called after every look."""
    found = scenarios()
    attacks = [Attempt(found[name]) for name in ATTACKS]
    tasks = [asyncio.create_task(_again(OFFICE, world))]
    tasks += [asyncio.create_task(found[name].run(world)) for name in NOISE]
    watching = asyncio.create_task(_watch(course, client, changed))
    try:
        await asyncio.sleep(CALM)
        for attempt in attacks:
            attempt.began = time.time()
            course.phase = attempt.scenario.title
            course.attempts.append(attempt)
            await attempt.scenario.run(world)
            await _until(partial(getattr, attempt, "paged"), CALM)
        course.phase = "waiting until everything is told"
        await _until(lambda: all(attempt.paged for attempt in attacks), PATIENCE)
        course.phase = "ordinary work goes on"
        await asyncio.gather(*tasks[1:])
        await _until(lambda: False, CALM)
    finally:
        course.over = True
        await watching
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def result(course: Course) -> dict[str, Any]:
    """The course as `demo --json` prints it (CONTRACTS §5)."""
    shown = [_attempt(attempt) for attempt in course.attempts]
    deliveries = [
        {"incident": id_, **{key: entry[key] for key in ("sink", "alert", "state", "attempts", "at")}}
        for id_, detail in course.details.items()
        for entry in detail["deliveries"]
    ]
    return {
        "ok": course.ok,
        "seconds": round(time.time() - course.began, 1),
        "attacks": shown,
        "benign": {"events": _benign(course), "paged": len(course.benign_pages)},
        "incidents": [
            {
                "id": incident["id"],
                "title": incident["title"],
                "classes": incident["classes"],
                "severity": incident["severity"],
                "paged": paged(course.details[incident["id"]]),
            }
            for incident in course.incidents
            if incident["id"] in course.details
        ],
        "deliveries": deliveries,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": attempt.scenario.id,
        "class": attempt.class_ or attempt.scenario.classes[0],
        "caught": attempt.incident is not None,
        "paged": attempt.paged,
        "delay_s": round(attempt.delay, 2) if attempt.delay is not None else None,
        "incident": attempt.incident,
    }


def _benign(course: Course) -> int:
    values = frozenset[str]().union(*(attempt.scenario.entity for attempt in course.attempts))
    return sum(not {event.get("user"), event.get("source_ip")} & values for event in course.events)


async def _again(scenario: Scenario, world: World) -> None:
    while True:
        await scenario.run(world)


async def _until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        await asyncio.sleep(0.1)


async def _watch(course: Course, client: Client, changed: Callable[[], None]) -> None:
    over = False
    while not over:
        over = course.over
        await asyncio.to_thread(_look, course, client)
        changed()
        await asyncio.sleep(LOOK)


def _look(course: Course, client: Client) -> None:
    since = f"{time.time() - course.began + 1:.0f}s"
    course.status = client.get("/status")
    course.events = client.get("/events", since=since, limit=1000)["events"]
    course.incidents = client.get("/incidents", state="all", limit=100)
    for incident in course.incidents:
        known = course.details.get(incident["id"])
        if known is None or known["incident"]["revision"] != incident["revision"] or _pending(known):
            course.details[incident["id"]] = client.get(f"/incidents/{incident['id']}")
    for detail in course.details.values():
        attempt = attack_of(detail, course.attempts)
        if attempt is not None:
            _credit(attempt, detail)


def _pending(detail: dict[str, Any]) -> bool:
    return any(entry["state"] not in ("done", "refused") for entry in detail["deliveries"])


def _credit(attempt: Attempt, detail: dict[str, Any]) -> None:
    better = attempt.incident is None or (paged(detail) and not attempt.paged)
    if not better:
        return
    attempt.incident = detail["incident"]["id"]
    told = set(detail["incident"]["classes"])
    attempt.class_ = next(class_ for class_ in attempt.scenario.classes if class_ in told)
    if paged(detail):
        attempt.paged = True
        attempt.delay = time.time() - attempt.began
