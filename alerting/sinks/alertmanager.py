"""Prometheus Alertmanager: each incident as an alert of its own, through the API v2.

Facts of the API: prometheus/alertmanager, api/v2/openapi.yaml and docs/alerts_api.md. Alerts with the same labels are
one; `endsAt` in the future holds an alert until then, one in the past resolves it; Alertmanager forgets all alerts when
it restarts, so that whoever sends them has to say them again.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Final

import msgspec

from alerting.alert import Alert
from alerting.delivering.posting import Poster, one_by_one, taken
from alerting.harmless import UNTRUSTED, harmless, harmless_block
from alerting.incidents.record import rank
from alerting.sink import DONE, PATH, Result
from alerting.wording.message import about, title
from stream.finding import SEVERITIES
from tocsin_audit.event import rfc3339

LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
OURS: Final = frozenset({"alertname", "incident", "opening", "severity", "tenant"})
VALUE: Final = 255
"""Characters of a label's value at most."""
TOGETHER: Final = 500
"""Alerts that one renewing request says again."""


class AlertmanagerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where Alertmanager is, and how long it holds what it was told."""

    url: str
    """Its address, with the prefix that it is served under if there is one."""
    token: str | None = None
    """A bearer token, where a proxy in front asks for one."""
    username: str | None = None
    """A user, where it asks for a password instead."""
    password: str | None = None
    """The user's password."""
    labels: dict[str, str] = {}
    """Labels that all alerts bear besides ours, for its routes."""
    hold_minutes: float = 60.0
    """Minutes for which it holds an open incident's alert when Tocsin is silent; each is said again every minute."""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with the authorities that its certificate is checked against, else the system's."""
    timeout: float = 10.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://")):
            raise ValueError("url must begin with https:// or http://")
        if (self.token or self.password) and not self.url.startswith("https://"):
            raise ValueError("token and password are only sent to an https:// address")
        if bool(self.username) != bool(self.password) or (self.token and self.username):
            raise ValueError("either token, or username and password together")
        for name in self.labels:
            if not LABEL.fullmatch(name) or name in OURS:
                raise ValueError(f"{name!r} cannot be a label of yours: letters, digits and _, and not one of ours")
        if self.hold_minutes < 3:
            raise ValueError("hold_minutes must be 3 or more")


class Alertmanager:
    """Says an incident's alert with each change and every minute while it is open, and ends it when it is over.

    Saying something twice is what Alertmanager expects, so that attempts in doubt leave nothing behind. The severity is
    a label, for its routes; when it rises the alerts with the lower ones are ended.
    """

    name: ClassVar[str] = "alertmanager"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = AlertmanagerOptions
    renew_seconds: ClassVar[float] = 60.0

    def __init__(self, options: AlertmanagerOptions, *, clock: Callable[[], float] = time.time) -> None:
        self._url = f"{options.url.rstrip('/')}/api/v2/alerts"
        self._labels = options.labels
        self._hold = options.hold_minutes * 60
        self._clock = clock
        login = (options.username, options.password) if options.username and options.password else None
        headers = {"authorization": f"Bearer {options.token}"} if options.token else None
        self._poster = Poster(ca=options.ca, timeout=options.timeout, headers=headers, login=login)

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:  # noqa: ARG002  # a repeat changes nothing there
        """Say the alerts one by one; after the first `retry` nothing more is sent."""
        return one_by_one(alerts, lambda alert: self._post(list(said(alert, self._labels, self._clock() + self._hold))))

    def renew(self, alerts: Sequence[Alert]) -> Result:
        """Say again what stands, so that it neither runs out nor is forgotten by a restart."""
        until = self._clock() + self._hold
        standing = [firing(alert, self._labels, until) for alert in alerts if of_one(alert) and not over(alert)]
        for start in range(0, len(standing), TOGETHER):
            result = self._post(standing[start : start + TOGETHER])
            if result.outcome == "retry":
                return result
        return DONE

    def close(self) -> None:
        """Give back connections."""
        self._poster.close()

    def _post(self, items: list[dict[str, Any]]) -> Result:
        if not items:
            return Result("done", "nothing for Alertmanager")
        body = msgspec.json.encode(items)
        answer = self._poster.send("POST", self._url, content=body, headers={"content-type": "application/json"})
        return answer if isinstance(answer, Result) else taken(answer) or DONE


def said(alert: Alert, labels: dict[str, str], until: float) -> Iterator[dict[str, Any]]:
    """What is said of a change: the incident's alert, held until a moment or ended, and the end of lower severities."""
    if not of_one(alert):
        return
    ended = {**firing(alert, labels, until), "endsAt": rfc3339(max(alert.incident.updated, alert.incident.opened))}
    yield ended if over(alert) else firing(alert, labels, until)
    for severity in SEVERITIES[: rank(alert.incident.severity)]:
        yield {**ended, "labels": {**ended["labels"], "severity": severity}}


def firing(alert: Alert, labels: dict[str, str], until: float) -> dict[str, Any]:
    """An incident's alert as it stands; its labels are the same for all changes of one opening but its severity's."""
    incident = alert.incident
    named = {
        **labels,
        "alertname": f"tocsin_{incident.family}",
        "incident": incident.id,
        "opening": str(incident.opening),
        "severity": incident.severity,
    }
    if incident.tenant:
        named["tenant"] = harmless(incident.tenant, VALUE)
    notes = {
        "summary": title(incident),
        "description": "\n".join(harmless_block(alert.text, 40, 300)),
        "about": harmless(about(incident), 1000),
        "status": incident.status,
        "runbook": incident.runbook,
        "show": f"tocsin incident show {harmless(incident.id, 80)}",
        "untrusted": UNTRUSTED,
    }
    return {
        "labels": named,
        "annotations": {name: text for name, text in notes.items() if text},
        "startsAt": rfc3339(incident.opened),
        "endsAt": rfc3339(until),
    }


def of_one(alert: Alert) -> bool:
    """Whether an alert is about the one incident that it names."""
    return alert.change not in ("bundle", "digest")


def over(alert: Alert) -> bool:
    """Whether the incident has ended."""
    return alert.incident.status in ("resolved", "closed")


SINK: Final = Alertmanager
