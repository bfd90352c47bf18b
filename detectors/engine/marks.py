"""Marks: what an event is, worked out once for all detectors."""

from typing import Final

from detectors.authentication.reasons import granted, refused
from detectors.base import (
    AUTH_FAILED,
    AUTH_MISSING,
    CANARY,
    CHANGE,
    DATA,
    DENIED,
    HANDLES,
    HEARTBEAT,
    MANIFEST,
    NOT_FOUND,
    OWNED,
    SIGNALS,
    SUCCEEDED,
    TENANTLESS,
    UNOWNED,
)
from detectors.tenancy.foreign import handed_out
from stream.facts import Facts
from tocsin_audit.event import AuditEvent

OWN_DENIAL: Final = "tocsin.denied:"
"""How the `reason` of a denial by our own deny list begins; such an event feeds no counter."""

_OUTCOMES: Final[dict[str | None, int]] = {
    "ok": SUCCEEDED,
    "input_required": SUCCEEDED,
    "tool_error": SUCCEEDED,
    "auth_missing": AUTH_MISSING,
    "auth_invalid": AUTH_FAILED,
    "authz_denied": DENIED,
    "not_found": NOT_FOUND,
    "invalid_params": NOT_FOUND,
}
_READS: Final = frozenset(
    {"tools/call", "resources/read", "prompts/get", "tasks/get", "tasks/result", "completion/complete"}
)
_KINDS: Final[dict[str, int]] = {"permission": CHANGE, "config": CHANGE, "heartbeat": HEARTBEAT}


def marks_of(event: AuditEvent, facts: Facts) -> int:
    """The marks of an event whose tenant has been settled by the directory."""
    kind = event.kind
    outcome = event.outcome
    if kind == "request":
        marks = _OUTCOMES.get(outcome, 0) if outcome is not None and outcome != "other" else _unsaid(event, outcome)
        if marks == SUCCEEDED and outcome != "tool_error" and event.method in _READS:
            marks = SUCCEEDED | DATA
        tenant = event.tenant
        if tenant is None:
            marks |= TENANTLESS
        owners = event.resource_tenants
        target = event.target
        if target is not None:
            directory = facts.directory
            if not owners:
                if directory.ownership:
                    owners = facts.owners(event)
                if (
                    not owners
                    and tenant is not None
                    and (event.method == "resources/read" or "://" in target)
                    and handed_out(event)
                ):
                    marks |= UNOWNED
            if directory.canaries and facts.canary(event.server, target):
                marks |= CANARY
        if owners and (owners[0] != tenant or len(owners) > 1):
            marks |= OWNED
    else:
        if kind != "auth":
            marks = _KINDS.get(kind, 0)
        elif outcome is not None and outcome != "other":
            marks = _OUTCOMES.get(outcome, 0)
        else:
            marks = _unsaid(event, outcome)
        if event.resource_tenants and event.resource_tenants != (event.tenant,):
            marks |= OWNED
    if event.handles_presented or event.handles_minted:
        marks |= HANDLES
    if event.signals:
        marks |= SIGNALS
    if event.manifest:
        marks |= MANIFEST
    return marks


def _unsaid(event: AuditEvent, outcome: str | None) -> int:
    """The mark of an event whose outcome is not known: by `auth`, else by its code and words."""
    if event.auth == "valid" and event.error is None and event.error_code is None:
        return SUCCEEDED if outcome is None else 0
    if refused(event):
        return AUTH_FAILED
    if outcome is not None:
        return 0
    if event.auth == "insufficient_scope":
        return DENIED if event.error is None and event.error_code is None else 0
    return SUCCEEDED if granted(event) else 0


def own_denial(event: AuditEvent, marks: int) -> bool:
    """Whether this is a denial by our own deny list; a success never is, whatever its `reason` says."""
    return event.reason is not None and event.reason.startswith(OWN_DENIAL) and not marks & SUCCEEDED
