"""Why authentication failed, before anything is counted: a guess, a stale credential, a fault, or nobody's doing."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from detectors.parts.keyed import number
from tocsin_audit.event import AuditEvent

PROVIDER: Final = "provider"
"""The issuer or its keys could not be reached or read: everybody fails, nobody is attacking."""
EXPIRED: Final = "expired"
STALE: Final = "stale"
"""Revoked, rotated, or signed with a key that is no longer published."""
MFA: Final = "mfa"
"""The password was right and the second step is outstanding."""
SCOPE: Final = "scope"
AUDIENCE: Final = "audience"
"""Made for another server or by another issuer: a replayed or passed-through token."""
SECRET: Final = "secret"  # noqa: S105  # the name of a reason
"""A wrong password, secret, API key or account, or an account locked by such."""
SIGNATURE: Final = "signature"
MALFORMED: Final = "malformed"
UNKNOWN: Final = "unknown"

_PATTERNS: Final = tuple(
    (reason, re.compile(pattern))
    for reason, pattern in (
        (
            PROVIDER,
            r"jwks|issuer unreachable|unreachable|unavailable|time[d -]*out|connection|upstream|"
            r"discovery document|openid.configuration|internal error|\bidp\b.*(down|error|fail)|\b50[0-4]\b",
        ),
        (EXPIRED, r"expir|lifetime|too old|not (yet )?valid (any ?more|before)|\bnbf\b|\bexp\b|clock skew"),
        (
            STALE,
            r"revok|rotat|supersed|retired|no longer|\bkid\b|unknown (signing )?key|key not found|no matching key|"
            r"stale|logged out|session ended",
        ),
        (MFA, r"\bmfa\b|\b2fa\b|second factor|multi.?factor|step.?up|one.time|\botp\b"),
        (AUDIENCE, r"audience|\baud\b|issuer|\biss\b|wrong resource|resource mismatch"),
        (SIGNATURE, r"signature|tamper|forged|\bsig\b|\balg\b|hmac mismatch"),
        (SCOPE, r"scope|permission|privilege|not allowed|forbidden"),
        (
            SECRET,
            r"passw|secret|credential|api.?key|invalid_client|invalid_grant|lock(ed|out)|disabled|"
            r"(no such|unknown|invalid|bad|wrong) (user|account|login|client|key)|login failed|basic auth|brute",
        ),
        (MALFORMED, r"malformed|pars(e|ing)|decod|segments|not a (jwt|token)|format|padding|scheme|syntax|truncated"),
    )
)


@lru_cache(maxsize=4096)
def read_reason(text: str) -> str:
    """The reason that a producer's words give."""
    words = text.lower()
    return next((reason for reason, pattern in _PATTERNS if pattern.search(words)), UNKNOWN)


def reason_of(event: AuditEvent) -> str:
    """Why an event's authentication failed: the producer's words, else what the token's age and the kind tell."""
    text = f"{event.reason or ''} {event.error or ''}"
    reason = read_reason(text[:400]) if len(text) > 1 else UNKNOWN
    if reason != UNKNOWN:
        return reason
    age, life = event.token_age_s, event.token_ttl_s
    if age is not None and life is not None and age >= life:
        return EXPIRED
    if event.auth == "insufficient_scope":
        return SCOPE
    if event.kind == "auth" and event.token is None:
        return SECRET
    return UNKNOWN


class Attempt(NamedTuple):
    """How a failure counts.

    `weight` is "auth" or "request" for a guess seen at a token endpoint or on a request, "token" for a guess that is
    told from a repetition by its token, `weak` for what may be either, and empty for what is no attack. `token` is the
    number of the token, 0 where there is none.
    """

    reason: str
    weight: str
    token: int


GUESSES: Final = frozenset({SECRET, AUDIENCE, SIGNATURE, MALFORMED, UNKNOWN})
LAPSED: Final = frozenset({EXPIRED, STALE})


def attempt_of(event: AuditEvent) -> Attempt:
    """What a failure counts as: guessing needs ever new secrets, so the same token again is a retry, not a guess."""
    reason = reason_of(event)
    token = number(event.token) if event.token is not None else 0
    if reason not in GUESSES:
        return Attempt(reason, "", token)
    if reason == SECRET:
        return Attempt(reason, "auth" if event.kind == "auth" else "request", token)
    if token:
        return Attempt(reason, "token", token)
    if reason in (UNKNOWN, MALFORMED):
        return Attempt(reason, "weak", 0)
    return Attempt(reason, "auth" if event.kind == "auth" else "request", 0)


def failed(event: AuditEvent) -> bool:
    """Whether presented credentials were rejected."""
    outcome = event.outcome
    if outcome is None:
        return event.auth == "invalid"
    return outcome == "auth_invalid"


def passed(event: AuditEvent) -> bool:
    """Whether the caller got past authentication and was answered."""
    outcome = event.outcome
    if outcome is None:
        return event.auth in ("valid", "presented") and event.error is None and event.error_code is None
    return outcome in ("ok", "input_required", "tool_error")
