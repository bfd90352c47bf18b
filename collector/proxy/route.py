"""Routing: which upstream a request goes to, and under which target."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

WELL_KNOWN: Final = "/.well-known/"
_OWN: Final = frozenset({"oauth-protected-resource", "oauth-authorization-server", "openid-configuration"})
"""Documents whose path names the resource behind them (RFC 9728 §3.1, RFC 8414 §3.1)."""


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """One MCP server behind the proxy.

    Without `prefix` every path is passed on as it is; with one, the prefix is replaced by the path of `url`.
    """

    url: str
    server: str
    prefix: str = ""
    host: str | None = None
    preserve_host: bool = False
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    connect_s: float = 10.0

    def __post_init__(self) -> None:
        """Raises ValueError where it names no server or an impossible prefix."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is not an address; write it like http://127.0.0.1:9000")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"{self.url!r} has more than a scheme, a host, a port and a path")
        if self.prefix and (not self.prefix.startswith("/") or self.prefix.endswith("/")):
            raise ValueError(f"prefix {self.prefix!r} begins with a slash and does not end with one")

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def base(self) -> str:
        """What stands for the prefix on the other side."""
        return urlsplit(self.url).path.rstrip("/") if self.prefix else ""


@dataclass(frozen=True)
class Routed:
    """The index of the upstream, and the path that it is asked for."""

    index: int
    path: str


class Router:
    """The upstreams by host and by the longest prefix."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        """Raises ValueError where there is none, or two answer to the same place."""
        if not upstreams:
            raise ValueError("there is no upstream")
        places: dict[tuple[str | None, str], str] = {}
        for upstream in upstreams:
            place = (upstream.host, upstream.prefix)
            if place in places:
                both = f"{places[place]} and {upstream.url}"
                raise ValueError(f"{both} answer to the same host and prefix; give one of them another prefix")
            places[place] = upstream.url
        self._order = sorted(
            range(len(upstreams)), key=lambda i: (upstreams[i].host is None, -len(upstreams[i].prefix))
        )
        self._upstreams = tuple(upstreams)

    def find(self, host: str, path: str) -> Routed | None:
        """The upstream for a `Host` header and a raw path; null where there is none."""
        name = _hostname(host)
        for index in self._order:
            upstream = self._upstreams[index]
            if upstream.host is not None and upstream.host.lower() != name:
                continue
            if (target := _target(path, upstream)) is not None:
                return Routed(index, target)
        return None


def _target(path: str, upstream: Upstream) -> str | None:
    prefix = upstream.prefix
    if path == prefix or path.startswith(f"{prefix}/") or not prefix:
        return upstream.base + path[len(prefix) :] or "/"
    if path.startswith(WELL_KNOWN):
        document, slash, rest = path[len(WELL_KNOWN) :].partition("/")
        if slash and document in _OWN and f"/{rest}/".startswith(f"{prefix}/"):
            return f"{WELL_KNOWN}{document}{upstream.base}{path[len(WELL_KNOWN) + len(document) + len(prefix) :]}"
    return None


def _hostname(host: str) -> str:
    """The name in a `Host` header, in lower case and without the port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")
