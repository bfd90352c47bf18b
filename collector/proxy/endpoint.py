"""The `endpoint` event of the older transport (2024-11-05): where the client posts to, in the proxy's own paths."""

import re
from typing import Final
from urllib.parse import urlsplit

from collector.proxy.route import Upstream

_MOST: Final = 16_384
_END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE: Final = re.compile(rb"(?m)^(data:[ ]?)([^\r\n]+)")


class EndpointRewriter:
    """Holds a stream up to its first event only; `feed` gives what may go on."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._held = b""
        self._over = False

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may be passed on now."""
        if self._over:
            return chunk
        self._held += chunk
        found = _END.search(self._held)
        if found is None and len(self._held) < _MOST and _maybe(self._held):
            return b""
        self._over = True
        held, self._held = self._held, b""
        if found is None or not re.search(rb"(?m)^event:[ ]?endpoint\r?$", held[: found.end()]):
            return held
        first = _LINE.sub(lambda m: m[1] + self._moved(m[2]), held[: found.end()])
        return first + held[found.end() :]

    def rest(self) -> bytes:
        """What is still held when the stream ends."""
        held, self._held = self._held, b""
        return held

    def _moved(self, said: bytes) -> bytes:
        """The address that the server named, as the caller reaches it."""
        upstream = self._upstream
        text = said.decode("utf-8", "surrogateescape").strip()
        parts = urlsplit(text)
        if parts.netloc and f"{parts.scheme}://{parts.netloc}" != upstream.origin:
            return said
        path = parts.path
        if not path.startswith("/"):
            return said
        if path == upstream.base or path.startswith(f"{upstream.base}/"):
            path = upstream.prefix + path[len(upstream.base) :]
        moved = f"{path}?{parts.query}" if parts.query else path
        return moved.encode("utf-8", "surrogateescape")


def _maybe(held: bytes) -> bool:
    """Whether the first event may still turn out to be an endpoint."""
    head = held.lstrip(b"\xef\xbb\xbf\r\n")
    wanted = b"event:"
    return head[:6] == wanted[: len(head[:6])] or head[:5] == b"data:"[: len(head[:5])]
