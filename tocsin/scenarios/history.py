"""The past that baselines need: a fortnight of ordinary work, flat over the day, ending now."""

import random
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from tocsin.scenarios.company import AUDIENCE, PEOPLE, SERVER, Person
from tocsin_audit.event import AuditEvent, to_wire

DAYS: Final = 15
CALLS_PER_HOUR: Final = 10
ROW_BYTES: Final = 110


def history(now: float, *, seed: int = 7, days: int = DAYS) -> Iterator[bytes]:
    """Lines of audit events in the order of their time, ending a few minutes before `now` (seconds since the epoch)."""
    chance = random.Random(seed)  # noqa: S311  # play, not secrets
    start = now - days * 86_400
    for hour in range(days * 24 - 1):
        calls = sorted(
            (start + hour * 3600 + chance.uniform(0, 3600), index)
            for index in range(len(PEOPLE))
            for _ in range(round(CALLS_PER_HOUR * chance.uniform(0.6, 1.4)))
        )
        for moment, index in calls:
            yield to_wire(_call(PEOPLE[index], moment, chance))


def _call(person: Person, moment: float, chance: random.Random) -> AuditEvent:
    tool, rows = chance.choice((("list_customers", 25), ("get_customer", 1), ("get_customer", 1), ("search_orders", 6)))
    return AuditEvent(
        time=moment,
        server=SERVER,
        id=f"past-{chance.getrandbits(64):016x}",
        method="tools/call",
        target=tool,
        action="read",
        outcome="ok",
        user=person.user,
        client=person.client,
        tenant=person.tenant,
        resource_tenants=(person.tenant,),
        auth="valid",
        identity="verified",
        token=f"past:{blake2b(f'{person.name}{int(moment) // 900}'.encode(), digest_size=8).hexdigest()}",
        audience=AUDIENCE,
        source_ip=person.address,
        ip_trust="trusted_xff",
        rows=rows,
        response_bytes=rows * ROW_BYTES + 120,
        request_bytes=140,
        bytes_quality="exact",
        duration_ms=round(chance.uniform(2, 30), 1),
        transport="http",
        producer="history",
    )
