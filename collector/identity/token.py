"""Identity: what a token proves once its signature, its issuer and its times were checked (RFC 7519, RFC 8725)."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeGuard

import jwt

from collector.identity.keys import KeySet

KEPT: Final = 10_000
"""Tokens whose verdict is remembered; the same one comes with every request."""
LONGEST: Final = 16_384
LEEWAY: Final = 30.0
"""Seconds that clocks may differ."""
LATEST: Final = 253_402_300_800
"""The end of the year 9999 in seconds since the epoch."""


class Verifier:
    """Checks tokens against the key sets of the issuers that an operator trusts.

    Safe for several threads, which at worst check a token twice.
    """

    def __init__(self, key_sets: Sequence[KeySet]) -> None:
        self._by_issuer: dict[str, list[KeySet]] = {}
        for keys in key_sets:
            self._by_issuer.setdefault(keys.issuer.name, []).append(keys)
        self._known: OrderedDict[tuple[bytes, str], tuple[Mapping[str, Any], int]] = OrderedDict()

    def claims(self, token: str, server: str, now: float) -> Mapping[str, Any] | None:
        """The claims of a token that holds for a server at `now` (seconds since the epoch); None where it does not."""
        if not self._by_issuer or len(token) > LONGEST or token.count(".") != 2:
            return None
        name = (blake2b(token.encode("utf-8", "replace"), digest_size=16).digest(), server)
        known = self._known.get(name)
        # A key that its issuer took back proves nothing, also of tokens that were seen before.
        if known is None or known[1] != self._version(known[0].get("iss")):
            self._known.pop(name, None)
            known = self._checked(token, server)
            if known is None:
                return None
            self._known[name] = known
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return known[0] if _holds(known[0], now) else None

    def _version(self, issuer: Any) -> int:
        return sum(keys.refresh() for keys in self._by_issuer.get(str(issuer), ()))

    def _checked(self, token: str, server: str) -> tuple[Mapping[str, Any], int] | None:
        """The claims of a token that holds, and the version of the keys that say so."""
        try:
            header = jwt.get_unverified_header(token)
            said = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        kid, algorithm = header.get("kid"), header.get("alg")
        version = self._version(said.get("iss"))
        for keys in self._by_issuer.get(str(said.get("iss")), ()):
            issuer = keys.issuer
            if algorithm not in issuer.algorithms or (issuer.servers and server not in issuer.servers):
                continue
            for key in keys.find(kid if isinstance(kid, str) else None):
                try:
                    # The times are judged apart, each time the token is seen.
                    checked = jwt.decode(
                        token,
                        key.key,
                        algorithms=[str(algorithm)],
                        issuer=issuer.name,
                        audience=list(issuer.audience) or None,
                        options={
                            "verify_exp": False,
                            "verify_nbf": False,
                            "verify_iat": False,
                            "verify_aud": bool(issuer.audience),
                        },
                    )
                except (jwt.PyJWTError, ValueError, TypeError):
                    continue
                return dict(checked), version
        return None


def _holds(claims: Mapping[str, Any], now: float) -> bool:
    """Whether it has begun and has not ended; one without an end is no proof for ever."""
    ends, begins = claims.get("exp"), claims.get("nbf", 0)
    return _moment(ends) and _moment(begins) and begins - LEEWAY <= now < ends + LEEWAY


def _moment(said: Any) -> TypeGuard[float]:
    """Whether a claim is a time: JSON's numbers may be larger than any float."""
    return isinstance(said, int | float) and 0 <= said < LATEST
