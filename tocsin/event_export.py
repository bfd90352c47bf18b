"""Sending events to Elasticsearch behind all else: a reader of the log with its own position and filter."""

import logging
import threading
from collections.abc import Callable, Sequence
from random import SystemRandom
from typing import Any, Final

from alerting.delivering.outbox import pause
from alerting.events import EventSender, asked_for
from alerting.matching import parse_all
from stream.decode import decode
from stream.errors import DamagedError, StorageError
from stream.log import EVENTS, Log, Snapshot
from tocsin.setup import SinkPlan
from tocsin_audit.event import AuditEvent

logger = logging.getLogger("tocsin.events")

TASK: Final = "event-export"
VERSION: Final = 1
FRAMES: Final = 16
"""Frames that are read and sent together at most."""
WAIT: Final = 0.5
"""Seconds that the reader waits for something new before it looks whether it should end."""


class EventExport:
    """Sends what the conditions ask for, from the position after the last batch that was taken.

    The position is kept in the log's own state. What is read first after a start, and what is tried again, may have
    arrived already. A service that is down delays nothing but this; what it refuses for good is counted, with the
    last reason, and stays in the log.
    """

    def __init__(
        self,
        name: str,
        log: Log,
        sender: EventSender,
        conditions: Sequence[str],
        *,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        self.name = name
        self.sent = self.refused = 0
        self.problem = ""
        self._log = log
        self._sender = sender
        self._conditions = parse_all(conditions)
        self._jitter = jitter or SystemRandom().random
        self._task = f"{TASK}:{name}"
        kept = log.load(self._task)
        self.position = kept.position if kept is not None else 0
        self._in_doubt = True
        self._attempts = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tocsin-events-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 20.0) -> None:
        """End after the present batch."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        if not self._thread.is_alive():
            self._sender.close()

    def status(self) -> dict[str, Any]:
        """Where it stands."""
        return {"position": self.position, "sent": self.sent, "refused": self.refused, "problem": self.problem}

    def step(self, wait: float = 0.0) -> float:
        """Send one batch; seconds until there may be another. Raises StorageError where the log does not work."""
        records = self._log.read(EVENTS, self.position, limit=FRAMES, wait=wait)
        if not records:
            return 0.0
        chosen: list[AuditEvent] = []
        for record in records:
            try:
                events = decode(record.frame)
            except DamagedError as error:
                self._refuse(f"frame {record.offset} is damaged: {error.what}")
                continue
            chosen += [event for event in events if asked_for(event, self._conditions)]
        if chosen:
            sent = self._sender.send(chosen, in_doubt=self._in_doubt)
            if sent.retry is not None:
                return self._wait(sent.retry.why, sent.retry.after)
            for why in sent.refused:
                self._refuse(why)
            self.sent += len(chosen) - len(sent.refused)
        self._attempts, self._in_doubt = 0, False
        if self.problem:
            logger.info("events go on", extra={"sink": self.name})
            self.problem = ""
        self.position = records[-1].offset + 1
        self._log.save(Snapshot(self._task, VERSION, self.position, b"", {}))
        return 0.0

    def _wait(self, why: str, after: float | None) -> float:
        self._attempts += 1
        self._in_doubt = True
        if why != self.problem:
            logger.warning("events wait: %s", why, extra={"sink": self.name})
        self.problem = why
        return pause(self._attempts, after, self._jitter())

    def _refuse(self, why: str) -> None:
        self.refused += 1
        logger.error("an event was not taken: %s", why, extra={"sink": self.name})

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                rest = self.step(WAIT)
            except StorageError as error:
                rest = self._wait(str(error), None)
            if rest:
                self._ending.wait(rest)


def exports_of(plans: Sequence[SinkPlan], log: Log) -> list[EventExport]:
    """The exports that the sinks of a configuration ask for."""
    asked = [plan for plan in plans if plan.kind.name == "elasticsearch" and plan.options.events is not None]
    if not asked:
        return []
    from alerting.sinks.elasticsearch import event_sender  # the client takes long to import, and few need it

    return [EventExport(plan.name, log, event_sender(plan.options), plan.options.events) for plan in asked]
