"""Traffic for measuring: realistic lines of many principals, all ordinary, in bodies of a given size."""

import json
import random
import time
from collections.abc import Iterator
from typing import Final

from tocsin_audit.event import AuditEvent, to_wire

TOOLS: Final = (("list_customers", 25), ("get_customer", 1), ("search_orders", 6), ("get_invoice", 1), ("read_file", 0))
SERVERS: Final = ("crm", "billing", "files", "search")
PRODUCERS: Final = 8
BATCH: Final = 500


def lines(
    count: int, *, principals: int, start: float, rate: float, seed: int = 1, run: str = "bench"
) -> Iterator[bytes]:
    """So many NDJSON lines of so many principals in a hundred tenants, `rate` events a second of event time.

    A batch comes from one producer, since each ships what it has seen itself.
    """
    chance = random.Random(seed)  # noqa: S311  # play, not secrets
    tenants = [f"tenant-{index:03d}" for index in range(min(100, principals))]
    sent = [0] * PRODUCERS
    for number in range(count):
        who = chance.randrange(principals)
        tenant = tenants[who % len(tenants)]
        tool, rows = TOOLS[chance.randrange(len(TOOLS))]
        producer = number // BATCH % PRODUCERS
        sent[producer] += 1
        failed = chance.random() < 0.01
        yield to_wire(
            AuditEvent(
                time=start + number / rate,
                server=SERVERS[who % len(SERVERS)],
                method="tools/call",
                target=tool,
                action="read",
                outcome="tool_error" if failed else "ok",
                user=f"https://idp.{tenant}.example|user-{who:06d}",
                client=f"desktop-{who % 3}",
                tenant=tenant,
                resource_tenants=(tenant,),
                auth="valid",
                identity="verified",
                token=f"k1:{who * 2654435761 % 2**64:016x}",
                source_ip=f"10.{who >> 16 & 255}.{who >> 8 & 255}.{who & 255}",
                ip_trust="peer",
                request_bytes=140,
                response_bytes=rows * 110 + 120,
                rows=rows,
                bytes_quality="exact",
                duration_ms=12.5,
                protocol="2026-07-28",
                transport="http",
                args_keys=("page",),
                args_hash=f"k1:{number % 997:08x}",
                producer=f"mcp-{producer}",
                run=run,
                seq=sent[producer],
            )
        )


def bodies(batch: int, source: Iterator[bytes]) -> Iterator[bytes]:
    """Lines joined into NDJSON bodies of so many."""
    held: list[bytes] = []
    for line in source:
        held.append(line)
        if len(held) == batch:
            yield b"\n".join(held)
            held.clear()
    if held:
        yield b"\n".join(held)


def attack(name: str) -> bytes:
    """A line in which somebody is handed another tenant's data now; each name makes an incident of its own."""
    event = {
        "time": time.time(),
        "server": f"files-{name}",
        "method": "tools/call",
        "target": "get_customer",
        "outcome": "ok",
        "auth": "valid",
        "identity": "verified",
        "user": f"https://idp.mallory.example|{name}",
        "tenant": "mallory",
        "resource_tenants": [f"victim-{name}"],
        "source_ip": "203.0.113.7",
        "id": f"attack-{name}",
    }
    return json.dumps(event).encode()
