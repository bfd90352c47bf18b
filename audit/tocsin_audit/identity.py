"""Identity: who the caller is, from what the server verified, else from what a token only claims."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tocsin_audit.event import NULL_LIKE
from tocsin_audit.text import clean

TENANT_CLAIMS: Final = ("org_id", "tenant_id", "tenant")
"""Where the caller's tenant is looked for when nobody said where it stands."""

_MOST_TOKEN: Final = 16_384
_MOST_CHAIN: Final = 8


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The caller; `identity` is `verified`, `claimed` or null, the times are seconds."""

    identity: str | None = None
    user: str | None = None
    client: str | None = None
    agent: str | None = None
    tenant: str | None = None
    on_behalf_of: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    audience: str | tuple[str, ...] | None = None
    token_ttl_s: float | None = None
    token_age_s: float | None = None


NOBODY: Final = Identity()


def verified(access: Any, tenant_claims: Iterable[str], now: float) -> Identity:
    """Who an access token object of the MCP SDK or FastMCP names; the server has checked it.

    `access` has `client_id`, `scopes` and, where the verifier supplies them, `subject`, `claims`, `expires_at` and
    `resource`. `now` is in seconds since the epoch.
    """
    given = getattr(access, "claims", None)
    claims: Mapping[str, Any] = given if isinstance(given, dict) else {}
    merged = dict(claims)
    merged.setdefault("sub", getattr(access, "subject", None))
    merged.setdefault("exp", getattr(access, "expires_at", None))
    merged.setdefault("aud", getattr(access, "resource", None))
    merged["scope"] = getattr(access, "scopes", None) or claims.get("scope")
    client_id = getattr(access, "client_id", None)
    # Verifiers put the subject where a token names no client.
    if not any(claims.get(name) for name in _CLIENT) and client_id != merged["sub"]:
        merged["client_id"] = client_id
    return _identity("verified", merged, tenant_claims, now)


def checked(claims: Mapping[str, Any], tenant_claims: Iterable[str], now: float) -> Identity:
    """Who a token names whose signature and times were checked here."""
    return _identity("verified", claims, tenant_claims, now)


def stated(claims: Mapping[str, Any], tenant_claims: Iterable[str], now: float) -> Identity:
    """Who the claims name that a source has written down, without the token."""
    return _identity("claimed", claims, tenant_claims, now)


def authenticated(user: Any) -> Identity:
    """Who a Starlette user object names when its authentication is not the MCP SDK's."""
    name = getattr(user, "display_name", None) if getattr(user, "is_authenticated", False) else None
    known = _name(name)
    return Identity(identity="verified", user=known) if known is not None else NOBODY


def claimed(token: str, tenant_claims: Iterable[str], now: float) -> Identity:
    """Who a JWT says it is about, without any check; nobody where the token is opaque."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _MOST_TOKEN or not token.startswith("ey"):
        return NOBODY
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = msgspec.json.decode(body, type=dict[str, Any])
    except (binascii.Error, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return NOBODY
    return _identity("claimed", claims, tenant_claims, now)


_CLIENT: Final = ("client_id", "azp", "cid", "appid")


def _identity(kind: str, claims: Mapping[str, Any], tenant_claims: Iterable[str], now: float) -> Identity:
    subject = _name(claims.get("sub"))
    client = next((name for key in _CLIENT if (name := _name(claims.get(key))) is not None), None)
    actors = _actors(claims)
    user = None
    # A token that a client got for itself names the client twice (RFC 9068 §2.2); nobody's user is behind it.
    if subject is not None and subject != client:
        issuer = _name(claims.get("iss"))
        user = f"{issuer}|{subject}" if issuer is not None else subject
    issued, expires = _moment(claims.get("iat")), _moment(claims.get("exp"))
    return Identity(
        identity=kind,
        user=user,
        client=client,
        agent=actors[0].rpartition("|")[2] if actors else None,
        tenant=_tenant(claims, tenant_claims),
        on_behalf_of=actors,
        scopes=_words(claims.get("scope", claims.get("scp"))),
        audience=_audience(claims.get("aud")),
        token_ttl_s=expires - issued if issued is not None and expires is not None else None,
        token_age_s=max(0.0, round(now - issued, 3)) if issued is not None else None,
    )


def _actors(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The chain of the `act` claim (RFC 8693 §4.1), who acts now first."""
    chain: list[str] = []
    actor = claims.get("act")
    while isinstance(actor, dict) and len(chain) < _MOST_CHAIN:
        subject = _name(actor.get("sub")) or _name(actor.get("client_id"))
        if subject is not None:
            issuer = _name(actor.get("iss"))
            chain.append(f"{issuer}|{subject}" if issuer is not None else subject)
        actor = actor.get("act")
    return tuple(chain)


def _tenant(claims: Mapping[str, Any], paths: Iterable[str]) -> str | None:
    for path in paths:
        if (name := _name(claims.get(path))) is not None:
            return name
        value: Any = claims
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if (name := _name(value)) is not None:
            return name
    return None


def _name(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    name = clean(value)
    return None if name in NULL_LIKE else name


def _moment(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11
    return float(value) if usable else None


def _words(value: Any) -> tuple[str, ...]:
    items = value.split() if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    return tuple(word for item in items[:64] if (word := clean(item, 128)) is not None)


def _audience(value: Any) -> str | tuple[str, ...] | None:
    if isinstance(value, list | tuple):
        words = _words(value)
        return words[0] if len(words) == 1 else words or None
    return clean(value)
