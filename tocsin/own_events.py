"""Tocsin's own log-ins and changes as audit events, so that its detectors find what is done to Tocsin itself."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, Literal

import msgspec

from stream.clean import clean_text
from stream.decode import identify, prepare
from stream.errors import StorageError
from stream.frame import Frame
from stream.receipt import receive
from stream.throttle import Throttle
from tocsin_audit.event import DECODER, rfc3339

logger = logging.getLogger("tocsin.access")

SERVER: Final = "tocsin"
ISSUER: Final = "tocsin"
A_MINUTE: Final = 600
"""Events of our own in a minute at most, and a tenth of it about one address."""

Door = Literal["operator", "collector"]


class OwnEvents:
    """Writes failed log-ins, bad collector keys and changed files into the stream; safe to call from any thread."""

    def __init__(self, append: Callable[[Frame], Future[int]], clock: Callable[[], float]) -> None:
        self._append = append
        self._clock = clock
        self._all = Throttle(A_MINUTE, 60.0)
        self._each = Throttle(A_MINUTE // 10, 60.0)
        self._lock = threading.Lock()
        self._number = 0
        self.left_out = 0
        """Events that were too many."""

    def failed(self, door: Door, address: str, reason: str, *, user: str | None = None) -> None:
        """Somebody at an address was not let in, for a reason; `user` is the name that was given."""
        now = self._clock()
        line: dict[str, Any] = {
            "kind": "auth",
            "target": door,
            "outcome": "auth_invalid",
            "auth": "invalid",
            "identity": "claimed",
            "reason": reason,
        }
        if address:
            line["source_ip"] = address
        if user is not None and (name := clean_text(user, 64)):
            line["user"] = f"{ISSUER}|{name}"
        if self._write(line, f"{door} {address}", now):
            logger.warning("not let in", extra={"door": door, "address": address, "why": reason})

    def changed(self, what: str, before: str, after: str) -> None:
        """A file of Tocsin's own is another; `before` and `after` are its digests, empty where there is none."""
        action = "create" if not before else "update" if after else "delete"
        change = {"object": what, "action": action, "before": before or None, "after": after or None}
        line = {"kind": "config", "target": what, "outcome": "ok", "change": change}
        if self._write(line, f"changed {what}", self._clock()):
            logger.info("changed", extra={"what": what, "sha256": after})

    def _write(self, line: dict[str, Any], about: str, now: float) -> bool:
        """Put one event into the stream; whether it was not one too many."""
        with self._lock:
            if not (self._each.spend(about, now) and self._all.spend("", now)):
                self.left_out += 1
                return False
            self._number += 1
            number = self._number
        whole = {"v": 1, "time": rfc3339(now), "server": SERVER, "id": f"tocsin-{int(now * 1e6):x}-{number:x}", **line}
        lines = msgspec.json.encode(whole)
        events = DECODER.decode_lines(lines)
        prepare(events, lines)
        identify(events, "", (1,))
        self._append(receive(events, lines, now, source="tocsin", digest="")).add_done_callback(_looked_at)
        return True


def _looked_at(done: Future[int]) -> None:
    """A log that cannot be written says so itself; an attempt that it does not hold stands in our own log."""
    error = done.exception()
    if error is not None and not isinstance(error, StorageError):
        logger.error("an attempt could not be recorded", exc_info=error)
