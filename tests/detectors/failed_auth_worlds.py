"""Small worlds with one attack or one decoy each, for the tests of `failed_auth`.

A world is a company at work, for days or for minutes, in which something happens; a style says what its producer writes
down of that. Everything follows from the case and its seed.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tests.detectors.streams import DAY, HOUR, MINUTE, START, clone, event, failure
from tocsin_audit.event import AuditEvent

OFFICE: Final = "198.51.100.7"
NINE: Final = 9 * HOUR
PACES: Final[Mapping[str, float]] = {"fast": 1.0, "steady": 15.0, "slow": 55.0}
"""Seconds between two attempts."""
PASTS: Final = (0, 2)
"""Whole days of ordinary work before it."""
WORDS: Final = (
    "mot de passe incorrect",
    "401 Unauthorized",
    "Falsches Kennwort",
    "authentication failed",
    "user authentication failure",
    "Bad credentials",
    "access denied",
    "login rejected",
)


class Case(NamedTuple):
    """What happens, as whose producer writes it, how fast, after how many days, and the seed of all the rest."""

    scenario: str
    style: str = "full"
    pace: str = "steady"
    past: int = 2
    seed: int = 1


class World(NamedTuple):
    """The events in order, and the classes of which one must be told (none for a decoy)."""

    events: list[AuditEvent]
    wanted: frozenset[str]


class _Company:
    """People of one tenant, each with a token, at the office or each at a place of his own; and what they do."""

    def __init__(self, case: Case, people: int = 24, *, office: bool = False) -> None:
        self.case = case
        self.chance = random.Random(f"{case}")
        self.begin = case.past * DAY + NINE + self.chance.uniform(0, 20 * MINUTE)
        self.step = PACES[case.pace]
        self.people = [f"p{number}" for number in range(people)]
        self.place = {
            who: OFFICE if office else f"10.0.{self.chance.randrange(256)}.{number}"
            for number, who in enumerate(self.people)
        }
        self.events: list[AuditEvent] = []

    def who(self, name: str, source: str | None = None) -> dict[str, Any]:
        source = source or self.place.get(name)
        return {"user": name, "client": "desk", "source_ip": source, "token": f"k:{name}"}

    def work(self, start: float, end: float, every: float = 20 * MINUTE, people: list[str] | None = None) -> None:
        """Somebody logs in and works on."""
        for name in self.people if people is None else people:
            t = start + self.chance.uniform(0, every)
            if t < end:
                self.events.append(event(t, kind="auth", auth="valid", **(self.who(name) | {"token": None})))
            while (t := t + self.chance.uniform(0.5, 1.5) * every) < end:
                self.events.append(event(t, target="search", **self.who(name)))

    def past(self) -> None:
        """Ordinary days, each with a typo now and then."""
        for day in range(self.case.past):
            self.work(day * DAY + 8 * HOUR, day * DAY + 17 * HOUR, HOUR)
            name = self.chance.choice(self.people)
            self.guess(day * DAY + 8 * HOUR, name, self.place[name])
        if self.case.past:
            self.work(self.begin - 40 * MINUTE, self.begin + 2 * HOUR)

    def guess(self, t: float, name: str | None, source: str, **fields: Any) -> None:
        """A wrong password."""
        told = {"kind": "auth", "auth": None, "reason": "bad password", "user": name, "client": None} | fields
        self.events.append(failure(t, **told, source_ip=source))

    def stranger(self) -> str:
        return f"203.0.{self.chance.randrange(256)}.{self.chance.randrange(1, 255)}"


def _brute(company: _Company, *, sources: int = 1, win: bool = False) -> str:
    chance, t = company.chance, company.begin
    victim = company.people[0]
    places = [company.stranger() for _ in range(sources)]
    for number in range(chance.randrange(14, 50)):
        company.guess(t, victim, places[number % sources])
        t += company.step * chance.uniform(0.7, 1.3)
    if win:
        t += chance.uniform(1, 5 * MINUTE)
        who = company.who(victim, places[0]) | {"token": "k:stolen"}
        company.events.append(event(t, kind="auth", auth="valid", **(who | {"token": None})))
        company.events += [event(t + 5 + again, target="export", **who) for again in range(3)]
    return "success_after" if win else "brute"


def _spray(company: _Company, *, win: bool = False) -> str:
    chance, t = company.chance, company.begin
    source = company.stranger()
    names = [*company.people[: chance.randrange(4, 12)], *(f"x{number}" for number in range(chance.randrange(4, 20)))]
    for _ in range(max(chance.randrange(1, 4), -(-18 // len(names)))):
        for name in names:
            company.guess(t, name, source)
            t += company.step * chance.uniform(0.7, 1.3)
    if win:
        who = company.who(names[0], source) | {"token": "k:stolen"}
        company.events.append(event(t, kind="auth", auth="valid", **(who | {"token": None})))
        company.events += [event(t + 5 + again, target="export", **who) for again in range(3)]
    return "success_after" if win else "spray"


def _stuffing(company: _Company) -> str:
    chance, t = company.chance, company.begin
    sources = [company.stranger() for _ in range(chance.randrange(10, 30))]
    for number in range(chance.randrange(36, 80)):
        company.guess(t, f"x{number}" if number % 3 else chance.choice(company.people), sources[number % len(sources)])
        t += min(company.step, 40.0) * chance.uniform(0.7, 1.3)
    return "stuffing"


def _outage(company: _Company) -> str:
    chance = company.chance
    named = chance.random() < 0.5
    reason = chance.choice(("jwks unreachable", "identity provider unavailable", "token endpoint timed out"))
    if not named:
        reason = chance.choice(("invalid token", "token introspection failed", "401 Unauthorized"))
    company.people = company.people[: chance.choice((6, 8, 15, 24))]
    begin = company.begin
    lost = [one for one in company.events if begin <= one.time - START < begin + 5 * MINUTE]
    company.events = [one for one in company.events if one not in lost]
    if not company.case.past:
        company.work(begin - 30 * MINUTE, begin, 5 * MINUTE)
        company.work(begin + 5 * MINUTE, begin + HOUR, 5 * MINUTE)
    for name in company.people:
        t = begin + chance.uniform(0, MINUTE)
        while t < begin + 5 * MINUTE:
            company.events.append(failure(t, reason=reason, **company.who(name)))
            t += company.step * chance.uniform(1.0, 3.0)
    return "outage"


def _unchecked(company: _Company) -> str:
    begin = company.begin
    company.work(begin - 30 * MINUTE, begin + 30 * MINUTE, 4 * MINUTE)
    who = {"user": None, "client": None, "token": None, "source_ip": company.stranger()}
    company.events.append(event(begin, auth="none", target="export", **who))
    return "unauthenticated"


def _arrivals(company: _Company) -> str:
    """Forty people begin at one new address and mistype up to three times each; a few ask the help desk."""
    chance = company.chance
    spread = {"fast": 30 * MINUTE, "steady": HOUR, "slow": 3 * HOUR}[company.case.pace]
    for number in range(40):
        name, t = f"n{number}", company.begin + chance.uniform(0, spread)
        for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
            company.guess(t, name, OFFICE)
            t += chance.uniform(4, 40)
        if chance.random() < 0.95:
            who = company.who(name, OFFICE)
            company.events.append(event(t, kind="auth", auth="valid", **(who | {"token": None})))
            company.events += [event(t + 5 + i * 400, target="search", **who) for i in range(6)]
    return ""


def _wrong_secret(company: _Company) -> str:
    """An agent with a wrong secret that asks and asks, from its first minutes on or after a little work."""
    chance, t = company.chance, company.begin
    who = {"user": chance.choice((None, "svc-etl")), "client": "etl", "source_ip": "10.9.0.1"}
    if chance.random() < 0.5:
        company.events += [event(t - 120 + i * 15, target="sync", token="k:etl", **who) for i in range(8)]
    reason = chance.choice(("invalid client secret", "invalid_client", "wrong api key", "bad client credentials"))
    kind = chance.choice(({"kind": "auth", "auth": None}, {}))
    token = chance.choice((None, "k:wrong"))
    for _ in range(chance.randrange(60, 500)):
        company.events.append(failure(t, reason=reason, token=token, **kind, **who))
        t += min(company.step, 10.0)
    if chance.random() < 0.5:
        company.events += [event(t + i * 15, target="sync", token="k:new", **who) for i in range(8)]
    return ""


def _expired(company: _Company) -> str:
    """An agent that retries one expired token hundreds of times."""
    chance, t = company.chance, company.begin
    who = company.who("bot", "10.9.0.2")
    reason = chance.choice(("token expired", "invalid_token: lifetime exceeded", "jwt expired", "session expired"))
    for _ in range(chance.randrange(200, 700)):
        company.events.append(failure(t, reason=reason, **who))
        t += min(company.step, 5.0)
    company.events.append(event(t + 30, target="sync", **(who | {"token": "k:fresh"})))
    return ""


def _rotation(company: _Company) -> str:
    """Keys are rotated: everybody's token is refused once or twice, then renewed."""
    chance = company.chance
    reason = chance.choice(("unknown kid", "signature verification failed", "key rotated", "invalid signature"))
    for name in company.people:
        t = company.begin + chance.uniform(0, 10 * MINUTE)
        for _ in range(chance.randrange(1, 6)):
            company.events.append(failure(t, reason=reason, **company.who(name)))
            t += chance.uniform(0.5, 20)
        renewed = company.who(name) | {"token": f"k2:{name}"}
        company.events += [event(t + i * 60, target="x", **renewed) for i in range(4)]
    return ""


