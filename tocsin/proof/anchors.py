"""Anchors: places out of Tocsin's own reach that keep its checkpoints, so that a cut or rewritten end shows."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import msgspec

from stream.errors import TocsinError
from stream.ledger.file import Ledger
from stream.ledger.note import Checkpoint
from tocsin.config.ledger import FileAnchor, WebhookAnchor
from tocsin.config.options import read_secret
from tocsin.proof.anchor_kinds import Put, to_elasticsearch, to_file, to_syslog, to_webhook, trust
from tocsin.setup import Ready
from tocsin_audit.event import rfc3339

logger = logging.getLogger("tocsin.ledger")

FAILED: Final = (OSError, httpx.HTTPError, TocsinError)
"""What an anchor raises that cannot be reached, or that does not take what it is given."""


def document(note: str, at: float) -> dict[str, Any]:
    """What an anchor keeps of a checkpoint: the signed note itself, and what is searched by, in ECS."""
    checkpoint = Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")
    return {
        "@timestamp": rfc3339(at),
        "event": {"kind": "event", "category": ["configuration"], "dataset": "tocsin.ledger"},
        "tocsin": {"ledger": {"origin": checkpoint.origin, "size": checkpoint.size, "checkpoint": note}},
    }


class Anchors:
    """Shows the newest checkpoint to every anchor; one that is down holds up none of the others.

    `hide` takes the secrets out of what an anchor answered.
    """

    def __init__(
        self,
        ledger: Ledger,
        puts: Mapping[str, Put],
        clock: Callable[[], float],
        hide: Callable[[str], str] = str,
    ) -> None:
        self.problems: dict[str, str] = {}
        self._ledger = ledger
        self._puts = puts
        self._clock = clock
        self._hide = hide

    def put(self) -> None:
        """Show it to those that have not seen it; `problems` says why one could not be reached."""
        newest = self._ledger.keep_newest() if self._puts else None
        if newest is None:
            return
        size, note = newest
        for name, put in self._puts.items():
            if self._ledger.anchored(name) >= size:
                continue
            try:
                put(f"{note.split(' ', 2)[1]}-{size}", msgspec.json.encode(document(note, self._clock())))
            except FAILED as error:
                text = self._hide(f"{type(error).__name__}: {error}")
                if self.problems.get(name) != text:
                    logger.warning("a checkpoint could not be anchored", extra={"anchor": name, "error": text})
                self.problems[name] = text
            else:
                self.problems.pop(name, None)
                self._ledger.put_anchored(name, size)

    def status(self) -> dict[str, Any]:
        """Up to which size each anchor has seen the ledger, and what keeps it from more."""
        return {name: {"size": self._ledger.anchored(name), "problem": self.problems.get(name)} for name in self._puts}


def puts_of(ready: Ready) -> dict[str, Put]:
    """The anchors that a configuration names, and its Elasticsearch sinks.

    Raises FaultsError naming the place where a secret cannot be read.
    """
    found: dict[str, Put] = {}
    for name, said in ready.config.ledger.anchors.items():
        if isinstance(said, FileAnchor):
            found[name] = to_file(ready.loaded.path(said.path))
            continue
        ca = None if said.ca is None else ready.loaded.path(said.ca)
        if isinstance(said, WebhookAnchor):
            place = ("ledger", "anchors", name, "token")
            token = None if said.token is None else read_secret(ready.loaded, place, said.token)
            found[name] = to_webhook(said.url, token, trust(ca))
        else:
            found[name] = to_syslog(said.host, said.port, said.protocol, trust(ca))
    for plan in ready.sinks:
        if plan.kind.name == "elasticsearch":
            found.setdefault(f"sinks.{plan.name}", to_elasticsearch(plan.options))
    return found
