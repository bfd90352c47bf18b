"""Who there is: tenants, people, their agents and addresses, and what the directory says of them."""

from dataclasses import dataclass
from typing import Any, Final

ISSUER: Final = "https://login.demo.example"
SERVER: Final = "crm"
AUDIENCE: Final = "https://crm.demo.example/mcp"
WEAK_PASSWORD: Final = "Autumn2026!"  # noqa: S105  # the demo's victim chose it so that the spray succeeds


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose assistant calls the MCP server."""

    name: str
    tenant: str
    client: str
    address: str
    password: str

    @property
    def user(self) -> str:
        """The user as audit events name it: issuer and subject."""
        return f"{ISSUER}|{self.name}"


def _people(tenant: str, network: str, names: tuple[str, ...]) -> tuple[Person, ...]:
    return tuple(
        Person(
            name=f"{name}@{tenant}.example",
            tenant=tenant,
            client=f"{tenant}-desktop",
            address=f"{network}.{20 + index}",
            password=WEAK_PASSWORD if name == "dana" else f"{name}-{tenant}-7Rq!",
        )
        for index, name in enumerate(names)
    )


PEOPLE: Final = (
    *_people("acme", "198.51.100", ("alice", "bob", "carol", "dana", "emil", "fay")),
    *_people("globex", "192.0.2", ("greta", "hugo", "ines", "jon")),
    *_people("initech", "192.0.2", ("kim", "lena", "milo")),
)
TENANTS: Final = ("acme", "globex", "initech")
BY_NAME: Final = {person.name.split("@")[0]: person for person in PEOPLE}
SHORT_LIVED: Final = ("nightly-sync", 2)
"""A client whose tokens live for so few seconds that it must often ask for a fresh one."""
ATTACKER: Final = "203.0.113.66"
"""The address that the spray comes from (TEST-NET-3, RFC 5737)."""


def directory() -> dict[str, Any]:
    """The directory of this world: tenants, the server, and where an answer says whose rows it holds."""
    return {
        "tenants": {tenant: {} for tenant in TENANTS},
        "servers": [{"name": SERVER, "shared": True, "data": ["pii", "payment"]}],
        "ownership": [
            {"server": SERVER, "uri": "crm://{tenant}/**"},
            {"server": SERVER, "result": "rows[*].tenant_id"},
        ],
    }
