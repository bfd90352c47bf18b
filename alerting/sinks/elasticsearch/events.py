"""Audit events as ECS documents in `logs-tocsin.event-<namespace>`, sent in bulk beside the alerts.

Field names and values: Elastic Common Schema 9.4. Names and ids stay exact, so that they can be searched; `message` is
made harmless, and no URL field is ever filled.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from elasticsearch import Elasticsearch

from alerting.events import Sent
from alerting.harmless import harmless
from alerting.sink import Result
from alerting.sinks.elasticsearch.bulk import DOWN, existing, failure, send
from alerting.sinks.elasticsearch.documents import ECS, Document, about, without_nothing
from alerting.sinks.elasticsearch.templates import install
from tocsin_audit.event import AuditEvent, rfc3339
from tocsin_audit.text import clean

STREAM: Final = "logs-tocsin.event"
"""The data stream of events, without its namespace."""
LISTS: Final = frozenset(
    {"tools/list", "resources/list", "resources/templates/list", "prompts/list", "server/discover"}
)
SESSIONS: Final = frozenset({"initialize", "notifications/initialized"})
PLAIN: Final = ("kind", "method", "target", "action", "outcome", "reason", "client", "agent", "tenant")
VALUES: Final = 50


class Events:
    """Creates each event once, under an id of its own; what may have arrived before is looked up first."""

    def __init__(self, client: Elasticsearch, namespace: str, *, install_templates: bool) -> None:
        self._client = client
        self._namespace = namespace
        self._stream = f"{STREAM}-{namespace}"
        self._installed = not install_templates

    def send(self, events: Sequence[AuditEvent], *, in_doubt: bool) -> Sent:
        """Send events; never raises for what the service did."""
        documents = [event_document(event, self._namespace) for event in events]
        try:
            if not self._installed:
                install(self._client)
                self._installed = True
            there = existing(self._client, self._stream, [one.id for one in documents]) if in_doubt else set[str]()
        except DOWN as error:
            return Sent(failure(error), ())
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return Sent(Result("retry", f"the answer makes no sense ({type(error).__name__})"), ())
        results = send(self._client, self._stream, [one for one in documents if one.id not in there]).values()
        stuck = next((result for result in results if result.outcome == "retry"), None)
        return Sent(stuck, () if stuck else tuple(result.why for result in results if result.outcome == "refused"))

    def close(self) -> None:
        """Give back connections."""
        self._client.close()


def event_document(event: AuditEvent, namespace: str) -> Document:
    """An event as an ECS document; its id is of what names the event, so that a repeat is the same document."""
    category, types = kind_of(event)
    sources = {"source_ip": event.source_ip, "user": event.user, "server": event.server}
    entity = {key: value for key, value in sources.items() if value}
    action = f"mcp-{event.method.replace('/', '-')}" if event.method else f"mcp-{event.kind}"
    body: dict[str, Any] = {
        "@timestamp": rfc3339(event.time),
        "message": harmless(f"{event.method or event.kind} {event.target or ''} on {event.server}: {event.outcome}"),
        "ecs": {"version": ECS},
        "event": {
            "kind": "event",
            "category": category,
            "type": types,
            "action": _text(action),
            "outcome": {"ok": "success", "input_required": "unknown", None: "unknown"}.get(event.outcome, "failure"),
            "id": _text(event.id or ""),
            "reason": _text(event.reason or event.error or "", 1000),
            "ingested": rfc3339(event.received) if event.received else None,
            "module": "tocsin",
            "provider": "tocsin",
            "dataset": "tocsin.event",
        },
        "data_stream": {"type": "logs", "dataset": "tocsin.event", "namespace": namespace},
        "observer": {"vendor": "Tocsin", "product": "Tocsin", "type": "ids"},
        "http": {"request": {"bytes": event.request_bytes}, "response": {"bytes": event.response_bytes}},
        "trace": {"id": _text(event.trace or "")},
        "mcp": {
            **{name: _text(getattr(event, name) or "") for name in PLAIN},
            "resource_tenants": _texts(event.resource_tenants),
            "data_classes": _texts(event.data_classes),
            "signals": _texts(event.signals),
            "rows": event.rows,
            "duration_ms": event.duration_ms,
            "session": _text(event.session or ""),
            "producer": _text(event.producer or ""),
        },
    }
    body |= about(entity, event.tenant, {"on_behalf_of": event.on_behalf_of} if event.on_behalf_of else {})
    kept = without_nothing(body)
    assert isinstance(kept, dict)
    return Document(identity(event), kept)


def kind_of(event: AuditEvent) -> tuple[list[str], list[str]]:
    """ECS's category and types of an event."""
    if event.kind == "permission":
        return ["iam"], ["change"]
    if event.kind == "config":
        return ["configuration"], ["change"]
    if event.kind in ("lifecycle", "heartbeat"):
        return ["process"], ["info"]
    if event.outcome == "auth_missing":
        return ["authentication"], ["info"]
    if event.kind == "auth" or event.outcome == "auth_invalid":
        return ["authentication"], ["start"]
    if event.outcome in ("authz_denied", "origin_rejected"):
        return ["api"], ["access", "denied"]
    if event.method in SESSIONS:
        return ["session"], ["start"]
    if event.method in LISTS:
        return ["api"], ["info"]
    change = {"create": "creation", "delete": "deletion", "update": "change", "write": "change"}.get(event.action or "")
    return ["api"], ["access", *([change] if change else [])]


def identity(event: AuditEvent) -> str:
    """What names an event: its id and its producer's running number, hashed to a document's id."""
    parts = (event.tenant, event.producer, event.id, event.run, event.seq)
    return sha256("\x00".join("" if part is None else str(part) for part in parts).encode(errors="replace")).hexdigest()


def _text(value: str, limit: int = 1024) -> str:
    return clean(value, limit) or ""


def _texts(values: Sequence[str]) -> list[str]:
    return [text for value in values[:VALUES] if (text := _text(value))]
