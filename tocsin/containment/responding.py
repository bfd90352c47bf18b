"""What a process that decides does of itself: tells denials, contains what was approved, and seals evidence."""

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from alerting.database.store import Store
from alerting.response.acting import Acting
from alerting.response.announce import Announcer
from alerting.response.automatic import Automatic
from alerting.response.evidence import Known, Sealer
from alerting.response.lookup import named
from alerting.runbook import Runbooks
from alerting.task import act_frame
from stream.control import Denied, Deny, Performed
from stream.errors import TocsinError
from stream.finding import Finding
from stream.log import FINDINGS
from tocsin_audit.event import AuditEvent

logger = logging.getLogger("tocsin.containment.responding")

WAIT: Final = 1.0
"""Seconds between two looks, unless something happens."""
PATIENCE: Final = 15.0
"""Seconds that others have to answer once the process ends."""


class Responding:
    """The stage behind the alert task. `announce` makes a denial durable in the stream of events."""

    def __init__(
        self,
        store: Store,
        log: Any,
        rules: Any,
        runbooks: Runbooks,
        known: Callable[[], Known],
        announce: Callable[[Denied], None],
        clock: Callable[[], float],
    ) -> None:
        self._log = log
        self._clock = clock
        self._awake = threading.Event()
        self._lock = threading.Lock()
        self._ending = False
        self._announcer = Announcer(store, announce)
        self._automatic = Automatic(store, rules, self._events, self._act)
        self._sealer = Sealer(store, log, runbooks, known)
        self._acting = Acting(store, log, rules, self._act, lambda: not self._ending)
        self._aside: threading.Thread | None = None
        self._followed = float("-inf")

    def wake(self) -> None:
        """Something was decided."""
        self._awake.set()

    def end(self) -> None:
        """Wait no more, and let what others are asked to do come to its end as far as they answer in time."""
        with self._lock:
            self._ending = True
            aside = self._aside
        self._awake.set()
        if aside is not None:
            aside.join(PATIENCE)

    def turn(self) -> None:
        """One pass: whom to refuse comes first, since every second counts there."""
        now = self._clock()
        self._follow(now)
        done = self._announcer.turn(now) + self._automatic.turn(now)
        if not done:
            done = self._sealer.turn(now)
        if not done and not self._ending:
            self._awake.wait(WAIT)
        self._awake.clear()

    def _events(self, finding: Finding) -> list[AuditEvent]:
        return [found.event for found in named(self._log, [finding])]

    def _follow(self, now: float) -> None:
        """Do what follows from denials in a thread of its own: others' gateways may take their time to answer."""
        if abs(now - self._followed) < WAIT or (self._aside is not None and self._aside.is_alive()):
            return
        # Whoever ends it must find either no thread, and none is begun any more, or one that it can wait for.
        with self._lock:
            if self._ending:
                return
            self._followed = now
            self._aside = threading.Thread(target=self._acted, args=(now,), name="tocsin-acting", daemon=True)
            self._aside.start()

    def _acted(self, now: float) -> None:
        try:
            self._acting.turn(now)
        except TocsinError as error:
            logger.warning("what follows from denials waits: %s", error)
        except Exception:
            # What it speaks to may be closed by now; what it began stays in doubt, as after a crash.
            if not self._ending:
                raise

    def _act(self, act: Deny | Performed) -> None:
        self._log.append(FINDINGS, act_frame(act, act.at)).result()
