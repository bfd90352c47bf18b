"""The subscription to `GET /v1/producer`: a long poll that brings new settings within a second, kept on disk.

Without contact the last settings stay in force (fail open), or after `closed_s` seconds everything is refused.
"""

import http.client
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from tocsin_audit.collector import Collector
from tocsin_audit.settings import Document, read
from tocsin_audit.spool_keys import SpoolKeys
from tocsin_audit.troubles import Troubles
from tocsin_audit.verdict import wait_before

_WAIT: Final = 25
_GRACE: Final = 10.0


class Subscription:
    """Polls in a thread of its own and calls `adopt` with each new version, first with the one on disk.

    `cache` is where the last one is kept, nowhere where it is None; with `keys` it lies there encrypted.
    Where `closed_s` is not 0 and there was no contact for so many seconds, `server` refuses everybody until there is.
    """

    def __init__(
        self,
        collector: Collector,
        cache: Path | None,
        adopt: Callable[[Document], None],
        troubles: Troubles,
        *,
        server: str = "",
        closed_s: float = 0.0,
        keys: SpoolKeys | None = None,
    ) -> None:
        self._collector = collector
        self._cache = cache
        self._keys = keys
        self._adopt = adopt
        self._troubles = troubles
        self._closing = threading.Event()
        self._etag: str | None = None
        self._server = server
        self._closed_s = closed_s
        self._document = Document()
        self._heard = time.monotonic()
        self._closed = False
        self._load()
        threading.Thread(target=self._run, name="tocsin-audit-settings", daemon=True).start()

    def close(self) -> None:
        """Ask no more; a poll under way is ended."""
        self._closing.set()
        self._collector.abort()

    def _load(self) -> None:
        if self._cache is None:
            return
        try:
            kept = self._cache.read_bytes()
            self._document = read(kept if self._keys is None else self._keys.open(self._cache.name, kept))
            self._adopt(self._document)
        except (OSError, ValueError):
            return  # a first start, or a cache of another version: the poll brings it again

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            try:
                asked = self._poll()
                failures = 0
            except (OSError, http.client.HTTPException, ValueError) as error:
                if self._closing.is_set():
                    break
                failures += 1
                asked = None
                self._troubles.note("settings", f"no settings from {self._collector.url}: {error}")
                self._lost()
            if asked is not None or failures:
                self._closing.wait(wait_before(failures, asked, random.random()))  # noqa: S311 - spreads producers out, guards nothing
        self._collector.close()

    def _poll(self) -> float | None:
        """Ask once; the seconds to wait before asking again, null for none. Raises where it went wrong."""
        headers = {"Accept": "application/json"}
        if self._etag is not None:
            headers["If-None-Match"] = self._etag
        answer = self._collector.request("GET", f"/v1/producer?wait={_WAIT}", headers=headers, timeout=_WAIT + _GRACE)
        if answer.status == 304:
            self._found()
            return None
        if answer.status != 200:
            self._troubles.note("settings", f"no settings from {self._collector.url}: it answered {answer.status}")
            self._lost()
            return 30.0 if answer.status < 500 and answer.status != 429 else 2.0
        document = read(answer.body)
        fresh = answer.headers.get("etag")
        # Without an ETag there is no long poll to wait on.
        pause = 1.0 if fresh is None or fresh == self._etag else None
        self._etag = fresh
        self._document, self._closed = document, False
        self._heard = time.monotonic()
        self._adopt(document)
        self._save(answer.body)
        return pause

    def _found(self) -> None:
        """There is contact, and nothing new."""
        self._heard = time.monotonic()
        if self._closed:
            self._closed = False
            self._adopt(self._document)

    def _lost(self) -> None:
        """There is no contact: after long enough, refuse everybody where that was asked for."""
        if not self._closed_s or self._closed or time.monotonic() - self._heard < self._closed_s:
            return
        self._closed = True
        everybody = {"id": "fail-closed", "subject": {"server": self._server}, "until": 4e9, "incident": "no contact"}
        denials = [*self._document.denials, everybody]
        self._adopt(msgspec.structs.replace(self._document, denials=denials))

    def _save(self, body: bytes) -> None:
        if self._cache is None:
            return
        if self._keys is not None:
            body = self._keys.seal(self._cache.name, body)
        part = self._cache.with_name(f"settings-{os.getpid()}.part")
        try:
            self._cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_bytes(body)
            part.replace(self._cache)
        except OSError as error:
            self._troubles.note("cache", f"settings cannot be kept at {self._cache}: {error}")
