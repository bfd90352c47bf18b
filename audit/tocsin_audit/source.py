"""Where a request came from, and how far to believe it."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Addresses or networks in CIDR form. Raises ValueError naming the first that is neither."""
    return tuple(ipaddress.ip_network(name.strip(), strict=False) for name in names if name.strip())


@lru_cache(maxsize=4096)
def address(text: str) -> str | None:
    """An IP address in its one form, without port or brackets; null where it is none."""
    host = text.strip().strip('"')
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def source(
    client: tuple[str, int] | None, forwarded: Iterable[str], trusted: tuple[Network, ...]
) -> tuple[str | None, str]:
    """The address a request came from and its trust: `peer`, `trusted_xff` or `unknown`.

    `forwarded` are the values of `X-Forwarded-For`. They are read from the right, and only as far as every hop is a
    trusted proxy, since the left end is whatever the caller wrote.
    """
    if client is None:
        return None, "unknown"
    peer = address(client[0])
    if peer is None:
        return None, "unknown"
    if not within(peer, trusted):
        # Port 0 is how an ASGI server marks an address that it took from a proxy it was told to trust.
        return peer, "trusted_xff" if client[1] == 0 else "peer"
    found = peer
    hops = [hop for value in forwarded for hop in value.split(",")][-32:]
    for hop in reversed(hops):
        known = address(hop)
        if known is None:
            break
        found = known
        if not within(known, trusted):
            break
    return found, "trusted_xff" if found != peer else "peer"


def within(text: str, nets: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks."""
    if not nets:
        return False
    parsed = ipaddress.ip_address(text)
    return any(parsed in net for net in nets)
