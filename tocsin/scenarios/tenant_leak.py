"""A bug in the server: a report is cached by month alone, so who asks second is shown another customer's rows."""

import asyncio

from tocsin.scenarios.company import BY_NAME, SERVER
from tocsin.scenarios.scenario import Scenario, World

FIRST = BY_NAME["carol"]
SECOND = BY_NAME["kim"]


async def run(world: World) -> None:
    """Two honest people ask for the same report; only the answer to the second one is wrong."""
    for person in (FIRST, SECOND):
        token = await world.signed_in(person)
        async with world.connect(token, address=person.address) as client:
            await client.call_tool("monthly_report", {"month": "2026-10"})
        await asyncio.sleep(0.2)


SCENARIO = Scenario(
    id="cross-tenant-read",
    title="a server bug shows one customer another's rows",
    run=run,
    classes=("cross_tenant_read", "cross_tenant_leak"),
    entity=frozenset({SECOND.user, SERVER}),
)
