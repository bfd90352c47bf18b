"""Delivery: one worker a sink sends what is in its outbox, and a dead sink holds up only itself."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from random import SystemRandom
from typing import Final

from sqlalchemy import Connection

from alerting.alert import Alert
from alerting.database.store import Store
from alerting.delivering.mailbox import Mailbox
from alerting.delivering.outbox import DIGEST_AFTER, Row, Settled, batch, digest, settle
from alerting.observe import Observer, Unobserved
from alerting.sink import Renewing, Result, Sink
from alerting.wording.message import digest_text
from stream.crashpoints import crash_point
from stream.errors import StorageError

BATCH: Final = 100
"""Alerts that a sink is given at once, each of another incident."""
LAST: Final = 20
"""Batches that are sent at the end at most; the rest waits for the next start."""
IDLE: Final = 1.0
"""Seconds after which the outbox is looked at without having been woken."""

_LOG: Final = logging.getLogger(__name__)


class Delivery:
    """Sends one sink's alerts: says first that it attempts them, sends, and records the answers.

    A crash in between leaves attempts in doubt, which the sink is told of the next time. `pager` says that the sink
    wakes a person, so that what is older than an hour goes as one digest. `clock` and `jitter` (0 to 1) are for tests.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        sink: Sink,
        *,
        pager: bool = False,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self._store = store
        self._sink = sink
        self._pager = pager
        self._clock = clock
        self._jitter = jitter or SystemRandom().random
        self._observer = observer or Unobserved()
        self._mailbox = Mailbox(name)
        self._paused = 0.0
        self._renewed = 0.0
        self._down = False
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"deliver-{name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver in a thread of its own."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be something new."""
        self._woken.set()

    def stop(self, timeout: float = 10.0) -> bool:
        """Send what is due while the sink takes it, and end; False where it has not answered in `timeout` seconds."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                return False
        self._sink.close()
        return True

    def step(self) -> float:
        """Attempt one batch; seconds until there may be another, 0 where there may be one now.

        Raises StorageError where the store does not work.
        """
        now = self._clock()
        if now < self._paused:
            return self._paused - now
        self._renew(now)
        with self._store.reading() as connection:
            due = self._mailbox.next_due(connection)
        if due is None or due > now:
            return IDLE if due is None else min(IDLE, due - now)
        crash_point("delivery.before_attempt")
        rows = self._begin(now)
        if not rows:
            return IDLE
        crash_point("delivery.after_attempt")
        results = self._deliver(rows)
        now = self._clock()
        crash_point("delivery.before_record")
        settled = [(row, settle(row, result, now, self._jitter())) for row, result in zip(rows, results, strict=True)]
        back = self._down and any(what.state != "pending" for _, what in settled)
        with self._store.unit() as unit:
            self._mailbox.settle(unit.connection, settled, now)
            if back:
                self._mailbox.hurry(unit.connection, now)
        crash_point("delivery.after_record")
        for row, result in zip(rows, results, strict=True):
            self._observer.attempted(self.name, row.alert, result, row.attempts, now)
        return self._pause(settled, now)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                wait = self.step()
            except StorageError as error:
                _LOG.error("delivery to %s waits for the database: %s", self.name, error)
                wait = IDLE
            if wait > 0:
                self._woken.wait(wait)
                self._woken.clear()
        try:
            # What was decided last must not wait for the next start; a sink that is down ends this at once.
            last = LAST
            while last and self.step() == 0:
                last -= 1
        except StorageError as error:
            _LOG.error("what is left for %s waits for the next start: %s", self.name, error)

    def _renew(self, now: float) -> None:
        """Say again what stands, for a service that forgets; a failure is made good by the next time."""
        if not isinstance(self._sink, Renewing) or now < self._renewed + self._sink.renew_seconds:
            return
        self._renewed = now
        with self._store.reading() as connection:
            standing = self._mailbox.standing(connection)
        if not standing:
            return
        result = self._sink.renew(standing)
        if result.outcome != "done":
            _LOG.warning("what stands could not be said to %s again: %s", self.name, result.why)

    def _begin(self, now: float) -> list[Row]:
        with self._store.unit() as unit:
            if self._pager and self._mailbox.since(unit.connection, now - DIGEST_AFTER):
                self._digest(unit.connection, now)
            waiting = self._mailbox.waiting(unit.connection, now)
            chosen = batch(self._mailbox.due(unit.connection, now), waiting, BATCH)
            if not chosen:
                return []
            return self._mailbox.attempt(unit.connection, self._mailbox.rows(unit.connection, chosen), now)

    def _digest(self, connection: Connection, now: float) -> None:
        found = digest(self._mailbox.all(connection), now)
        if found is None:
            return
        lead = found.lead
        alert = Alert(
            id=f"{lead.id}.digest",
            time=now,
            change="digest",
            reason=lead.reason,
            page=found.page,
            incident=lead.incident,
            text=digest_text(found.alerts, found.became),
        )
        self._mailbox.replace(connection, found.rows, alert, now)

    def _deliver(self, rows: Sequence[Row]) -> Sequence[Result]:
        alerts = [row.alert for row in rows]
        in_doubt = frozenset(row.alert.id for row in rows if row.attempts > 1)
        try:
            results = self._sink.deliver(alerts, in_doubt)
        except Exception as error:  # noqa: BLE001  # a sink's fault, third parties' included, must not end delivery
            _LOG.exception("the sink %s failed", self.name)
            return [Result("retry", f"the sink failed: {type(error).__name__}")] * len(rows)
        if len(results) != len(rows):
            return [Result("retry", f"the sink answered for {len(results)} of {len(rows)} alerts")] * len(rows)
        return results

    def _pause(self, settled: Sequence[tuple[Row, Settled]], now: float) -> float:
        """Where everything failed the sink is down, and none of the others need try."""
        self._down = all(what.state == "pending" for _, what in settled)
        if self._down:
            self._paused = min(what.due for _, what in settled)
            return max(0.0, self._paused - now)
        return 0.0
