"""What producers are told: ownership rules, identity claims, denials; one document per key, with its version."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from collector.keys import Key
from stream.control import Denied
from stream.directory import Directory
from tocsin_audit.event import rfc3339

HEARTBEAT: Final = 15
"""Seconds between a producer's signs of life."""


class Told(NamedTuple):
    """What is known at a moment: the directory and every denial so far, in their order."""

    directory: Directory
    denials: Sequence[Denied]


FactsSource = Callable[[], Told]
"""Answers at once with the same object while nothing changes."""


class Document(NamedTuple):
    """An answer to `GET /v1/producer` and its ETag; it is good until a moment in seconds since the epoch."""

    body: bytes
    etag: str
    until: float


def document(told: Told, key: Key, now: float) -> Document:
    """What a key's producers are told: rules for all servers or for the key's, denials that its tenants may know of."""
    live = standing(told.denials, now)
    visible = [
        denial for denial in live if not key.tenants or denial.subject.get("tenant", key.tenants[0]) in key.tenants
    ]
    content = {
        "ownership": [_plain(rule) for rule in told.directory.ownership if _for(rule.server, key)],
        "identity": [_plain(claim) for claim in told.directory.identity if _for(claim.server, key)],
        "denials": [
            {
                "id": denial.id,
                "subject": denial.subject,
                "until": rfc3339(denial.until),
                "incident": denial.incident,
                "mode": denial.mode,
            }
            for denial in visible
        ],
        "heartbeat_s": HEARTBEAT,
    }
    version = sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:16]
    until = min((denial.until for denial in live), default=float("inf"))
    return Document(msgspec.json.encode({"version": version, **content}), f'"{version}"', until)


def standing(denials: Iterable[Denied], now: float) -> list[Denied]:
    """The denials that hold at a moment: the last word on each id, unless it is over."""
    last = {denial.id: denial for denial in denials}
    return [denial for denial in last.values() if denial.until > now]


def _for(server: str | None, key: Key) -> bool:
    return server is None or not key.servers or server in key.servers


def _plain(rule: Any) -> Any:
    return msgspec.to_builtins(rule)
