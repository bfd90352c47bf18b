"""The intake: what was admitted becomes durable, once, whichever input brought it."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

from collector.admit import Admitted
from collector.keys import Key
from stream.crashpoints import crash_point
from stream.decode import identify
from stream.dedup import Duplicates
from stream.frame import LIMIT
from stream.log import EVENTS, Log
from stream.receipt import receive
from stream.stretch import Stretch, stretch_of
from tocsin_audit.event import AuditEvent

AHEAD: Final = 48
"""Frames that may wait to be folded before answers wait too: a reader this near finds them decoded in memory."""
BEHIND: Final = 512
"""Frames after which waiting helps nobody: the reader stands still or catches up with history."""
PAUSE: Final = 0.01
"""Seconds between two looks."""
PATIENCE: Final = 0.25
"""Seconds that one request waits at most."""


class Kept(NamedTuple):
    """How many events became durable, how many were recognised as sent before, and the log's offset after the last."""

    accepted: int
    duplicates: int
    end: int = 0


class _Part(NamedTuple):
    events: Sequence[AuditEvent]
    durable: Future[int]
    stretch: Stretch | None


class Intake:
    """Makes admitted events durable before it answers; used by one thread or one event loop at a time.

    `lag` says how many frames of the log wait to be folded. Where these are some, answers wait a little: producers go
    at the reader's pace, and it need not decode again what left memory meanwhile. It never keeps events out.
    """

    def __init__(self, log: Log, duplicates: Duplicates | None = None) -> None:
        self.lag: Callable[[], int] = _nobody_reads
        self._log = log
        self._duplicates = duplicates or Duplicates()

    async def keep(self, admitted: Admitted, digest: str, key: Key, received: float) -> Kept:
        """Wait until every frame is durable; what is, is known from then on, so that a retry does not count twice.

        `digest` names what was sent, `received` is in seconds since the epoch. Raises StorageError.
        """
        await self._keep_pace()
        parts, repeated = self._begin(admitted, digest, key, received)
        futures = [asyncio.wrap_future(part.durable) for part in parts]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        return self._end(parts, outcomes, repeated, key, received)

    def store(self, admitted: Admitted, digest: str, key: Key, received: float) -> Kept:
        """As `keep`, for a thread."""
        parts, repeated = self._begin(admitted, digest, key, received)
        outcomes = [part.durable.exception() or part.durable.result() for part in parts]
        return self._end(parts, outcomes, repeated, key, received)

    async def _keep_pace(self) -> None:
        for _ in range(round(PATIENCE / PAUSE)):
            if not AHEAD < self.lag() < BEHIND:
                return
            await asyncio.sleep(PAUSE)

    def _begin(self, admitted: Admitted, digest: str, key: Key, received: float) -> tuple[list[_Part], int]:
        stretch = stretch_of(admitted.events)
        if stretch is None:
            identify(admitted.events, digest, admitted.numbers)
        repeated = self._duplicates.find(key.scope, admitted.events, received, stretch)
        if repeated:
            admitted.without(repeated)
        crash_point("receive.before_append")
        parts = []
        for at in range(0, len(admitted.events), LIMIT):
            part = slice(at, at + LIMIT)
            events = admitted.events[part]
            own = (
                stretch
                if stretch is not None and len(events) == stretch.last - stretch.first + 1
                else stretch_of(events)
            )
            parts.append(_Part(events, self._append(admitted, part, events, own, digest, key, received), own))
        return parts, len(repeated)

    def _append(
        self,
        admitted: Admitted,
        part: slice,
        events: list[AuditEvent],
        stretch: Stretch | None,
        digest: str,
        key: Key,
        received: float,
    ) -> Future[int]:
        frame = receive(
            events,
            admitted.payload(part),
            received,
            source=key.scope,
            digest=digest,
            numbers=admitted.numbers[part],
            tenant=key.tenant,
            each=admitted.lines[part],
            stretch=stretch,
            named=True,
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
                self._duplicates.mark(key.scope, part.events, received, part.stretch)
                accepted += len(part.events)
                end = max(end, outcome + 1)
        if failed is not None:
            raise failed
        crash_point("receive.after_append")
        return Kept(accepted, repeated, end)


def _nobody_reads() -> int:
    """Where folding is another process's work, its pace is not ours to keep."""
    return 0
