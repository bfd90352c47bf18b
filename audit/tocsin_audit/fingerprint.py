"""Keyed fingerprints: what stands in an event for a token, an argument or a handle."""

import hashlib
import hmac
import re
from typing import Final

LOCAL: Final = "local"
"""The key id of a key that only this process knows; such fingerprints cannot be compared with anybody else's."""

_NAMED: Final = re.compile(r"([A-Za-z0-9_.-]{1,16}):(.{8,})\Z", re.DOTALL)


class Fingerprints:
    """HMAC-SHA256 under one key, cut to 128 bits and written `key id:hex`.

    `previous` is the key that is being replaced: until every producer has the new one, what is compared between them
    is written under both.
    """

    def __init__(self, key: bytes, key_id: str, previous: "Fingerprints | None" = None) -> None:
        self._key = key
        self.key_id = key_id
        self._previous = previous

    def of(self, value: str | bytes) -> str:
        """The fingerprint of a value; equal values of one key are equal wherever they are seen."""
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        return f"{self.key_id}:{hmac.digest(self._key, data, 'sha256').hex()[:32]}"

    def every(self, value: str | bytes) -> tuple[str, ...]:
        """The fingerprints of a value under each key that is in use, the newest first."""
        older = (self._previous.of(value),) if self._previous is not None else ()
        return (self.of(value), *older)


def fingerprints(secret: str | None, fallback: bytes) -> Fingerprints:
    """Fingerprints under the fleet's key, written `key id:secret` or just `secret`, else under `fallback` as `local`.

    A secret without a key id is named by the first eight digits of its own SHA-256. Two of them, with key ids and a
    space between, are the new and the old one while keys are replaced.
    """
    if not secret:
        return Fingerprints(fallback, LOCAL)
    both = secret.split()
    if len(both) == 2 and all(_NAMED.match(one) for one in both):
        (new, key), (old, before) = (one.split(":", 1) for one in both)
        return Fingerprints(key.encode(), new, Fingerprints(before.encode(), old))
    if (named := _NAMED.match(secret)) is not None:
        return Fingerprints(named[2].encode(), named[1])
    return Fingerprints(secret.encode(), hashlib.sha256(secret.encode()).hexdigest()[:8])