def _discovery(company: _Company) -> str:
    """Clients ask without credentials first, in great numbers."""
    for number in range(200):
        t = company.begin + number * min(company.step, 5.0)
        fields: dict[str, Any] = {"outcome": "auth_missing", "auth": "none", "reason": "no bearer token"}
        source = company.chance.choice((OFFICE, company.stranger()))
        company.events.append(failure(t, **(fields | {"source_ip": source, "user": None, "token": None})))
    return ""


def _open_tool(company: _Company) -> str:
    """A tool that is open to all is used now and then beside many checks."""
    chance, begin = company.chance, company.begin
    start = 0.0 if company.case.past else begin
    company.work(begin, begin + 90 * MINUTE, 4 * MINUTE)
    t = start + chance.uniform(0, 30 * MINUTE)
    every = {"fast": 5 * MINUTE, "steady": 20 * MINUTE, "slow": 45 * MINUTE}[company.case.pace]
    while t < begin + 90 * MINUTE:
        who = {"user": None, "client": None, "token": None, "source_ip": company.stranger()}
        company.events.append(event(t, auth="none", target="status", **who))
        t += chance.uniform(0.5, 1.5) * every
    return ""


def _shared_address(company: _Company) -> str:
    """A whole company behind one address where everybody had to choose a new password."""
    for name in company.people:
        t = company.begin + company.chance.uniform(0, {"fast": 10, "steady": 40, "slow": 120}[company.case.pace] * 60)
        for _ in range(company.chance.randrange(0, 5)):
            company.guess(t, name, OFFICE)
            t += company.chance.uniform(3, 30)
        company.events += [event(t + i * 300, target="search", **company.who(name)) for i in range(5)]
    return ""


