"""Keyed fingerprints: what stands in an event for a token, an argument or a handle."""

import hashlib
import hmac
import re
from typing import Final

LOCAL: Final = "local"
"""The key id of a key that only this process knows; such fingerprints cannot be compared with anybody else's."""

_NAMED: Final = re.compile(r"([A-Za-z0-9_.-]{1,16}):(.{8,})\Z", re.DOTALL)


class Fingerprints:
    """HMAC-SHA256 under one key, cut to 128 bits and written `key id:hex`."""

    def __init__(self, key: bytes, key_id: str) -> None:
        self._key = key
        self.key_id = key_id

    def of(self, value: str | bytes) -> str:
        """The fingerprint of a value; equal values of one key are equal wherever they are seen."""
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        return f"{self.key_id}:{hmac.digest(self._key, data, 'sha256').hex()[:32]}"


def fingerprints(secret: str | None, fallback: bytes) -> Fingerprints:
    """Fingerprints under the fleet's key, written `key id:secret` or just `secret`, else under `fallback` as `local`.

    A secret without a key id is named by the first eight digits of its own SHA-256.
    """
    if not secret:
        return Fingerprints(fallback, LOCAL)
    if (named := _NAMED.match(secret)) is not None:
        return Fingerprints(named[2].encode(), named[1])
    return Fingerprints(secret.encode(), hashlib.sha256(secret.encode()).hexdigest()[:8])
