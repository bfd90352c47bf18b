"""PagerDuty: one page per opening of an incident, through the Events API v2.

Facts of the API: developer.pagerduty.com/docs/events-api-v2 (`dedup_key` ties trigger, acknowledge and resolve
together; a trigger with the key of a resolved incident opens a new one).
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from httpx2 import RequestError, Response  # what the official client is made of and lets through
from pagerduty import Error, EventsApiV2Client, HttpError

from alerting.alert import Alert
from alerting.delivering.paging import Resolved, action_of
from alerting.delivering.posting import REFUSED, one_by_one, retry_after, trust
from alerting.harmless import harmless, harmless_block
from alerting.sink import DONE, PATH, Result
from alerting.wording.plain import evidence_of
from stream.finding import Severity
from tocsin_audit.event import rfc3339

SEVERITIES: Final[dict[Severity, Literal["critical", "error", "warning", "info"]]] = {
    "critical": "critical",
    "high": "error",
    "medium": "warning",
    "low": "info",
    "notice": "info",
}
SUMMARY: Final = 1024
"""Characters of a summary that PagerDuty keeps."""
DETAILS: Final = 400 * 1024
"""Bytes of details at most, written in ASCII; the API refuses events above 512 KiB."""


class PagerDutyOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which service is paged, and where."""

    routing_key: str
    """The integration key of the service's Events API v2."""
    url: str = "https://events.pagerduty.com"
    """The API's address; https://events.eu.pagerduty.com for accounts in the EU."""
    webhook_secret: str | None = None
    """The secret of a webhook subscription v3 to `/v1/pagerduty/<name of this sink>`, so that taking a page there takes
    the incident here."""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with the authorities that the API's certificate is checked against, else the system's."""
    timeout: float = 10.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError(f"url must begin with https://, not {self.url!r}")


class PagerDuty:
    """Pages through PagerDuty.

    A repeated trigger is folded into the open page by its `dedup_key`, which also makes attempts in doubt harmless;
    since somebody may have resolved the page by hand meanwhile, such a repeat says that it is one.
    """

    name: ClassVar[str] = "pagerduty"
    pager: ClassVar[bool] = True
    Options: ClassVar[type] = PagerDutyOptions

    def __init__(self, options: PagerDutyOptions) -> None:
        self._client = OneAttempt(options.routing_key, base_url=options.url.rstrip("/"), verify=trust(options.ca))
        self._client.timeout = options.timeout  # type: ignore[assignment]  # annotated narrower than it is used
        self._resolved = Resolved()

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Send what concerns the pager; after the first `retry` nothing more is sent, so that the order is kept."""
        return one_by_one(alerts, lambda alert: self._deliver(alert, repeated=alert.id in in_doubt))

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _deliver(self, alert: Alert, *, repeated: bool) -> Result:
        key = alert.incident.dedup_key
        action = action_of(alert, resolved=key in self._resolved)
        if action is None:
            return Result("done", "nothing for the pager")
        try:
            if action == "trigger":
                self._client.send_event("trigger", dedup_key=key, **event_of(alert, repeated=repeated))
            else:
                self._client.send_event(action, dedup_key=key)
        except (Error, RequestError) as error:
            return result_of(error)
        if action == "resolve":
            self._resolved.add(key)
        return Result("done", repeated=True) if repeated and action == "trigger" else DONE


class OneAttempt(EventsApiV2Client):
    """The official client without its own retries, which would wait inside a delivery: the outbox does the waiting."""

    max_network_attempts = 0

    def postprocess(self, response: Response) -> None:
        """Raise HttpError for an answer that is not a success, before the client decides to try again."""
        if not response.is_success:
            raise HttpError(f"HTTP {response.status_code}", response)


def event_of(alert: Alert, *, repeated: bool) -> dict[str, Any]:
    """The body of a trigger: everything from strangers is text without links, and there are no `links` or `images`."""
    incident = alert.incident
    server, tenant = harmless(incident.entity.get("server"), 255), harmless(incident.tenant, 255)
    payload = {
        "summary": harmless(f"{incident.severity.upper()}: {incident.title}", SUMMARY),
        "source": server or tenant or "tocsin",
        "severity": SEVERITIES[incident.severity],
        "timestamp": rfc3339(alert.time),
        "component": server or "mcp",
        "group": tenant or "no tenant",
        "class": incident.family,
        "custom_details": details_of(alert, repeated=repeated),
    }
    return {"payload": payload, "client": "Tocsin"}


def details_of(alert: Alert, *, repeated: bool) -> dict[str, Any]:
    """Numbers, evidence and next steps for the person who was woken, bounded in size."""
    incident = alert.incident
    details: dict[str, Any] = {
        "incident": incident.id,
        "opening": incident.opening,
        "change": alert.change,
        "entity": {harmless(key, 40): harmless(value) for key, value in list(incident.entity.items())[:20]},
        "classes": list(incident.classes),
        "events": incident.events,
        "show": f"tocsin incident show {harmless(incident.id, 80)}",
        "findings": [evidence_of(finding) for finding in alert.findings[:20]],
    }
    if incident.runbook:
        details["runbook"] = harmless(incident.runbook, 200)
    if alert.text:
        details["report"] = harmless_block(alert.text, lines=40, limit=300)
    if repeated:
        details["repeat"] = "an earlier attempt may already have arrived"
    left_out = max(0, len(alert.findings) - 20)
    while details["findings"] and len(json.dumps(details)) > DETAILS:
        details["findings"].pop()
        left_out += 1
    if left_out:
        details["findings_left_out"] = left_out
    return details


def result_of(error: Error | RequestError) -> Result:
    """What a failed attempt means: refused for good with PagerDuty's reasons, or worth another try."""
    response = error.response if isinstance(error, Error) else None
    if response is None:
        cause = error.__cause__ or error
        return Result("retry", harmless(f"{type(cause).__name__}: {cause}", 300))
    why = f"HTTP {response.status_code}: {reasons(response)}"
    if response.status_code in REFUSED:
        return Result("refused", harmless(why, 500))
    return Result("retry", harmless(why, 500), retry_after(response.headers))


def reasons(response: Response) -> str:
    """The API's own words, else the beginning of the body."""
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return response.text[:200] or response.reason_phrase
    if not isinstance(body, dict):
        return str(body)[:200]
    errors = body.get("errors")
    parts = [str(body.get("message", ""))] + ([str(error) for error in errors] if isinstance(errors, list) else [])
    return "; ".join(part for part in parts if part)


SINK: Final = PagerDuty
