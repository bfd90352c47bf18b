"""Twenty ordinary days: seasons, shared addresses, lapsed tokens, discovery, roaming, partners. Nobody is woken."""

import random
from collections.abc import Iterator
from typing import Any, Final

from detectors.cross_tenant import CrossTenant
from detectors.failed_auth import FailedAuth
from stream.finding import at_least
from tests.detectors.streams import DAY, HOUR, MINUTE, event, failure, frames, run
from tocsin_audit.event import AuditEvent

DAYS: Final = 20
TENANTS: Final = ("acme", "globex", "initech")
FACTS: Final[dict[str, Any]] = {
    "ownership": [{"server": "crm", "uri": "crm://{tenant}/**"}],
    "principals": [{"user": "helper", "tenant": "acme", "role": "support"}],
    "grants": [{"role": "support", "tenant": "*"}],
}


def person(chance: random.Random, tenant: str, number: int) -> Iterator[AuditEvent]:
    user, office = f"{tenant}-{number}", f"198.51.{TENANTS.index(tenant)}.1"
    for day in range(DAYS):
        if day % 7 > 4 and chance.random() < 0.8:
            continue
        home = f"192.0.2.{number}" if chance.random() < 0.3 else office
        at = day * DAY + 8 * HOUR + chance.uniform(0, HOUR)
        token = f"k:{user}:{day}"
        who: dict[str, Any] = {"user": user, "tenant": tenant, "source_ip": home, "client": "desk"}
        yield event(at, outcome="auth_missing", auth="none", tenant=tenant, source_ip=home)
        for mistake in range(chance.choice((0, 0, 0, 1, 3))):
            yield failure(at + 5 + mistake * 7, kind="auth", reason="bad password", auth=None, **who)
        yield event(at + 30, kind="auth", **who)
        for _ in range(12):
            at += chance.expovariate(1 / (35 * MINUTE))
            kind = chance.random()
            if kind < 0.05:
                yield failure(at, reason="token expired", token=token, **who)
                token = f"k:{user}:{at}"
            elif kind < 0.08:
                yield event(at, outcome="not_found", target=f"typo-{chance.randrange(9)}", token=token, **who)
            elif kind < 0.10:
                yield event(at, outcome="authz_denied", target="export", token=token, **who)
            else:
                target = f"crm://{tenant}/c/{chance.randrange(60)}"
                yield event(at, method="resources/read", target=target, token=token, **who)


def agent(chance: random.Random, tenant: str) -> Iterator[AuditEvent]:
    who: dict[str, Any] = {"user": None, "client": f"{tenant}-agent", "tenant": tenant}
    for step in range(DAYS * 24):
        at = step * HOUR + chance.uniform(0, MINUTE)
        source = f"203.0.113.{chance.randrange(4)}"
        yield event(at, token=f"k:{tenant}:{step}", source_ip=source, target="sync", **who)
        if step % 97 == 96:
            for again in range(150):
                yield failure(at + 60 + again * 2, reason="token expired", token="k:old", source_ip=source, **who)


def visitors(chance: random.Random) -> Iterator[AuditEvent]:
    for day in range(DAYS):
        at = day * DAY + 12 * HOUR
        yield event(at, user="helper", source_ip="198.51.0.1", resource_tenants=(chance.choice(TENANTS),))
        yield event(at + 60, user="acme-1", source_ip="198.51.0.1", resource_tenants=("acme", "public"))
        yield event(at + 90, server="status", tenant=None, auth="none", source_ip=f"100.64.0.{day}", target="status")


def outage(tenant: str) -> Iterator[AuditEvent]:
    for number in range(12):
        for again in range(25):
            yield failure(
                9 * DAY + 10 * HOUR + number + again * 40,
                user=f"{tenant}-{number}",
                tenant=tenant,
                source_ip=f"198.51.{TENANTS.index(tenant)}.1",
                token=f"k:{number}",
                reason="jwks unreachable",
            )


def test_twenty_ordinary_days_wake_nobody() -> None:
    chance = random.Random(20)
    events = [one for tenant in TENANTS for number in range(12) for one in person(chance, tenant, number)]
    for tenant in TENANTS:
        events += [*agent(chance, tenant), *outage(tenant)]
    events += visitors(chance)
    events.sort(key=lambda one: one.time)
    findings = run([FailedAuth(), CrossTenant()], frames(events), facts=FACTS)
    loud = [(one.class_, one.entity, one.observed) for one in findings if at_least(one.severity, "high")]
    assert loud == []
    assert {one.class_ for one in findings if at_least(one.severity, "medium")} <= {"outage"}
