"""Noise: somebody mistypes a password twice, then gets it right and works on."""

import asyncio

from tocsin.scenarios.company import BY_NAME
from tocsin.scenarios.scenario import Scenario, World

PERSON = BY_NAME["bob"]


async def run(world: World) -> None:
    """Two typos, one login, one call."""
    for typo in (PERSON.password[:-1], PERSON.password + "1"):
        await world.log_in(PERSON.name, typo, address=PERSON.address, client=PERSON.client)
        await asyncio.sleep(1.5)
    token = await world.signed_in(PERSON)
    async with world.connect(token, address=PERSON.address) as client:
        await client.call_tool("list_customers", {"page": 0})


SCENARIO = Scenario(id="typo", title="a password mistyped twice", run=run)
