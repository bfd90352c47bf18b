"""Forgetting a person on request: the ids under which detectors keep state of them, and dropping it."""

from collections.abc import Iterable

from detectors import keys
from detectors.engine.table import Table
from detectors.keys import Raw
from stream.control import Forgotten


def forgotten(name: str, tenant: str | None, secret: bytes, at: float) -> Forgotten:
    """The record that has every engine with this secret forget a user, client or agent; `at` is in seconds.

    What wider entities (an address, a tenant, a server) count of them stays: there it is a number or a keyed hash.
    """
    raws: tuple[Raw, ...] = ((tenant, name), (tenant, name, "client"), (tenant, name, "agent"))
    entities = {"principal": raws, "client": ((tenant, name),)}
    return Forgotten(
        {kind: tuple(keys.digest(kind, raw, secret) for raw in some) for kind, some in entities.items()}, at
    )


def forget(tables: Iterable[Table], record: Forgotten, clock: float) -> None:
    """Drop what a record names; `clock` is the log's."""
    for table in tables:
        for identity in record.entities.get(table.kind, ()):
            table.forget(identity, clock)
