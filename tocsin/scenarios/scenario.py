"""What a scenario is: something that somebody does to the demo's server, and what should come of it."""

import random
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Final

import httpx
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from stream.finding import Class
from tocsin.scenarios.company import Person

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLIENT: Final = "demo"


@dataclass(slots=True)
class World:
    """The running server, and chance with a seed."""

    url: str
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311  # play, not secrets

    async def log_in(self, name: str, password: str, *, address: str, client: str) -> str | None:
        """Ask the token endpoint for a token from an address; None where it refuses."""
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.post(
                f"{self.url}/token",
                data={"grant_type": "password", "username": name, "password": password, "client_id": client},
                headers={"x-forwarded-for": address},
            )
        if answer.status_code != httpx.codes.OK:
            return None
        return str(answer.json()["access_token"])

    @asynccontextmanager
    async def connect(self, token: str, *, address: str) -> "AsyncIterator[Client[Any]]":
        """A real MCP client over HTTP with a token, from an address."""
        headers = {"authorization": f"Bearer {token}", "x-forwarded-for": address}
        async with Client(StreamableHttpTransport(f"{self.url}/mcp", headers=headers), timeout=10) as client:
            yield client

    async def bare_call(self, token: str | None, *, address: str) -> int:
        """One MCP request without a client library; the HTTP status of the answer."""
        headers = {
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "x-forwarded-for": address,
        }
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.post(f"{self.url}/mcp", json=body, headers=headers)
        return answer.status_code

    async def signed_in(self, person: Person) -> str:
        """A person's token, by the right password."""
        token = await self.log_in(person.name, person.password, address=person.address, client=person.client)
        if token is None:
            raise RuntimeError(f"the demo's server does not know {person.name}")
        return token


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that happens: its name, whether it is an attack, the classes that tell it, and the doing of it.

    `entity` are values of which an incident about it names one.
    """

    id: str
    title: str
    run: Callable[[World], Coroutine[Any, Any, None]]
    classes: tuple[Class, ...] = ()
    entity: frozenset[str] = frozenset()

    @property
    def attack(self) -> bool:
        """Whether somebody should hear of it."""
        return bool(self.classes)


def scenarios() -> dict[str, Scenario]:
    """Every scenario of this folder, by id: modules that expose SCENARIO."""
    package = import_module("tocsin.scenarios")
    found: dict[str, Scenario] = {}
    for module in iter_modules(package.__path__):
        if not module.name.startswith("_"):
            scenario = getattr(import_module(f"tocsin.scenarios.{module.name}"), "SCENARIO", None)
            if isinstance(scenario, Scenario):
                found[scenario.id] = scenario
    return found
