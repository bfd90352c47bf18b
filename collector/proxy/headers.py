"""Headers on their way through the proxy: what belongs to one hop stays there (RFC 9110 §7.6.1)."""

from collections.abc import Iterable
from typing import Final

from tocsin_audit.source import Network, address, within

Header = tuple[bytes, bytes]

HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_OURS: Final = frozenset({b"host", b"expect", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"})
_READABLE: Final = ("gzip", "deflate", "identity")


def onward(
    headers: Iterable[Header],
    *,
    host: bytes | None,
    client: tuple[str, int] | None,
    scheme: str,
    trusted: tuple[Network, ...],
    chunked: bool,
) -> list[Header]:
    """The request's headers for the upstream; `host` null keeps the caller's own.

    What a caller says of itself in `X-Forwarded-*` is passed on only where it is a trusted proxy. `chunked`: the body
    has no known length.
    """
    given = list(headers)
    named = connection_named(given)
    own = next((value for name, value in given if name.lower() == b"host"), b"")
    peer = address(client[0]) if client is not None else None
    believed = peer is not None and within(peer, trusted)
    said = {name.lower(): value for name, value in given if believed and name.lower().startswith(b"x-forwarded-")}
    before = b", ".join(value for name, value in given if believed and name.lower() == b"x-forwarded-for")
    passed: list[Header] = [(b"host", host if host is not None else own)]
    for name, value in given:
        lower = name.lower()
        if lower in HOP or lower in named or lower in _OURS:
            continue
        if chunked and lower == b"content-length":
            continue
        if lower == b"accept-encoding":
            value = readable(value)
        passed.append((name, value))
    if peer is not None:
        passed.append((b"x-forwarded-for", before + b", " + peer.encode() if before else peer.encode()))
    passed.append((b"x-forwarded-host", said.get(b"x-forwarded-host", own)))
    passed.append((b"x-forwarded-proto", said.get(b"x-forwarded-proto", scheme.encode())))
    if chunked:
        passed.append((b"transfer-encoding", b"chunked"))
    return passed


def back(headers: Iterable[Header]) -> list[Header]:
    """The response's headers for the caller, in their order, repeated ones repeated."""
    given = list(headers)
    named = connection_named(given)
    return [(name, value) for name, value in given if (lower := name.lower()) not in HOP and lower not in named]


def connection_named(headers: Iterable[Header]) -> set[bytes]:
    """The headers that `Connection` names as this hop's own."""
    return {
        token.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for token in value.split(b",")
        if token.strip()
    }


def readable(accept: bytes) -> bytes:
    """An `Accept-Encoding` without what cannot be read on the way."""
    kept = [part.strip() for part in accept.decode("latin-1").split(",")]
    kept = [part for part in kept if part.partition(";")[0].strip().lower() in _READABLE]
    return ", ".join(kept).encode("latin-1") or b"identity"


def request_head(method: bytes, target: bytes, headers: Iterable[Header]) -> bytes:
    """The head of a request as it goes over the wire; raises ValueError where a part of it would end another."""
    lines = [b"%s %s HTTP/1.1" % (method, target), *(b"%s: %s" % header for header in headers)]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b" " in target:
        raise ValueError("a line of the request's head holds another")
    return head + b"\r\n\r\n"
