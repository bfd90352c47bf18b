"""Connections to Kafka that leave nothing behind where they fail."""

import socket
from typing import Any, Final

from kafka.net.inet import KafkaNetSocket

PROXY: Final = "direct://"
"""The client's setting `proxy_url` that chooses these sockets; there is no proxy."""


class _Closing(socket.socket):
    """A socket that is closed where it is let go of.

    kafka-python 3.0 lets go of those that it had not written everything to when it was closed.
    """

    def __del__(self) -> None:
        self.close()


class Direct(KafkaNetSocket):  # type: ignore[misc]  # the client publishes no types
    """A plain socket that is closed where it does not connect.

    kafka-python 3.0 leaves such a socket to the collector of cycles, and tries twice a second while a broker is gone.
    """

    SCHEMES = ("direct",)

    def socket(self, *arguments: Any) -> socket.socket:
        """The socket, noted so that it can be closed."""
        self._made = _Closing(*arguments)
        return self._made

    async def connect(self, net: Any, addrinfo: Any, socket_options: Any = (), timeout_at: Any = None) -> Any:
        """The connected socket."""
        try:
            return await super().connect(net, addrinfo, socket_options, timeout_at=timeout_at)
        except BaseException:
            self._made.close()
            raise
