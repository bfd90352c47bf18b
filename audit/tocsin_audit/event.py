"""The audit event `mcp.audit.v1`: one flat JSON object a line."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

KINDS: Final = frozenset({"request", "auth", "permission", "config", "lifecycle", "heartbeat"})
OUTCOMES: Final = frozenset(
    {
        "ok",
        "input_required",
        "auth_missing",
        "auth_invalid",
        "authz_denied",
        "not_found",
        "invalid_params",
        "tool_error",
        "protocol_violation",
        "session_invalid",
        "rate_limited",
        "upstream_error",
        "timeout",
        "cancelled",
        "origin_rejected",
    }
)
NULL_LIKE: Final = frozenset({"", "-", "anonymous", "unknown", "null", "none", "***REDACTED***"})

if TYPE_CHECKING:
    Time = float
    Count = int
else:
    # Whatever a producer says, what adds counts up and packs them can rely on 64 bits.
    Count = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    # On the wire RFC 3339 with a zone, or a number; in memory, after `settle_event`, seconds since the epoch.
    Time = Annotated[datetime, msgspec.Meta(tz=True)] | int | float

_NOTHING: Final[tuple[str, ...]] = ()
ABSENT: Final = msgspec.Raw(b"")
"""A JSON value that is not there; those that are stay bytes, since decoding them would cost more than all the rest."""


class AuditEvent(msgspec.Struct, gc=False, omit_defaults=True):
    """One thing an MCP server did or refused; `time`, `server`, and `method` or `kind` are what it must say."""

    time: Time
    server: str
    v: int = 1
    id: str | None = None
    kind: str = "request"
    outcome: str | None = None
    reason: str | None = None
    method: str | None = None
    target: str | None = None
    action: str | None = None
    user: str | None = None
    client: str | None = None
    agent: str | None = None
    on_behalf_of: tuple[str, ...] = _NOTHING
    tenant: str | None = None
    resource_tenants: tuple[str, ...] = _NOTHING
    data_classes: tuple[str, ...] = _NOTHING
    auth: str | None = None
    identity: str | None = None
    token: str | None = None
    token_ttl_s: float | None = None
    token_age_s: float | None = None
    scopes: tuple[str, ...] = _NOTHING
    audience: str | tuple[str, ...] | None = None
    source_ip: str | None = None
    ip_trust: str | None = None
    tls: str | None = None
    user_agent: str | None = None
    origin: str | None = None
    request_bytes: Count | None = None
    response_bytes: Count | None = None
    rows: Count | None = None
    bytes_quality: str | None = None
    duration_ms: float | None = None
    session: str | None = None
    request_id: str | int | None = None
    trace: str | None = None
    protocol: str | None = None
    transport: str | None = None
    server_version: str | None = None
    client_version: str | None = None
    args_keys: tuple[str, ...] = _NOTHING
    args_hash: str | None = None
    recipients: tuple[str, ...] = _NOTHING
    handles_presented: tuple[str, ...] = _NOTHING
    handles_minted: tuple[str, ...] = _NOTHING
    signals: tuple[str, ...] = _NOTHING
    approval: str | None = None
    manifest: msgspec.Raw = ABSENT
    change: msgspec.Raw = ABSENT
    error_code: int | str | None = None
    error: str | None = None
    producer: str | None = None
    run: str | None = None
    seq: Count | None = None
    sample_rate: float | None = None
    received: float = 0.0
    late: bool = False
    skewed: bool = False
    ext: msgspec.Raw = ABSENT

    @property
    def actor(self) -> str | None:
        """The first of user, client and agent that is known."""
        return self.user or self.client or self.agent


FIELDS: Final[tuple[str, ...]] = AuditEvent.__struct_fields__
STAMPED: Final = frozenset({"received", "late", "skewed"})
"""Fields that Tocsin alone sets; the same keys in a producer's line mean nothing."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(value: datetime | float) -> float:
    """A `time` of the wire as seconds since the epoch.

    A number below 1e11 is seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
    Raises ValueError where it is not a moment between 1970 and 9999.
    """
    if isinstance(value, datetime):
        result = (value - _EPOCH).total_seconds()
    else:
        result = float(value)
        if result >= 1e17:
            result /= 1e9
        elif result >= 1e14:
            result /= 1e6
        elif result >= 1e11:
            result /= 1e3
    if not 0 <= result < 253_402_300_800:
        raise ValueError(f"{value!r} is not a moment between 1970 and 9999")
    return result


def rfc3339(moment: float) -> str:
    """Seconds since the epoch as RFC 3339 UTC with microseconds."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def normalise(event: AuditEvent) -> AuditEvent:
    """Bring a decoded event into its form in memory, in place: time as seconds, null-likes null, unknown words `other`.

    Raises ValueError where `time` is no moment.
    """
    event.time = seconds(event.time)
    if event.kind not in KINDS:
        event.kind = "other"
    outcome = event.outcome
    if outcome is not None and outcome not in OUTCOMES:
        event.outcome = "other"
    if event.user in NULL_LIKE:
        event.user = None
    if event.client in NULL_LIKE:
        event.client = None
    if event.agent in NULL_LIKE:
        event.agent = None
    if event.tenant in NULL_LIKE:
        event.tenant = None
    if event.token in NULL_LIKE:
        event.token = None
    if event.source_ip in NULL_LIKE:
        event.source_ip = None
    return event


def to_wire(event: AuditEvent) -> bytes:
    """One NDJSON line, without the newline; `time` as RFC 3339 and what Tocsin stamps left out."""
    fields: dict[str, Any] = {name: value for name, value in items(event) if name not in STAMPED}
    fields["time"] = rfc3339(event.time)
    return msgspec.json.encode(fields)


def items(event: AuditEvent) -> Iterator[tuple[str, Any]]:
    """The fields that say something, in the order of the definition."""
    for name in FIELDS:
        value = getattr(event, name)
        if value is not None and value != () and value != ABSENT:
            yield name, value


DECODER: Final = msgspec.json.Decoder(AuditEvent)
