"""The recorder: the thread that turns exchanges into numbered events and hands them on, with its own heartbeats."""

import itertools
import os
import secrets
import threading
import time
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from tocsin_audit.assemble import Assembler, Passed
from tocsin_audit.buffer import Buffer
from tocsin_audit.collector import Collector
from tocsin_audit.event import AuditEvent, to_wire
from tocsin_audit.fingerprint import LOCAL, fingerprints
from tocsin_audit.options import Options
from tocsin_audit.settings import Document, Settings
from tocsin_audit.shipper import Shipper
from tocsin_audit.spool import Spool
from tocsin_audit.spool_keys import SpoolKeys
from tocsin_audit.subscription import Subscription
from tocsin_audit.troubles import LOG, Troubles

_BATCH: Final = 500
_LINGER: Final = 0.2
_BREATH: Final = 8
_MOST_DENIALS: Final = 200


class Delivery(Protocol):
    """Where lines go."""

    sent: int
    rejected: int
    dropped: int

    @property
    def spooled(self) -> int:
        """Segments that wait on disk."""

    def deliver(self, lines: list[bytes]) -> None:
        """Take a batch."""

    def close(self, seconds: float) -> None:
        """Finish within a bounded time."""


class FileDelivery:
    """Appends to a file, for a server without a Tocsin or with a collector that reads files."""

    def __init__(self, path: Path, troubles: Troubles) -> None:
        self._path = path
        self._troubles = troubles
        self.sent = self.rejected = self.dropped = self.spooled = 0

    def deliver(self, lines: list[bytes]) -> None:
        """Append a batch."""
        try:
            with self._path.open("ab") as file:
                file.write(b"\n".join(lines) + b"\n")
            self.sent += len(lines)
        except OSError as error:
            self.dropped += len(lines)
            self._troubles.note("dropped", f"{len(lines)} events are lost: {error}", count=len(lines))

    def close(self, seconds: float) -> None:
        """Nothing is held back."""


