"""Addresses in arguments: requests that would go to the cloud's metadata or inside the own network."""

import ipaddress
import re
from typing import Final

_URL: Final = re.compile(
    r"(?i)\b(?:https?|ftp|gopher|dict|ldaps?|wss?|tcp|smb|redis)://(?:[^\s/?#@]{0,200}@)?(\[[0-9a-f:.]{2,60}\]|[^\s/?#:'\"<>)\]]{1,253})"
)
_HOST_KEYS: Final = re.compile(
    r"(?i)(?:.*[_-])?(?:url|uri|host(?:name)?|endpoint|address|ip|webhook|callback|destination|server|proxy)\Z"
)
_HOST: Final = re.compile(r"\A\[?([A-Za-z0-9_.:-]{1,253}?)\]?(?::\d{1,5})?(?:/.*)?\Z")
_METADATA_NAMES: Final = frozenset({"metadata.google.internal", "metadata", "metadata.azure.com", "instance-data"})
_METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
_MOST: Final = 50

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def signals(key: str, text: str) -> list[str]:
    """The names of where an argument would lead: `address:metadata` or `address:private`; nothing for the rest."""
    found: dict[str, None] = {}
    hosts = [match[1] for _, match in zip(range(_MOST), _URL.finditer(text), strict=False)]
    if not hosts and _HOST_KEYS.match(key) and (match := _HOST.match(text.strip())) is not None:
        hosts = [match[1]]
    for host in hosts:
        if (kind := _kind(host)) is not None:
            found[f"address:{kind}"] = None
    return list(found)


def _kind(host: str) -> str | None:
    name = host.strip("[]").rstrip(".").lower()
    if name in _METADATA_NAMES:
        return "metadata"
    if name == "localhost" or name.endswith((".localhost", ".internal")):
        return "private"
    address = parsed(name)
    if address is None:
        return None
    if address in _METADATA:
        return "metadata"
    return "private" if not address.is_global and not address.is_multicast else None


def parsed(host: str) -> Address | None:
    """An address in any form that `inet_aton` and URL parsers take: dotted, decimal, octal, hex, mapped, nip.io."""
    embedded = re.match(r"(?:.*\.)?(\d{1,3}(?:[.-]\d{1,3}){3})\.(?:nip|sslip|xip)\.io\Z", host)
    if embedded is not None:
        host = embedded[1].replace("-", ".")
    try:
        address: Address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _loose(host)
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _loose(host: str) -> ipaddress.IPv4Address | None:
    parts = host.split(".")
    if len(parts) > 4 or not all(re.match(r"(?:0x[0-9a-f]{1,8}|\d{1,11})\Z", part) for part in parts):
        return None
    try:
        numbers = [
            int(part, 16 if part[:2] == "0x" else 8 if part[0] == "0" and len(part) > 1 else 10) for part in parts
        ]
    except ValueError:
        return None
    *firsts, last = numbers
    # A bare number is a port, an id or a count far more often than an address.
    if (not firsts and last < 1 << 24) or any(number > 255 for number in firsts) or last >= 256 ** (5 - len(parts)):
        return None
    value = sum(number << 8 * (3 - place) for place, number in enumerate(firsts)) + last
    return ipaddress.IPv4Address(value)
