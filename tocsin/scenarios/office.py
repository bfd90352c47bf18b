"""Ordinary work: assistants of several customers look things up, now and then."""

import asyncio
import random

from tocsin.scenarios.company import BY_NAME, Person
from tocsin.scenarios.scenario import Scenario, World

WORKERS = ("alice", "carol", "emil", "fay", "greta", "ines", "jon", "kim", "lena")
CALLS = 6
PAUSE = (3.0, 8.0)


async def run(world: World) -> None:
    """Every worker makes a few calls with pauses between."""
    await asyncio.gather(*(work(world, BY_NAME[name], random.Random(name)) for name in WORKERS))  # noqa: S311  # not secrets


async def work(world: World, person: Person, chance: random.Random) -> None:
    """One assistant's morning: lists, single records, a search that finds little."""
    await asyncio.sleep(chance.uniform(0, PAUSE[1]))
    token = await world.signed_in(person)
    async with world.connect(token, address=person.address) as client:
        await client.list_tools()
        for _ in range(CALLS):
            await asyncio.sleep(chance.uniform(*PAUSE))
            kind = chance.random()
            if kind < 0.4:
                await client.call_tool("list_customers", {"page": chance.randrange(5)})
            elif kind < 0.8:
                await client.call_tool("get_customer", {"number": chance.randrange(100)})
            elif kind < 0.95:
                await client.call_tool("search_orders", {"text": chance.choice(("late", "refund", "gift"))})
            else:
                await client.call_tool("get_customer", {"number": 10_000}, raise_on_error=False)


SCENARIO = Scenario(id="office", title="ordinary work of three customers", run=run)
