"""A small PagerDuty: the Events API v2 as it is documented, stricter in that it refuses what PagerDuty would ignore.

developer.pagerduty.com/docs/events-api-v2: 202 with the `dedup_key`, 400 with the reasons, 413 above 512 KiB, 429 when
events arrive too quickly. A key is folded into the open incident; after a resolve the same key opens another one.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from tests.services.front import Reply, Request, json_reply

LARGEST = 512 * 1024
TEXT = {"summary": 1024, "source": 255, "component": 255, "group": 255, "class": 255}
SEVERITIES = ("critical", "error", "warning", "info")
ENVELOPE = {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
PAYLOAD = {*TEXT, "severity", "timestamp", "custom_details"}


@dataclass
class PagedIncident:
    """What somebody sees in PagerDuty."""

    key: str
    status: Literal["triggered", "acknowledged", "resolved"] = "triggered"
    events: list[dict[str, Any]] = field(default_factory=list)


class SmallPagerDuty:
    """One service with one integration; call it with requests, then look at `incidents` and `received`."""

    def __init__(self, routing_key: str, limit: int | None = None) -> None:
        self.incidents: list[PagedIncident] = []
        self.received: list[dict[str, Any]] = []
        self.limit = limit
        self._routing_key = routing_key
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        with self._lock:
            return self._answer(request)

    def opened(self, key: str) -> list[PagedIncident]:
        """The incidents that a key has opened, oldest first."""
        return [incident for incident in self.incidents if incident.key == key]

    def _answer(self, request: Request) -> Reply:
        if request.path != "/v2/enqueue":
            return json_reply(404, {"status": "not found", "message": "no such path"})
        if request.method != "POST":
            return json_reply(405, {"status": "method not allowed", "message": "POST"})
        if len(request.body) > LARGEST:
            return json_reply(413, {"status": "invalid event", "message": "Event is larger than 512 KB"})
        try:
            event = msgspec.json.decode(request.body)
        except msgspec.DecodeError as error:
            return refused([f"JSON: {error}"])
        if faults := check(event, self._routing_key):
            return refused(faults)
        if self.limit is not None and len(self.received) >= self.limit:
            body = {"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly."}
            return json_reply(429, body, retry_after="7", ratelimit_limit=str(self.limit), ratelimit_remaining="0")
        self.received.append(event)
        key = event.get("dedup_key") or f"made-{len(self.received)}"
        self._fold(key, event)
        return json_reply(202, {"status": "success", "message": "Event processed", "dedup_key": key})

    def _fold(self, key: str, event: dict[str, Any]) -> None:
        opened = [incident for incident in self.opened(key) if incident.status != "resolved"]
        match event["event_action"], opened:
            case "trigger", []:
                self.incidents.append(PagedIncident(key, events=[event]))
            case "trigger", [incident]:
                incident.events.append(event)
            case "acknowledge", [incident]:
                incident.status = "acknowledged"
            case "resolve", [incident]:
                incident.status = "resolved"
            case _:
                pass  # acknowledging or resolving what is not open is accepted and does nothing


def refused(errors: list[str]) -> Reply:
    """The answer to an event that is not as it should be."""
    return json_reply(400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors})


def check(event: Any, routing_key: str) -> list[str]:
    """Everything that is wrong with an event."""
    if not isinstance(event, dict):
        return ["the event must be an object"]
    faults = [f"'{key}' is unknown" for key in event.keys() - ENVELOPE]
    action, key, payload = event.get("event_action"), event.get("dedup_key"), event.get("payload")
    if event.get("routing_key") != routing_key:
        faults.append("'routing_key' is invalid")
    if action not in ("trigger", "acknowledge", "resolve"):
        faults.append("'event_action' must be trigger, acknowledge or resolve")
    if key is not None and (not isinstance(key, str) or not 0 < len(key) <= 255):
        faults.append("'dedup_key' must be a string of at most 255 characters")
    if action != "trigger":
        return faults if key else [*faults, "'dedup_key' is missing or blank"]
    if not isinstance(payload, dict):
        return [*faults, "'payload' is missing or blank"]
    return faults + check_payload(payload) + check_attachments(event)


def check_payload(payload: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a payload."""
    faults = [f"'payload.{key}' is unknown" for key in payload.keys() - PAYLOAD]
    for name, limit in TEXT.items():
        value = payload.get(name)
        if value is None and name not in ("summary", "source"):
            continue
        if not isinstance(value, str) or not 0 < len(value) <= limit:
            faults.append(f"'payload.{name}' must be a string of 1 to {limit} characters")
    if payload.get("severity") not in SEVERITIES:
        faults.append("'payload.severity' must be critical, error, warning or info")
    if not isinstance(payload.get("custom_details", {}), dict):
        faults.append("'payload.custom_details' must be an object")
    try:
        datetime.fromisoformat(payload.get("timestamp", "2026-01-01T00:00:00Z"))
    except (TypeError, ValueError):
        faults.append("'payload.timestamp' must be an ISO 8601 timestamp")
    return faults


def check_attachments(event: dict[str, Any]) -> list[str]:
    """Everything that is wrong with links and images."""
    faults = []
    for name, needed in (("links", "href"), ("images", "src")):
        items = event.get(name, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) and needed in item for item in items):
            faults.append(f"'{name}' must be a list of objects with '{needed}'")
    return faults
