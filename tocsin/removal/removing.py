"""Removal in a running Tocsin: each night what is due goes, and what a crash interrupted is taken up at the start."""

import logging
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from stream.errors import RejectedError, TocsinError
from tocsin.removal.erasing import Erasing
from tocsin.removal.keeping import Keeping
from tocsin.removal.retention import DAY, removes_anything
from tocsin_audit.event import rfc3339

logger = logging.getLogger("tocsin.removal.retention")

WAIT: Final = 1.0
BY: Final = "tocsin"


class AtWork(NamedTuple):
    """What removes in a process."""

    keeping: Keeping
    erasing: Erasing
    removing: "Removing"


class Removing:
    """The turns of the worker that removes; `clock` is the wall clock, `hour` the hour of the day in UTC."""

    def __init__(self, keeping: Keeping, hour: int, clock: Callable[[], float], ending: threading.Event) -> None:
        self._keeping = keeping
        self._hour = hour
        self._clock = clock
        self._ending = ending
        self._resumed = False
        self._tidied = 0.0
        self._problem = ""
        self.next = following(clock(), hour) if removes_anything(keeping.policy) else None

    def turn(self) -> None:
        """Wait, and remove what is due once the hour has come.

        What keeps it from removing is logged and shown, and tried again the next night: collecting goes on.
        """
        now = self._clock()
        try:
            if not self._resumed:
                self._resumed = True
                with self._keeping.alone():
                    self._keeping.resume()
            if now >= self._tidied + DAY or now < self._tidied:
                self._tidied = now
                self._keeping.tidy(now)
            if self.next is None or now < self.next:
                self._ending.wait(WAIT)
                return
            for step in self._keeping.run(now, BY):
                logger.info("retention", extra=step)
        except RejectedError:
            # Somebody is erasing; it is tried again at once.
            self._ending.wait(WAIT)
            return
        except TocsinError as error:
            logger.error("nothing is removed: %s", error)
            self._problem = str(error)
        else:
            self._problem = ""
        if self.next is not None and now >= self.next:
            self.next = following(now, self._hour)

    def status(self) -> dict[str, Any]:
        """When it removes next, and what came of the last job, for people and machines."""
        done = self._keeping.done()
        told = {
            "next": rfc3339(self.next) if self.next is not None else None,
            "last": {key: done[-1][key] for key in ("job", "time", "why") if key in done[-1]} if done else None,
        }
        return {**told, **({"problem": self._problem} if self._problem else {})}


def following(now: float, hour: int) -> float:
    """The next moment at which it is that hour of a day in UTC, in seconds."""
    at = now // DAY * DAY + hour * 3_600.0
    return at if at > now else at + DAY
