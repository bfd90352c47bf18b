"""A bulk export: an assistant with a valid login copies the whole order book."""

import asyncio

from tocsin.scenarios.company import BY_NAME
from tocsin.scenarios.scenario import Scenario, World

PERSON = BY_NAME["hugo"]
PAGES = 60
ROWS = 2_000


async def run(world: World) -> None:
    """Page through everything, as fast as the server answers."""
    token = await world.signed_in(PERSON)
    async with world.connect(token, address=PERSON.address) as client:
        for page in range(PAGES):
            await client.call_tool("export_orders", {"page": page, "size": ROWS})
            await asyncio.sleep(0.01)


SCENARIO = Scenario(
    id="bulk-export",
    title="bulk export by an assistant with a valid login",
    run=run,
    classes=("volume_burst", "volume_slow"),
    entity=frozenset({PERSON.user}),
)
