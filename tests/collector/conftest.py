"""A real listener on a loopback port, over a real log."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from collector.keys import FILE, Keys, create_key
from collector.limits import Limits
from collector.listener import Listener
from collector.producer import Told
from stream.directory import EMPTY
from stream.sqlite import SqliteLog, open_log

NOW = 1_763_700_000.0


@dataclass
class Counts:
    """An observer that counts."""

    events: Counter[str] = field(default_factory=Counter)

    def accepted(self, count: int) -> None:
        self.events["accepted"] += count

    def duplicates(self, count: int) -> None:
        self.events["duplicates"] += count

    def rejected(self, reason: str, count: int, source: str = "") -> None:
        self.events[reason] += count

    def received(self, size: int, seconds: float) -> None:
        self.events["bodies"] += 1


@dataclass
class Site:
    """A listener at work and what a test may turn."""

    url: str
    log: SqliteLog
    keys: Path
    counts: Counts
    client: httpx.Client
    listener: Listener
    now: float = NOW
    free: int = 1 << 50
    told: Told = field(default_factory=lambda: Told(EMPTY, ()))

    def key(self, **scope: Any) -> str:
        """The text of a new key."""
        return create_key(self.keys, self.now, **scope)[1]

    def post(self, content: Any, key: str, **headers: str) -> httpx.Response:
        """Post a body to the events."""
        all_headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
        all_headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.client.post(f"{self.url}/v1/events", content=content, headers=all_headers)


@dataclass(frozen=True)
class Disk:
    """What the disk of a site says."""

    total: int
    free: int


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Serve an application on a free loopback port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        listening.listen(128)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


Open = Callable[..., Any]


@pytest.fixture
def open_site(tmp_path: Path) -> Open:
    """Opens a site over the test's folder; the same again after it was closed."""

    @contextmanager
    def opened(limits: Limits | None = None) -> Iterator[Site]:
        sites: list[Site] = []

        def usage(_: Path) -> Disk:
            return Disk(1 << 51, sites[0].free if sites else 1 << 50)

        with open_log(tmp_path / "data", reserve_bytes=1 << 20, usage=usage) as log:
            counts = Counts()
            listener = Listener(
                log,
                Keys(tmp_path / FILE),
                lambda: sites[0].told,
                observer=counts,
                clock=lambda: sites[0].now,
                limits=limits,
            )
            with serving(Starlette(routes=listener.routes)) as url, httpx.Client(timeout=30) as client:
                sites.append(Site(url, log, tmp_path / FILE, counts, client, listener))
                try:
                    yield sites[0]
                finally:
                    listener.close()

    return opened


@pytest.fixture
def site(open_site: Open) -> Iterator[Site]:
    """A new site."""
    with open_site() as opened:
        yield opened
