"""Connections within bounds: how many there may be, from one address too, and how long a request may take to begin."""

import asyncio
import resource
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS: Final = 15.0
"""Seconds in which a request's headers must be here; before the first one, and on a connection that is kept."""
SPARE: Final = 256
"""File descriptors that are left for everything but connections."""


def protocol(most: int) -> type[HttpToolsProtocol]:
    """uvicorn's protocol with bounds; the process's limit of open files is raised as far as that takes."""
    allowed = _descriptors(most + SPARE) - SPARE

    class Bounded(HttpToolsProtocol):
        """Turns away what is too many, and ends what begins too slowly."""

        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:  # the base has a narrower type of its own
            """Somebody connects."""
            super().connection_made(transport)
            mine = self.client[0] if self.client is not None else None
            same = sum(1 for one in self.connections if _address(one) == mine)
            if len(self.connections) > allowed or same * 2 > allowed:
                transport.abort()
                return
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            """They are gone."""
            self._arrived()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            """The first byte of a request is here."""
            self._wait()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            """So are its headers."""
            self._arrived()
            super().on_headers_complete()

        def _wait(self) -> None:
            if self._deadline is None:
                self._deadline = self.loop.call_later(HEADERS, self.transport.abort)

        def _arrived(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Bounded


def _address(connection: Any) -> str | None:
    client = getattr(connection, "client", None)
    return client[0] if client is not None else None


def _descriptors(wanted: int) -> int:
    """How many files may be open, once as many are allowed as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
