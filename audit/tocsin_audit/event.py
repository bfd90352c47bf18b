"""The audit event `mcp.audit.v1`: one flat JSON object a line."""

from collections.abc import Iterable, Iterator
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
    """When it happened: RFC 3339 with a zone, or seconds, milliseconds, microseconds or nanoseconds since 1970."""
    server: str
    """The MCP server."""
    v: int = 1
    """Version of this schema."""
    id: str | None = None
    """Names this event alone, so that a repeat counts once; without it `producer`, `run` and `seq` do."""
    kind: str = "request"
    """`request`, `auth` (an attempt without a request), `permission`, `config`, `lifecycle` or `heartbeat`."""
    outcome: str | None = None
    """How it ended, one of `OUTCOMES`; any other word is `other`."""
    reason: str | None = None
    """Why it ended so, in the producer's words: `token expired`, `bad signature`."""
    method: str | None = None
    """The MCP method: `tools/call`, `resources/read`."""
    target: str | None = None
    """The tool's or prompt's name, or the resource's URI."""
    action: str | None = None
    """What it does: `read`, `write`, `create`, `update`, `delete`, `publish` or `send`."""
    user: str | None = None
    """The person: issuer and subject joined by a bar."""
    client: str | None = None
    """The OAuth client id."""
    agent: str | None = None
    """The AI system."""
    on_behalf_of: tuple[str, ...] = _NOTHING
    """The chain of delegation: those who act for the user, as the token names them, who acts now first."""
    tenant: str | None = None
    """The caller's tenant."""
    resource_tenants: tuple[str, ...] = _NOTHING
    """The owners of what was asked for and of what was returned; `public` belongs to everybody."""
    data_classes: tuple[str, ...] = _NOTHING
    """What kind of data it was: `pii`, `payment`."""
    auth: str | None = None
    """What became of the credentials: `none`, `presented`, `valid`, `invalid` or `insufficient_scope`."""
    identity: str | None = None
    """Whether the server checked who it is (`verified`), or the caller only says so (`claimed`)."""
    token: str | None = None
    """Keyed fingerprint of the token (`key id:hex`), never the token."""
    token_ttl_s: float | None = None
    """The token's lifespan in seconds."""
    token_age_s: float | None = None
    """The token's age in seconds."""
    scopes: tuple[str, ...] = _NOTHING
    """The token's scopes."""
    audience: str | tuple[str, ...] | None = None
    """Whom the token was made for."""
    source_ip: str | None = None
    """The peer's address, or the one that a trusted proxy names."""
    ip_trust: str | None = None
    """How far to believe the address: `peer`, `trusted_xff` (a trusted proxy says so), `untrusted_xff` or `unknown`."""
    tls: str | None = None
    """The TLS version."""
    user_agent: str | None = None
    """The caller's `User-Agent`."""
    origin: str | None = None
    """The caller's `Origin`."""
    request_bytes: Count | None = None
    """Size of the request."""
    response_bytes: Count | None = None
    """Size of the response."""
    rows: Count | None = None
    """Rows of the result."""
    bytes_quality: str | None = None
    """What the sizes are worth: `exact`, `capped` or `absent`."""
    duration_ms: float | None = None
    """How long it took, in milliseconds."""
    session: str | None = None
    """The session, hashed; many servers have none."""
    request_id: str | int | None = None
    """The JSON-RPC id."""
    trace: str | None = None
    """The trace id."""
    protocol: str | None = None
    """The MCP protocol version."""
    transport: str | None = None
    """How it came: `http`, `sse`, `stdio`."""
    server_version: str | None = None
    """The server's version."""
    client_version: str | None = None
    """The client's name and version."""
    args_keys: tuple[str, ...] = _NOTHING
    """The names of the arguments."""
    args_hash: str | None = None
    """Keyed hash of the arguments."""
    recipients: tuple[str, ...] = _NOTHING
    """Keyed hashes of whom it was sent to, with the domain."""
    handles_presented: tuple[str, ...] = _NOTHING
    """Keyed hashes of bearer-like handles (task ids, state tokens) that the caller presented."""
    handles_minted: tuple[str, ...] = _NOTHING
    """Keyed hashes of such handles that the server gave out."""
    signals: tuple[str, ...] = _NOTHING
    """What an inspector saw in content that was not kept: `injection:…`, `secret:…`, `pii:…`, `path:…`."""
    approval: str | None = None
    """Reference of a person's consent."""
    manifest: msgspec.Raw = ABSENT
    """On results of `tools/list`: `{count, tools: {name: hash of its definition}}`."""
    change: msgspec.Raw = ABSENT
    """On `permission` and `config`: `{object, action, grantee, before, after}`."""
    error_code: int | str | None = None
    """The JSON-RPC error code."""
    error: str | None = None
    """The error's text, bounded."""
    producer: str | None = None
    """Who sends this."""
    run: str | None = None
    """Which run of the producer; a restart or a second worker is a new one."""
    seq: Count | None = None
    """Running number within the run; a gap is proof of loss."""
    sample_rate: float | None = None
    """The share of events that is sent; below 1 nothing is counted."""
    echo: str | None = None
    """The vantage point that counts this call; where one is named, this event is kept and counts nowhere."""
    received: float = 0.0
    """When Tocsin received it, in seconds since 1970."""
    late: bool = False
    """Older than the lateness of two minutes when it was received."""
    skewed: bool = False
    """From more than a minute in the future; its time became the time of receipt."""
    ext: msgspec.Raw = ABSENT
    """Everything else that is worth keeping, as an object."""

    @property
    def actor(self) -> str | None:
        """The first of user, client and agent that is known."""
        return self.user or self.client or self.agent


FIELDS: Final[tuple[str, ...]] = AuditEvent.__struct_fields__
STAMPED: Final = frozenset({"received", "late", "skewed"})
"""Fields that Tocsin alone sets; the same keys in a producer's line mean nothing."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS: Final = 1e11
"""From this number on a `time` is not in seconds; what lies below is a moment that needs no other look."""
_SAID: Final = OUTCOMES | {None}


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
        elif result >= _MILLISECONDS:
            result /= 1e3
    if not 0 <= result < 253_402_300_800:
        raise ValueError(f"{value!r} is not a moment between 1970 and 9999")
    return result


def rfc3339(moment: float) -> str:
    """Seconds since the epoch as RFC 3339 UTC with microseconds."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def normalise(event: AuditEvent) -> AuditEvent:
    """Bring one decoded event into its form in memory, in place; see `normalise_all`."""
    normalise_all((event,))
    return event


def normalise_all(events: Iterable[AuditEvent]) -> None:
    """Bring decoded events into their form in memory, in place: time as seconds, null-likes null, odd words `other`.

    Raises ValueError where a `time` is no moment.
    """
    for event in events:
        said: datetime | float = event.time
        # What `seconds` says of most, without a call for each: this is on the way of every event.
        moment = said.timestamp() if isinstance(said, datetime) else float(said)
        event.time = moment if 0.0 <= moment < _MILLISECONDS else seconds(said)
        if event.kind not in KINDS:
            event.kind = "other"
        if event.outcome not in _SAID:
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
