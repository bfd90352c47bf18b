"""Noise: an agent whose token has expired tries it again and again before it asks for a fresh one."""

import asyncio

from tocsin.scenarios.company import BY_NAME, SHORT_LIVED
from tocsin.scenarios.scenario import Scenario, World

PERSON = BY_NAME["milo"]
RETRIES = 40


async def run(world: World) -> None:
    """Forty calls with one expired token, then a fresh one."""
    client, seconds = SHORT_LIVED
    token = await world.log_in(PERSON.name, PERSON.password, address=PERSON.address, client=client)
    await asyncio.sleep(seconds + 1)
    for _ in range(RETRIES):
        await world.bare_call(token, address=PERSON.address)
        await asyncio.sleep(0.15)
    fresh = await world.log_in(PERSON.name, PERSON.password, address=PERSON.address, client=client)
    await world.bare_call(fresh, address=PERSON.address)


SCENARIO = Scenario(id="expired-token", title="an agent retries its expired token", run=run)
