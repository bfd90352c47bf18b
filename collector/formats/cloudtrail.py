"""AWS CloudTrail: events of the AWS MCP Server, of the tokens it takes, and of self-hosted awslabs servers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from collector.format import About, RecordError
from collector.parts.outcome import complete
from collector.parts.values import (
    child,
    decode_object,
    integer,
    join,
    milliseconds,
    moment,
    name,
    session_of,
    text,
    wire_object,
)
from tocsin_audit.arguments import keys
from tocsin_audit.event import AuditEvent

MOST: Final = 100_000
"""Records of one export at most."""
BRACKETS: Final = 1_000_000
"""Opening brackets of one export at most."""

_MCP_EVENT: Final = "AwsMcpEvent"
_VIA: Final = "aws-mcp.amazonaws.com"
_AWSLABS: Final = re.compile(r"md/awslabs#mcp#([\w.-]{1,100})(?:#([\w.-]{1,40}))?")
_TOKEN: Final = frozenset({"CreateOAuth2Token", "AuthorizeOAuth2Access"})
_DENIED: Final = re.compile(r"(?i)accessdenied|unauthorized|notauthorized|forbidden")
_SIGNATURE: Final = re.compile(r"(?i)expiredtoken|invalidclienttoken|signature|invalidtoken|authfailure|invalid_grant")
_THROTTLED: Final = re.compile(r"(?i)throttl|toomanyrequests|limitexceeded")
_NOT_FOUND: Final = re.compile(r"(?i)notfound|nosuch|doesnotexist")
_INVALID: Final = re.compile(r"(?i)validation|invalidparameter|malformed|badrequest")
_PREFIX: Final = "aws___"


class CloudTrail:
    """Reads CloudTrail: one event a record, or a whole export with `Records`."""

    name = "cloudtrail"
    about = About(
        title="AWS CloudTrail (AWS MCP Server, its tokens, awslabs servers)",
        versions="CloudTrail 1.11; AWS MCP Server as documented and as observed in July 2026",
        fields=frozenset(
            {
                *("time", "id", "server", "kind", "method", "target", "action", "outcome", "user", "client"),
                *("tenant", "resource_tenants", "auth", "identity", "source_ip", "ip_trust", "user_agent"),
                *("duration_ms", "session", "request_id", "protocol", "args_keys", "error", "ext"),
                *("bytes_quality", "on_behalf_of", "audience"),
            }
        ),
        blind="sizes and rows; what a tool did stands in further events of the services it called; minutes late",
    )

    def fits(self, record: bytes) -> bool:
        """Whether it is an event of CloudTrail, or an export of them."""
        return b'"eventSource"' in record and b'"eventName"' in record and b'"userIdentity"' in record

    def parse(self, record: bytes) -> Sequence[AuditEvent]:
        """The events of one record that have to do with MCP; none where it has nothing to do with it."""
        tree = decode_object(record, BRACKETS)
        records = tree.get("Records")
        if not isinstance(records, list):
            made = _event(tree)
            return () if made is None else (made,)
        if len(records) > MOST:
            raise RecordError("too_long", f"more than {MOST} records", hint="split the export")
        events: list[AuditEvent] = []
        refused: RecordError | None = None
        for each in records:
            try:
                if isinstance(each, dict) and (made := _event(each)) is not None:
                    events.append(made)
            except RecordError as error:
                refused = error
        if refused is not None:
            refused.events = events
            raise refused
        return events


FORMAT: Final = CloudTrail()


def _event(tree: Mapping[str, Any]) -> AuditEvent | None:
    agent = text(tree.get("userAgent"))
    labs = _AWSLABS.search(agent) if agent is not None else None
    source = text(tree.get("eventSource"), 128) or ""
    mcp = text(tree.get("eventType"), 64) == _MCP_EVENT
    token = text(tree.get("eventName"), 128) in _TOKEN
    # What the server did for a call stands under the call itself; here it would count twice.
    if not (mcp or token or labs) or (not mcp and tree.get("sourceIPAddress") == _VIA):
        return None
    if tree.get("eventTime") is None:
        raise RecordError("missing", "eventTime is not there", field="eventTime", hint="is the record whole?")
    who = child(tree, "userIdentity")
    code, said = text(tree.get("errorCode"), 128), text(tree.get("errorMessage"))
    caller = name(tree.get("recipientAccountId")) if mcp else name(who.get("accountId"))
    event = AuditEvent(
        time=moment(tree["eventTime"]),
        server=_server(tree, source, labs),
        id=text(tree.get("eventID"), 128),
        user=_user(who),
        client=name(child(who, "invokedByDelegate").get("accountId")),
        tenant=name(who.get("accountId")) or caller,
        identity="verified" if _user(who) is not None and code is None else None,
        on_behalf_of=_issuer(who),
        resource_tenants=_owners(tree),
        source_ip=_address(tree.get("sourceIPAddress")),
        user_agent=agent,
        request_id=text(tree.get("requestID"), 128),
        error=" ".join(part for part in (code, said) if part is not None) or None,
        outcome=_outcome(tree, code, said),
    )
    if event.source_ip is not None:
        event.ip_trust = "peer"
    if token and not mcp:
        event.kind, event.method = "auth", text(tree.get("eventName"), 128)
        _grant(event, tree, code)
    elif mcp:
        _call(event, tree)
    else:
        event.method, event.target = "tools/call", text(tree.get("eventName"), 128)
        event.action = "read" if tree.get("readOnly") is True else None
    event.ext = wire_object(_ext(tree))
    return complete(event)


def _grant(event: AuditEvent, tree: Mapping[str, Any], code: str | None) -> None:
    """What became of a login or a token; one that failed may say so beside the error alone."""
    asked = child(tree, "requestParameters")
    failed = code is not None or text(child(tree, "additionalEventData").get("success"), 8) == "false"
    event.auth, event.outcome = ("invalid", "auth_invalid") if failed else ("valid", "ok")
    if failed:
        event.identity = None
    event.client = event.client or name(asked.get("client_id"))
    event.audience = name(asked.get("resource"))


def _call(event: AuditEvent, tree: Mapping[str, Any]) -> None:
    request, details = child(tree, "requestParameters"), child(tree, "mcpEventDetails")
    params = child(request, "params")
    method = text(request.get("method"), 128)
    target = text(params.get("name")) or text(params.get("uri"))
    if method is not None and "/" not in method and method not in ("initialize", "ping"):
        # In the documented form the tool stands where the method is.
        method, target = "tools/call", target or method
    event.method = method or "tools/call"
    event.target = target.removeprefix(_PREFIX) if target is not None else None
    event.args_keys = keys(params.get("arguments"))
    event.protocol = text(details.get("mcpProtocolVersion"), 64)
    event.session = session_of(details.get("sessionId"))
    event.duration_ms = milliseconds(details.get("executionTimeMs"))
    event.auth = "valid" if event.user is not None and event.outcome != "auth_invalid" else None
    if text(tree.get("eventName"), 128) == "CallReadOnlyTool" or tree.get("readOnly") is True:
        event.action = "read"


def _server(tree: Mapping[str, Any], source: str, labs: "re.Match[str] | None") -> str:
    if labs is not None:
        return f"awslabs.{labs[1]}"
    return text(child(tree, "mcpEventDetails").get("mcpServerName"), 256) or source or "aws-mcp"


def _user(who: Mapping[str, Any]) -> str | None:
    return name(who.get("arn")) or join(who.get("accountId"), who.get("principalId")) or name(who.get("userName"))


def _issuer(who: Mapping[str, Any]) -> tuple[str, ...]:
    context = child(who, "sessionContext")
    arn = name(child(context, "sessionIssuer").get("arn"))
    return (arn,) if arn is not None else ()


def _owners(tree: Mapping[str, Any]) -> tuple[str, ...]:
    resources = tree.get("resources")
    if not isinstance(resources, list):
        return ()
    owners = (name(each.get("accountId")) for each in resources[:256] if isinstance(each, dict))
    return tuple(dict.fromkeys(owner for owner in owners if owner is not None))


def _address(value: Any) -> str | None:
    found = name(value)
    # A service's name stands there where one called for another.
    return found if found is not None and (":" in found or found.replace(".", "").isdecimal()) else None


def _outcome(tree: Mapping[str, Any], code: str | None, said: str | None) -> str:
    words = f"{code or ''} {said or ''}" if code is not None else ""
    for pattern, outcome in (
        (_DENIED, "authz_denied"),
        (_SIGNATURE, "auth_invalid"),
        (_THROTTLED, "rate_limited"),
        (_NOT_FOUND, "not_found"),
        (_INVALID, "invalid_params"),
    ):
        if code is not None and pattern.search(words):
            return outcome
    if code is not None:
        return "upstream_error"
    failed = child(tree, "responseElements").get("isError")
    return "tool_error" if failed is True or failed == "true" else "ok"


def _ext(tree: Mapping[str, Any]) -> dict[str, Any]:
    more = child(tree, "additionalEventData")
    context = child(child(tree, "userIdentity"), "sessionContext")
    downstream = more.get("downstreamRequests")
    ext = {
        "event": tree.get("eventName"),
        "region": tree.get("awsRegion"),
        "signed_in": context.get("signInSessionArn"),
        "downstream": [each.get("apiName") for each in downstream[:32] if isinstance(each, dict)]
        if isinstance(downstream, list)
        else None,
        "version": integer(tree.get("eventVersion")),
    }
    return {key: value for key, value in ext.items() if value is not None}
