"""What every HTTP input does with the records of a body: read, admit, keep, count."""

import asyncio
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from starlette.requests import Request

from collector.admit import CHUNK, Admitted
from collector.discovery import format_names, load_format
from collector.door import Door, Refused
from collector.enrich import Enricher
from collector.format import Format
from collector.intake import Intake, Kept
from collector.keys import Key
from collector.observer import Observer, tell
from collector.reading import Reader, Record
from collector.tally import Tallies
from stream.errors import ConfigError, UnavailableError
from tocsin_audit.event import AuditEvent


class Delivery:
    """One body of one key under way: what of it was admitted so far, and when it came."""

    def __init__(self, name: str, body: bytes, key: Key, received: float) -> None:
        self.name = name
        self.key = key
        self.size = len(body)
        self.digest = sha256(body).hexdigest()
        self.received = received
        self.begin = time.perf_counter()
        self.records = 0
        self.admitted = Admitted()


class Pushed:
    """The way from records to durable events that all HTTP inputs share; used by one event loop."""

    def __init__(
        self,
        door: Door,
        intake: Intake,
        observer: Observer,
        tallies: Tallies,
        clock: Callable[[], float],
        enrich: Enricher | None = None,
    ) -> None:
        self.door: Final = door
        self.tallies: Final = tallies
        self.enrich: Final = enrich
        self._intake = intake
        self._observer = observer
        self._clock = clock
        self._formats: dict[str, Format] = {}
        # Looking them up costs too much to be done for every word that a sender says.
        self._names = frozenset(format_names())

    def form(self, name: str) -> Format:
        """A format by its name; raises Refused where there is none."""
        if name not in self._formats:
            try:
                self._formats[name] = load_format(name)
            except (ConfigError, UnavailableError) as error:
                raise Refused(400, error.what, error.hint, cause="content") from error
        return self._formats[name]

    def asked(self, request: Request, other: str | None = None) -> Format:
        """The format that a request asks for with `?format=`, else another if there is one, else the native one."""
        said = request.query_params.get("format")
        if said is not None:
            return self.form(said[:100])
        if other and other in self._names:
            return self.form(other)
        return self.form("native")

    def begin(self, name: str, body: bytes, key: Key) -> Delivery:
        """A body that the input of a name has just read."""
        return Delivery(name, body, key, self._clock())

    async def read(self, delivery: Delivery, records: Sequence[Record], form: Format) -> None:
        """Judge records of a format, letting others have their turn meanwhile."""
        reader = Reader(form, delivery.key, self.door.limits.line, enrich=self.enrich)
        delivery.records += len(records)
        for at in range(0, len(records), CHUNK):
            if at:
                await asyncio.sleep(0)
            reader.read(delivery.admitted, records[at : at + CHUNK], delivery.digest, delivery.received)

    async def take(
        self, delivery: Delivery, events: Sequence[AuditEvent], numbers: Sequence[int], records: int
    ) -> None:
        """Judge events that were made of a whole body at once, of so many records."""
        reader = Reader(
            self.form("native"), delivery.key, self.door.limits.line, enrich=self.enrich, source=delivery.name
        )
        delivery.records += records
        for at in range(0, len(events), CHUNK):
            if at:
                await asyncio.sleep(0)
            part = slice(at, at + CHUNK)
            reader.take(delivery.admitted, events[part], numbers[part], delivery.digest, delivery.received)

    async def keep(self, delivery: Delivery) -> Kept:
        """Make what was admitted durable, and count it; raises StorageError where it cannot be."""
        admitted = delivery.admitted
        kept = await self._intake.keep(admitted, delivery.digest, delivery.key, delivery.received)
        tell(self._observer, kept, admitted.reasons, delivery.key.scope)
        self.tallies[delivery.name].took(delivery.records, kept, admitted.rejected, admitted.reasons)
        self._observer.received(delivery.size, time.perf_counter() - delivery.begin)
        return kept
