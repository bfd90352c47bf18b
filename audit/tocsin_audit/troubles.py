"""Troubles of our own: counted, and told once a minute each, while the server that we live in goes on."""

import logging
import threading
import time
from collections import Counter

LOG = logging.getLogger("tocsin_audit")


class Troubles:
    """Counts by kind; each kind is logged at most once every `every` seconds."""

    def __init__(self, every: float = 60.0) -> None:
        self.counts: Counter[str] = Counter()
        self._every = every
        self._told: dict[str, float] = {}
        self._lock = threading.Lock()

    def note(self, kind: str, text: str, *, count: int = 1, error: BaseException | None = None) -> None:
        """Count a trouble and say it, unless the same kind was said a short while ago."""
        now = time.monotonic()
        with self._lock:
            self.counts[kind] += count
            last = self._told.get(kind)
            if last is not None and now - last < self._every:
                return
            self._told[kind] = now
        LOG.warning("tocsin-audit: %s", text, exc_info=error)