ATTACKS: Final[Mapping[str, Callable[[_Company], str]]] = {
    "brute": _brute,
    "brute from many": lambda company: _brute(company, sources=12),
    "brute, then in": lambda company: _brute(company, win=True),
    "spray": _spray,
    "spray, then in": lambda company: _spray(company, win=True),
    "stuffing": _stuffing,
    "outage": _outage,
    "unchecked": _unchecked,
}
DECOYS: Final[Mapping[str, Callable[[_Company], str]]] = {
    "arrivals": _arrivals,
    "wrong secret": _wrong_secret,
    "expired": _expired,
    "rotation": _rotation,
    "discovery": _discovery,
    "open tool": _open_tool,
    "shared address": _shared_address,
}


def _unnamed(one: AuditEvent, name: str) -> AuditEvent:
    whoever = one.user or one.client
    return clone(one, **({"user": None, "client": None, "agent": None} | {name: whoever}))


def _unsaid(one: AuditEvent, chance: random.Random) -> AuditEvent:
    if one.outcome == "auth_invalid":
        return clone(one, outcome=None, auth=None)
    return clone(one, outcome=None) if one.outcome == "ok" and one.auth == "valid" else one


def _coded(one: AuditEvent, chance: random.Random) -> AuditEvent:
    if one.outcome == "auth_invalid":
        return clone(one, outcome=None, auth=None, error_code=401)
    return clone(one, outcome=None) if one.outcome == "ok" and one.auth == "valid" else one


def _reworded(one: AuditEvent, chance: random.Random) -> AuditEvent:
    return clone(one, reason=chance.choice(WORDS)) if one.reason == "bad password" else one


STYLES: Final[Mapping[str, Callable[[AuditEvent, random.Random], AuditEvent]]] = {
    "full": lambda one, _: one,
    "tokenless": lambda one, _: clone(one, token=None),
    "client only": lambda one, _: _unnamed(one, "client"),
    "agent only": lambda one, _: _unnamed(one, "agent"),
    "sourceless": lambda one, _: clone(one, source_ip=None),
    "on requests": lambda one, _: clone(one, kind="request", method="tools/call") if one.kind == "auth" else one,
    "neither field": _unsaid,
    "a code": _coded,
    "other words": _reworded,
    "no words": lambda one, _: clone(one, reason=None) if one.reason == "bad password" else one,
    "no tenant": lambda one, _: clone(one, tenant=None),
}


def build(case: Case) -> World:
    """The world of a case."""
    company = _Company(case, office=case.scenario == "shared address")
    company.past()
    wanted = (ATTACKS.get(case.scenario) or DECOYS[case.scenario])(company)
    chance = random.Random(f"style {case}")
    styled = [STYLES[case.style](one, chance) for one in sorted(company.events, key=lambda one: one.time)]
    listed = [clone(one, id=f"w{number}") for number, one in enumerate(styled)]
    if case.style == "sourceless" and case.scenario in ("spray", "spray, then in", "stuffing"):
        # From nowhere the two look alike, and who of many that were tried got in, nobody can tell.
        return World(listed, frozenset({"spray", "stuffing"}))
    return World(listed, frozenset({wanted} if wanted else ()))
