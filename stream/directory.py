"""The directory: what the operator tells Tocsin about tenants, principals, servers, grants and owners."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Tenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A customer whose data must stay apart."""

    region: str | None = None
    sensitivity: str | None = None


class Principal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Who acts: one of user, client and agent names it."""

    user: str | None = None
    client: str | None = None
    agent: str | None = None
    tenant: str | None = None
    role: str | None = None
    ai_type: str | None = None


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """An MCP server of the inventory: its owner, or shared by all."""

    name: str
    tenant: str | None = None
    shared: bool = False
    data: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Leave for a principal or a role to touch a tenant's data (`*` for all), from and until, with its ticket."""

    tenant: str
    user: str | None = None
    client: str | None = None
    agent: str | None = None
    role: str | None = None
    from_: Moment | None = msgspec.field(default=None, name="from")
    until: Moment | None = None
    ticket: str | None = None


class Ownership(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One rule that reads an owner from a URI template, an argument, a result path or a header."""

    server: str | None = None
    uri: str | None = None
    argument: str | None = None
    result: str | None = None
    header: str | None = None
    match: str | None = None


class Canary(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An object that nobody should ever read."""

    target: str
    server: str | None = None


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A stretch of time in which changes, silence or busy traffic are expected."""

    kind: Literal["change", "maintenance", "busy"]
    from_: Moment = msgspec.field(name="from")
    until: Moment
    server: str | None = None
    tenant: str | None = None
    note: str | None = None


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Which claim of a verified token names the caller's tenant, for one server or for all."""

    claim: str
    server: str | None = None


class Directory(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One version of everything the operator said; empty is a good directory."""

    tenants: dict[str, Tenant] = {}
    principals: tuple[Principal, ...] = ()
    servers: tuple[Server, ...] = ()
    grants: tuple[Grant, ...] = ()
    ownership: tuple[Ownership, ...] = ()
    canaries: tuple[Canary, ...] = ()
    windows: tuple[Window, ...] = ()
    identity: tuple[Claim, ...] = ()


EMPTY: Final = Directory()


def from_builtins(tree: Any) -> Directory:
    """A directory from what a YAML or JSON parser made.

    Raises msgspec.ValidationError naming the first place that does not fit.
    """
    return msgspec.convert(tree, Directory)
