"""How well `data_volume` tells bursts, busy hours and busy days from ordinary work, on traffic made from a seed.

    .venv/bin/python benchmarks/volume.py [--seed 1] [--days 35] [--silent]

Office workers, services and nightly jobs of four tenants, heavy-tailed in tasks and sizes, with days that differ, one
launch that lifts a whole tenant, and in the last two weeks one attack a victim: thirty times an hour's usual within 20
minutes, six times over an hour, two and a half times over a day. Prints recall per kind (medium and above), and what
was reported and paged without cause. The labelled evaluation proper is `tocsin evaluate`; this one runs in a minute.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import Final

from detectors.data_volume import DataVolume
from detectors.engine.engine import Engine
from stream.clock import judge
from stream.finding import Finding
from stream.frame import Frame, Header, Record, pack
from tocsin_audit.event import AuditEvent, to_wire

START: Final = 1_793_577_600
HOUR: Final = 3600
DAY: Final = 86_400
LEARNED: Final = 21
OFFICE: Final = (0, 0, 0, 0, 0, 0, 1, 4, 8, 10, 11, 9, 7, 9, 10, 10, 8, 6, 3, 2, 1, 1, 0, 0)
KINDS: Final = {"person": (10, 0.4), "service": (70, 0.18), "nightly": (1, 0.1)}
"""Tasks of a usual day, and how far one day lies from another (sigma of the logarithm)."""
ATTACKS: Final = {"x30": (30.0, 1200), "x6": (6.0, HOUR), "x2.5": (2.5, 10 * HOUR)}


@dataclass(slots=True)
class Someone:
    """A principal, its usual tasks a day and calls a task, and the attack on it."""

    tenant: str
    kind: str
    name: str
    tasks: float
    attack: str = ""
    at: int = 0


def everybody(chance: Random, days: int, silent: bool) -> list[Someone]:
    """Four tenants of 24."""
    people = []
    for number in range(96):
        kind = "nightly" if number % 24 == 0 else "service" if number % 24 < 6 else "person"
        tasks = KINDS[kind][0] * math.exp(chance.gauss(0, 0.5))
        people.append(Someone(f"t{number % 4}", kind, f"{kind}-{number}", tasks))
    for number, one in enumerate(people):
        if not silent and one.kind != "nightly":
            one.attack = tuple(ATTACKS)[number % 3]
            day = chance.choice([day for day in range(LEARNED, days) if day % 7 < 5])
            one.at = START + day * DAY + (8 if one.attack == "x2.5" else chance.randrange(9, 15)) * HOUR
    return people


def calls(chance: Random, one: Someone, start: int, today: float, launched: bool) -> Iterator[AuditEvent]:
    """What somebody does in one hour, the attack included."""
    hour, day = start % DAY // HOUR, (start - START) // DAY
    if one.kind == "nightly":
        for _ in range(200 if hour == 2 else 0):
            yield call(chance, one, start + chance.uniform(0, 1500))
        return
    share = OFFICE[hour] / sum(OFFICE) * (1 if day % 7 < 5 else 0.08) if one.kind == "person" else 1 / 24
    usual = one.tasks * share
    for _ in range(poisson(chance, usual * today * (3.5 if launched and 8 <= hour < 17 else 1))):
        begin = start + chance.uniform(0, HOUR)
        for number in range(1 + int(3 * math.exp(chance.gauss(0, 0.7)))):
            yield call(chance, one, begin + number * (12 if one.kind == "person" else 1.5))
    if one.attack:
        factor, seconds = ATTACKS[one.attack]
        low, high = max(start, one.at), min(start + HOUR, one.at + seconds)
        if low < high:
            busy = one.tasks * (0.11 if one.kind == "person" else 1 / 24) * 4
            extra = (factor - 1) * busy * (high - low) / min(seconds, HOUR)
            for _ in range(poisson(chance, extra)):
                yield call(chance, one, chance.uniform(low, high))


def call(chance: Random, one: Someone, time: float) -> AuditEvent:
    """One answer; most are small, a few are large."""
    rows = round(math.exp(chance.gauss(1.2, 1.1)) * (60 if chance.random() < 0.02 else 1))
    return AuditEvent(
        time=time,
        id=f"{chance.getrandbits(64):016x}",
        server="crm",
        method="tools/call",
        target="search",
        args_hash=f"k:{chance.randrange(3000):x}",
        outcome="ok",
        auth="valid",
        tenant=one.tenant,
        client="desk" if one.kind == "person" else one.name,
        user=one.name if one.kind == "person" else None,
        rows=rows,
        response_bytes=120 * rows + 300,
        bytes_quality="exact",
    )


def poisson(chance: Random, rate: float) -> int:
    """A Poisson count: arrivals of rate one until `rate` has passed."""
    count, passed = 0, chance.expovariate(1.0)
    while passed < rate:
        count += 1
        passed += chance.expovariate(1.0)
    return count


def frames(chance: Random, people: list[Someone], days: int) -> Iterator[Record]:
    """The log of all of it, half a minute a frame."""
    offset = 0
    for day in range(days):
        today = {one.name: math.exp(chance.gauss(0, KINDS[one.kind][1])) for one in people}
        for hour in range(24):
            start = START + day * DAY + hour * HOUR
            events = [
                event
                for one in people
                for event in calls(chance, one, start, today[one.name], one.tenant == "t0" and day == LEARNED + 2)
            ]
            events = sorted((it for it in events if it.time < start + HOUR), key=lambda it: it.time)
            while events:
                batch = [it for it in events[:500] if it.time < events[0].time + 30]
                del events[: len(batch)]
                received = batch[-1].time
                judged = judge([it.time for it in batch], received)._asdict()
                header = Header(received=received, count=len(batch), source="benchmark", **judged)
                yield Record(offset, pack(header, b"\n".join(to_wire(it) for it in batch)))
                offset += 1
            yield Record(offset, Frame(Header(received=start + HOUR + 125.0, content="tick", codec="none"), b""))
            offset += 1


def hits(findings: list[Finding], one: Someone) -> list[Finding]:
    """The findings that an attack explains."""
    end = one.at + ATTACKS[one.attack][1] if one.attack else 0
    return [it for it in findings if one.name in it.entity.values() and it.start < end and it.end > one.at]


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=35)
    parser.add_argument("--silent", action="store_true", help="no attacks")
    chosen = parser.parse_args()
    chance = Random(chosen.seed)  # noqa: S311  # simulated traffic, no secrets
    people = everybody(chance, chosen.days, chosen.silent)
    engine = Engine([DataVolume()])
    findings: list[Finding] = []
    seconds, count = 0.0, 0
    for record in frames(chance, people, chosen.days):
        begin = perf_counter()
        findings += engine.fold(record)
        seconds += perf_counter() - begin
        count += record.frame.header.count
    told = [it for it in findings if it.severity in ("medium", "high") and it.start >= START + LEARNED * DAY]
    print(f"seed {chosen.seed}: {count:,} events, {len(people)} principals, {1e6 * seconds / count:.1f} µs an event")
    explained: set[str] = set()
    for kind in ATTACKS:
        victims = [one for one in people if one.attack == kind]
        found = [hits(told, one) for one in victims]
        explained |= {it.id for group in found for it in group}
        if victims:
            paged = sum(any(it.severity == "high" for it in group) for group in found)
            recall = sum(map(bool, found)) / len(victims)
            print(f"  {kind:5} recall {recall:.2f}, paged {paged / len(victims):.2f}, of {len(victims)}")
    rest = [it for it in told if it.id not in explained]
    days = (chosen.days - LEARNED) * len(people) / 100
    kinds = Counter((it.class_, it.severity) for it in rest)
    print(f"  without cause, per 100 principal-days: {len(rest) / days:.2f}  {dict(kinds)}")


if __name__ == "__main__":
    main()
