"""Options: what the operator said in the call or in the environment."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from tocsin_audit.onlooker import Onlooker
from tocsin_audit.source import Network, networks

NO_LIMITS: Final[Mapping[str, Any]] = MappingProxyType({})
"""Every bound as it is by default."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one audited server; `faults` says what could not be used."""

    server: str
    producer: str
    url: str | None = None
    key: str | None = None
    path: Path | None = None
    spool: Path
    spool_key: str | None = None
    spool_bytes: int = 256 * 1024 * 1024
    queue: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    fingerprint_key: str | None = None
    tenant_claim: str | None = None
    trusted_proxies: Any = ()
    ownership: tuple[Any, ...] = ()
    heartbeat_s: float = 15.0
    stop_s: float = 3.0
    closed_s: float = 0.0
    onlooker: Onlooker | None = None
    faults: tuple[str, ...] = ()

    @property
    def ships(self) -> bool:
        """Whether events go to a collector."""
        return self.path is None and self.url is not None and self.key is not None

    @property
    def enabled(self) -> bool:
        """Whether events go anywhere at all."""
        return self.path is not None or self.ships


def options(
    environ: Mapping[str, str],
    *,
    name: str | None,
    host: str,
    server: str | None = None,
    producer: str | None = None,
    url: str | None = None,
    key: str | None = None,
    path: str | os.PathLike[str] | None = None,
    spool: str | os.PathLike[str] | None = None,
    spool_key: str | None = None,
    fingerprint_key: str | None = None,
    tenant_claim: str | None = None,
    trusted_proxies: Iterable[str] | None = None,
    ownership: Iterable[Any] = (),
    limits: Mapping[str, Any] = NO_LIMITS,
    onlooker: Onlooker | None = None,
) -> Options:
    """The options of one server: arguments first, then the environment, then what the server is called.

    `name` is the MCP server's own name, `host` the machine's. Nothing here raises for what an operator wrote.
    """
    faults: list[str] = []
    server = server or environ.get("TOCSIN_SERVER") or name or host
    trusted: tuple[Network, ...] = ()
    try:
        given = trusted_proxies if trusted_proxies is not None else environ.get("TOCSIN_TRUSTED_PROXIES", "").split(",")
        trusted = networks(given)
    except ValueError as error:
        faults.append(f"trusted proxies: {error}; hint: write addresses or networks like 10.0.0.0/8")
    url = url or environ.get("TOCSIN_URL") or None
    if url is not None and not re.match(r"https?://[^/\s]+", url):
        faults.append(f"{url!r} is not an address; hint: write it like https://tocsin.example:8642")
        url = None
    if url is not None and re.match(r"http://(?!127\.|localhost\b|\[::1\])", url):
        faults.append(f"{url} carries the collector key and the events in the clear; hint: use https")
    producer = producer or environ.get("TOCSIN_PRODUCER") or f"{server}@{host}"
    closed_s = _closed(environ, faults)
    base = Path(spool or environ.get("TOCSIN_SPOOL") or _state(environ) / "tocsin-audit")
    return Options(
        server=server,
        producer=producer,
        url=url,
        key=key or environ.get("TOCSIN_KEY") or None,
        path=Path(path) if path is not None else None,
        spool=base / _folder(server),
        spool_key=spool_key or environ.get("TOCSIN_SPOOL_KEY") or None,
        fingerprint_key=fingerprint_key or environ.get("TOCSIN_FINGERPRINT_KEY") or None,
        tenant_claim=tenant_claim or environ.get("TOCSIN_TENANT_CLAIM") or None,
        trusted_proxies=trusted,
        ownership=tuple(ownership),
        onlooker=onlooker,
        faults=tuple(faults),
        **{"closed_s": closed_s, **limits},
    )


def _closed(environ: Mapping[str, str], faults: list[str]) -> float:
    """Seconds without contact after which everybody is refused; 0 is never."""
    text = environ.get("TOCSIN_FAIL_CLOSED_S", "0")
    if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text):
        return float(text)
    faults.append(f"TOCSIN_FAIL_CLOSED_S is {text[:40]!r}; hint: write seconds, such as 300, or 0 to stay open")
    return 0.0


def _state(environ: Mapping[str, str]) -> Path:
    if given := environ.get("XDG_STATE_HOME"):
        return Path(given)
    if given := environ.get("LOCALAPPDATA"):
        return Path(given)
    return Path(environ.get("HOME", ".")) / ".local" / "state"


def _folder(server: str) -> str:
    """A folder's name for a server, safe on any disk and different for different servers."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", server)[:48].lstrip(".")
    return f"{plain}-{hashlib.sha256(server.encode()).hexdigest()[:8]}"
