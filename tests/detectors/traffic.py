"""Traffic that touches everything a detector may keep: ordinary work, bursts, guesses, foreign reads, handles."""

import random
from collections.abc import Iterable, Sequence
from typing import Any, Final

from detectors import keys
from detectors.base import Kind
from detectors.keys import Raw
from stream.facts import Facts
from tests.detectors.streams import HOUR, event, failure, read
from tocsin_audit.event import AuditEvent

DIRECTORY: Final[dict[str, Any]] = {
    "tenants": {"acme": {}, "globex": {}, "initech": {}},
    "servers": [{"name": "crm", "shared": True}, {"name": "billing", "tenant": "acme"}],
    "ownership": [{"server": "crm", "uri": "crm://{tenant}/**"}],
    "canaries": [{"server": "crm", "target": "crm://globex/canary"}],
}
TENANTS: Final = ("acme", "globex", "initech")


def ordinary(
    chance: random.Random, tenants: Sequence[str] = TENANTS, *, hours: float = 2.0, calls: int = 400
) -> list[AuditEvent]:
    """People and agents at work, each from a place and with a token of its own; a typo now and then."""
    events = []
    for _ in range(calls):
        tenant = chance.choice(tenants)
        number = chance.randrange(6)
        who: dict[str, Any] = {
            "tenant": tenant,
            "user": f"user-{number}",
            "client": f"client-{number % 2}",
            "token": f"k:{tenant}{number}",
            "source_ip": f"10.{TENANTS.index(tenant)}.0.{number}",
            "server": chance.choice(("crm", "billing", "search")),
        }
        t = chance.uniform(0.0, hours * HOUR)
        dice = chance.random()
        if dice < 0.04:
            events.append(failure(t, reason=chance.choice(("token expired", "bad signature")), **who))
        elif dice < 0.07:
            events.append(event(t, outcome="auth_missing", auth="none", **(who | {"token": None})))
        elif dice < 0.1:
            events.append(event(t, outcome=chance.choice(("not_found", "authz_denied")), target="odd", **who))
        elif dice < 0.3:
            target = f"crm://{tenant}/{chance.randrange(30)}"
            events.append(
                read(
                    t,
                    target=target,
                    resource_tenants=(tenant,),
                    response_bytes=900,
                    rows=1,
                    **(who | {"server": "crm"}),
                )
            )
        else:
            rows = chance.randrange(1, 50)
            events.append(event(t, target="search", response_bytes=200 * rows, rows=rows, **who))
    return events


def hostile(
    chance: random.Random, tenant: str = "acme", *, hours: float = 2.0, network: str = "198.51.100"
) -> list[AuditEvent]:
    """Brute force with a success, a spray, stuffing, a bulk export, foreign reads, a canary, a stolen handle."""
    begin = chance.uniform(0.2, 0.6) * hours * HOUR
    victim: dict[str, Any] = {"tenant": tenant, "user": "victim", "client": "client-1"}
    events = [
        failure(begin + i * chance.uniform(1, 4), source_ip=f"{network}.1", token=f"t{i}", **victim) for i in range(60)
    ]
    events.append(event(begin + 260, source_ip=f"{network}.1", token="stolen", **victim))
    for i in range(80):
        guess: dict[str, Any] = {"tenant": tenant, "user": f"user-{i % 25}", "token": None}
        events.append(
            failure(begin + 300 + 7 * i, kind="auth", reason="bad password", source_ip=f"{network}.2", **guess)
        )
        events.append(
            failure(begin + 300 + 9 * i, kind="auth", reason="bad password", source_ip=f"{network}.{100 + i}", **guess)
        )
    thief: dict[str, Any] = {
        "tenant": tenant,
        "user": "thief",
        "client": "client-1",
        "source_ip": f"{network}.3",
        "token": "k:thief",
    }
    for i in range(150):
        target = f"crm://{tenant}/{i}"
        events.append(
            read(
                begin + i * 0.5,
                target=target,
                resource_tenants=(tenant,),
                response_bytes=900_000_000,
                rows=400_000,
                **thief,
            )
        )
    others = [name for name in TENANTS if name != tenant]
    for i in range(5):
        owner = others[i % len(others)]
        events.append(read(begin + 500 + i, target=f"crm://{owner}/{i}", resource_tenants=(owner,), rows=3, **thief))
        events.append(
            event(
                begin + 520 + i, outcome="authz_denied", method="resources/read", target=f"crm://{owner}/x{i}", **thief
            )
        )
    events.append(read(begin + 600, target="crm://globex/canary", resource_tenants=("globex",), **thief))
    events.append(event(begin + 610, handles_minted=(f"h-{tenant}",), **victim))
    events.append(event(begin + 620, handles_presented=(f"h-{tenant}",), signals=("mixup:tenant",), **thief))
    return events


def mixed(seed: int, *, hours: float = 2.0) -> list[AuditEvent]:
    """Ordinary and hostile traffic together, in order of time."""
    chance = random.Random(seed)
    events = ordinary(chance, hours=hours) + hostile(chance, hours=hours)
    return sorted(events, key=lambda one: one.time)


def raw_keys(kind: Kind, one: AuditEvent, facts: Facts) -> Iterable[Raw]:
    """The entities of a kind that an event belongs to."""
    found: dict[Kind, Sequence[Raw | None]] = {
        "principal": [keys.principal(one)],
        "tenant": [one.tenant],
        "source": [one.source_ip],
        "client": [(one.tenant, one.client) if one.client is not None else None],
        "token": [one.token],
        "server": [one.server],
        "object": [keys.target(one)],
        "population": [keys.population(one, facts)],
        "producer": [("test", one.producer) if one.producer is not None else None],
        "handle": keys.handles(one),
    }
    return [raw for raw in found[kind] if raw is not None]
