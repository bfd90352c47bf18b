"""The intake: what was admitted becomes durable, once, whichever input brought it."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from collector.admit import Admitted
from collector.keys import Key
from stream.crashpoints import crash_point
from stream.decode import identify
from stream.dedup import Duplicates
from stream.frame import LIMIT
from stream.log import EVENTS, Log
from stream.receipt import receive
from tocsin_audit.event import AuditEvent


class Kept(NamedTuple):
    """How many events became durable, how many were recognised as sent before, and the log's offset after the last."""

    accepted: int
    duplicates: int
    end: int = 0


class _Part(NamedTuple):
    events: Sequence[AuditEvent]
    durable: Future[int]


class Intake:
    """Makes admitted events durable before it answers; used by one thread or one event loop at a time."""

    def __init__(self, log: Log, duplicates: Duplicates | None = None) -> None:
        self._log = log
        self._duplicates = duplicates or Duplicates()

    async def keep(self, admitted: Admitted, digest: str, key: Key, received: float) -> Kept:
        """Wait until every frame is durable; what is, is known from then on, so that a retry does not count twice.

        `digest` names what was sent, `received` is in seconds since the epoch. Raises StorageError.
        """
        parts, repeated = self._begin(admitted, digest, key, received)
        futures = [asyncio.wrap_future(part.durable) for part in parts]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        return self._end(parts, outcomes, repeated, key, received)

    def store(self, admitted: Admitted, digest: str, key: Key, received: float) -> Kept:
        """As `keep`, for a thread."""
        parts, repeated = self._begin(admitted, digest, key, received)
        outcomes = [part.durable.exception() or part.durable.result() for part in parts]
        return self._end(parts, outcomes, repeated, key, received)

    def _begin(self, admitted: Admitted, digest: str, key: Key, received: float) -> tuple[list[_Part], int]:
        identify(admitted.events, digest, admitted.numbers)
        repeated = self._duplicates.find(key.scope, admitted.events, received)
        if repeated:
            admitted.without(repeated)
        crash_point("receive.before_append")
        parts = []
        for at in range(0, len(admitted.events), LIMIT):
            part = slice(at, at + LIMIT)
            parts.append(_Part(admitted.events[part], self._append(admitted, part, digest, key, received)))
        return parts, len(repeated)

    def _append(self, admitted: Admitted, part: slice, digest: str, key: Key, received: float) -> Future[int]:
        frame = receive(
            admitted.events[part],
            admitted.payload(part),
            received,
            source=key.scope,
            digest=digest,
            numbers=admitted.numbers[part],
            tenant=key.tenant,
        )
        return self._log.append(EVENTS, frame)

    def _end(
        self, parts: Sequence[_Part], outcomes: Sequence[int | BaseException], repeated: int, key: Key, received: float
    ) -> Kept:
        failed: BaseException | None = None
        accepted = end = 0
        for part, outcome in zip(parts, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                failed = failed or outcome
            else:
                self._duplicates.mark(key.scope, part.events, received)
                accepted += len(part.events)
                end = max(end, outcome + 1)
        if failed is not None:
            raise failed
        crash_point("receive.after_append")
        return Kept(accepted, repeated, end)
