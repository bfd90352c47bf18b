"""A password spray at the token endpoint: one address, many users, few tries each, and one that works."""

import asyncio

from tocsin.scenarios.company import ATTACKER, BY_NAME, PEOPLE, WEAK_PASSWORD
from tocsin.scenarios.scenario import Scenario, World

GUESSES = ("Summer2026!", "Welcome1!", WEAK_PASSWORD)


async def run(world: World) -> None:
    """Try common passwords on everybody; with the login that works, look around."""
    token: str | None = None
    for guess in GUESSES:
        for person in PEOPLE:
            got = await world.log_in(person.name, guess, address=ATTACKER, client="python-requests")
            token = got or token
            await asyncio.sleep(0.02)
    if token is None:
        raise RuntimeError("the spray found no login: the demo's weak password is gone")
    async with world.connect(token, address=ATTACKER) as client:
        await client.list_tools()
        for page in range(3):
            await client.call_tool("list_customers", {"page": page})


SCENARIO = Scenario(
    id="password-spray",
    title="password spray that ends with a stolen login",
    run=run,
    classes=("success_after", "spray", "brute", "stuffing"),
    entity=frozenset({ATTACKER, BY_NAME["dana"].user}),
)
