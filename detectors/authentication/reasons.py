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

_GRANTED: Final = re.compile(r"\b(ok|success\w*|succeeded|granted|accepted|logged in|signed in)\b")
_REFUSED: Final = re.compile(
    r"unauthori[sz]ed|denied|fail|reject|refus|incorrect|invalid|wrong|\bbad\b|mismatch|unknown|not found|\b401\b|"
    r"\b(not|un\w+|never)\b.{0,12}\b(ok|success\w*|granted|accepted|logged in|signed in)\b"
)
_ABSENT: Final = re.compile(
    r"missing|\bno (bearer|token|credential|authori[sz]ation|auth)|not (provided|presented)|required"
)
_PLAIN: Final = re.compile(
    r"(invalid|bad|rejected|unknown)[ _](access[ _])?token|unauthori[sz]ed|authentication (failed|failure|error)|"
    r"login failed|\b401\b|introspection|jwks|identity provider|\bidp\b|issuer|token endpoint"
)
"""Words that speak of authentication and of nothing else, so that they do on a request too."""
_MACHINE: Final = re.compile(
    r"client.?(secret|credential|auth|assertion)|invalid_client|(unauthorized|unknown|bad|wrong) client|api.?key|"
    r"service.?account|machine"
)
_PASSWORD: Final = re.compile(r"passw|login|kennwort|mot de passe|contrase")


@lru_cache(maxsize=4096)
def _said(text: str) -> int:
    """Whether words alone say that a caller was let in (1) or that what he presented was rejected (-1)."""
    words = text.lower()
    if _ABSENT.search(words):
        return 0
    if _REFUSED.search(words):
        return -1
    if _GRANTED.search(words):
        return 1
    return -1 if read_reason(text) in _PRESENTED else 0


@lru_cache(maxsize=4096)
def _whose(text: str) -> str:
    """Whose secret words name: a machine's, a person's, or nobody's."""
    words = text.lower()
    return "person" if _PASSWORD.search(words) else "machine" if _MACHINE.search(words) else ""


@lru_cache(maxsize=4096)
def read_reason(text: str) -> str:
    """The reason that a producer's words give."""
    words = text.lower()
    return next((reason for reason, pattern in _PATTERNS if pattern.search(words)), UNKNOWN)


def reason_of(event: AuditEvent) -> str:
    """Why an event's authentication failed: the producer's words, else what the token's age and the kind tell."""
    age, life = event.token_age_s, event.token_ttl_s
    lapsed = age is not None and life is not None and age >= life
    return _reason(
        event.reason, event.error, lapsed, event.auth == "insufficient_scope", event.kind == "auth", event.token is None
    )


@lru_cache(maxsize=4096)
def _reason(said: str | None, error: str | None, lapsed: bool, unscoped: bool, endpoint: bool, tokenless: bool) -> str:
    text = f"{said or ''} {error or ''}"
    reason = read_reason(text[:400]) if len(text) > 1 else UNKNOWN
    if reason != UNKNOWN:
        return reason
    if lapsed:
        return EXPIRED
    if unscoped:
        return SCOPE
    return SECRET if endpoint and tokenless else UNKNOWN


class Attempt(NamedTuple):
    """How a failure counts.

    `weight` is "auth" or "request" for a guess seen at a token endpoint or on a request, "token" for a guess that is
    told from a repetition by its token, "weak" for what may be either, "machine" for a machine's secret, which is
    sooner wrong in its settings than guessed, and empty for what is no attack. `token` is the number of the token, 0
    where there is none.
    """

    reason: str
    weight: str
    token: int


UNAUTHORIZED: Final = 401
"""What some producers write as `error_code`, beside those of JSON-RPC."""
_CREDENTIAL: Final = frozenset({SECRET, SIGNATURE, EXPIRED, STALE})
_PRESENTED: Final = _CREDENTIAL | {MALFORMED, AUDIENCE, PROVIDER}
GUESSES: Final = frozenset({SECRET, AUDIENCE, SIGNATURE, MALFORMED, UNKNOWN})
LAPSED: Final = frozenset({EXPIRED, STALE})


def attempt_of(event: AuditEvent) -> Attempt:
    """What a failure counts as: guessing needs ever new secrets, so the same token again is a retry, not a guess."""
    machine = event.user is None and bool(event.client or event.agent)
    return _attempt(reason_of(event), event.kind == "auth", machine, event.reason, event.error, event.token)


@lru_cache(maxsize=4096)
def _attempt(
    reason: str, endpoint: bool, machine: bool, said: str | None, error: str | None, presented: str | None
) -> Attempt:
    """The same, of an event seen at a token endpoint or not, that names a machine alone or not."""
    token = number(presented) if presented is not None else 0
    if reason not in GUESSES:
        return Attempt(reason, "", token)
    if reason == SECRET:
        if _of_machine(said, error, machine):
            return Attempt(reason, "token" if token else "machine", token)
        return Attempt(reason, "auth" if endpoint else "request", token)
    if token:
        return Attempt(reason, "token", token)
    if reason in (UNKNOWN, MALFORMED):
        return Attempt(reason, "weak", 0)
    return Attempt(reason, "auth" if endpoint else "request", 0)


def _of_machine(said: str | None, error: str | None, machine: bool) -> bool:
    """Whether a wrong secret was a machine's: by the words, else since only a client or an agent is named."""
    text = f"{said or ''} {error or ''}"
    whose = _whose(text[:400]) if len(text) > 1 else ""
    return whose == "machine" or (not whose and machine)


def failed(event: AuditEvent) -> bool:
    """Whether presented credentials were rejected."""
    outcome = event.outcome
    if outcome is None or outcome == "other":
        return refused(event)
    return outcome == "auth_invalid"


def passed(event: AuditEvent) -> bool:
    """Whether the caller got past authentication and was answered."""
    outcome = event.outcome
    if outcome is None:
        return granted(event)
    return outcome in ("ok", "input_required", "tool_error")


def refused(event: AuditEvent) -> bool:
    """Whether an event of no known outcome says otherwise that credentials were rejected: by `auth`, a code, a reason.

    Of a request only `reason` is read: its `error` may be the tool's own.
    """
    auth = event.auth
    if auth is not None and auth != "presented":
        return auth == "invalid"
    reason = event.reason
    if event.kind == "auth":
        said = _said((reason or event.error or "")[:400]) if reason or event.error else 0
        return said < 0 or (said == 0 and event.error_code is not None and not _absent(event))
    if event.kind != "request":
        return False
    if reason is not None:
        text = reason[:400]
        plain = event.error_code == UNAUTHORIZED or read_reason(text) in _CREDENTIAL
        return _said(text) < 0 and (plain or _PLAIN.search(text.lower()) is not None)
    return event.error_code == UNAUTHORIZED and not _absent(event)


def granted(event: AuditEvent) -> bool:
    """Whether an event without an outcome says otherwise that the caller was let in."""
    if event.error is not None or event.error_code is not None:
        return False
    auth = event.auth
    if auth == "valid":
        return True
    if auth == "presented":
        return event.reason is None or not refused(event)
    return auth is None and event.kind == "auth" and event.reason is not None and _said(event.reason[:400]) > 0


def _absent(event: AuditEvent) -> bool:
    """Whether nobody presented anything: how a client finds out how to log in."""
    return event.token is None and event.user is None and event.client is None and event.agent is None
