"""Who called, from what an event carries of it: a token that was sent whole, claims, forwarded addresses."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from collector.identity.token import Verifier
from collector.inspection.carried import Carried
from tocsin_audit import identity
from tocsin_audit.event import NULL_LIKE, AuditEvent
from tocsin_audit.fingerprint import Fingerprints
from tocsin_audit.source import Network, source, within

FINGERPRINT: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}:[0-9a-fA-F]{2,64}\Z")
"""A token's fingerprint; anything else is a token as it was presented, which is never stored."""
_WHO: Final = ("user", "client", "agent", "tenant", "on_behalf_of", "scopes", "audience", "token_ttl_s", "token_age_s")
_FORWARDED: Final = "x-forwarded-for"


class Caller:
    """Completes who called; `clock` is the wall clock in seconds since the epoch, for tokens' ends alone."""

    def __init__(
        self,
        prints: Fingerprints,
        verifier: Verifier | None = None,
        trusted: tuple[Network, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._prints = prints
        self._verifier = verifier
        self._trusted = trusted
        self._clock = clock

    def changes(
        self, event: AuditEvent, held: Carried | None, tenant_claims: Callable[[str], Iterable[str]]
    ) -> dict[str, Any]:
        """What is known of the caller beyond what the event says."""
        found: dict[str, Any] = {}
        who = identity.NOBODY
        token = event.token if event.token is not None and FINGERPRINT.match(event.token) is None else None
        if held is not None and token is None:
            token = _bearer(held.headers.get("authorization", ""))
        if token is not None:
            found["token"] = self._prints.of(token)
            who = self._who(token, event, tenant_claims(event.server))
        if who is identity.NOBODY and held is not None and held.claims:
            who = identity.stated(held.claims, tenant_claims(event.server), event.time)
        if who is not identity.NOBODY:
            found |= self._named(event, who)
        if held is not None:
            found |= self._address(event, held.headers)
        return found

    def _who(self, token: str, event: AuditEvent, tenant_claims: Iterable[str]) -> identity.Identity:
        claims = None
        if self._verifier is not None:
            # A line may be old and its token over by now; what counts is whether it held then.
            at = min(event.time, self._clock())
            claims = self._verifier.claims(token, event.server, at)
        if claims is not None:
            return identity.checked(claims, tenant_claims, event.time)
        return identity.claimed(token, tenant_claims, event.time)

    @staticmethod
    def _named(event: AuditEvent, who: identity.Identity) -> dict[str, Any]:
        """What a token says; a proof stands above what the event says, a claim only fills what is not there."""
        proved = who.identity == "verified" and event.identity != "verified"
        found: dict[str, Any] = {}
        for name in _WHO:
            value, known = getattr(who, name), getattr(event, name)
            if value not in (None, ()) and value != known and (proved or known in (None, ())):
                found[name] = value
        if proved or (event.identity is None and found):
            found["identity"] = who.identity
        return found

    def _address(self, event: AuditEvent, headers: Mapping[str, str]) -> dict[str, Any]:
        """The caller's address behind the proxies that are trusted, read from the right."""
        if event.source_ip is None or _FORWARDED not in headers or not within_any(event.source_ip, self._trusted):
            return {}
        address, trust = source((event.source_ip, 1), [headers[_FORWARDED]], self._trusted)
        return {"source_ip": address, "ip_trust": trust} if address != event.source_ip else {}


def within_any(text: str, nets: tuple[Network, ...]) -> bool:
    """Whether a text is an address in one of the networks."""
    try:
        return within(text, nets)
    except ValueError:
        return False


def _bearer(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token and token not in NULL_LIKE else None
