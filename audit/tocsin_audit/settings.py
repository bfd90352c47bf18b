"""Settings: what Tocsin tells its producers at `GET /v1/producer`."""

from typing import Any

import msgspec

from tocsin_audit.denials import Denials
from tocsin_audit.identity import TENANT_CLAIMS
from tocsin_audit.ownership import Ownership


class Document(msgspec.Struct, kw_only=True):
    """The answer as it comes; each rule is read by itself, so that one bad rule leaves the others standing."""

    version: str | int = ""
    ownership: list[Any] = []
    identity: list[Any] = []
    denials: list[Any] = []
    fingerprint_key_id: str | None = None


class Settings:
    """One version of the settings, compiled for one server; `faults` says what could not be used."""

    def __init__(
        self,
        document: Document,
        *,
        server: str,
        ownership: tuple[Any, ...] = (),
        tenant_claim: str | None = None,
    ) -> None:
        self.version = str(document.version)
        self.server = server
        self.ownership = Ownership((*ownership, *document.ownership), server)
        self.denials = Denials(document.denials)
        self.fingerprint_key_id = document.fingerprint_key_id
        self.tenant_claims = _tenant_claims(document.identity, server, tenant_claim)
        self.faults = (*self.ownership.faults, *self.denials.faults)


def _tenant_claims(rules: list[Any], server: str, own: str | None) -> tuple[str, ...]:
    """The claims to look for the caller's tenant in: Tocsin's for this server, its general one, the server's own."""
    named = [rule for rule in rules if isinstance(rule, dict) and isinstance(rule.get("claim"), str)]
    found = [rule["claim"] for rule in named if rule.get("server") == server]
    found += [rule["claim"] for rule in named if rule.get("server") is None]
    if own is not None:
        found.append(own)
    return tuple(found) or TENANT_CLAIMS


def read(body: bytes) -> Document:
    """The settings in an answer. Raises ValueError where it is not that."""
    return msgspec.json.decode(body, type=Document)
