"""Noise: clients that call without credentials first, as OAuth discovery has it."""

import asyncio

from tocsin.scenarios.company import PEOPLE
from tocsin.scenarios.scenario import Scenario, World


async def run(world: World) -> None:
    """Everybody's client is told once where to log in."""
    for person in PEOPLE:
        await world.bare_call(None, address=person.address)
        await asyncio.sleep(0.3)


SCENARIO = Scenario(id="discovery", title="clients discover where to log in", run=run)
