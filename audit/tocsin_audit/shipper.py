"""The shipper: batches to the collector in order, by way of the disk when it is slow or away."""

import gzip
import http.client
import random
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

from tocsin_audit.collector import Collector
from tocsin_audit.spool import Spool, SpoolFullError
from tocsin_audit.troubles import Troubles
from tocsin_audit.verdict import Verdict, judge, wait_before

_TIMEOUT: Final = 10.0
_SLOW: Final = 1.0
_MOST_WAITING: Final = 8
_MOST_WITHOUT_DISK: Final = 40
_HEADERS: Final = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}


class Shipper:
    """Sends in a thread of its own; `deliver` takes a batch and returns at once, or after it is safe on disk."""

    def __init__(self, collector: Collector, spool: Spool | None, troubles: Troubles) -> None:
        self._collector = collector
        self._spool = spool
        self._troubles = troubles
        self._changed = threading.Condition()
        self._waiting: deque[list[bytes]] = deque()
        self._sending: list[bytes] | None = None
        self._since = 0.0
        self._copy: Path | None = None
        self._failures = 0
        self._closing = False
        self._closed = threading.Event()
        self.sent = self.rejected = self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="tocsin-audit-ship", daemon=True)
        self._thread.start()

    @property
    def spooled(self) -> int:
        """Segments on disk."""
        return len(self._spool) if self._spool is not None else 0

    def deliver(self, lines: list[bytes]) -> None:
        """Take a batch: to be sent at once, or put on disk first while the collector is slow or away."""
        with self._changed:
            slow = self._sending is not None and time.monotonic() - self._since > _SLOW
            if slow and self._copy is None and self._sending is not None:
                self._copy = self._keep(self._sending)
            away = slow or self._failures > 0 or len(self._waiting) >= _MOST_WAITING or self.spooled > 0
            if away and self._spool is not None:
                while self._waiting:  # what is older goes first
                    self._keep(self._waiting.popleft())
                self._keep(lines)
            else:
                self._waiting.append(lines)
                while len(self._waiting) > _MOST_WITHOUT_DISK:
                    self._drop(self._waiting.popleft(), "the collector is away and there is no spool")
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Send what is left for at most so long; the rest goes to disk."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._closed.wait(seconds)
        with self._changed:
            if self._sending is not None and self._copy is None:
                self._copy = self._keep(self._sending)
            while self._waiting:
                self._keep(self._waiting.popleft())
            spool, self._spool = self._spool, None
            if spool is not None:
                spool.close()

    def _keep(self, lines: list[bytes]) -> Path | None:
        if self._spool is None:
            self._drop(lines, "there is no spool")
            return None
        try:
            return self._spool.write(lines)
        except SpoolFullError as error:
            self._drop(lines, f"{error}; hint: give it more room, or look why the collector is away")
        except OSError as error:
            self._drop(lines, f"the spool cannot be written: {error}")
        return None

    def _drop(self, lines: list[bytes], why: str) -> None:
        self.dropped += len(lines)
        self._troubles.note("dropped", f"{len(lines)} events are lost: {why}", count=len(lines))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self.spooled and not self._closing:
                    self._changed.wait(30.0)
                    self._adopt()
                taken = self._take()
            if taken is None:
                if self._closing:
                    break
                continue
            verdict = self._send(taken)
            with self._changed:
                self._settle(taken, verdict)
                if verdict.act == "retry":
                    if self._closing:
                        break
                    self._changed.wait_for(
                        lambda: self._closing,
                        wait_before(self._failures - 1, verdict.wait, random.random()),  # noqa: S311 - spreads producers out, guards nothing
                    )
        self._collector.close()
        self._closed.set()

    def _adopt(self) -> None:
        if self._spool is None or self._waiting:
            return
        try:
            self._spool.adopt()
        except OSError as error:
            self._troubles.note("spool", f"what other processes spooled cannot be read: {error}")

    def _take(self) -> list[bytes] | None:
        """The oldest batch: from disk before memory."""
        self._copy = self._spool.oldest() if self._spool is not None else None
        if self._copy is not None and self._spool is not None:
            lines = self._spool.read(self._copy)
            if not lines:
                self._troubles.note("spool", f"{self._copy} is damaged and was left out")
                self._spool.remove(self._copy)
                return None
        elif self._waiting:
            lines = self._waiting.popleft()
        else:
            return None
        self._sending, self._since = lines, time.monotonic()
        return lines

    def _settle(self, lines: list[bytes], verdict: Verdict) -> None:
        self._sending = None
        if verdict.act == "retry":
            self._failures += 1
            if self._copy is None:
                if self._spool is not None:
                    self._keep(lines)
                else:
                    self._waiting.appendleft(lines)
            return
        self._failures = 0
        if self._copy is not None and self._spool is not None:
            self._spool.remove(self._copy)
        self._copy = None

    def _send(self, lines: list[bytes]) -> Verdict:
        """Send a batch, in halves where it is too large; whatever has arrived is not sent again."""
        parts = deque([lines])
        while parts:
            part = parts.popleft()
            verdict = self._post(part)
            if verdict.act == "split":
                parts.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))
                continue
            if verdict.text is not None:
                self._troubles.note(f"collector {verdict.act}", f"{self._collector.url}: {verdict.text}")
            if verdict.act == "retry":
                return verdict
            self.sent += verdict.accepted
            self.rejected += verdict.rejected
        return Verdict(act="done")

    def _post(self, lines: list[bytes]) -> Verdict:
        body = gzip.compress(b"\n".join(lines) + b"\n", 1, mtime=0)
        try:
            answer = self._collector.request("POST", "/v1/events", body=body, headers=_HEADERS, timeout=_TIMEOUT)
        except (OSError, http.client.HTTPException) as error:
            return Verdict(act="retry", text=f"cannot be reached: {error}; events are kept until it can")
        return judge(answer.status, answer.headers, answer.body, len(lines))
