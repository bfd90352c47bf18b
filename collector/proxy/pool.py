"""The connections to one upstream: kept for the next request, as long as servers commonly keep them."""

import asyncio
import ssl
from typing import Final

from collector.proxy.connection import Connection

IDLE: Final = 4.0
"""Seconds that a connection is kept for the next request: less than the five that common servers keep it."""
KEPT: Final = 100


class Pool:
    """Hands out connections to one host and port; without `tls` in the clear. Used in one event loop."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, connect_s: float) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._connect_s = connect_s
        self._kept: list[Connection] = []
        self._out: set[Connection] = set()

    async def get(self) -> Connection:
        """A connection of one's own; raises TimeoutError and OSError where none can be made."""
        if self._kept:
            connection = self._kept.pop()
            assert connection.idle is not None
            connection.idle.cancel()
        else:
            async with asyncio.timeout(self._connect_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._gone),
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls is not None else None,
                )
        self._out.add(connection)
        return connection

    def give(self, connection: Connection) -> None:
        """Take a connection back: for the next request where it can carry one."""
        self._out.discard(connection)
        if not connection.reusable or len(self._kept) >= KEPT:
            connection.abort()
            return
        connection.idle = asyncio.get_running_loop().call_later(IDLE, connection.close)
        self._kept.append(connection)

    def close(self) -> None:
        """Close every connection."""
        for connection in (*self._kept, *self._out):
            connection.close()

    def _gone(self, connection: Connection) -> None:
        self._out.discard(connection)
        if connection in self._kept:
            self._kept.remove(connection)
            assert connection.idle is not None
            connection.idle.cancel()