class Recorder:
    """Everything of one server in one process: a new run, its queue, its threads."""

    def __init__(self, options: Options) -> None:
        self.pid = os.getpid()
        self.run = secrets.token_hex(8)
        self.trusted = options.trusted_proxies
        self._options = options
        self._troubles = Troubles()
        self._prints = fingerprints(options.fingerprint_key, secrets.token_bytes(32))
        self.settings = self._compile(Document())
        self._assembler = Assembler(options.server, self._prints, self.trusted, options.onlooker)
        self._buffer: Buffer[Passed | AuditEvent] = Buffer(options.queue, options.queue_bytes)
        self._numbers = itertools.count(1)
        self._refused = 0
        self._delivery: Delivery | None = None
        self._subscription: Subscription | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stopped = False
        self._beat_now = False

    def start(self) -> None:
        """Begin to deliver; the first call does it."""
        if self._thread is not None or self._stopped:
            return
        with self._starting:
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="tocsin-audit", daemon=True)
                try:
                    self._open()
                    self._thread.start()
                except Exception as error:  # noqa: BLE001 - our own faults must not reach the server
                    self._stopped = True
                    self.trouble("start", error)

    def submit(self, passed: Passed) -> bool:
        """Hand over what passed by; where the queue is full it is dropped, counted, and leaves a gap in the numbers."""
        return self._put(passed, passed.weight)

    def record(self, event: AuditEvent) -> None:
        """Hand over an event that a server saw by itself, such as a login at its token endpoint."""
        self.start()
        self._put(event, 1024)

    def _put(self, item: Passed | AuditEvent, weight: int) -> bool:
        if self._buffer.put(item, weight, batch=_BATCH):
            return True
        next(self._numbers)
        self._refused += 1
        self._troubles.note("overflow", "the queue is full, events are lost; their numbers are missing")
        return False

    def fingerprint(self, value: str) -> str:
        """The keyed fingerprint of a token."""
        return self._prints.of(value)

    def trouble(self, where: str, error: BaseException) -> None:
        """Note a fault of our own."""
        self._troubles.note(f"fault {where}", f"a fault of our own at the {where}; the server goes on", error=error)

    def stop(self) -> None:
        """Deliver or spool what is left, within the bounded time of the options."""
        with self._starting:
            if self._stopped:
                return
            self._stopped = True
        if self._thread is None:
            return
        deadline = time.monotonic() + self._options.stop_s
        if self._subscription is not None:
            self._subscription.close()
        self._buffer.close()
        self._thread.join(max(0.1, deadline - time.monotonic()))
        if self._delivery is not None:
            self._delivery.close(max(0.1, deadline - time.monotonic()))

    def _open(self) -> None:
        options = self._options
        if self._prints.key_id == LOCAL:
            LOG.warning(
                "tocsin-audit: TOCSIN_FINGERPRINT_KEY is not set; fingerprints of %s compare within this process only",
                options.server,
            )
        if options.path is not None:
            self._delivery = FileDelivery(options.path, self._troubles)
            return
        assert options.url is not None
        assert options.key is not None
        keys, disk = self._keys()
        spool = self._spool(keys) if disk else None
        self._delivery = Shipper(Collector(options.url, options.key), spool, self._troubles)
        cache = options.spool / "settings.json" if disk else None
        self._subscription = Subscription(
            Collector(options.url, options.key),
            cache,
            self._adopt_settings,
            self._troubles,
            server=options.server,
            closed_s=options.closed_s,
            keys=keys,
        )

    def _keys(self) -> tuple[SpoolKeys | None, bool]:
        """The keys of what is kept on disk, and whether anything may be: what was to lie encrypted never is plain."""
        text = self._options.spool_key
        try:
            return (None if text is None else SpoolKeys(text)), True
        except ValueError as error:
            LOG.error(
                "tocsin-audit: no spool, since TOCSIN_SPOOL_KEY cannot be used: %s; "
                "events are lost when the collector is away",
                error,
            )
            return None, False

    def _spool(self, keys: SpoolKeys | None) -> Spool | None:
        try:
            return Spool(self._options.spool, self.run, most_bytes=self._options.spool_bytes, keys=keys)
        except OSError as error:
            LOG.error(
                "tocsin-audit: no spool at %s (%s); events are lost when the collector is away. hint: TOCSIN_SPOOL",
                self._options.spool,
                error,
            )
            return None

    def _compile(self, document: Document) -> Settings:
        options = self._options
        settings = Settings(
            document, server=options.server, ownership=options.ownership, tenant_claim=options.tenant_claim
        )
        for fault in settings.faults:
            self._troubles.note(f"settings {fault}", f"left out: {fault}")
        return settings

    def _adopt_settings(self, document: Document) -> None:
        settings = self._compile(document)
        key_id = settings.fingerprint_key_id
        if key_id is not None and key_id != self._prints.key_id:
            self._troubles.note(
                "key", f"fingerprints are made with key {self._prints.key_id}, but the fleet's is {key_id}"
            )
        self.settings = settings
        self._beat_now = True
        self._buffer.wake()

    def _run(self) -> None:
        self._deliver([self._lifecycle("started")])
        beat = 0.0
        while True:
            due = beat - time.monotonic()
            if due <= 0 or self._beat_now:
                self._beat_now = False
                beat = time.monotonic() + self._options.heartbeat_s
                self._deliver([*self._due(), self._heartbeat()])
                continue
            items = self._buffer.take(_BATCH, wait=due, linger=_LINGER)
            if items:
                self._deliver_all(items)
            elif self._stopped:
                self._deliver([*self._due(last=True), self._heartbeat(), self._lifecycle("stopped")])
                return

    def _deliver_all(self, items: list[Passed | AuditEvent]) -> None:
        events: list[AuditEvent] = []
        for number, item in enumerate(items):
            try:
                events += [item] if isinstance(item, AuditEvent) else self._assembler.tell(item, self.settings)
            except Exception as error:  # noqa: BLE001 - one exchange that we cannot read must not stop the others
                next(self._numbers)
                self.trouble("assembly", error)
            if number % _BREATH == 0:
                time.sleep(0)  # the server's own thread goes first
        for at in range(0, len(events), _BATCH):
            self._deliver(events[at : at + _BATCH])

    def _due(self, *, last: bool = False) -> list[AuditEvent]:
        """What time alone makes due."""
        try:
            events = self._assembler.due(time.time(), self.settings)
            return events + self._assembler.end() if last else events
        except Exception as error:  # noqa: BLE001 - heartbeats must go on
            self.trouble("assembly", error)
            return []

    def _deliver(self, events: list[AuditEvent]) -> None:
        lines = []
        for event in events:
            event.producer, event.run, event.seq = self._options.producer, self.run, next(self._numbers)
            try:
                lines.append(to_wire(event))
            except (TypeError, ValueError) as error:
                self.trouble("encoding", error)
        if lines and self._delivery is not None:
            try:
                self._delivery.deliver(lines)
            except Exception as error:  # noqa: BLE001 - delivery is tried again with the next batch
                self.trouble("delivery", error)

    def _heartbeat(self) -> AuditEvent:
        event = AuditEvent(time=time.time(), server=self._options.server, kind="heartbeat")
        event.ext = msgspec.Raw(msgspec.json.encode(self.counters()))
        return event

    def _lifecycle(self, what: str) -> AuditEvent:
        return AuditEvent(time=time.time(), server=self._options.server, kind="lifecycle", reason=what)

    def counters(self) -> dict[str, Any]:
        """What became of the events so far, as every heartbeat says it."""
        delivery = self._delivery
        return {
            "queued": len(self._buffer),
            "spooled": delivery.spooled if delivery is not None else 0,
            "dropped": self._refused + (delivery.dropped if delivery is not None else 0),
            "sent": delivery.sent if delivery is not None else 0,
            "rejected": delivery.rejected if delivery is not None else 0,
            "faults": sum(count for kind, count in self._troubles.counts.items() if kind.startswith("fault")),
            "settings": self.settings.version,
            "denials": self.settings.denials.ids[:_MOST_DENIALS],
            "fingerprint_key": self._prints.key_id,
        }
