"""The alert role: whoever the group names decides; all others stand by."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from alerting.delivering.delivery import Delivery
from alerting.task import AlertTask
from stream.broker.group import Membership

logger = logging.getLogger("tocsin.alert")

GROUP: Final = "alert"
PARTITION: Final = 0
"""The findings have one order for all, so that there is one serial decider; a second process takes over from it."""
WAIT: Final = 0.25
PATIENCE: Final = 15.0
"""Seconds that findings wait for a partition that stands still, such as that of a worker that died: after them what was
found elsewhere is told without it."""


class Alerting:
    """Decides and delivers while the group says that it is this process's turn.

    `task` and `deliveries` make the decider and the senders; they are made anew with each take-over, since somebody
    else has moved the database meanwhile. `place` says how far the database is: position and clock. `impatient` counts
    how often findings were decided before every partition had come as far.
    """

    def __init__(
        self,
        membership: Membership,
        task: Callable[[], AlertTask],
        deliveries: Callable[[], Sequence[Delivery]],
        place: Callable[[], tuple[int, float]],
    ) -> None:
        self.task: AlertTask | None = None
        self._place = place
        self._decided = 0
        self._membership = membership
        self._make_task = task
        self._make_deliveries = deliveries
        self._deliveries: Sequence[Delivery] = ()
        self._idle = threading.Event()
        self._since: tuple[int, float] | None = None
        self.impatient = 0

    @property
    def active(self) -> bool:
        """Whether this process decides now."""
        return self.task is not None

    @property
    def settled(self) -> bool:
        """Whether the group has said who decides, and this process does where it is the one."""
        return self._membership.joined and (PARTITION in self._membership.owned) == self.active

    @property
    def decided(self) -> int:
        """Up to where the findings are decided, here or by another process."""
        return self._decided if self.active else self._place()[0]

    @property
    def clock(self) -> float:
        """The clock of what was decided, in seconds since the epoch."""
        task = self.task
        return task.clock if task is not None else self._place()[1]

    def turn(self) -> None:
        """One pass: follow the group, decide what is there."""
        ours = PARTITION in self._membership.owned
        if self.task is not None and not ours:
            self._stand_by()
        for number in self._membership.asked_back:
            self._membership.released(number)
        if self.task is None and ours:
            self._take_over()
        if self.task is None:
            self._idle.wait(WAIT)
            return
        self.task.advance(wait=WAIT, patient=self._patient(self.task))
        self._decided = self.task.position

    def _patient(self, task: AlertTask) -> bool:
        """Whether what is held may wait on."""
        if not task.held:
            self._since = None
            return True
        now = time.monotonic()
        if self._since is None or self._since[0] != task.position:
            self._since = task.position, now
        if now - self._since[1] < PATIENCE:
            return True
        logger.warning("findings are decided without waiting for a partition that stands still")
        self.impatient += 1
        self._since = None
        return False

    def wake(self) -> None:
        """There is something in the outbox."""
        for delivery in self._deliveries:
            delivery.wake()

    def stop(self) -> None:
        """Finish what is there, stop sending, and leave the group."""
        if self.task is not None:
            if PARTITION in self._membership.owned:
                while self.task.advance(wait=0.0):
                    pass
            self._stand_by()
        self._membership.close()

    def _take_over(self) -> None:
        self.task = self._make_task()
        self._decided = self.task.position
        self._deliveries = self._make_deliveries()
        for delivery in self._deliveries:
            delivery.start()
        logger.info("this process decides now", extra={"position": self._decided})

    def _stand_by(self) -> None:
        self.task = None
        deliveries, self._deliveries = self._deliveries, ()
        for delivery in deliveries:
            if not delivery.stop():
                logger.warning("a sink has not answered; its alerts are tried again by whoever decides next")
        logger.info("another process decides now")
